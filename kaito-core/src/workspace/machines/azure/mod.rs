//! The azure-gpu-provisioner: a NodeClaim for each machine, answered by whoever provisions them.
//!
//! Claims alive never exceed the target, whatever the cache says: names follow from the Workspace's uid and the slot, so asking twice asks once, and nothing is asked for or
//! taken back before the API server itself has shown the Workspace and its claims in this very round.

mod given_up; // claims that went away before a machine came
mod orphans; // machines of a Workspace that is gone

use super::super::draft::Draft;
use super::super::view::View;
use super::super::workload;
use super::claim::Claim;
use super::claims::{Claims, Slots};
use super::{Awaited, Came, Held, Provisioner, Short};
use crate::effect::{Effect, WriteMode, is_dying};
use crate::failure::{self, Failure, Waiting};
use crate::kinds::{Kind, Typed};
use crate::manifest;
use crate::object::{ObjectKey, Seen};
use crate::plan::{Notice, Plan};
use crate::read::{Freshness, Read, Selector};
use crate::snapshot::{Listing, Snapshot, Unread};
use k8s_openapi::api::core::v1::Node;
use kaito_api::vocabulary::{ConditionType, events, labels};
use kube_core::ResourceExt;

pub(super) struct AzureGpuProvisioner;

impl Provisioner for AzureGpuProvisioner {
    fn first_reads(&self, key: &ObjectKey) -> Vec<Read> {
        [Kind::NodeClaim, Kind::Node].map(|kind| Read::list(kind, None, machine_labels(key))).into()
    }

    fn node_labels(&self, view: &View<'_>) -> Vec<(String, String)> {
        let own = [(labels::WORKSPACE, view.name()), (labels::WORKSPACE_NAMESPACE, view.namespace())];
        own.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    fn asks(&self) -> bool {
        true
    }

    fn step<'a>(&self, view: &View<'a>, draft: &mut Draft) -> Result<Option<Came<'a>>, Unread> {
        step(view, draft)
    }

    fn holds(&self, view: &View<'_>) -> Result<Held, Unread> {
        Ok(held(&claims(view, Freshness::Cached)?))
    }

    fn give_back(&self, view: &View<'_>, draft: &mut Draft, freshness: Freshness) -> Result<Held, Unread> {
        let claims = claims(view, freshness)?;
        take_back(view, draft, &claims, |_| true);
        Ok(held(&claims))
    }

    fn take_back_unmade(&self, view: &View<'_>, draft: &mut Draft) -> Result<(), Unread> {
        take_back(view, draft, &claims(view, Freshness::Live)?, is_unmade);
        Ok(())
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

/// The labels that tie NodeClaims and Nodes to their Workspace.
fn machine_labels(key: &ObjectKey) -> Selector {
    Selector::of([(labels::WORKSPACE, key.name.as_str()), (labels::WORKSPACE_NAMESPACE, key.namespace())])
}

/// The NodeClaims that carry them.
fn claims<'a>(view: &View<'a>, freshness: Freshness) -> Result<Claims<'a>, Unread> {
    Ok(Claims::new(view.snapshot.list(None, machine_labels(view.key), freshness)?, view.uid()))
}

fn take_back(view: &View<'_>, draft: &mut Draft, claims: &Claims<'_>, such: fn(&Claim<'_>) -> bool) {
    for claim in claims.live().filter(|claim| such(claim)) {
        if let Some(target) = claims.owned(claim, view.key) {
            draft.delete(target);
        }
    }
}

fn is_unmade(claim: &Claim<'_>) -> bool {
    !claim.is_launched()
}

fn held(claims: &Claims<'_>) -> Held {
    Held {
        all: claims.len(),
        alive: claims.live().count(),
        unmade: claims.live().filter(|claim| is_unmade(claim)).count(),
        unit: "NodeClaim",
        leaving: claims.dying().find_map(Claim::leaving),
    }
}

fn step<'a>(view: &View<'a>, draft: &mut Draft) -> Result<Option<Came<'a>>, Unread> {
    let claims = claims(view, Freshness::Cached)?;
    let Some(told) = draft.target.or_else(|| told_of(view, &claims)) else { return Ok(None) };
    if claims.no_such_kind {
        draft
            .failures
            .push(Failure::new(&failure::KIND_NOT_INSTALLED, "the CRD nodeclaims.karpenter.sh is not installed"));
        return Ok(None);
    }
    let slots = claims.slots(told);
    let asks_again = given_up::observe(view, draft, &slots, told)?;
    if let Some(target) = draft.target {
        let buys = !slots.missing.is_empty() && draft.may_buy() && asks_again <= view.now();
        // What is over needs no machine any more; those that are there stay until the Workspace goes.
        if buys || (!slots.surplus.is_empty() && !draft.progress.is_over()) {
            settle(view, draft, target, buys)?;
        }
    }
    observe_claims(view, draft, &slots, told);
    let awaited = slots.filled.iter().map(|claim| Awaited {
        node: claim.body.ok().and_then(|body| body.node_name()),
        progressed: claim.progressed(),
        standing: claim.standing(),
    });
    let workers = workers(view, draft, &claims)?;
    Ok(Some(Came {
        used: workers.clone(),
        workers,
        target: told,
        awaited: awaited.collect(),
        is_asked: !slots.filled.is_empty() || !slots.dying.is_empty(),
        short: Short { row: &failure::NODES_PENDING, words: None },
    }))
}

/// How many machines are told of where nothing can be settled today: those that were settled on, or that are there; none where none is there.
fn told_of(view: &View<'_>, claims: &Claims<'_>) -> Option<u32> {
    let there = u32::try_from(claims.live().count()).ok().filter(|_| !claims.is_empty())?;
    view.recorded_target().or(Some(there)).filter(|count| *count > 0)
}

/// Brings the number of claims to the target, from live reads only.
fn settle(view: &View<'_>, draft: &mut Draft, target: u32, buys: bool) -> Result<(), Unread> {
    let root = view.live_root()?;
    let claims = claims(view, Freshness::Live)?;
    let alive = root.found().is_some_and(|root| root.uid() == view.uid() && !is_dying(&root.metadata));
    if !alive {
        return Ok(());
    }
    let slots = claims.slots(target);
    for claim in &slots.surplus {
        if let Some(target) = claims.owned(claim, view.key) {
            draft.delete(target);
        }
    }
    let subject = draft.subject.as_ref().filter(|_| buys);
    let machine = subject.and_then(|subject| Some((subject.hardware()?.name.clone(), subject.disk_request_gib())));
    let Some((size, disk_gib)) = machine else { return Ok(()) };
    for (slot, incarnation) in slots.missing {
        let name = manifest::claim_name(view.uid(), slot, incarnation);
        let wanted = manifest::node_claim(&manifest::Machine {
            name: name.clone(),
            workspace: view.name(),
            namespace: view.namespace(),
            uid: view.uid(),
            slot,
            incarnation,
            size: &size,
            disk_gib,
            user_labels: workload::user_labels(view),
            image_family: workload::image_family(view),
            settings: view.settings,
        });
        let made = draft.push_after(Effect::ensure(&wanted.into_object(), WriteMode::CreateOnly, None), draft.stamp);
        draft.notices.push(Notice {
            warning: false,
            reason: events::NODE_CLAIM_CREATED,
            note: format!("Successfully created NodeClaim {name} for workspace {}/{}", view.namespace(), view.name()),
            after: Some(made),
        });
    }
    Ok(())
}

fn observe_claims(view: &View<'_>, draft: &mut Draft, slots: &Slots<'_>, target: u32) {
    for claim in &slots.filled {
        match claim.body {
            Err(malformed) => draft.failures.push(Failure::new(
                &failure::MALFORMED_OBJECT,
                format!("NodeClaim {} cannot be read: {}", claim.name(), malformed.error),
            )),
            Ok(_) => draft.failures.extend(super::refusal(claim)),
        }
    }
    let asked = given_up::named(view, draft, slots);
    super::given_up::name(draft, &asked);
    let ready = slots.filled.iter().filter(|claim| claim.is_ready()).count();
    draft.machines.claims_ready = ready >= target as usize;
    if !draft.machines.claims_ready {
        let replaced = match (slots.held_by_dying, slots.missing.len()) {
            (0, missing) if missing > 0 && !draft.may_buy() => format!(" ({missing} are not asked for)"),
            (0, _) => String::new(),
            (held, _) => format!(" ({held} wait until their predecessor is gone)"),
        };
        let what = format!("{ready} of {target} NodeClaims are ready{replaced}{asked}");
        let deleted = slots.dying.iter().filter_map(Claim::deleted);
        let since = slots.filled.iter().filter_map(Claim::not_ready_since).chain(deleted).max();
        let since = draft.machines.given_up_since.or(since);
        let since = since.unwrap_or_else(|| view.not_since(ConditionType::NodeClaimReady));
        let wait = Waiting::new(&failure::CLAIMS_PENDING, what, since);
        draft.waits.push(wait.overdue_because(view.now(), || slots.filled.iter().find_map(Claim::standing)));
    }
}

/// The Nodes of the Workspace, by name: they count only through own claims that nobody has deleted.
fn workers<'a>(view: &View<'a>, draft: &mut Draft, claims: &Claims<'_>) -> Result<Vec<&'a Node>, Unread> {
    let listing: Listing<'_, Node> = view.snapshot.list(None, machine_labels(view.key), Freshness::Cached)?;
    super::tell_unreadable(draft, &listing);
    let is_claimed = |node: &&Node| {
        claims.live().any(|claim| claim.body.is_ok_and(|body| body.node_name() == Some(&node.name_any())))
    };
    let mut workers: Vec<&Node> = listing.items.into_iter().filter(is_claimed).collect();
    workers.sort_by_key(|node| node.name_any());
    Ok(workers)
}
