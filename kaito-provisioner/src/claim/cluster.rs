//! Which cluster this is: a pool bears its uid, so that one that is left without a claim and without a Node is known to be nobody else's.

use crate::pool::PoolSeen;
use k8s_openapi::api::core::v1::Namespace;
use kaito_api::vocabulary::{labels, names};
use kaito_core::snapshot::{Snapshot, Unread};

/// The label that a pool of this cluster bears; none where the cluster does not say who it is.
pub(super) fn stamp(snapshot: &Snapshot) -> Result<Option<(String, String)>, Unread> {
    Ok(uid(snapshot)?.map(|uid| (labels::CLUSTER_UID.to_owned(), uid.to_owned())))
}

/// Whether a pool says that it is of this cluster, or of another; `None` where it was made before pools said so, or the cluster does not say who it is.
pub(super) fn says(pool: &PoolSeen, snapshot: &Snapshot) -> Result<Option<bool>, Unread> {
    let Some(said) = pool.labels.get(labels::CLUSTER_UID) else { return Ok(None) };
    Ok(uid(snapshot)?.map(|uid| uid == said))
}

fn uid(snapshot: &Snapshot) -> Result<Option<&str>, Unread> {
    let found = snapshot.get::<Namespace>("", names::SYSTEM_NAMESPACE)?.found();
    Ok(found.and_then(|namespace| namespace.metadata.uid.as_deref()))
}
