//! What a NodeClaim needs next: the decisions of the provisioner.
//!
//! [`ClaimPlanner`] runs `STEPS` from top to bottom, as the planner of Workspaces does. An agent pool is an object of the snapshot like any other; who stands behind it (Azure, or a simulated
//! cloud) is the backend's to know. One planner does what the reference spreads over five controllers (spec/05 §3): a claim, its pool and its Node are looked at together, so that nothing is decided
//! from a third of the facts.
//!
//! Not here: expiry (`spec.expireAfter`), drift, detachment of volumes, which the cloud does with the machine.

mod cluster; // which cluster this is
pub mod conditions; // Karpenter's conditions, and how one follows from the others
mod draft; // what the steps have found and want
mod drain; // a Node is emptied
mod dying; // a Node that somebody deletes
mod former; // Nodes that earlier claims of the name have left
mod gone; // what is left of a claim that is gone
mod health; // a Node that is not ready for long
mod hold; // our finalizer
mod initialise; // the Node is ready and has what was asked for
mod keep; // why a machine is kept whose Node is not well
mod kinds; // what is needed of each kind
mod launch; // ask for the machine, see what comes
mod lost; // a machine whose pool is gone
mod managed; // which claims and Nodes are ours
mod mishaps; // what the cloud refused just now
mod permit; // whether a machine may be paid for
mod record; // what a claim carries of its launch
mod register; // the Node becomes the claim's
mod returning; // a Node that was deleted while its pool was started, and may come back
mod status; // the plan of a draft
mod take; // what a claim takes over from its machine
mod terminate; // everything is given back
mod unanswered; // what the API server does not tell
mod unmarked; // a pool that has lost its labels
mod unreadable; // a claim that cannot be read
mod view; // the claim and what belongs to it, as read
mod waits; // what is waited for, by when

pub use kinds::CLAIM_KINDS;
pub use waits::{WAITS, Wait, states};

use crate::pool::PoolSeen;
use draft::{Draft, Flow};
use kaito_api::NodeClaim;
use kaito_api::cloud::AgentPool;
use kaito_api::vocabulary::labels;
use kaito_core::backend::BackendError;
use kaito_core::driver::Planner;
use kaito_core::kinds::{KindUse, Typed};
use kaito_core::read::Freshness;
use kaito_core::snapshot::{Snapshot, Unread};
use kaito_core::{Kind, ObjectKey, Plan, Read, Seen, Settings};
use view::View;

type Step = fn(&View<'_>, &mut Draft) -> Result<Flow, Unread>;

/// The steps, in the order in which they run. A claim that is gone, or not ours, has only what is left of it ([`gone`]).
const STEPS: &[Step] = &[
    terminate::step,
    hold::step,
    former::step,
    launch::step,
    dying::step,
    lost::step,
    returning::step,
    register::step,
    initialise::step,
];
/// The last one, which can be switched off (`Settings::node_repair`).
const REPAIR: Step = health::step;

/// Plans NodeClaims.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClaimPlanner;

impl Planner for ClaimPlanner {
    fn name(&self) -> &'static str {
        "nodeclaim"
    }

    fn roots(&self) -> Kind {
        Kind::NodeClaim
    }

    fn kinds(&self, _settings: &Settings) -> &'static [KindUse] {
        CLAIM_KINDS
    }

    fn plan(&self, root: &ObjectKey, snapshot: &Snapshot, settings: &Settings) -> Result<Plan, Unread> {
        snapshot.need(view::first_reads(root))?;
        let seen = snapshot.seen(root.clone(), Freshness::Cached)?;
        if let Some(seen @ Seen::Malformed(malformed)) = seen {
            let part = unreadable::Part::of(malformed);
            if !managed::is_managed_part(&part.claim) {
                return gone::plan(root, snapshot);
            }
            return unreadable::plan(&View::new(root, &part.claim, seen, snapshot)?, &part);
        }
        let claim = match seen {
            Some(Seen::Decoded(object)) => NodeClaim::of(object).filter(|claim| managed::is_managed(claim)),
            Some(Seen::Malformed(_)) | None => None,
        };
        let (Some(claim), Some(seen)) = (claim, seen) else { return gone::plan(root, snapshot) };
        let view = View::new(root, claim, seen, snapshot)?;
        let mut draft = Draft::new(&view);
        for step in STEPS.iter().chain(settings.node_repair.then_some(&REPAIR)) {
            if step(&view, &mut draft)? == Flow::Stop {
                break;
            }
        }
        Ok(status::finish(&view, draft))
    }

    fn unanswered(
        &self,
        root: &ObjectKey,
        snapshot: &Snapshot,
        _settings: &Settings,
        (read, error): (&Read, &BackendError),
    ) -> Option<Plan> {
        let seen = snapshot.seen(root.clone(), Freshness::Cached).ok()??;
        let Seen::Decoded(object) = seen else { return None };
        let claim = NodeClaim::of(object).filter(|claim| managed::is_managed(claim))?;
        Some(unanswered::plan(&View::alone(root, claim, seen, snapshot), read, error))
    }

    fn root_of(&self, object: &Seen) -> Option<ObjectKey> {
        let name = match object.kind() {
            Kind::AgentPool => {
                let Seen::Decoded(decoded) = object else { return None };
                let pool = AgentPool::of(decoded).and_then(PoolSeen::of_object)?;
                pool.is_ours().then(|| pool.name.to_string())?
            }
            Kind::Node => claim_of_node(object)?,
            _ => return None,
        };
        Some(ObjectKey::cluster(Kind::NodeClaim, name))
    }
}

/// The claim that a Node belongs to: its owner, else that of its pool, where the Node is ours.
fn claim_of_node(node: &Seen) -> Option<String> {
    let metadata = node.metadata();
    let is_ours = || managed::is_managed_node(metadata);
    let of_pool = || managed::label(metadata, labels::AGENT_POOL[0]).filter(|_| is_ours()).map(str::to_owned);
    managed::owner(metadata).map(|owner| owner.name.clone()).or_else(of_pool)
}
