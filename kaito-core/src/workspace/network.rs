//! The Services: made at once, for they cost nothing and their address is stable from the first moment.

use super::draft::{Draft, Flow};
use super::facts::Engine;
use super::view::View;
use crate::manifest::{self, Exposure};
use crate::snapshot::Unread;
use kaito_api::vocabulary::annotations;

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    // A training answers nobody.
    let Some(facts) = draft.facts.filter(|facts| facts.engine().is_some()) else { return Ok(Flow::Next) };
    let exposure = Exposure {
        name: view.name(),
        namespace: view.namespace(),
        owner: view.owner(),
        load_balancer: view.annotation(annotations::ENABLE_LOAD_BALANCER) == Some(annotations::ENABLE_LOAD_BALANCER_ON),
        kv_events: facts.engine() == Some(Engine::Vllm) && facts.profile.supports.kv_events,
    };
    for service in [manifest::service(&exposure), manifest::headless_service(&exposure)] {
        let name = service.metadata.name.clone().unwrap_or_default();
        let found = view.snapshot.get(view.namespace(), &name)?;
        draft.ensure(found, service, view.uid());
    }
    Ok(Flow::Next)
}
