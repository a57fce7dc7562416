//! One reconcile of the product, driven by a test and not by a world.

use jiff::Timestamp;
use kaito_core::backend::{BackendError, ClusterBackend};
use kaito_core::driver::{self, Planner, Reconciliation, Report, Wish};
use kaito_core::memory::MemoryCluster;
use kaito_core::snapshot::{Answer, Snapshot, Unread};
use kaito_core::{ObjectKey, Plan, Read, Seen, Settings, WorkspacePlanner};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// One reconcile of a process whose clock says `now`: the machine, with everything that was read, planned and carried out still in it, and how it went.
///
/// # Panics
/// When the cluster lets wait: one in memory never does.
#[expect(clippy::panic, reason = "the kit of tests fails by panic")]
pub fn reconcile(
    cluster: &dyn ClusterBackend,
    root: &ObjectKey,
    now: Timestamp,
) -> (Reconciliation, Result<Report, BackendError>) {
    let (settings, mut work) = (Settings::default(), Reconciliation::new(root.clone(), now));
    let done = {
        let driven = pin!(driver::drive(&mut work, cluster, &WorkspacePlanner, &settings));
        driven.poll(&mut Context::from_waker(Waker::noop()))
    };
    let Poll::Ready(report) = done else { panic!("a cluster in memory lets wait") };
    (work, report)
}

/// The same up to the first wish for anything but a read.
pub fn look(root: &ObjectKey, now: Timestamp, answer: impl Fn(&Read) -> Answer) -> Reconciliation {
    let mut work = Reconciliation::new(root.clone(), now);
    while let Wish::Read(read) = work.next(&WorkspacePlanner, &Settings::default()) {
        work.answered(Ok(answer(&read)));
    }
    work
}

/// What an operator with these settings plans in a cluster that holds these objects and no others.
///
/// # Panics
/// When that takes more rounds of reads than a driver grants.
pub fn plan(objects: &[Seen], root: &ObjectKey, now: Timestamp, settings: &Settings) -> Plan {
    plan_with(root, now, settings, |read| answer(objects, read))
}

/// The same where these are the answers.
///
/// # Panics
/// As [`plan`] does.
#[expect(clippy::panic, reason = "the kit of tests fails by panic")]
pub fn plan_with(root: &ObjectKey, now: Timestamp, settings: &Settings, answer: impl Fn(&Read) -> Answer) -> Plan {
    let mut snapshot = Snapshot::new(now);
    for _ in 0..driver::MAX_ROUNDS {
        match WorkspacePlanner.plan(root, &snapshot, settings) {
            Ok(plan) => return plan,
            Err(Unread(reads)) => {
                for read in reads {
                    let answer = answer(&read);
                    snapshot.answer(read, answer);
                }
            }
        }
    }
    panic!("a plan for {root} asks for ever more")
}

/// What a cluster in memory holds.
pub fn objects(cluster: &MemoryCluster) -> Vec<Seen> {
    cluster.with_store(|store| store.iter().map(|(key, value)| Seen::decode(key.kind, value.clone())).collect())
}

/// What a cluster answers that holds these objects and no others.
pub fn answer(objects: &[Seen], read: &Read) -> Answer {
    let mut found = objects.iter().filter(|seen| read.matches(seen)).cloned();
    match read {
        Read::Object { .. } => Answer::Object(found.next()),
        Read::List { .. } | Read::PodsOn { .. } => Answer::List(found.collect()),
        Read::Model(_) => Answer::Model(kaito_core::hub::ModelAnswer::Pending),
        Read::Log(_) => Answer::Log(Err("there is no such pod".to_owned())),
    }
}
