//! What differs by cloud, as one table.

use kaito_api::vocabulary::labels;
pub use kaito_presets::Cloud;

/// One cloud.
#[derive(Debug)]
pub struct CloudRow {
    /// The node class that a NodeClaim refers to: group, kind, name.
    pub node_class: (&'static str, &'static str, &'static str),
    /// A requirement that repeats the machine size under the provider's own key, or another one that the provider needs: key, operator, values.
    pub requirement: Option<Requirement>,
    /// Whether spot machines carry the taint `kubernetes.azure.com/scalesetpriority=spot`.
    pub azure_spot_taint: bool,
}

/// A provider's own requirement on a NodeClaim.
#[derive(Debug, Clone, Copy)]
pub enum Requirement {
    /// `key In [the machine size]`.
    SizeUnder(&'static str),
    /// `key Gt ["0"]`.
    MoreThanNone(&'static str),
}

/// The row of a cloud.
pub fn row(cloud: Cloud) -> &'static CloudRow {
    match cloud {
        Cloud::Azure => &CloudRow {
            node_class: ("kaito.sh", "KaitoNodeClass", "default"),
            requirement: Some(Requirement::SizeUnder(labels::AZURE_SKU_NAME)),
            azure_spot_taint: true,
        },
        Cloud::Aws => &CloudRow {
            node_class: ("karpenter.k8s.aws", "EC2NodeClass", "default"),
            requirement: Some(Requirement::MoreThanNone("karpenter.k8s.aws/instance-gpu-count")),
            azure_spot_taint: false,
        },
        // The reference writes an empty reference there, which the CRD refuses; machines of Arc are brought, not made.
        Cloud::Arc => &CloudRow {
            node_class: ("kaito.sh", "KaitoNodeClass", "default"),
            requirement: None,
            azure_spot_taint: false,
        },
    }
}
