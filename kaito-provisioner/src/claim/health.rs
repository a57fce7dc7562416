//! A Node that is not ready for long is replaced with its machine (spec/05 §3.8), unless many are: then the fault is the network's, and a repair would take every model away (S5-B26).
//!
//! The pool is looked at first: one that is started, stopped or changed has no Node that could be ready, and its machine is not at fault (kaito#2075). That is written down in the condition
//! [`HEALTHY`], whose transition says since when the Node has had its time again.

use super::conditions::{HEALTHY, Saying};
use super::draft::{Draft, Flow};
use super::managed::{is_held, is_managed_node};
use super::view::{Held, View, in_motion, ready};
use super::waits::{self, Wait, Waiting};
use super::{keep, lost, returning};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use kaito_api::vocabulary::{annotations, labels};
use kaito_core::effect::is_dying;
use kaito_core::read::{Freshness, Selector};
use kaito_core::snapshot::{Lookup, Unread};
use kaito_core::units::rfc3339;
use kaito_core::{Kind, ObjectKey};

/// How long a Node may be not ready.
const TOLERATED: SignedDuration = SignedDuration::from_mins(10);
/// Of so many per cent of the Nodes, and of one in any case, the machines are replaced.
const MOST_PERCENT: usize = 20;
/// Between two looks at a Node that is not ready, and kept.
const KEPT: SignedDuration = SignedDuration::from_mins(5);

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let nodes = view.nodes_with(&draft.status.provider_id);
    let [node] = nodes.as_slice() else { return Ok(Flow::Next) };
    if returning::still_holds(view)? {
        return Ok(Flow::Next);
    }
    let now = view.now();
    let Some(due) = due(node) else {
        let is_said = draft.said.contains_key(HEALTHY);
        // One that is not held yet may go without a trace.
        if ready(node).0 == "True" && is_held(&node.metadata) && view.claim.condition(HEALTHY).is_some() && !is_said {
            draft.say(HEALTHY, Saying::yes(HEALTHY));
        }
        return Ok(Flow::Next);
    };
    if now < due {
        draft.look_again(due.duration_since(now).min(TOLERATED));
        return Ok(Flow::Next);
    }
    let name = node.metadata.name.as_deref().unwrap_or_default();
    let since = due.saturating_sub(TOLERATED).unwrap_or(due);
    if is_kept_for_its_pool(view, draft, name, since)? || is_kept_among_many(view, draft, name, since)? {
        return Ok(Flow::Next);
    }
    replace(view, draft, name)
}

/// Whether the machine is kept for what its pool says or does. Nobody loses one for what a cache says of either.
fn is_kept_for_its_pool(view: &View<'_>, draft: &mut Draft, name: &str, since: Timestamp) -> Result<bool, Unread> {
    let held = view.pool(Freshness::Live)?;
    if let Held::Own(pool, _) = &held
        && let Some(word) = in_motion(&pool.state)
    {
        let words = format!("node {name} is not ready, and agent pool {} is {word}", view.name());
        tell(view, draft, &waits::POOL_BUSY, words, since);
        return Ok(true);
    }
    if let Some((row, words)) = keep::reason(view, &held)? {
        // A silence in between costs nobody the time that is told already.
        let said = view.claim.condition(HEALTHY).map_or("", |said| said.reason.as_str());
        let is_told = [&waits::NODE_COMING, &waits::REPAIR_BLOCKED].iter().any(|row| said == row.name);
        draft.look_again(KEPT);
        if !is_told || *row == waits::POOL_UNMARKED {
            keep::tell(view, draft, row, format!("node {name} is not ready, and {words}"), KEPT)?;
        }
        return Ok(true);
    }
    // Of the two machines of an upgrade one goes when the pool is done, and not in that very moment.
    let is_well = |node: &Node| ready(node).0 == "True" && node.metadata.name.as_deref() != Some(name);
    if view.has_live_node(is_well)? {
        let words = format!("node {name} is not ready, and another of agent pool {} is", view.name());
        tell(view, draft, &waits::POOL_BUSY, words, since);
        return Ok(true);
    }
    let Some(coming) = coming(view) else { return Ok(false) };
    tell(view, draft, &waits::NODE_COMING, format!("node {name} is not ready"), coming);
    Ok(view.now() < coming.saturating_add(TOLERATED).unwrap_or(coming))
}

/// Whether the machine is kept because so many Nodes are not ready that it is no fault of one machine.
fn is_kept_among_many(view: &View<'_>, draft: &mut Draft, name: &str, since: Timestamp) -> Result<bool, Unread> {
    let (sick, all) = how_many(view)?;
    if sick <= most(all) {
        return Ok(false);
    }
    // How many they are changes all the time, and stands in the log: the condition is told once.
    draft.remark("health", format!("{sick} of {all} nodes are not ready, which is more than {}", most(all)));
    let words = format!(
        "node {name} is not ready since {}, and is kept: so are many nodes, which is no fault of one machine",
        rfc3339(since)
    );
    if view.claim.condition(HEALTHY).is_none_or(|said| said.reason != waits::REPAIR_BLOCKED.name) {
        draft.warn(waits::REPAIR_BLOCKED.name, words.clone());
    }
    tell(view, draft, &waits::REPAIR_BLOCKED, words, since);
    Ok(true)
}

/// The claim goes, and its machine with it, where the API server itself still has the Node not ready for so long.
fn replace(view: &View<'_>, draft: &mut Draft, name: &str) -> Result<Flow, Unread> {
    let now = view.now();
    let key = ObjectKey::cluster(Kind::Node, name);
    let Lookup::Found(live) = view.snapshot.object::<Node>(key, Freshness::Live)? else { return Ok(Flow::Next) };
    if due(live).is_none_or(|due| now < due) {
        draft.look_again(TOLERATED);
        return Ok(Flow::Next);
    }
    // What is not ready cannot be emptied: its machine goes at once.
    let is_past = |text: &str| text.parse::<Timestamp>().is_ok_and(|time| time <= now);
    if !view.annotation(annotations::TERMINATION_TIMESTAMP).is_some_and(is_past) {
        draft.annotate(view, annotations::TERMINATION_TIMESTAMP, Some(rfc3339(now)));
    }
    lost::delete(view, draft, format!("node {name} is not ready for {} minutes", TOLERATED.as_mins()));
    Ok(Flow::Stop)
}

/// Says why the machine of a Node that is not ready is kept, the name of the wait being the reason. `False` once it is the Node's own fault, so that the condition's transition says since when.
fn tell(view: &View<'_>, draft: &mut Draft, row: &'static Wait, words: String, since: Timestamp) {
    let wait = Waiting::new(row, words, since);
    let status = if *row == waits::NODE_COMING { "False" } else { "Unknown" };
    draft.look_again(KEPT);
    keep::say(view, draft, status, wait);
}

/// Since when a Node, whose pool was not done before, has time to become ready.
fn coming(view: &View<'_>) -> Option<Timestamp> {
    let said = view.claim.condition(HEALTHY)?;
    // In a silence, or under other labels, it may have been stopped and started.
    let before = [&waits::POOL_BUSY, &waits::POOL_UNKNOWN, &waits::POOL_UNMARKED, &waits::READ_REFUSED];
    if before.iter().any(|row| said.reason == row.name) {
        return Some(view.now());
    }
    let is_coming = said.reason == waits::NODE_COMING.name;
    said.last_transition_time.as_ref().filter(|_| is_coming).map(|time| time.0)
}

/// When a Node that is not ready has been so for too long. One that says nothing of itself is waited for elsewhere.
fn due(node: &Node) -> Option<Timestamp> {
    let (status, since) = ready(node);
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref())?;
    let is_told = conditions.iter().any(|condition| condition.type_ == "Ready");
    (is_told && status != "True").then_some(since?)?.saturating_add(TOLERATED).ok()
}

/// How many of the Nodes of all claims are not ready, and how many there are.
fn how_many(view: &View<'_>) -> Result<(usize, usize), Unread> {
    let registered = Selector::of([(labels::REGISTERED, "true")]);
    let listing = view.snapshot.list::<Node>(None, registered, Freshness::Cached)?;
    let ours = listing.items.iter().filter(|node| is_managed_node(&node.metadata) || view.nodes.contains(node));
    let is_sick = |node: &&&Node| ready(node).0 != "True" || is_dying(&node.metadata);
    let ours: Vec<&&Node> = ours.collect();
    Ok((ours.iter().filter(|node| is_sick(node)).count(), ours.len()))
}

fn most(all: usize) -> usize {
    (all * MOST_PERCENT / 100).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_nodes_may_be_replaced_and_one_in_any_case() {
        for (all, may) in [(0, 1), (1, 1), (5, 1), (9, 1), (10, 2), (100, 20)] {
            assert_eq!(most(all), may, "{all}");
        }
    }
}
