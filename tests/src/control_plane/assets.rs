//! The folder of programs and files that `cargo xtask control-plane` makes.

use std::path::{Path, PathBuf};

use super::Error;

/// The environment variable that names the folder.
pub(super) const VARIABLE: &str = "KAITO_CONTROL_PLANE";

/// The folder of programs and files that `cargo xtask control-plane` makes.
#[derive(Clone, Debug)]
pub struct Assets {
    folder: PathBuf,
}

impl Assets {
    /// The folder that `cargo xtask test` hands over in `KAITO_CONTROL_PLANE`.
    ///
    /// # Errors
    /// [`Error::NoAssets`] when it is not set.
    pub fn from_environment() -> Result<Assets, Error> {
        let folder = crate::environment::set(VARIABLE).ok_or(Error::NoAssets)?;
        Ok(Assets { folder: folder.into() })
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Karpenter's CRD of NodeClaims.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn node_claim_crd(&self) -> Result<PathBuf, Error> {
        self.file("karpenter.sh_nodeclaims.yaml")
    }

    /// Karpenter's CRD of NodePools.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn node_pool_crd(&self) -> Result<PathBuf, Error> {
        self.file("karpenter.sh_nodepools.yaml")
    }

    /// The CRD of the classes of Karpenter's simulated cloud.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn kwok_node_class_crd(&self) -> Result<PathBuf, Error> {
        self.file("karpenter.kwok.sh_kwoknodeclasses.yaml")
    }

    /// A file or program of the folder, by its name.
    ///
    /// # Errors
    /// When it is not there.
    pub fn file(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.folder.join(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(Error::MissingAsset { folder: self.folder.display().to_string(), name: name.to_owned() })
    }
}
