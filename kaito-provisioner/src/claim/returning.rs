//! A Node that somebody has deleted while its pool was started, stopped or changed. It was let go, because a machine that comes up registers its Node anew (kaito#2075); whether it was meant to go
//! with its machine is decided when the pool is done: one that has not come back long after is replaced.
//!
//! So is a pool decided on that has failed and has no Node: a deletion that stopped half way leaves no machine, and may have taken a Node along that was not held.
//!
//! It is written down in the condition [`HEALTHY`]: `Unknown` while the pool is not done, `False` since it is. A Node that only is not seen, while its pool is well, is never given up by this.

use super::conditions::{HEALTHY, Saying, is_far_ahead};
use super::draft::{Draft, Flow};
use super::launch::POLL;
use super::managed::is_held;
use super::view::{Held, View, in_motion, nodes_of, ready};
use super::waits::{NODE_DELETED, NODE_RETURNING, POOL_UNKNOWN, POOL_UNMARKED, READ_REFUSED, Waiting};
use super::{keep, lost};
use crate::pool::{PoolSeen, PoolState};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use kaito_api::karpenter::NodeClaimCondition;
use kaito_api::vocabulary::annotations;
use kaito_core::read::Freshness;
use kaito_core::snapshot::Unread;
use kaito_core::units::rfc3339;

/// How long a machine may take to register its Node anew once its pool is done: longer than any start of a cluster. It passes twice, the second time from a moment that is written down when the first is over: a clock that is set
/// hours ahead ends one of the two, and a machine whose Node is away for a while keeps the other.
const PATIENCE: SignedDuration = SignedDuration::from_mins(65);
/// Further ahead no moment is believed that was written down: more than clocks are off that anything works with.
const AHEAD: SignedDuration = SignedDuration::from_hours(4);

/// Whether it is written down that a Node went.
pub(super) fn is_told(view: &View<'_>) -> bool {
    view.claim.condition(HEALTHY).is_some_and(|said| said.reason == NODE_RETURNING.name)
}

/// Whether what is written down of a Node that went still holds: until the API server itself shows one that the claim has taken, and that nobody deletes. A cache may show the one of before for
/// long; one that is not taken yet may go without a trace; and what is written over this is forgotten.
pub(super) fn still_holds(view: &View<'_>) -> Result<bool, Unread> {
    Ok(is_told(view) && !view.has_live_node(|node| is_held(&node.metadata))?)
}

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let told = view.claim.condition(HEALTHY);
    if let (Some(told), Some(node)) = (told, view.nodes.first()) {
        // What is told of a machine that is kept is over, also where nothing is repaired.
        let kept = [&NODE_RETURNING, &NODE_DELETED, &POOL_UNKNOWN, &POOL_UNMARKED, &READ_REFUSED];
        let is_kept = kept.iter().any(|row| told.reason == row.name);
        let is_well = ready(node).0 == "True" && is_held(&node.metadata) && !draft.said.contains_key(HEALTHY);
        if is_kept && is_well && !still_holds(view)? {
            draft.say(HEALTHY, Saying::yes(HEALTHY));
        }
        return Ok(Flow::Next);
    }
    // Of one whose deletion was told, somebody may have taken our finalizer away.
    let is_gone =
        |told: &&NodeClaimCondition| [&NODE_RETURNING, &NODE_DELETED].iter().any(|row| told.reason == row.name);
    let Some(told) = told.filter(is_gone) else { return left_alone(view, draft) };
    let Held::Own(pool, _) = view.pool(Freshness::Live)? else { return Ok(Flow::Next) };
    let told_since = view.since(HEALTHY);
    let since = if is_far_ahead(told_since, view.now()) { view.now() } else { told_since };
    let name = view.claim.node_name().map_or_else(|| "of an earlier claim".to_owned(), str::to_owned);
    if let Some(word) = in_motion(&pool.state) {
        say(view, draft, "Unknown", format!("node {name} was deleted while its agent pool is {word}"), since);
        return Ok(Flow::Next);
    }
    let is_over = told.status == "False" && view.now() >= later(since);
    if is_over && is_alone(view)? && is_missed_for_long(view, draft, since) {
        let minutes = PATIENCE.as_mins() * 2;
        let why = format!("{}, and the machine has registered none for {minutes} minutes", missing(view));
        lost::delete(view, draft, why);
        return Ok(Flow::Stop);
    }
    say(view, draft, "False", format!("{}, and {}", missing(view), words_of(&pool)), since);
    Ok(Flow::Next)
}

/// A launched machine without a Node, of which nothing is told: from now on it is missed where its pool has failed.
fn left_alone(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let has_failed = |pool: &PoolSeen| matches!(pool.state, PoolState::Failed | PoolState::Canceled);
    let is_broken = |held: &Held<'_>| matches!(held, Held::Own(pool, _) if has_failed(pool));
    if !view.nodes.is_empty() || !view.was_launched() || !is_broken(&view.pool(Freshness::Cached)?) {
        return Ok(Flow::Next);
    }
    let Held::Own(pool, _) = view.pool(Freshness::Live)? else { return Ok(Flow::Next) };
    if has_failed(&pool) && is_alone(view)? {
        say(view, draft, "False", format!("{}, and {}", missing(view), words_of(&pool)), view.now());
    }
    Ok(Flow::Next)
}

fn missing(view: &View<'_>) -> String {
    view.claim.node_name().map_or_else(|| "no node of it is there".to_owned(), |name| format!("node {name} is gone"))
}

fn words_of(pool: &PoolSeen) -> String {
    let why = pool.failure.as_ref().map_or_else(String::new, |failure| format!(": {}", failure.message));
    format!("agent pool {} is {}{why}", pool.name, pool.state.word())
}

/// Whether it was written down long ago that the Node did not come in its time; else it is written down now. What was written down of another wait, before this one began, does not count.
fn is_missed_for_long(view: &View<'_>, draft: &mut Draft, since: Timestamp) -> bool {
    let now = view.now();
    let written = view.annotation(annotations::NODE_MISSED_AT).and_then(|text| text.parse().ok());
    let is_meant =
        |missed: &Timestamp| *missed >= since && now.saturating_add(AHEAD).is_ok_and(|latest| *missed <= latest);
    match written.filter(is_meant) {
        Some(missed) => now >= later(missed),
        None => {
            draft.annotate(view, annotations::NODE_MISSED_AT, Some(rfc3339(now)));
            false
        }
    }
}

fn later(time: Timestamp) -> Timestamp {
    time.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX)
}

/// Whether the API server has no Node of the pool now, not even one that cannot be read.
fn is_alone(view: &View<'_>) -> Result<bool, Unread> {
    let nodes = view.snapshot.list::<Node>(None, nodes_of(view.name()), Freshness::Live)?;
    Ok(nodes.items.is_empty() && nodes.malformed.is_empty())
}

/// Says other words of it, which keep what is written down: since when the Node is waited for.
pub(super) fn say_still(view: &View<'_>, draft: &mut Draft, what: String) {
    let is_decided = view.claim.condition(HEALTHY).is_some_and(|told| told.status == "False");
    say(view, draft, if is_decided { "False" } else { "Unknown" }, what, view.since(HEALTHY));
}

/// Writes down that the Node was deleted, and is waited for.
pub(super) fn say(view: &View<'_>, draft: &mut Draft, status: &'static str, what: String, since: Timestamp) {
    let wait = Waiting::new(&NODE_RETURNING, what, since);
    draft.look_again(POLL);
    keep::say(view, draft, status, wait);
}
