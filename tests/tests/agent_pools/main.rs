//! Agent pools over HTTP: the product's own transport against an Azure on this machine, and against everything that may come instead of an answer.

mod answers; // what is said of a pool, and what cannot be an answer
mod claims; // lives of claims
mod environment; // authorities that are trusted, and proxies
mod faults; // one request in ten goes wrong
mod lists; // what a watch would tell
mod pace; // how often Azure is asked
mod trouble; // writes without an answer, credentials that end, two provisioners

use kaito_api::cloud::AgentPool;
use kaito_api::vocabulary::labels;
use kaito_core::backend::{BackendError, Written};
use kaito_core::effect::{Effect, Owned, WriteMode};
use kaito_core::kinds::Typed;
use kaito_core::memory::Pace;
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, ObjectKey, Read, Seen};
use kaito_operator::arm::ArmPools;
use serde_json::json;
use std::time::{Duration, Instant};

const STAMP: &str = "2026-01-02T03-04-05Z";
const OTHER_STAMP: &str = "2026-06-07T08-09-10Z";
const SIZE: &str = "Standard_NC24ads_A100_v4";
const OTHER_SIZE: &str = "Standard_NC48ads_A100_v4";
const PATIENCE: Duration = Duration::from_secs(20);

fn key(name: &str) -> ObjectKey {
    ObjectKey::cluster(Kind::AgentPool, name)
}

/// Asks for a pool, as a plan does.
async fn create(pools: &ArmPools, name: &str) -> Result<Written, BackendError> {
    create_of(pools, name, SIZE).await
}

/// The same of another size.
async fn create_of(pools: &ArmPools, name: &str, size: &str) -> Result<Written, BackendError> {
    let body = json!({
        "metadata": {"labels": {"kaito.sh/workspace": "phi", "karpenter.sh/nodepool": "kaito", "kaito.sh/creation-timestamp": STAMP}},
        "spec": {"size": size, "diskGib": 128, "taints": ["sku=gpu:NoSchedule"]},
    });
    pools.perform(&Effect::Ensure { key: key(name), body, mode: WriteMode::CreateOnly, uid: None }).await
}

/// A pool, as it is now.
async fn look(pools: &ArmPools, name: &str) -> Result<Option<Seen>, BackendError> {
    match pools.read(&Read::object(key(name)).live()).await? {
        Answer::Object(found) => Ok(found),
        other => panic!("{other:?}"),
    }
}

fn pool(seen: &Seen) -> &AgentPool {
    match seen {
        Seen::Decoded(object) => AgentPool::of(object).expect("a pool"),
        Seen::Malformed(malformed) => panic!("{}", malformed.error),
    }
}

fn state(seen: Option<&Seen>) -> &str {
    seen.map_or("gone", |seen| pool(seen).status.as_ref().map_or("", |status| status.state.as_str()))
}

/// Deletes a pool that was seen, as a plan does: by the time of its claim.
async fn delete(pools: &ArmPools, seen: &Seen, stamp: &str) -> Result<Written, BackendError> {
    let target = Owned::by_label(seen, labels::CREATION_TIMESTAMP, stamp).expect("it is ours");
    pools.perform(&Effect::Delete { target }).await
}

/// Looks until a pool is in a state.
async fn until(pools: &ArmPools, name: &str, wanted: &str) -> Option<Seen> {
    let start = Instant::now();
    loop {
        let seen = look(pools, name).await.unwrap_or_else(|error| panic!("{error}"));
        if state(seen.as_ref()) == wanted {
            return seen;
        }
        assert!(start.elapsed() < PATIENCE, "{wanted} is waited for: {seen:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Machines that come and go at once; `made` keeps them in the making for so long.
fn pace(made: i64) -> Pace {
    Pace { launch: jiff::SignedDuration::from_secs(made), ..Pace::instant() }
}
