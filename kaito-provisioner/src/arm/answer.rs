//! What an answer says.

use super::absence::{self, Asked};
use super::address::{LinkKind, OperationLink, PageLink};
use super::error::{ArmError, json};
use super::patience::poll_after;
use super::{Arm, pools};
use crate::pool::{PoolName, PoolSeen};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use jiff::Timestamp;
use kaito_core::words;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// Bytes of an answer at most. A thousand pools, each with everything that AKS says of one, are some 5 MiB.
const LARGEST: usize = 32 << 20;

/// Pages of a list at most: a cluster has at most a hundred pools.
const MOST_PAGES: usize = 100;

/// A pool that is being made.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// As Azure shows it at once.
    pub pool: PoolSeen,
    /// Where to ask how far it is; where there is none, or none that may be followed, the pool itself is asked for.
    pub operation: Option<OperationLink>,
    /// When to ask.
    pub poll_after: Duration,
    /// An address that was not followed, in words.
    pub remark: Option<String>,
}

/// What became of a deletion.
#[derive(Debug, Clone, PartialEq)]
pub enum Removal {
    /// There is no such pool, or not any more.
    Gone,
    /// It goes.
    Started {
        /// Where to ask how far it is.
        operation: Option<OperationLink>,
        /// When to ask.
        poll_after: Duration,
        /// An address that was not followed, in words.
        remark: Option<String>,
    },
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Under way; ask again after this time.
    Running(Duration),
    /// It has ended well.
    Succeeded,
    /// It has ended badly.
    Failed(ArmError),
    /// Azure does not remember it. That says nothing about the pool.
    Forgotten,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The pools that can be read.
    pub pools: Vec<PoolSeen>,
    /// What is wrong with the others. A list with such is no ground for deciding that something is not there.
    pub unreadable: Vec<String>,
    /// Where the list goes on.
    pub next: Option<PageLink>,
}

impl Arm {
    /// The answer to [`Arm::get`]: `None` where the cluster is there and the pool is not.
    pub fn read_get(
        &self,
        pool: &PoolName,
        response: &Response<Bytes>,
        now: Timestamp,
    ) -> Result<Option<PoolSeen>, ArmError> {
        if absence::is_of_the_pool(response, Asked::Look) {
            return Ok(None);
        }
        let document = document(response, now)?;
        self.pool_of(pool, &document, response, now).map(Some)
    }

    /// One page of the answer to [`Arm::list`]. [`Pages`] puts them together.
    pub fn read_list(&self, response: &Response<Bytes>, now: Timestamp) -> Result<Page, ArmError> {
        let document = document(response, now)?;
        let unusable = |why: &str| ArmError::unreadable(why, response, now);
        let items = document.get("value").and_then(Value::as_array).ok_or_else(|| unusable("it holds no list"))?;
        let next = match document.get("nextLink") {
            None | Some(Value::Null) => None,
            Some(Value::String(link)) if link.is_empty() => None,
            Some(Value::String(link)) => {
                let uri = self.endpoint.follow(link).map_err(|why| unusable(&format!("its next page {why}")))?;
                Some(PageLink { uri })
            }
            Some(_) => return Err(unusable("its next page is no address")),
        };
        let mut page = Page { pools: Vec::new(), unreadable: Vec::new(), next };
        for item in items {
            match pools::pool(item, response.headers(), now) {
                Ok(pool) => page.pools.push(pool),
                Err(why) => page.unreadable.push(why),
            }
        }
        Ok(page)
    }

    /// The answer to [`Arm::create`].
    pub fn read_create(
        &self,
        pool: &PoolName,
        response: &Response<Bytes>,
        now: Timestamp,
    ) -> Result<Started, ArmError> {
        let document = document(response, now)?;
        let pool = self.pool_of(pool, &document, response, now)?;
        let (operation, remark) = self.operation(response.headers());
        Ok(Started { pool, operation, poll_after: poll_after(response.headers(), now), remark })
    }

    /// The answer to [`Arm::delete`].
    pub fn read_delete(&self, response: &Response<Bytes>, now: Timestamp) -> Result<Removal, ArmError> {
        if absence::is_of_the_pool(response, Asked::Deletion) || response.status() == StatusCode::NO_CONTENT {
            return Ok(Removal::Gone);
        }
        match ArmError::of_response(response, now) {
            Some(error) => return Err(error),
            None if response.body().is_empty() => {}
            // AKS answers with nothing or with a document; a page is a proxy's.
            None => drop(document(response, now)?),
        }
        let (operation, remark) = self.operation(response.headers());
        Ok(Removal::Started { operation, poll_after: poll_after(response.headers(), now), remark })
    }

    /// The answer to [`Arm::poll`]. An error says nothing about the operation: it is asked for again.
    pub fn read_poll(
        &self,
        link: &OperationLink,
        response: &Response<Bytes>,
        now: Timestamp,
    ) -> Result<Progress, ArmError> {
        let status = response.status();
        if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(Progress::Forgotten);
        }
        let later = Progress::Running(poll_after(response.headers(), now));
        if status.is_success() && response.body().is_empty() {
            return Ok(if status == StatusCode::ACCEPTED { later } else { Progress::Succeeded });
        }
        let body = json(response.body());
        let word = body.as_ref().and_then(status_word).map(str::to_ascii_lowercase);
        match (link.kind, word.as_deref()) {
            _ if !status.is_success() => {}
            (_, Some("succeeded")) => return Ok(Progress::Succeeded),
            (_, Some(word @ ("failed" | "canceled" | "cancelled"))) => {
                return Ok(Progress::Failed(ended_badly(word, body.as_ref(), response, now)));
            }
            (LinkKind::Location, _) if status == StatusCode::ACCEPTED => return Ok(later),
            (_, Some(_)) => return Ok(later),
            (_, None) => {}
        }
        // Without a status: an error of its own, or, where the end is a document of another kind, the end.
        let document = document(response, now)?;
        match status {
            StatusCode::ACCEPTED => Ok(later),
            _ if document.is_object() => Ok(Progress::Succeeded),
            _ => Err(ArmError::unreadable("it is no document about an operation", response, now)),
        }
    }

    fn pool_of(
        &self,
        name: &PoolName,
        document: &Value,
        response: &Response<Bytes>,
        now: Timestamp,
    ) -> Result<PoolSeen, ArmError> {
        let unusable = |why: String| ArmError::unreadable(&why, response, now);
        let pool = pools::pool(document, response.headers(), now).map_err(unusable)?;
        if pool.name != *name {
            return Err(unusable(format!("it speaks of {} and not of {name}", pool.name)));
        }
        Ok(pool)
    }

    /// Where an operation can be asked for, or why that is not done.
    fn operation(&self, headers: &HeaderMap) -> (Option<OperationLink>, Option<String>) {
        let mut remark = None;
        for (name, kind) in [("azure-asyncoperation", LinkKind::Status), ("location", LinkKind::Location)] {
            let Some(link) = headers.get(name) else {
                continue;
            };
            match link.to_str().map(|link| self.endpoint.follow(link)) {
                Ok(Ok(uri)) => return (Some(OperationLink { uri, kind }), None),
                Ok(Err(why)) => remark = Some(format!("{name} {why}")),
                Err(_) => remark = Some(format!("{name} is no address")),
            }
        }
        (None, remark)
    }
}

/// A list that is put together page by page.
#[derive(Debug, Default)]
pub struct Pages {
    pools: Vec<PoolSeen>,
    unreadable: Vec<String>,
    followed: BTreeSet<String>,
}

impl Pages {
    /// Adds a page; answers where the list goes on. A list that never ends is an error, in words.
    pub fn take(&mut self, page: Page) -> Result<Option<PageLink>, String> {
        self.pools.extend(page.pools);
        self.unreadable.extend(page.unreadable);
        let Some(next) = page.next else {
            return Ok(None);
        };
        if !self.followed.insert(next.uri.to_string()) {
            return Err("the list of agent pools names a page twice".to_owned());
        }
        if self.followed.len() > MOST_PAGES {
            return Err(format!("the list of agent pools has more than {MOST_PAGES} pages"));
        }
        Ok(Some(next))
    }

    /// Everything that was listed, and what is wrong with the rest.
    pub fn finish(self) -> (Vec<PoolSeen>, Vec<String>) {
        (self.pools, self.unreadable)
    }
}

/// The document of an answer that is a success.
fn document(response: &Response<Bytes>, now: Timestamp) -> Result<Value, ArmError> {
    let size = response.body().len();
    if size > LARGEST {
        return Err(ArmError::unreadable(&format!("it has {size} bytes"), response, now));
    }
    if let Some(error) = ArmError::of_response(response, now) {
        return Err(error);
    }
    json(response.body()).ok_or_else(|| {
        let begins = words::quoted(&String::from_utf8_lossy(&response.body()[..size.min(200)]));
        ArmError::unreadable(&format!("it is no JSON: {begins:?}"), response, now)
    })
}

/// The status of an operation's document: its own, or that of what it holds.
fn status_word(document: &Value) -> Option<&str> {
    let own = document.get("status").and_then(Value::as_str);
    own.or_else(|| document.get("properties")?.get("provisioningState")?.as_str())
}

fn ended_badly(word: &str, body: Option<&Value>, response: &Response<Bytes>, now: Timestamp) -> ArmError {
    let told = body.and_then(|body| body.get("error")).filter(|error| !error.is_null());
    let error = told.and_then(|error| ArmError::of_error(error, response.headers(), now));
    error.unwrap_or_else(|| {
        let code = if word == "failed" { "Failed" } else { "Canceled" };
        ArmError::without_cause(code, "the operation has ended, and Azure does not say why", response.headers(), now)
    })
}
