//! The Services: made at once, for they cost nothing and their address is stable from the first moment.

use super::draft::{Draft, Flow};
use super::facts::{self, Engine, Subject};
use super::migration;
use super::view::View;
use crate::manifest::{self, Exposure};
use crate::snapshot::Unread;
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
        let found = view.snapshot.get(view.namespace(), &name)?;
        // What leads to the pods of a Deployment goes on doing so until there are others.
        if found.found().is_some() && migration::is_ahead(view)? {
            continue;
        }
        draft.ensure(found, service, view.uid());
    }
    Ok(Flow::Next)
}
