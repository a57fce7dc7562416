//! Nodes that somebody brought along, found by their labels: nothing is asked for, nothing is given back, and a Node is never deleted.
//!
//! A model is laid out for what the Nodes say of themselves. Several Workspaces may choose the same Nodes; which pod finds room there is the scheduler's.

use super::super::draft::Draft;
use super::super::facts::LookedMachine;
use super::super::view::View;
use super::survey::{Survey, wanted_labels};
use super::{Came, Held, Provisioner, Short, tolerated};
use crate::object::ObjectKey;
use crate::read::{Freshness, Read, Selector};
use crate::snapshot::{Listing, Unread};
use k8s_openapi::api::core::v1::Node;
use kaito_api::Workspace;

pub(super) struct Byo;

impl Provisioner for Byo {
    /// Which Nodes is in the Workspace itself.
    fn first_reads(&self, _key: &ObjectKey) -> Vec<Read> {
        Vec::new()
    }

    /// Labels that expressions state; the others are the user's anyway.
    fn node_labels(&self, view: &View<'_>) -> Vec<(String, String)> {
        let Ok(workspace) = view.workspace else { return Vec::new() };
        let written = workspace.match_labels();
        wanted_labels(workspace).into_iter().filter(|(key, value)| written.get(key) != Some(value)).collect()
    }

    fn look(&self, view: &View<'_>, workspace: &Workspace) -> Result<LookedMachine, Unread> {
        let tolerated = tolerated(workspace, view.settings);
        Ok(Survey::of(workspace, nodes(view, workspace)?.items, &view.nodes_in_use()?, &tolerated).machine())
    }

    fn asks(&self) -> bool {
        false
    }

    fn step<'a>(&self, view: &View<'a>, draft: &mut Draft) -> Result<Option<Came<'a>>, Unread> {
        let Ok(workspace) = view.workspace else { return Ok(None) };
        let listing = nodes(view, workspace)?;
        super::tell_unreadable(draft, &listing);
        let in_use = view.nodes_in_use()?;
        let survey = Survey::of(workspace, listing.items, &in_use, &tolerated(workspace, view.settings));
        let settled = draft.target.or(view.recorded_target());
        // What cannot be done with the Nodes that are there is told by whoever found out; what they lack, here.
        let lacking = || (survey.usable() == 0).then(|| u32::try_from(workspace.count().max(1)).unwrap_or(1));
        let Some(target) = settled.or_else(lacking) else { return Ok(None) };
        survey.remark().into_iter().for_each(|words| draft.remark("nodes", words));
        survey.shared().into_iter().for_each(|words| draft.remark("warning", words));
        let in_vain = survey.preferred_in_vain(workspace);
        if !in_vain.is_empty() {
            let are = if in_vain.len() == 1 { "is" } else { "are" };
            let names = in_vain.join(", ");
            draft.remark(
                "not used",
                format!("resource.preferredNodes: {names} {are} none of the nodes that can be used"),
            );
        }
        let used =
            if draft.may_buy() { survey.fit.iter().take(target as usize).copied().collect() } else { Vec::new() };
        let mut workers = survey.fit.clone();
        workers.sort_by_key(|node| node.metadata.name.clone());
        // Of what is refused, only pods that run wait for their nodes.
        let is_asked = !in_use.is_empty();
        let short = Short { row: survey.awaited(), words: Some(survey.shortage()) };
        Ok(Some(Came { workers, used, target, awaited: Vec::new(), is_asked, short }))
    }

    fn holds(&self, _view: &View<'_>) -> Result<Held, Unread> {
        Ok(Held { unit: "machine of ours", ..Held::default() })
    }

    /// Nodes are their owner's.
    fn give_back(&self, view: &View<'_>, _draft: &mut Draft, _freshness: Freshness) -> Result<Held, Unread> {
        self.holds(view)
    }
}

/// The Nodes with the labels; none where no label is asked for.
fn nodes<'a>(view: &View<'a>, workspace: &Workspace) -> Result<Listing<'a, Node>, Unread> {
    view.snapshot.list(None, Selector::of(wanted_labels(workspace)), Freshness::Cached)
}
