//! What a watch would tell of agent pools: nobody watches Azure, so they are listed now and then, and whatever is seen in between is told, too.

use super::ArmPools;
use super::pools::Listed;
use kaito_core::cache::{Change, Found, Stores};
use kaito_core::read::Read;
use kaito_core::{Kind, ObjectKey, Seen};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Between two lists, as the reference has it. The bucket for reads is refilled every second; a list takes one of it.
pub const EVERY: Duration = Duration::from_secs(120);
/// Before the first list has come, and after one that failed, doubling up to [`EVERY`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How many lists may fail before what is known is not believed any more.
const BELIEVED: u32 = 3;

/// Where what is seen goes.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) stores: Arc<Stores>,
    /// Those who depend on it.
    pub(super) listeners: Vec<mpsc::Sender<Change>>,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Feed(of {})", self.listeners.len())
    }
}

impl Feed {
    /// A pool was looked at.
    pub(super) async fn saw(&self, key: &ObjectKey, seen: Option<&Seen>) {
        let change = match seen {
            Some(seen) => self.stores.applied(seen.clone()),
            None => match self.stores.find(&Read::object(key.clone())) {
                Found::Object(Some(old)) => self.stores.deleted(&old),
                _ => None,
            },
        };
        self.tell(change).await;
    }

    async fn tell(&self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            for listener in &self.listeners {
                // A listener that is gone is shutting down.
                let _ = listener.send(change.clone()).await;
            }
        }
    }
}

impl ArmPools {
    /// Lists the pools for ever, every so often ([`EVERY`]), and feeds the stores as a watch would; `listeners` hear of each change.
    pub async fn keep(self, stores: Arc<Stores>, listeners: Vec<mpsc::Sender<Change>>, every: Duration) {
        let feed = Feed { stores, listeners };
        self.tell(feed.clone());
        let (mut wait, mut failed) = (FIRST_WAIT, 0_u32);
        loop {
            match once(&self, &feed).await {
                Ok(()) => {
                    (wait, failed) = (FIRST_WAIT, 0);
                    tokio::time::sleep(every).await;
                }
                Err((why, asked)) => {
                    failed = failed.saturating_add(1);
                    complain(&feed, &why, failed).await;
                    // Azure may ask for more patience, and never for less.
                    tokio::time::sleep(asked.unwrap_or_default().max(wait)).await;
                    wait = wait.saturating_mul(2).min(every.max(FIRST_WAIT));
                }
            }
        }
    }
}

/// One list, and why it is none.
async fn once(pools: &ArmPools, feed: &Feed) -> Result<(), (String, Option<Duration>)> {
    let began = Instant::now();
    feed.stores.list_begins(Kind::AgentPool);
    let Listed { pools: mut list, unreadable } =
        pools.list().await.map_err(|error| (error.message, error.retry_after))?;
    if let Some(why) = unreadable.first() {
        // Those that can be read are news; but that others are gone does not follow.
        for seen in list {
            if !pools.was_touched(&seen.key().name, began) {
                feed.saw(&seen.key(), Some(&seen)).await;
            }
        }
        return Err((format!("the list of agent pools cannot be used: {why}"), None));
    }
    for key in pools.touched(began) {
        // What was looked at since is newer than the list; before the first list, and where none was believed any more, nobody has kept it.
        let Found::Object(newer) = feed.stores.find(&Read::object(key.clone())) else { continue };
        list.retain(|seen| seen.key() != key);
        list.extend(newer);
    }
    let changes = feed.stores.listed(Kind::AgentPool, list);
    feed.tell(changes).await;
    Ok(())
}

async fn complain(feed: &Feed, why: &str, failed: u32) {
    let lost = if failed >= BELIEVED { feed.stores.lost(Kind::AgentPool, why) } else { None };
    if lost.is_some() {
        tracing::warn!(why, "agent pools cannot be listed any more: each is asked for by itself");
        feed.tell(lost).await;
    } else if feed.stores.failed(Kind::AgentPool, why) {
        tracing::warn!(why, "agent pools cannot be listed yet");
    } else {
        tracing::debug!(why, "agent pools cannot be listed just now");
    }
}
