//! The Services: made at once, for they cost nothing and their address is stable from the first moment.

use super::draft::{Draft, Flow};
use super::facts::{self, Engine, Subject};
use super::migration;
use super::view::View;
use crate::effect;
use crate::manifest::{self, Exposure};
use crate::snapshot::{Lookup, Unread};
use k8s_openapi::api::core::v1::Service;
use kaito_api::vocabulary::annotations;

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let kv_events = match &draft.subject {
        Some(Subject::Model(facts)) => match facts.engine() {
            Some(engine) => engine == Engine::Vllm && facts.profile.supports.kv_events,
            // A training answers nobody.
            None => return Ok(Flow::Next),
        },
        // As upstream: the annotation decides, whatever the template serves with.
        Some(Subject::Own(_)) => {
            view.workspace.is_ok_and(|workspace| facts::engine(workspace, view.settings) == Engine::Vllm)
        }
        Some(Subject::Unseen(_)) | None => return Ok(Flow::Next),
    };
    let exposure = Exposure {
        name: view.name(),
        namespace: view.namespace(),
        owner: view.owner(),
        load_balancer: view.annotation(annotations::ENABLE_LOAD_BALANCER) == Some(annotations::ENABLE_LOAD_BALANCER_ON),
        kv_events,
    };
    for service in [manifest::service(&exposure), manifest::headless_service(&exposure)] {
        let name = service.metadata.name.clone().unwrap_or_default();
        let found: Lookup<'_, Service> = view.snapshot.get(view.namespace(), &name)?;
        // What leads to the pods of a Deployment goes on doing so until there are others. Where it is somebody else's, there never will be, and that is told before the Deployment goes.
        let is_ours = found.found().is_some_and(|found| effect::is_controlled_by(&found.metadata, view.uid()));
        if is_ours && migration::is_ahead(view)? {
            continue;
        }
        draft.ensure(found, service, view.uid());
    }
    Ok(Flow::Next)
}
