//! What a refusal means for the machine that was asked for. Which words of Azure mean what: [`crate::arm::errors`].

use kaito_core::words;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kinds of refusal that are treated differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ErrorClass {
    /// The subscription may not have that many cores: somebody must ask for more.
    Quota,
    /// The cloud has no such machine free just now.
    StockOut,
    /// The size does not exist there, or is not offered to this subscription.
    SizeNotAllowed,
    /// The request will never be accepted as it is.
    Invalid,
    /// Another operation is under way on the cluster or on the pool.
    Conflict,
    /// A later operation took the place of this one, or the pool is not in the state that was expected: look at it again.
    Superseded,
    /// The cloud asks for patience.
    Throttled,
    /// Who asks is not known, or not allowed to.
    Auth,
    /// The cluster, its resource group or its subscription is not there, or cannot be asked so: the settings of the provisioner are wrong. Says nothing about a pool.
    NoCluster,
    /// The cloud is not well, or cannot be reached.
    Unavailable,
    /// The answer is not what the cloud is documented to answer: a proxy's page, half a document, an address elsewhere.
    Unreadable,
    /// Nothing that is known.
    Unknown,
}

impl ErrorClass {
    /// Every class.
    pub const ALL: [ErrorClass; 12] = [
        Self::Quota,
        Self::StockOut,
        Self::SizeNotAllowed,
        Self::Invalid,
        Self::Conflict,
        Self::Superseded,
        Self::Throttled,
        Self::Auth,
        Self::NoCluster,
        Self::Unavailable,
        Self::Unreadable,
        Self::Unknown,
    ];

    /// Whether asking for the same machine again is in vain for so long that the claim is given up: `Launched` becomes False.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Quota | Self::StockOut | Self::SizeNotAllowed | Self::Invalid => true,
            Self::Conflict
            | Self::Superseded
            | Self::Throttled
            | Self::Auth
            | Self::NoCluster
            | Self::Unavailable
            | Self::Unreadable
            | Self::Unknown => false,
        }
    }

    /// Whether another of the sizes that a claim names may still be had.
    pub fn is_about_the_size(self) -> bool {
        matches!(self, Self::Quota | Self::StockOut | Self::SizeNotAllowed)
    }

    /// A word for a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::StockOut => "stock_out",
            Self::SizeNotAllowed => "size_not_allowed",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::Superseded => "superseded",
            Self::Throttled => "throttled",
            Self::Auth => "auth",
            Self::NoCluster => "no_cluster",
            Self::Unavailable => "unavailable",
            Self::Unreadable => "unreadable",
            Self::Unknown => "unknown",
        }
    }
}

/// A refusal as it is remembered: what is written down with an operation, and shown in a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Its class.
    pub class: ErrorClass,
    /// The reason of the condition, such as `SubscriptionQuotaReached`.
    pub reason: String,
    /// In the cloud's words, its code first; one line, without secrets, at most [`Failure::LONGEST`] bytes.
    pub message: String,
}

/// What a Workspace's controller of the Go program takes for final (`CheckNodeClaimStatus`, spec/05 §2.10), beside a `Launched` that is False.
pub const NONE_LEFT: &str = "all requested instance types were unavailable during launch";

/// What a refusal makes of the condition `Launched`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launched {
    /// `False` where the claim is given up, else `Unknown`.
    pub status: &'static str,
    /// The reason.
    pub reason: String,
    /// The cloud's words first: readers cut after 256 characters.
    pub message: String,
}

impl Failure {
    /// Bytes of a message at most, as the reference cuts them.
    pub const LONGEST: usize = 800;

    /// A refusal in somebody's words.
    pub fn new(class: ErrorClass, reason: impl Into<String>, message: &str) -> Self {
        Self { class, reason: reason.into(), message: words::cut(&words::clean(message), Self::LONGEST) }
    }

    /// The condition `Launched` of a claim that is refused so; `is_last` says that no other of its sizes is left to try.
    pub fn launched(&self, is_last: bool) -> Launched {
        let is_given_up = self.class.is_terminal() && (is_last || !self.class.is_about_the_size());
        let message = match self.class.is_about_the_size() && is_given_up {
            true => format!("{}; {NONE_LEFT}", self.message),
            false => self.message.clone(),
        };
        Launched { status: if is_given_up { "False" } else { "Unknown" }, reason: self.reason.clone(), message }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_given_up_when_its_last_size_is_refused_for_good() {
        for (class, is_last, status, says_so) in [
            (ErrorClass::Quota, true, "False", true),
            (ErrorClass::Quota, false, "Unknown", false),
            (ErrorClass::StockOut, true, "False", true),
            (ErrorClass::SizeNotAllowed, true, "False", true),
            (ErrorClass::Invalid, false, "False", false),
            (ErrorClass::Throttled, true, "Unknown", false),
            (ErrorClass::Auth, true, "Unknown", false),
        ] {
            let failure = Failure::new(class, "Why", "Code: words");
            let launched = failure.launched(is_last);
            assert_eq!(
                (launched.status, launched.message.contains(NONE_LEFT)),
                (status, says_so),
                "{class:?} {is_last}"
            );
            assert!(launched.message.starts_with("Code: words"));
        }
    }

    #[test]
    fn words_are_one_line_without_secrets_and_cut() {
        let long = Failure::new(ErrorClass::Unknown, "", &format!("a\nb ?sig=abcdefgh1234 {}", "x".repeat(2000)));
        assert!(long.message.starts_with("a b ?sig=*** x"), "{}", long.message);
        assert_eq!(long.message.len(), Failure::LONGEST + 3);
    }
}
