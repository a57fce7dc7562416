//! A claim that is being deleted gives everything back, in this order: its Node is deleted and emptied, the pool is deleted until the cloud has none of the name, then the Node is let go, then the
//! claim (spec/05 §3.6, §3.7). A pool is deleted by its name, whether or not a Node ever came.
//!
//! Names come back: nothing is touched before the API server has said that this very claim is there still.

use super::conditions::{DRAINED, INSTANCE_TERMINATING, REGISTERED, Saying};
use super::draft::{Draft, Flow};
use super::keep::not_known;
use super::launch::{AT_ONCE, POLL};
use super::managed::{is_held, is_our_node, released};
use super::record::Record;
use super::view::{Held, View, owned_node, owned_pool, pool_key, ready};
use super::waits::{self, Waiting};
use super::{drain, mishaps, unmarked};
use crate::operation::{Doing, Verdict};
use crate::pool::{PoolSeen, PoolState};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use kaito_api::vocabulary::annotations;
use kaito_core::backend::ErrorKind;
use kaito_core::effect::{Effect, EffectError, EffectId, MetadataPatch, is_dying};
use kaito_core::read::Freshness;
use kaito_core::snapshot::Unread;
use kaito_core::units::rfc3339;
use kaito_core::{Kind, ObjectKey, Plan};

/// How long pods may take to leave where the claim does not say: a budget that never lets them go is no reason to pay for a machine for ever (S5-B31).
const GRACE: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let Some(asked) = view.claim.metadata.deletion_timestamp.as_ref().map(|time| time.0) else { return Ok(Flow::Next) };
    if !is_held(&view.claim.metadata) {
        draft.released = true;
        return Ok(Flow::Stop);
    }
    // A pool that looks like that of an earlier claim may be a newer one's: it is read before the claim, which then was there when the pool was read.
    let held = match view.pool_surely()? {
        Held::Earlier(..) => view.pool(Freshness::Live)?,
        there => there,
    };
    if !view.is_still_there()? {
        draft.look_again(AT_ONCE);
        return Ok(Flow::Stop);
    }
    let until = grace(view, draft, asked);
    let is_earlier = matches!(held, Held::Earlier(..));
    match held {
        Held::Own(pool, _) | Held::Earlier(pool, _) | Held::Unmarked(pool) => {
            give_back(view, draft, &pool, is_earlier, [asked, until])?;
        }
        Held::Absent | Held::Foreign => let_go(view, draft, asked),
        Held::Unreadable(why) => going(view, draft, &format!("the agent pool cannot be read: {why}"), asked),
        Held::Unknown(error) => going(view, draft, &not_known(view, error), asked),
    }
    tell_refusal(view, draft, asked);
    Ok(Flow::Stop)
}

/// What the API server has refused just now of Node and claim, which is asked for again at the next look. A conflict is no refusal, and what is gone needs none: somebody else was faster.
fn tell_refusal(view: &View<'_>, draft: &mut Draft, asked: Timestamp) {
    let is_refused = |error: &&EffectError| {
        matches!(error.key.kind, Kind::Node | Kind::NodeClaim)
            && !matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotFound)
    };
    let Some(error) = view.snapshot.mishaps().iter().find(is_refused) else { return };
    let what = format!("cannot {} {}: {}", error.verb, error.key, error.message);
    let wait = Waiting::new(&waits::LETTING_GO, what, asked);
    let message = wait.message(view.now());
    draft.wait(view, wait);
    if view.claim.is_true(INSTANCE_TERMINATING) {
        let reason = INSTANCE_TERMINATING.to_owned();
        draft.say(INSTANCE_TERMINATING, Saying::new("True", reason, message));
    }
    draft.released = false;
}

/// Until when pods may go by themselves; written down where the claim says how long.
///
/// A repair writes down that there is no time, and deletes the claim then. Where that deletion never came and the Node is ready again, its word is no word about this one.
fn grace(view: &View<'_>, draft: &mut Draft, asked: Timestamp) -> Timestamp {
    let is_well = || view.nodes.iter().any(|node| ready(node).0 == "True");
    let written = view.annotation(annotations::TERMINATION_TIMESTAMP).and_then(|text| text.parse().ok());
    let written = written.filter(|written| *written >= asked || !is_well());
    let said = view.claim.spec.termination_grace_period.as_deref().and_then(duration);
    let until = |grace: SignedDuration| asked.saturating_add(grace).unwrap_or(Timestamp::MAX);
    match (written, said) {
        (Some(written), _) => written,
        (None, Some(said)) => {
            draft.annotate(view, annotations::TERMINATION_TIMESTAMP, Some(rfc3339(until(said))));
            until(said)
        }
        (None, None) => until(GRACE),
    }
}

/// A duration such as `1h30m`.
fn duration(text: &str) -> Option<SignedDuration> {
    text.parse().ok().filter(|length: &SignedDuration| !length.is_negative())
}

fn give_back(
    view: &View<'_>,
    draft: &mut Draft,
    pool: &PoolSeen,
    is_earlier: bool,
    [asked, until]: [Timestamp; 2],
) -> Result<(), Unread> {
    let own = if view.claim.is_true(REGISTERED) { view.provider_id() } else { None };
    let nodes = own.map(|id| view.nodes_with(id)).unwrap_or_default();
    // What goes already does not wait for anybody.
    if pool.state != PoolState::Deleting {
        let standing: Vec<&&Node> = nodes.iter().filter(|node| !is_dying(&node.metadata)).collect();
        if !standing.is_empty() {
            let written = draft.send_claim(view, None);
            for target in standing.into_iter().filter_map(|node| owned_node(node, view.name())) {
                draft.plan.push(Effect::Delete { target }, written);
            }
            draft.look_again(POLL);
            return Ok(());
        }
        let mut is_empty = true;
        for node in nodes.iter().filter(|node| is_held(&node.metadata) && view.now() < until) {
            is_empty &= drain::is_empty(view, draft, node, asked)?;
        }
        if !is_empty {
            draft.look_again(until.duration_since(view.now()));
            return Ok(());
        }
    }
    match view.pool(Freshness::Live)? {
        // It was read after the claim, and may be that of the next one.
        Held::Earlier(..) if !is_earlier => draft.look_again(AT_ONCE),
        Held::Own(live, seen) | Held::Earlier(live, seen) => {
            if let Some(target) = owned_pool(&live, seen).filter(|_| live.state != PoolState::Deleting) {
                draft.plan.push(Effect::Delete { target }, None);
            }
            if !nodes.is_empty() {
                draft.say(DRAINED, Saying::yes(DRAINED));
            }
            going(view, draft, &being_deleted(view, &live), asked);
        }
        Held::Unmarked(live) => {
            if !nodes.is_empty() {
                draft.say(DRAINED, Saying::yes(DRAINED));
            }
            unmarked::wait(view, draft, &live, asked)?;
        }
        Held::Absent | Held::Foreign => let_go(view, draft, asked),
        Held::Unreadable(why) => going(view, draft, &format!("the agent pool cannot be read: {why}"), asked),
        Held::Unknown(error) => going(view, draft, &not_known(view, error), asked),
    }
    Ok(())
}

/// That the pool goes, and why it did not the last time: the cloud forgets that as soon as it is asked again.
fn being_deleted(view: &View<'_>, pool: &PoolSeen) -> String {
    let begin = format!("agent pool {} is being deleted", view.name());
    if let Some(failure) = pool.failure.as_ref().filter(|_| pool.state == PoolState::Failed) {
        return format!("{begin}; the last attempt failed: {failure}");
    }
    let told = view.claim.condition(INSTANCE_TERMINATING).map_or("", |told| told.message.as_str());
    let end = ["; overdue since ", "; next: "].iter().filter_map(|mark| told.find(mark)).min();
    let told = &told[..end.unwrap_or(told.len())];
    let is_of_attempt = told.strip_prefix(&begin).is_some_and(|rest| rest.starts_with("; the last attempt failed: "));
    if is_of_attempt { told.to_owned() } else { begin }
}

fn going(view: &View<'_>, draft: &mut Draft, what: &str, asked: Timestamp) {
    let refused = mishaps::of(view.snapshot, &pool_key(view.name()), "delete");
    let what =
        refused.map_or_else(|| what.to_owned(), |failure| format!("{what}; the cloud refused just now: {failure}"));
    let wait = Waiting::new(&waits::POOL_GOING, what, asked);
    let message = wait.message(view.now());
    draft.wait(view, wait);
    let reason = INSTANCE_TERMINATING.to_owned();
    draft.say(INSTANCE_TERMINATING, Saying::new("True", reason, message));
    draft.look_again(POLL);
}

/// There is no pool any more: Node and claim are let go.
fn let_go(view: &View<'_>, draft: &mut Draft, asked: Timestamp) {
    let record = Record::of(view.claim);
    if let Some(mut operation) = record.operation.clone().filter(|operation| operation.doing == Doing::Create)
        && record.last_failure(view.claim).is_none()
        && !view.was_launched()
        && operation.seen(None, view.now()) == Verdict::Running
    {
        // Its request may still arrive.
        return going(view, draft, &format!("agent pool {} was asked for, and is not there yet", view.name()), asked);
    }
    let (freed, is_left) = free_nodes(&mut draft.plan, view.nodes.iter().copied(), view.name());
    if is_left {
        draft.look_again(SignedDuration::from_secs(1));
        return;
    }
    draft.claim.finalizers = Some(released(&view.claim.metadata));
    draft.send_claim(view, freed);
    draft.released = true;
}

/// Frees the Nodes of a pool that is gone of our finalizer; one that nobody has deleted yet is deleted first, and left.
pub(super) fn free_nodes<'n>(
    plan: &mut Plan,
    nodes: impl Iterator<Item = &'n Node>,
    pool: &str,
) -> (Vec<EffectId>, bool) {
    let (mut freed, mut is_left) = (Vec::new(), false);
    for node in nodes.filter(|node| is_held(&node.metadata) && is_our_node(&node.metadata, pool)) {
        let metadata = &node.metadata;
        let (Some(name), Some(uid)) = (metadata.name.clone(), metadata.uid.clone()) else { continue };
        if is_dying(metadata) {
            let patch = MetadataPatch { finalizers: Some(released(metadata)), ..MetadataPatch::default() };
            let resource_version = metadata.resource_version.clone();
            let key = ObjectKey::cluster(Kind::Node, name);
            freed.push(plan.push(Effect::Metadata { key, uid, resource_version, patch }, None));
        } else if let Some(target) = owned_node(node, pool) {
            plan.push(Effect::Delete { target }, None);
            is_left = true;
        }
    }
    (freed, is_left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_period_is_read_as_kubernetes_writes_it() {
        for (text, minutes) in
            [("30m", Some(30)), ("1h30m", Some(90)), ("90s", Some(1)), ("0s", Some(0)), ("soon", None), ("", None)]
        {
            assert_eq!(duration(text).map(|length| length.as_mins()), minutes, "{text}");
        }
    }
}
