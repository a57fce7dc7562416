//! Pods of ours that find no node, and what follows for Nodes that were taken and carry none of them.
//!
//! Whether somebody else's pods hold the GPUs of a Node, and whatever else a scheduler knows, is not seen here. But a pod that waits goes to any Node that takes it, within seconds: one that has carried our labels for long, is ready, and
//! still has no pod of ours does not take them.

use super::super::super::pods;
use super::super::super::view::View;
use super::super::joined;
use crate::effect::{self, is_dying};
use crate::read::Freshness;
use crate::snapshot::Unread;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, Pod};
use kaito_api::vocabulary::annotations;
use kube_core::ResourceExt;
use std::collections::BTreeSet;

/// A Node that was taken and is not ready, or takes no pods and has none, counts for so long: a kubelet may be silent for a moment, a drain is often followed by the pods' return, and a machine that is bought is
/// kept. And so long a pod may find no node before Nodes are no longer taken for it.
pub(super) const GRACE: SignedDuration = SignedDuration::from_mins(10);

/// A Node that was taken is let go when a pod has found no node for so long. It is longer than [`GRACE`], after which no Node is taken any more: the last one that was taken shall have been tried.
const LET_GO: SignedDuration = SignedDuration::from_mins(15);

/// The pods of the Workspace, as far as they say something of Nodes.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// The Nodes on which some are. One that is over is on its Node as long as none waits: it stands for the next attempt.
    in_use: BTreeSet<String>,
    /// How many pods of our workloads are there that are not over.
    to_run: usize,
    /// Since when each of those that wait has found no node.
    since: Vec<Timestamp>,
}

impl Pods {
    /// Looks at them. They are asked of the API server only where one waits: it is these that cost a machine.
    pub(super) fn look(view: &View<'_>, freshness: Freshness) -> Result<Self, Unread> {
        let cached = Self::of(view, Freshness::Cached)?;
        if freshness == Freshness::Cached || cached.since.is_empty() { Ok(cached) } else { Self::of(view, freshness) }
    }

    fn of(view: &View<'_>, freshness: Freshness) -> Result<Self, Unread> {
        let set = view.stateful_set()?.found().map(|set| &set.metadata);
        let job = if view.tuning().is_some() { view.job()?.found().map(|job| &job.metadata) } else { None };
        let ours = set.into_iter().chain(job).filter(|found| effect::is_controlled_by(found, view.uid()));
        let workloads: Vec<&str> = ours.filter_map(|found| found.uid.as_deref()).collect();
        let is_ours = |pod: &&&Pod| workloads.iter().any(|uid| effect::is_controlled_by(&pod.metadata, uid));
        let mut alive = view.pods_as(freshness)?.items;
        alive.retain(|pod| !is_dying(&pod.metadata));
        let since = alive.iter().filter(is_ours).filter_map(|pod| pods::unschedulable_since(pod));
        let since: Vec<Timestamp> = since.collect();
        let is_on_node = |pod: &&&Pod| since.is_empty() || !pods::is_over(pod);
        let nodes = alive.iter().filter(is_on_node).filter_map(|pod| pod.spec.as_ref()?.node_name.clone());
        let in_use = nodes.collect();
        Ok(Self { to_run: alive.iter().filter(is_ours).filter(|pod| !pods::is_over(pod)).count(), in_use, since })
    }

    /// How many there are that need a machine: those that are over do not, nor do those of somebody else that bear our label.
    pub(super) fn to_run(&self) -> usize {
        self.to_run
    }

    /// Whether a pod of the Workspace is on it.
    pub(super) fn are_on(&self, node: &str) -> bool {
        self.in_use.contains(node)
    }

    /// From when on no Node is taken any more, as long as the one that waits longest does.
    pub(super) fn refused_at(&self) -> Option<Timestamp> {
        self.since.iter().min()?.checked_add(GRACE).ok()
    }

    /// Whether a Node that was taken could have one of them, and has none.
    pub(super) fn pass_over(&self, node: &Node) -> bool {
        joined::is_ready(node) && !self.are_on(&node.name_any())
    }

    /// When a Node that was taken is passed over, as things stand: it could have one, and one has waited for long since it was taken and ready.
    pub(super) fn passed_over_at(&self, node: &Node) -> Option<Timestamp> {
        let first = *self.since.iter().min().filter(|_| self.pass_over(node))?;
        let taken = node.annotations().get(annotations::NODE_TAKEN_AT).and_then(|at| at.parse().ok());
        [joined::ready_since(node), taken].into_iter().flatten().fold(first, Timestamp::max).checked_add(LET_GO).ok()
    }

    /// How many have waited for so long.
    pub(super) fn overdue(&self, now: Timestamp) -> usize {
        self.since.iter().filter(|since| since.checked_add(LET_GO).is_ok_and(|at| at <= now)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_is_passed_over_when_it_could_have_had_a_pod_for_long() {
        let at = |minutes: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        let node = |name: &str, ready: Option<Timestamp>| -> Node {
            let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": ready});
            serde_json::from_value(json!({"metadata": {"name": name}, "status": {"conditions": [ready]}})).unwrap()
        };
        let pods = Pods { in_use: ["carries".to_owned()].into(), to_run: 3, since: vec![at(67), at(60)] };
        assert_eq!(pods.passed_over_at(&node("empty", Some(at(2)))), Some(at(75)));
        assert_eq!(pods.passed_over_at(&node("empty", None)), Some(at(75)));
        assert_eq!(pods.passed_over_at(&node("back", Some(at(74)))), Some(at(89)), "it has just come back");
        let mut silent = node("silent", Some(at(2)));
        silent.status = None;
        assert_eq!(pods.passed_over_at(&silent), None, "it has its own time");
        assert_eq!(pods.passed_over_at(&node("carries", Some(at(2)))), None);
        assert_eq!(Pods::default().passed_over_at(&node("empty", None)), None, "nobody waits");
        assert_eq!([69, 75, 82].map(|minute| pods.overdue(at(minute))), [0, 1, 2]);
        assert_eq!(pods.refused_at(), Some(at(70)));
    }
}
