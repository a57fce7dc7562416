//! Karpenter: one NodePool for each Workspace, with as many replicas as machines are needed.
//!
//! Karpenter makes the NodeClaims of a pool and replaces them; what is asked for here is a number. It is raised or lowered, and the pool made or taken back, only after the API server itself has shown
//! the Workspace, the pool and what else would do in this very round.
//!
//! Not every machine needs to be of the pool: NodeClaims that were asked for one by one, before Karpenter was chosen, stay, and Nodes that somebody brought along with the user's labels and this very
//! size do as well ([`cover`]).

mod cover; // machines that need not be of the pool
mod let_go; // those that our pods do not go to
mod orphans; // pools of a Workspace that is gone
mod pool; // whose pool it is that has the name
mod settle; // the number of machines, from live reads
mod waiting; // pods that find no node

use super::super::draft::Draft;
use super::super::view::View;
use super::super::workload;
use super::claim::Claim;
use super::claims::Claims;
use super::given_up::{self, Gone, Record};
use super::{Awaited, Came, Held, Provisioner, Short};
use crate::effect::is_dying;
use crate::failure::{self, Failure, Waiting};
use crate::kinds::Kind;
use crate::object::{ObjectKey, Seen};
use crate::plan::Plan;
use crate::read::{Freshness, Read, Selector};
use crate::snapshot::{Snapshot, Unread};
use crate::units::rfc3339;
use cover::Cover;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kaito_api::karpenter::{NodeClaim, NodePool};
use kaito_api::vocabulary::{ConditionType, labels};
use kube_core::ResourceExt;
use pool::Named;

pub(super) struct Karpenter;

impl Provisioner for Karpenter {
    fn first_reads(&self, key: &ObjectKey) -> Vec<Read> {
        vec![
            Read::object(pool::key(key)),
            Read::list(Kind::NodePool, None, own_labels(key)),
            Read::list(Kind::NodeClaim, None, pool_labels(key)),
            Read::list(Kind::NodeClaim, None, former_labels(key)),
            Read::list(Kind::Node, None, own_labels(key)),
        ]
    }

    fn node_labels(&self, view: &View<'_>) -> Vec<(String, String)> {
        own_labels(view.key).0.into_iter().collect()
    }

    fn asks(&self) -> bool {
        true
    }

    fn nodes_are_ready(&self) -> &'static str {
        "Enough Nodes are ready with GPU resources"
    }

    fn step<'a>(&self, view: &View<'a>, draft: &mut Draft) -> Result<Option<Came<'a>>, Unread> {
        step(view, draft)
    }

    fn holds(&self, view: &View<'_>) -> Result<Held, Unread> {
        Ok(held(&Seat::look(view, Freshness::Cached)?))
    }

    fn give_back(&self, view: &View<'_>, draft: &mut Draft, freshness: Freshness) -> Result<Held, Unread> {
        let seat = Seat::look(view, freshness)?;
        settle::give_back(view, draft, &seat);
        Ok(held(&seat))
    }

    fn take_back_strangers(&self, view: &View<'_>, draft: &mut Draft) -> Result<(), Unread> {
        orphans::step(view, draft)
    }

    fn left_behind(&self, key: &ObjectKey, snapshot: &Snapshot) -> Result<Plan, Unread> {
        orphans::plan(key, snapshot)
    }

    fn root_of(&self, object: &Seen) -> Option<ObjectKey> {
        orphans::root_of(object)
    }
}

/// Whether the API server has something that this very Workspace holds by its pool: that itself, a claim that it has left, a Node that was taken.
pub(super) fn is_held(view: &View<'_>) -> Result<bool, Unread> {
    let own = own_labels(view.key);
    let reads = [
        Read::object(pool::key(view.key)),
        Read::list(Kind::NodeClaim, None, pool_labels(view.key)),
        Read::list(Kind::Node, None, own.clone()),
    ];
    view.snapshot.need(reads.map(Read::live))?;
    let seen = view.snapshot.seen(pool::key(view.key), Freshness::Live)?;
    let claims = view.snapshot.list::<NodeClaim>(None, pool_labels(view.key), Freshness::Live)?;
    let nodes = view.snapshot.list::<Node>(None, own.clone(), Freshness::Live)?;
    Ok(Named::of(seen, view.key, view.uid()).ours().is_some()
        || Claim::all(claims).iter().any(|claim| own.matches(&claim.seen().labels()))
        || nodes.items.into_iter().any(|node| is_brought(view.key, node)))
}

/// Whether such a Node is nobody's machine, but was taken.
fn is_brought(key: &ObjectKey, node: &Node) -> bool {
    let pool = node.labels().get(labels::NODE_POOL);
    let is_made = pool.is_some_and(|pool| *pool == pool::key(key).name || pool == labels::NODE_POOL_KAITO);
    !is_made && !is_dying(&node.metadata)
}

/// The labels that tie NodePools, their NodeClaims and Nodes to their Workspace.
fn own_labels(key: &ObjectKey) -> Selector {
    let name = (labels::KARPENTER_WORKSPACE_NAME, key.name.as_str());
    Selector::of([name, (labels::KARPENTER_WORKSPACE_NAMESPACE, key.namespace())])
}

/// The label by which Karpenter ties NodeClaims to a pool.
fn pool_labels(key: &ObjectKey) -> Selector {
    Selector::of([(labels::NODE_POOL, pool::key(key).name)])
}

/// The labels of NodeClaims that were asked for one by one, before Karpenter was chosen.
fn former_labels(key: &ObjectKey) -> Selector {
    Selector::of([
        (labels::NODE_POOL, labels::NODE_POOL_KAITO),
        (labels::WORKSPACE, key.name.as_str()),
        (labels::WORKSPACE_NAMESPACE, key.namespace()),
    ])
}

/// The labels of their Nodes.
fn former_node_labels(key: &ObjectKey) -> Selector {
    Selector::of([(labels::WORKSPACE, key.name.as_str()), (labels::WORKSPACE_NAMESPACE, key.namespace())])
}

/// Everything that is decided from, so that one round is enough.
fn reads(view: &View<'_>, freshness: Freshness) -> Vec<Read> {
    let key = view.key;
    let mut reads = Karpenter.first_reads(key);
    reads.push(Read::list(Kind::Node, None, former_node_labels(key)));
    let asked = workload::user_labels(view);
    if !asked.is_empty() {
        reads.push(Read::list(Kind::Node, None, Selector(asked)));
    }
    if freshness == Freshness::Live {
        reads = reads.into_iter().map(Read::live).collect();
    }
    reads
}

/// What a Workspace holds of what was asked for.
struct Seat<'a> {
    pool: Named<'a>,
    /// The NodeClaims that Karpenter has made of the pool, by age.
    claims: Vec<Claim<'a>>,
    /// Those that were asked for one by one.
    former: Claims<'a>,
    /// Nodes that carry our labels and that nobody has asked for: somebody has brought them along, and they were taken.
    brought: Vec<&'a Node>,
    /// The plural of a kind that the cluster does not know.
    lacks: Option<&'static str>,
}

impl<'a> Seat<'a> {
    fn look(view: &View<'a>, freshness: Freshness) -> Result<Self, Unread> {
        view.snapshot.need(reads(view, freshness))?;
        let pools = view.snapshot.list::<NodePool>(None, own_labels(view.key), freshness)?;
        let claims = view.snapshot.list::<NodeClaim>(None, pool_labels(view.key), freshness)?;
        let former = view.snapshot.list::<NodeClaim>(None, former_labels(view.key), freshness)?;
        let nodes = view.snapshot.list::<Node>(None, own_labels(view.key), freshness)?.items;
        let lacks = [(pools.no_such_kind, Kind::NodePool), (claims.no_such_kind, Kind::NodeClaim)];
        let lacks = lacks.into_iter().find(|(lacks, _)| *lacks).map(|(_, kind)| kind.plural());
        let of_ours = |claim: &Claim<'_>| own_labels(view.key).matches(&claim.seen().labels());
        Ok(Self {
            pool: Named::of(view.snapshot.seen(pool::key(view.key), freshness)?, view.key, view.uid()),
            claims: Claim::all(claims).into_iter().filter(of_ours).collect(),
            former: Claims::new(former, view.uid()),
            brought: nodes.into_iter().filter(|node| is_brought(view.key, node)).collect(),
            lacks,
        })
    }

    /// NodeClaims of the pool that nobody has deleted yet.
    fn live(&self) -> impl Iterator<Item = &Claim<'a>> {
        self.claims.iter().filter(|claim| !claim.is_dying())
    }

    /// How many of them stand, where none was to be had at this time: those with a machine, and those that were asked for by then. What was made since is Karpenter's next attempt; what was made in that
    /// very second may be either, and is known when it is refused.
    fn standing(&self, refused_at: Timestamp) -> usize {
        let stands = |claim: &&Claim<'_>| claim.is_launched() || claim.made().is_some_and(|made| made <= refused_at);
        self.live().filter(stands).count()
    }

    /// Whether a claim without a machine goes away. Karpenter counts it until it is gone, and who asks for fewer machines meanwhile loses one that is there instead of it.
    fn is_miscounted(&self) -> bool {
        self.claims.iter().any(|claim| claim.is_dying() && !claim.is_launched())
    }
}

fn held(seat: &Seat<'_>) -> Held {
    let pool = seat.pool.ours();
    let pools = [pool.is_some(), pool.is_some_and(|pool| !is_dying(pool))].map(usize::from);
    Held {
        all: pools[0] + seat.claims.len() + seat.former.len() + seat.brought.len(),
        alive: pools[1] + seat.former.live().count() + seat.brought.len(),
        // A pool asks for all of them as one.
        unmade: 0,
        unit: "NodePool, NodeClaim or Node",
        leaving: seat.claims.iter().filter(|claim| claim.is_dying()).find_map(Claim::leaving),
    }
}

fn step<'a>(view: &View<'a>, draft: &mut Draft) -> Result<Option<Came<'a>>, Unread> {
    let seat = Seat::look(view, Freshness::Cached)?;
    if let Some(failure) = seat.pool.trouble() {
        draft.failures.push(failure);
    }
    let Some(told) = draft.target.or_else(|| told_of(view, &seat)) else { return Ok(None) };
    if let Some(plural) = seat.lacks {
        let cause = format!("the CRD {plural}.karpenter.sh is not installed");
        draft.failures.push(Failure::new(&failure::KIND_NOT_INSTALLED, cause));
        return Ok(None);
    }
    let cover = Cover::look(view, draft, &seat, Freshness::Cached)?;
    if let Some(at) = cover.counts_until {
        draft.look_again(at.duration_since(view.now()));
    }
    let needed = (told as usize).saturating_sub(cover.taken());
    let patience = observe_gone(view, draft, &seat, needed)?;
    if let Some(target) = draft.target {
        settle::step(view, draft, &seat, &cover, (target, patience))?;
    }
    observe(view, draft, &seat, needed, patience);
    let workers = workers(view, draft, &seat, &cover)?;
    let claims: Vec<&Claim<'a>> = seat.live().chain(seat.former.live()).collect();
    let awaited = claims.iter().map(|claim| Awaited {
        node: claim.body.ok().and_then(|body| body.node_name()),
        progressed: claim.progressed(),
        standing: claim.standing(),
    });
    Ok(Some(Came {
        used: workers.clone(),
        workers,
        target: told,
        awaited: awaited.collect(),
        is_asked: seat.pool.ours().is_some() || !claims.is_empty(),
        short: Short { row: &failure::NODES_PENDING, words: None },
    }))
}

/// How many machines are told of where nothing can be settled today: those that were settled on, or that are asked for; none where none is.
fn told_of(view: &View<'_>, seat: &Seat<'_>) -> Option<u32> {
    let there = seat.live().count() + seat.former.live().count() + seat.brought.len();
    let asked = seat.pool.asks().max(u32::try_from(there).unwrap_or(u32::MAX));
    let is_asked = seat.pool.ours().is_some() || !seat.claims.is_empty() || !seat.former.is_empty();
    let is_there = is_asked || !seat.brought.is_empty();
    is_there.then(|| view.recorded_target().unwrap_or(asked)).filter(|count| *count > 0)
}

/// What went away before it came says when machines may be asked for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Not before.
    asks_again: Timestamp,
    /// Since when there is no machine to be had: until then, a pool asks only for what stands. Karpenter makes another claim at once for each that is refused, without end.
    refused_at: Option<Timestamp>,
}

/// Tells of machines that went away before they came, as long as those that nothing else covers are not there, and says when a pool may be asked for again. A machine that was launched and did not join
/// Karpenter asks for again by itself; one that was refused, and a pool that somebody deletes again and again, are asked for at our pace.
fn observe_gone(view: &View<'_>, draft: &mut Draft, seat: &Seat<'_>, needed: usize) -> Result<Patience, Unread> {
    let ready = seat.live().chain(seat.former.live()).filter(|claim| claim.is_ready()).count();
    let before = Record::of(view);
    let record = if ready >= needed {
        None
    } else {
        let pool = pool::key(view.key).name;
        let vanished = seat.pool.is_absent() && given_up::told(view).contains(&pool.as_str());
        let vanished = vanished && Seat::look(view, Freshness::Live)?.pool.is_absent();
        let last = || match (Gone::last(seat.claims.iter()), seat.pool.ours()) {
            (Some(gone), Some(pool)) if !is_dying(pool) => Some(gone.or_said(|launched| seat.pool.unhealthy(launched))),
            (gone, _) => gone.map(Gone::with_its_pool),
        };
        let gone = vanished.then(|| Gone::vanished(view.now())).or_else(last);
        // As often as Karpenter tries, it is written down at our pace.
        let counts = |gone: &Gone| before.as_ref().is_none_or(|before| before.is_changed_by(gone));
        Record::after(before.clone(), gone.filter(counts), view.now())
    };
    let refused_at = record.as_ref().and_then(|record| record.refused_at(view.now()));
    Ok(Patience { asks_again: given_up::tell(view, draft, record, "NodeClaim or NodePool"), refused_at })
}

/// What is wrong with the pool and its claims, in Karpenter's own words, and what is waited for.
fn observe(view: &View<'_>, draft: &mut Draft, seat: &Seat<'_>, needed: usize, patience: Patience) {
    for claim in seat.live().chain(seat.former.live()) {
        match claim.body {
            Err(malformed) => draft.failures.push(Failure::new(
                &failure::MALFORMED_OBJECT,
                format!("NodeClaim {} cannot be read: {}", claim.name(), malformed.error),
            )),
            Ok(_) => draft.failures.extend(super::refusal(claim)),
        }
    }
    let ready = seat.live().chain(seat.former.live()).filter(|claim| claim.is_ready()).count();
    draft.machines.claims_ready = ready >= needed;
    if draft.machines.claims_ready {
        return;
    }
    // Of machines that are all there, nobody needs to know why no more would come.
    draft.failures.extend(seat.pool.refusal());
    let asked = told_as_asked(view, draft, seat, needed, patience);
    given_up::name(draft, &asked);
    let what = format!("{ready} of {needed} NodeClaims are ready{asked}");
    // Not since a claim was made: Karpenter makes new ones as often as it likes.
    let since = draft.machines.given_up_since.unwrap_or_else(|| view.not_since(ConditionType::NodeClaimReady));
    let wait = Waiting::new(&failure::CLAIMS_PENDING, what, since);
    draft.waits.push(wait.overdue_because(view.now(), || {
        seat.live().find_map(Claim::standing).or_else(|| seat.pool.standing(seat.claims.len()))
    }));
}

/// What the status says of the pool: its name, where machines are asked for by it, and how many are not.
fn told_as_asked(view: &View<'_>, draft: &Draft, seat: &Seat<'_>, needed: usize, patience: Patience) -> String {
    let asked = match &seat.pool {
        Named::Ours(_) => seat.pool.asks() as usize,
        Named::Unreadable(_) => needed,
        Named::Absent | Named::Former(_) | Named::Foreign(_) if is_asked_now(view, draft) => needed,
        Named::Absent | Named::Former(_) | Named::Foreign(_) => 0,
    };
    let not_asked = match needed.saturating_sub(asked + seat.former.live().count()) {
        0 => String::new(),
        count if draft.may_buy() && view.now() < patience.asks_again => {
            format!(" ({count} are not asked for before {})", rfc3339(patience.asks_again))
        }
        count => format!(" ({count} are not asked for)"),
    };
    let name = (asked > 0).then(|| pool::key(view.key).name);
    not_asked + &given_up::asked_for(name.into_iter().collect())
}

/// Whether the pool is asked for in this very plan, and was not refused.
fn is_asked_now(view: &View<'_>, draft: &Draft) -> bool {
    let key = pool::key(view.key);
    let is_refused = view.snapshot.mishaps().iter().any(|error| error.key == key);
    !is_refused && draft.steps.iter().any(|step| *step.effect.key() == key && step.effect.verb() == "create")
}

/// The Nodes of the Workspace, by name: those of its live claims, and those that were brought along and taken.
fn workers<'a>(
    view: &View<'a>,
    draft: &mut Draft,
    seat: &Seat<'_>,
    cover: &Cover<'a>,
) -> Result<Vec<&'a Node>, Unread> {
    let listing = view.snapshot.list::<Node>(None, own_labels(view.key), Freshness::Cached)?;
    super::tell_unreadable(draft, &listing);
    let is_claimed = |node: &&Node| {
        let mut claims = seat.live().chain(seat.former.live());
        claims.any(|claim| claim.body.is_ok_and(|body| body.node_name() == Some(&node.name_any())))
    };
    let claimed = listing.items.into_iter().filter(is_claimed);
    let mut workers: Vec<&Node> = claimed.chain(cover.adopted.iter().copied()).collect();
    workers.sort_by_key(|node| node.name_any());
    workers.dedup_by_key(|node| node.name_any());
    Ok(workers)
}
