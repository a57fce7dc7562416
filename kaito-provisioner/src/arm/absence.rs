//! Whether a 404 says that the pool is not there, and means the pool: not the cluster, its group, or a proxy's page (spec/05 §7.4, S5-B8). A claim that lost its finalizer for one of those would leave its machine behind;
//! one that never hears of it waits for ever, so what AKS really answers must be understood:
//! `{"code": "NotFound", "subcode": "GetAgentPool_NotFound", "message": "Could not find the agentpool…", "details": [{"code": "Unspecified", "message": "rpc error: … Agent Pool not found"}]}`.

use super::error::{json, said};
use super::errors::Said;
use bytes::Bytes;
use http::{Response, StatusCode};

/// What an answer is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Look,
    /// Only asked for after a look, so that the bare code is enough.
    Deletion,
}

/// What one error of an answer says of the pool, the most certain last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    /// Nothing.
    Silent,
    /// It seems to mean the pool.
    Pool,
    /// It speaks of something else that may be what is not there.
    Doubt,
    /// The pool is not there.
    SurelyPool,
    /// Something else is not there.
    SurelyElse,
}

/// What AKS says of a pool that is not there, and of anything else that is not.
const NOT_FOUND: &str = "NotFound";
/// The same of nothing but a pool.
const NO_POOL: &str = "AgentPoolNotFound";
/// What AKS calls the error of a service behind it.
const UNSPECIFIED: &str = "Unspecified";

/// How a message says that the pool is not there, without case and blanks. The pool's own name proves nothing: one may be called `a`, or as its cluster.
const SAYS_POOL: &[&str] = &["agentpoolnotfound"];
/// The same of its cluster.
const SAYS_ELSE: &[&str] = &["managedclusternotfound", "couldnotfindmanagedcluster", "couldnotfindthemanagedcluster"];
/// What a message names that may not be there, or only where the pool is not.
const NAMES_ELSE: &[&str] = &["managedcluster", "resourcegroup", "subscription"];

/// Whether an answer says so: what names something else for certain decides, then what names the pool for certain, then a doubt.
pub(super) fn is_of_the_pool(response: &Response<Bytes>, asked: Asked) -> bool {
    if response.status() != StatusCode::NOT_FOUND {
        return false;
    }
    let all = json(response.body()).as_ref().and_then(said).unwrap_or_default();
    matches!(all.iter().map(|said| word(said, asked)).max(), Some(Word::Pool | Word::SurelyPool))
}

fn word(said: &Said, asked: Asked) -> Word {
    let is = |code: &str| said.code.eq_ignore_ascii_case(code);
    let message = squeezed(&said.message);
    let says = |what: &[&str]| what.iter().any(|what| message.contains(what));
    let subcode = squeezed(&said.subcode).replace('_', "");
    let is_neutral = said.code.is_empty() || is(NOT_FOUND) || is(UNSPECIFIED) || is(NO_POOL);
    let is_absence = |code: &str| code.to_ascii_lowercase().ends_with("notfound");
    if says(SAYS_ELSE)
        || (!is_neutral && is_absence(&said.code))
        || (is_absence(&subcode) && !subcode.contains("agentpool"))
    {
        Word::SurelyElse
    } else if is(NO_POOL) || is_absence(&subcode) || (is_neutral && says(SAYS_POOL)) {
        Word::SurelyPool
    } else if !is_neutral || says(NAMES_ELSE) {
        Word::Doubt
    } else if is(NOT_FOUND) && (asked == Asked::Deletion || message.contains("agentpool")) {
        Word::Pool
    } else {
        Word::Silent
    }
}

fn squeezed(text: &str) -> String {
    text.to_ascii_lowercase().split_whitespace().collect()
}
