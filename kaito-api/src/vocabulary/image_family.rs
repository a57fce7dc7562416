//! The operating systems that nodes can have.

use super::annotations::{IMAGE_FAMILY_AZURE_LINUX, IMAGE_FAMILY_UBUNTU};

/// The image family of a node; the value of the annotation `kaito.sh/node-image-family`, on Workspaces and on NodeClaims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFamily {
    /// Ubuntu, where nothing else is asked for.
    #[default]
    Ubuntu,
    /// Azure Linux.
    AzureLinux,
}

impl ImageFamily {
    /// As in the annotation: `ubuntu`, `azurelinux`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ubuntu => IMAGE_FAMILY_UBUNTU,
            Self::AzureLinux => IMAGE_FAMILY_AZURE_LINUX,
        }
    }

    /// Reads a value, blanks and case aside; `None` for a family that does not exist.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ubuntu, Self::AzureLinux].into_iter().find(|family| family.as_str().eq_ignore_ascii_case(text.trim()))
    }
}
