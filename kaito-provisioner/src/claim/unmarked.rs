//! A pool that has lost the labels by which it is known: `az aks nodepool update --labels` replaces all of them. Whether it is the claim's machine or that of somebody who took the name, nobody knows:
//! it is never touched, and nothing is bought in its place.

use super::cluster;
use super::conditions::{INSTANCE_TERMINATING, Saying};
use super::draft::Draft;
use super::launch::PATIENT;
use super::view::View;
use super::waits::{self, Waiting};
use crate::pool::PoolSeen;
use jiff::Timestamp;
use kaito_api::vocabulary::labels;
use kaito_core::snapshot::Unread;

/// The labels that say of a pool whose it is.
const MARKS: [&str; 7] = [
    labels::NODE_POOL,
    labels::WORKSPACE,
    labels::WORKSPACE_NAMESPACE,
    labels::WORKSPACE_UID,
    labels::RAG_ENGINE,
    labels::KAITO_NODE_CLASS,
    labels::CREATION_TIMESTAMP,
];

/// Which labels it lacks, as its claim has them.
pub(super) fn words(view: &View<'_>, pool: &PoolSeen) -> Result<String, Unread> {
    let own = view.claim.metadata.labels.as_ref();
    let wanted = MARKS.iter().filter_map(|key| Some(((*key).to_owned(), own?.get(*key)?.clone())));
    let missing =
        wanted.chain(cluster::stamp(view.snapshot)?).filter(|(key, value)| pool.labels.get(key) != Some(value));
    let missing: Vec<String> = missing.map(|(key, value)| format!("{key}={value}")).collect();
    let name = view.name();
    Ok(format!("agent pool {name} does not say that it is of this claim; missing labels: {}", missing.join(" ")))
}

/// A claim that is being deleted, and whose Node is empty, waits for somebody to say whose the pool is.
pub(super) fn wait(view: &View<'_>, draft: &mut Draft, pool: &PoolSeen, asked: Timestamp) -> Result<(), Unread> {
    let wait = Waiting::new(&waits::POOL_NOT_OURS, words(view, pool)?, asked);
    let message = wait.message(view.now());
    draft.wait(view, wait);
    let reason = INSTANCE_TERMINATING.to_owned();
    draft.say(INSTANCE_TERMINATING, Saying::new("True", reason, message));
    draft.look_again(PATIENT);
    Ok(())
}
