//! From a Deployment, which upstream made up to 0.7, to the set of pods.
//!
//! The Deployment's pods hold the GPUs, so two of a kind cannot stand side by side: the Deployment goes with its pods, then the set comes. That costs the minutes in which a model is loaded, and so it
//! is begun only when the set could be made at once: a Workspace that cannot be fulfilled keeps what serves, and its Services as they are.
//!
//! Deployments are not watched. Their pods carry the label of the Workspace, and are; only where there is such a pod is the Deployment asked for, by its name.

use super::draft::Draft;
use super::view::View;
use crate::effect::{self, Effect, Owned, is_dying};
use crate::failure::{self, Waiting};
use crate::kinds::Typed;
use crate::object::Seen;
use crate::plan::Notice;
use crate::snapshot::Unread;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kaito_api::vocabulary::events;

/// Whether pods of a Deployment stand where the pods of the set belong.
pub(super) fn is_ahead(view: &View<'_>) -> Result<bool, Unread> {
    Ok(view.stateful_set()?.found().is_none() && !former_pods(view)?.is_empty())
}

/// Takes the Deployment away. `true` when nothing of it is left, and the set can come.
pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<bool, Unread> {
    let pods = former_pods(view)?;
    if pods.is_empty() {
        return Ok(true);
    }
    let found = view.snapshot.get_surely::<Deployment>(view.namespace(), view.name())?.found();
    let ours = found.filter(|found| effect::is_controlled_by(&found.metadata, view.uid()));
    match ours {
        Some(former) if !is_dying(&former.metadata) => {
            let seen = Seen::Decoded(former.clone().into_object());
            let Some(target) = Owned::by_reference(&seen, view.uid()) else { return Ok(true) };
            let gone = draft.push_after(Effect::Delete { target }, draft.stamp);
            draft.notices.push(Notice {
                warning: true,
                reason: events::WORKLOAD_MIGRATION,
                note: format!(
                    "Deployment {} gives way to a StatefulSet: the model is not served until the pods of that have loaded it",
                    view.name()
                ),
                after: Some(gone),
            });
        }
        // Pods that stay although nobody of ours holds them are none of ours.
        None if !pods.iter().all(|pod| is_dying(&pod.metadata)) => return Ok(true),
        Some(_) | None => {}
    }
    let gone = pods.iter().map(|pod| &pod.metadata).chain(ours.map(|former| &former.metadata));
    let since = gone.filter_map(|metadata| metadata.deletion_timestamp.as_ref()).map(|time| time.0).min();
    let what = format!("the pods of Deployment {} are going away", view.name());
    draft.waits.push(Waiting::new(&failure::WORKLOAD_PENDING, what, since.unwrap_or(view.now())));
    Ok(false)
}

/// The pods of a Deployment of this name: their ReplicaSet is named after it.
fn former_pods<'a>(view: &View<'a>) -> Result<Vec<&'a Pod>, Unread> {
    let prefix = format!("{}-", view.name());
    let is_former = |pod: &&Pod| {
        let owners = pod.metadata.owner_references.iter().flatten();
        let mut owners = owners.filter(|owner| owner.controller == Some(true) && owner.kind == "ReplicaSet");
        owners.any(|owner| owner.name.starts_with(&prefix))
    };
    Ok(view.pods()?.items.into_iter().filter(is_former).collect())
}
