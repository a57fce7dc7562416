//! Ask for the machine, and see what comes.
//!
//! A request costs money: it is sent after a live look at the claim, at who it is for, and at the pool, and after it was written down ([`Record`]). What the cloud refuses is told in its own words,
//! and asked again when its class says so; a pool that failed is deleted, for it is paid for like one that works.

use super::conditions::{LAUNCHED, Saying};
use super::draft::{Draft, Flow};
use super::permit::{Permit, permit};
use super::record::{self, Record};
use super::view::{Held, View, owned_pool, pool_key};
use super::waits::{self, Wait, Waiting};
use super::{cluster, former, mishaps, returning, take};
use crate::class::{ErrorClass, Failure};
use crate::operation::{Doing, Operation, Verdict};
use crate::pool::{NodeOf, PoolRequest, PoolSeen, PoolState, node_of};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use kaito_api::vocabulary::{annotations, reasons};
use kaito_core::backend::BackendError;
use kaito_core::effect::{Effect, WriteMode, is_dying};
use kaito_core::kinds::Typed;
use kaito_core::read::Freshness;
use kaito_core::snapshot::Unread;

/// Between two looks at a pool that is being made, or goes away.
pub(super) const POLL: SignedDuration = SignedDuration::from_secs(10);
/// After what was read turned out to be old.
pub(super) const AT_ONCE: SignedDuration = SignedDuration::from_secs(2);
/// Between two looks at what only somebody else can change.
pub(super) const PATIENT: SignedDuration = SignedDuration::from_mins(5);
/// The reason where somebody else's pool has the name.
const NAME_TAKEN: &str = "NameTaken";
/// Warning, on a NodeClaim: no machine is made for it.
const LAUNCH_FAILED: &str = "LaunchFailed";

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    if view.was_launched() {
        draft.say(LAUNCHED, Saying::yes(LAUNCHED));
        draft.annotate(view, annotations::AGENT_POOL_LAUNCH, None);
        // A status that was restored without its machine; or a pool that was started, and has another machine now.
        if let Some(pool) = &view.pool_name
            && let NodeOf::Is(_, provider_id) = node_of(pool, standing(view))
            && (view.provider_id().is_none() || is_own(view)?)
        {
            provider_id.clone_into(&mut draft.status.provider_id);
        }
        return Ok(Flow::Next);
    }
    let held = view.pool_now()?;
    look(view, draft, &held)
}

/// The Nodes that nobody deletes: of two machines of an upgrade the one that stays is the claim's. Where every one of them is deleted, the first: what becomes of it decides for the machine.
fn standing<'a>(view: &View<'a>) -> Vec<&'a Node> {
    let (dying, standing): (Vec<&Node>, Vec<&Node>) = view.nodes.iter().partition(|node| is_dying(&node.metadata));
    if standing.is_empty() { dying.into_iter().take(1).collect() } else { standing }
}

/// Whether the pool, as far as the cache has it, was made for this claim.
fn is_own(view: &View<'_>) -> Result<bool, Unread> {
    Ok(matches!(view.pool(Freshness::Cached)?, Held::Own(..)))
}

fn look(view: &View<'_>, draft: &mut Draft, held: &Held<'_>) -> Result<Flow, Unread> {
    match held {
        Held::Absent => return ask(view, draft).map(|()| Flow::Stop),
        Held::Own(pool, _) => return watch(view, draft, pool),
        Held::Earlier(pool, _) => predecessor(view, draft, pool)?,
        Held::Foreign | Held::Unmarked(_) => {
            let words = format!(
                "{NAME_TAKEN}: the cluster has an agent pool {} that nobody has made for a claim; it is left alone. Remedy: delete that agent pool, if nobody needs it",
                view.name()
            );
            refuse(view, draft, NAME_TAKEN, words);
            draft.look_again(PATIENT);
        }
        Held::Unreadable(why) => {
            draft.say(LAUNCHED, Saying::not_yet(LAUNCH_FAILED, format!("the agent pool cannot be read: {why}")));
            draft.failed = Some(ErrorClass::Unreadable.label());
            draft.look_again(PATIENT);
        }
        Held::Unknown(error) => unknown(view, draft, error),
    }
    Ok(Flow::Stop)
}

/// The cloud does not say whether there is a pool: that is told, and nothing is asked for.
fn unknown(view: &View<'_>, draft: &mut Draft, error: &BackendError) {
    let failure = mishaps::meaning(error.kind, &error.message);
    // A refusal that stands in the condition alone would go with it.
    let mut record = Record::of(view.claim);
    if let Some((refused, at)) = record.last_failure(view.claim)
        && let Some(operation) = record.operation.as_mut().filter(|operation| operation.failure.is_none())
    {
        operation.failure = Some(refused);
        record.failed_at = Some(at);
        draft.annotate(view, annotations::AGENT_POOL_LAUNCH, Some(record.text()));
    }
    let message = format!(
        "{failure}: nothing is known of agent pool {}; next: the cloud is asked again, at last every 5 minutes, and no machine before it answers",
        view.name()
    );
    draft.fail(&failure);
    draft.say(LAUNCHED, Saying::not_yet(&failure.reason, message));
    draft.look_again(POLL);
}

/// A pool of an earlier claim of this name goes first.
fn predecessor(view: &View<'_>, draft: &mut Draft, pool: &PoolSeen) -> Result<(), Unread> {
    let what = format!("agent pool {} of an earlier claim of this name goes away", view.name());
    // It may be this claim that is old, and the pool that of a newer one: both are looked at live.
    if pool.state != PoolState::Deleting
        && permit(view)? != Permit::Stale
        && let Held::Earlier(live, seen) = view.pool(Freshness::Live)?
        && live.state != PoolState::Deleting
        && let Some(target) = owned_pool(&live, seen)
    {
        draft.plan.push(Effect::Delete { target }, None);
    }
    wait_since_told(view, draft, &waits::PREDECESSOR, &what);
    draft.look_again(POLL);
    Ok(())
}

/// Waits for what is in the way of a machine: since it is told, for the claim may be old.
pub(super) fn wait_since_told(view: &View<'_>, draft: &mut Draft, row: &'static Wait, what: &str) {
    let told = view.claim.condition(LAUNCHED).filter(|said| said.message.starts_with(what));
    draft.wait(view, Waiting::new(row, what, waits::since_told(row, told, view.now())));
}

/// There is no pool: one is asked for, unless the last answer says otherwise.
fn ask(view: &View<'_>, draft: &mut Draft) -> Result<(), Unread> {
    let now = view.now();
    let read = Record::of(view.claim);
    let record = read.clone().not_after(now);
    if record != read {
        // Written by a clock that is ahead: from now on its own times count, or they would be far away at every look.
        draft.annotate(view, annotations::AGENT_POOL_LAUNCH, Some(record.text()));
    }
    let Some(operation) = record.operation.clone().filter(|operation| operation.doing == Doing::Create) else {
        return attempt(view, draft, record);
    };
    if let Some((failure, at)) = record.last_failure(view.claim) {
        return again(view, draft, record, &failure, at);
    }
    // It was asked for, and nobody has refused: the cache may be old, and the request may never have arrived.
    match view.pool(Freshness::Live)? {
        Held::Absent => {}
        there => return look(view, draft, &there).map(drop),
    }
    let mut told = operation.clone();
    match (told.seen(None, now), told.failure) {
        (Verdict::Failed, Some(failure)) => again(view, draft, record, &failure, operation.started_at),
        _ => {
            wait_for_pool(view, draft, &operation);
            Ok(())
        }
    }
}

/// After a failure: when its time has come, the next attempt, with the next of the sizes.
fn again(view: &View<'_>, draft: &mut Draft, record: Record, failure: &Failure, at: Timestamp) -> Result<(), Unread> {
    let size = record.size.clone();
    let record = record.after(failure, at);
    let due = record.asks_again(view.claim, failure, at);
    if view.now() >= due {
        return attempt(view, draft, record);
    }
    tell(view, draft, &record, failure, &size);
    draft.look_again(due.duration_since(view.now()));
    Ok(())
}

fn attempt(view: &View<'_>, draft: &mut Draft, mut record: Record) -> Result<(), Unread> {
    let mut request = match PoolRequest::choosing(view.claim, &record.refused_sizes(view.now())) {
        Ok(request) => request,
        Err(refusal) => {
            let failure = Failure::from(&refusal);
            refuse(view, draft, &failure.reason, failure.message.clone());
            draft.fail(&failure);
            return Ok(());
        }
    };
    match permit(view)? {
        Permit::Granted => {}
        Permit::Stale => {
            draft.look_again(AT_ONCE);
            return Ok(());
        }
        Permit::Dead(reason, words) => {
            refuse(view, draft, reason, format!("{reason}: {words}; no machine is asked for"));
            draft.look_again(PATIENT);
            return Ok(());
        }
    }
    match view.pool(Freshness::Live)? {
        Held::Absent => {}
        there => return look(view, draft, &there).map(drop),
    }
    if !former::is_clear(view, draft, record == Record::default())? {
        return Ok(());
    }
    request.labels.extend(cluster::stamp(view.snapshot)?);
    let operation = Operation::begin(request.name.clone(), Doing::Create, view.now());
    record.operation = Some(operation.clone());
    record.failed_at = None;
    record.size = request.size.clone();
    for remark in &request.remarks {
        draft.remark("launch", remark.as_str());
    }
    draft.annotate(view, annotations::AGENT_POOL_LAUNCH, Some(record.text()));
    let written = draft.send_claim(view, None);
    draft.plan.push(Effect::ensure(&request.to_object().into_object(), WriteMode::CreateOnly, None), written);
    // What came of it, where this very plan was carried out already.
    match mishaps::of(view.snapshot, &pool_key(view.name()), "create") {
        Some(failure) => {
            let record = record.after(&failure, view.now());
            tell(view, draft, &record, &failure, &request.size);
        }
        None => wait_for_pool(view, draft, &operation),
    }
    Ok(())
}

fn wait_for_pool(view: &View<'_>, draft: &mut Draft, operation: &Operation) {
    let what = format!("agent pool {} is being made", view.name());
    draft.wait(view, Waiting::new(&waits::POOL_PENDING, what, operation.started_at));
    draft.look_again(POLL);
}

/// The pool of this claim is there.
fn watch(view: &View<'_>, draft: &mut Draft, pool: &PoolSeen) -> Result<Flow, Unread> {
    let record = Record::of(view.claim);
    let begun = |operation: &Operation| operation.doing == Doing::Create && operation.pool == pool.name;
    // One that another process, or the program before this one, has asked for is ours as well.
    let mut operation = record
        .operation
        .clone()
        .filter(begun)
        .unwrap_or_else(|| Operation::begin(pool.name.clone(), Doing::Create, view.created()));
    if pool.state == PoolState::Deleting {
        let what = format!("agent pool {} is being deleted", view.name());
        let since = record.failed_at.unwrap_or(operation.started_at);
        draft.wait(view, Waiting::new(&waits::PREDECESSOR, what, since));
        if let Some((failure, _)) = record.last_failure(view.claim) {
            tell(view, draft, &record.clone().after(&failure, since), &failure, &record.size);
        }
        draft.look_again(POLL);
        return Ok(Flow::Stop);
    }
    match operation.seen(Some(pool), view.now()) {
        Verdict::Running | Verdict::AskPool => {
            wait_for_pool(view, draft, &operation);
            Ok(Flow::Stop)
        }
        Verdict::Done => joined(view, draft, pool, &operation),
        Verdict::Failed => failed(view, draft, record, &operation).map(|()| Flow::Stop),
    }
}

/// The pool has failed: that is written down, and the pool given back.
fn failed(view: &View<'_>, draft: &mut Draft, mut record: Record, operation: &Operation) -> Result<(), Unread> {
    // The cache may be minutes old.
    let Held::Own(pool, seen) = view.pool(Freshness::Live)? else {
        draft.look_again(AT_ONCE);
        return Ok(());
    };
    if !matches!(pool.state, PoolState::Failed | PoolState::Canceled) {
        wait_for_pool(view, draft, operation);
        return Ok(());
    }
    let at = record.failed_at.unwrap_or(view.now());
    let size = if record.size.is_empty() { pool.size.clone() } else { record.size.clone() };
    record = Record { operation: Some(operation.clone()), size: size.clone(), failed_at: Some(at), ..record };
    draft.annotate(view, annotations::AGENT_POOL_LAUNCH, Some(record.text()));
    let written = draft.send_claim(view, None);
    if let Some(target) = owned_pool(&pool, seen) {
        draft.plan.push(Effect::Delete { target }, written);
    }
    if let Some(failure) = &operation.failure {
        tell(view, draft, &record.clone().after(failure, at), failure, &size);
    }
    draft.look_again(POLL);
    Ok(())
}

/// The pool is as it was asked for: the claim is launched as soon as its Node says which machine it is. That a Node is absent is no reason to take a pool away.
fn joined(view: &View<'_>, draft: &mut Draft, pool: &PoolSeen, operation: &Operation) -> Result<Flow, Unread> {
    let what = match node_of(&pool.name, standing(view)) {
        NodeOf::Is(_, provider_id) => {
            take::labels(view, draft, pool);
            draft.annotate(view, annotations::AGENT_POOL_LAUNCH, None);
            provider_id.clone_into(&mut draft.status.provider_id);
            pool.image.clone_into(&mut draft.status.image_id);
            draft.say(LAUNCHED, Saying::yes(LAUNCHED));
            return Ok(Flow::Next);
        }
        // A Node that its machine may have taken for its own was let go.
        NodeOf::NotYet if returning::step(view, draft)? == Flow::Stop => return Ok(Flow::Stop),
        NodeOf::NotYet => format!("agent pool {} is made, and its node has not joined the cluster", view.name()),
        NodeOf::Several(count) => {
            format!("agent pool {} has {count} nodes, of which one will go", view.name())
        }
    };
    draft.wait(view, Waiting::new(&waits::NODE_PENDING, what, operation.started_at));
    draft.look_again(SignedDuration::from_mins(1));
    Ok(Flow::Stop)
}

/// What the cloud refused, in its words; `record` has the refusal in it.
fn tell(view: &View<'_>, draft: &mut Draft, record: &Record, failure: &Failure, size: &str) {
    let now = view.now();
    let launched = failure.launched(!record.has_size_left(view.claim, now));
    let mut message = format!("{}{}", launched.message, record::about(size));
    let rests = record.is_spent(failure);
    let row = if rests { Some(&waits::RESTING) } else { asking_again(failure.class) };
    let wait = row.map(|row| Waiting::new(row, "", record.first_failure.unwrap_or(now)));
    if let Some(wait) = &wait {
        message.push_str(&wait.outlook(now));
        draft.plan.wake = draft.plan.wake.or_earlier(wait.wake(now));
    }
    // What passes by itself is no refusal to those who read it, until it is overdue.
    let passes = matches!(failure.class, ErrorClass::Conflict | ErrorClass::Throttled | ErrorClass::Superseded);
    if let Some(wait) = wait.as_ref().filter(|_| passes && !rests) {
        let is_overdue = now >= wait.due();
        let reason = if is_overdue { failure.reason.as_str() } else { reasons::AWAITING_RECONCILIATION };
        draft.say(LAUNCHED, Saying::not_yet(reason, message));
    } else {
        let status = if rests { "False" } else { launched.status };
        draft.fail(failure);
        warn(view, draft, &launched.reason, &message);
        draft.say(LAUNCHED, Saying::new(status, launched.reason, message));
    }
    draft.waits.extend(wait);
}

/// The wait of a refusal that is asked again without an end; what is refused for good, or for its size, is told as such.
fn asking_again(class: ErrorClass) -> Option<&'static Wait> {
    match class {
        ErrorClass::Auth | ErrorClass::NoCluster => Some(&waits::SHUT_OUT),
        _ if class.is_terminal() || class.is_about_the_size() => None,
        _ => Some(&waits::ASKING_AGAIN),
    }
}

/// Nothing that is asked of the cloud would help.
fn refuse(view: &View<'_>, draft: &mut Draft, reason: &str, message: String) {
    warn(view, draft, reason, &message);
    draft.failed.get_or_insert(ErrorClass::Invalid.label());
    draft.say(LAUNCHED, Saying::new("False", reason, message));
}

/// An event, the first time.
fn warn(view: &View<'_>, draft: &mut Draft, reason: &str, message: &str) {
    let said = view.claim.condition(LAUNCHED);
    if said.is_none_or(|said| said.reason != reason || said.message != message) {
        draft.warn(LAUNCH_FAILED, message.to_owned());
    }
}
