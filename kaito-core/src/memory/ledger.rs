//! What the product has asked of the cloud, and on what grounds: what a judge must know beyond what is there.

use super::World;
use crate::effect::Effect;
use crate::kinds::Kind;
use crate::object::{ObjectKey, Seen};
use crate::read::{Freshness, Read};
use crate::snapshot::Answer;
use std::collections::BTreeMap;
use std::time::Duration;

/// Something that costs money, or takes a machine away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// An agent pool is asked for.
    MakesPool,
    /// An agent pool is given back.
    DeletesPool,
    /// A NodeClaim is given up.
    DeletesClaim,
}

/// What one look was told live.
#[derive(Debug, Clone, Default)]
pub(super) struct Grounds {
    /// When the look began.
    pub(super) since: Duration,
    /// Objects as they were then; `None` for one that was not there.
    pub(super) told: BTreeMap<ObjectKey, Option<Seen>>,
}

/// A request that was sent, whatever has come of it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) deed: Deed,
    /// What it is about.
    pub(super) key: ObjectKey,
    /// The uid of what is to be deleted, which the server asks for.
    pub(super) uid: Option<String>,
    /// The labels of a pool that is asked for.
    pub(super) labels: BTreeMap<String, String>,
    /// The planner that sent it.
    pub(super) by: &'static str,
    pub(super) grounds: Grounds,
}

/// Every such request, in order, and the looks that are under way.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    looks: BTreeMap<(usize, ObjectKey), Grounds>,
    pub(super) requests: Vec<Request>,
}

impl World {
    /// A look begins.
    pub(super) fn note_look(&mut self, replica: usize, root: &ObjectKey) {
        let since = self.now;
        if let Some(ledger) = &mut self.ledger {
            ledger.looks.insert((replica, root.clone()), Grounds { since, ..Grounds::default() });
        }
    }

    /// A look is told something.
    pub(super) fn note_answer(&mut self, replica: usize, root: &ObjectKey, read: &Read, answer: &Answer) {
        let (Some(ledger), Read::Object { key, freshness: Freshness::Live }, Answer::Object(seen)) =
            (&mut self.ledger, read, answer)
        else {
            return;
        };
        if matches!(key.kind, Kind::Workspace | Kind::NodeClaim | Kind::AgentPool)
            && let Some(grounds) = ledger.looks.get_mut(&(replica, root.clone()))
        {
            grounds.told.insert(key.clone(), seen.clone());
        }
    }

    /// A look sends a request.
    pub(super) fn note_request(&mut self, replica: usize, root: &ObjectKey, effect: &Effect) {
        let by = self.replicas[replica].planner.name();
        let Some(ledger) = &mut self.ledger else { return };
        let deed = match effect {
            Effect::Ensure { key, .. } if key.kind == Kind::AgentPool => Deed::MakesPool,
            Effect::Delete { target } if target.key().kind == Kind::AgentPool => Deed::DeletesPool,
            Effect::Delete { target } if target.key().kind == Kind::NodeClaim => Deed::DeletesClaim,
            _ => return,
        };
        let labels = match effect {
            Effect::Ensure { key, body, .. } => Seen::decode(key.kind, body.clone()).labels().into_owned(),
            _ => BTreeMap::new(),
        };
        let uid = match effect {
            Effect::Delete { target } => Some(target.uid().to_owned()),
            _ => None,
        };
        let grounds = ledger.looks.get(&(replica, root.clone())).cloned().unwrap_or_default();
        ledger.requests.push(Request { deed, key: effect.key().clone(), uid, labels, by, grounds });
    }
}
