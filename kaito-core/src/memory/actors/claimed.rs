//! Local disks that the pods of a set claim: a pod runs where its disks are, and its first node is where they come to be.

use crate::effect::{Effect, MetadataPatch};
use crate::kinds::Kind;
use crate::object::ObjectKey;
use crate::plan::Plan;
use crate::snapshot::{Lookup, Snapshot, Unread};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, PodSpec};
use kaito_api::vocabulary::annotations;
use kube_core::ResourceExt;

/// The claims of a pod.
pub(super) struct Disks<'a>(Vec<&'a PersistentVolumeClaim>);

impl<'a> Disks<'a> {
    /// Those that its set has made; else the name of the first that is not there. Of a volume that the user names, nothing is known: it is taken to be there and to fit.
    pub(super) fn of(
        pod: &Pod,
        spec: &PodSpec,
        namespace: &str,
        snapshot: &'a Snapshot,
    ) -> Result<Result<Self, String>, Unread> {
        let mut claims = Vec::new();
        for volume in spec.volumes.iter().flatten() {
            let name = format!("{}-{}", volume.name, pod.name_any());
            if volume.persistent_volume_claim.as_ref().is_none_or(|source| source.claim_name != name) {
                continue;
            }
            match snapshot.get::<PersistentVolumeClaim>(namespace, &name)? {
                Lookup::Found(claim) => claims.push(claim),
                Lookup::Absent | Lookup::Malformed(_) => return Ok(Err(name)),
            }
        }
        Ok(Ok(Self(claims)))
    }

    /// Of a pod that claims none.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// Whether they are there on this node, or can come to be.
    pub(super) fn reach(&self, node: &str) -> bool {
        self.0.iter().filter_map(|claim| selected(claim)).all(|selected| selected == node)
    }

    /// From now on they are on this node.
    pub(super) fn lie_on(&self, node: &str, plan: &mut Plan) {
        for claim in self.0.iter().filter(|claim| selected(claim).is_none()) {
            let Some(uid) = claim.uid() else { continue };
            let selected = (annotations::SELECTED_NODE.to_owned(), Some(node.to_owned()));
            let patch = MetadataPatch { annotations: [selected].into(), ..MetadataPatch::default() };
            let key =
                ObjectKey::new(Kind::PersistentVolumeClaim, claim.namespace().unwrap_or_default(), claim.name_any());
            plan.push(Effect::Metadata { key, uid, resource_version: None, patch }, None);
        }
    }
}

fn selected(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.annotations().get(annotations::SELECTED_NODE).map(String::as_str)
}
