//! Nodes that somebody brought along.

use super::super::draft::Draft;
use super::super::facts::LookedMachine;
use super::super::view::View;
use super::{Came, Held, Provisioner};
use crate::object::ObjectKey;
use crate::read::{Freshness, Read};
use crate::snapshot::Unread;
use kaito_api::Workspace;

pub(super) struct Byo;

impl Provisioner for Byo {
    fn first_reads(&self, _key: &ObjectKey) -> Vec<Read> {
        Vec::new()
    }

    fn node_labels(&self, _key: &ObjectKey) -> Vec<(String, String)> {
        Vec::new()
    }

    fn look(&self, _view: &View<'_>, _workspace: &Workspace) -> Result<LookedMachine, Unread> {
        Ok(LookedMachine::NotYet)
    }

    fn asks(&self) -> bool {
        false
    }

    fn step<'a>(&self, _view: &View<'a>, _draft: &mut Draft) -> Result<Option<Came<'a>>, Unread> {
        Ok(None)
    }

    fn holds(&self, _view: &View<'_>) -> Result<Held, Unread> {
        Ok(Held::default())
    }

    /// Nodes are their owner's.
    fn give_back(&self, _view: &View<'_>, _draft: &mut Draft, _freshness: Freshness) -> Result<Held, Unread> {
        Ok(Held::default())
    }
}
