//! What went wrong when a plan was carried out, as a refusal of the cloud.

use crate::arm::errors::LAUNCH_FAILED;
use crate::class::{ErrorClass, Failure};
use crate::pool::object::{in_parts, said};
use kaito_core::backend::ErrorKind;
use kaito_core::effect::EffectError;
use kaito_core::{ObjectKey, Snapshot};

/// The refusal of an effect on an object, where it was refused.
pub(super) fn of(snapshot: &Snapshot, key: &ObjectKey, verb: &str) -> Option<Failure> {
    snapshot.mishaps().iter().find(|error| error.key == *key && error.verb == verb).map(failure)
}

fn failure(error: &EffectError) -> Failure {
    meaning(error.kind, &error.message)
}

/// A refusal by its words, and where they say nothing that is known, by its kind.
pub(super) fn meaning(kind: ErrorKind, message: &str) -> Failure {
    let words = in_parts(message);
    let by_words = said(&words.code, &words.message);
    if by_words.class != ErrorClass::Unknown {
        return by_words;
    }
    let (class, reason) = match kind {
        ErrorKind::Throttled => (ErrorClass::Throttled, "Throttled"),
        ErrorKind::Unavailable | ErrorKind::Timeout => (ErrorClass::Unavailable, LAUNCH_FAILED),
        ErrorKind::Forbidden => (ErrorClass::Auth, "NotAuthorized"),
        ErrorKind::Invalid => (ErrorClass::Invalid, LAUNCH_FAILED),
        ErrorKind::Conflict | ErrorKind::Busy => (ErrorClass::Conflict, "OperationInProgress"),
        ErrorKind::AlreadyExists => (ErrorClass::Superseded, "PoolChanged"),
        ErrorKind::NotFound => (ErrorClass::NoCluster, "ClusterNotFound"),
        _ => (ErrorClass::Unknown, LAUNCH_FAILED),
    };
    Failure::new(class, reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kaito_core::Kind;

    #[test]
    fn words_decide_and_where_they_say_nothing_the_kind_does() {
        for (kind, message, class) in [
            (ErrorKind::Forbidden, "QuotaExceeded: no cores", ErrorClass::Quota),
            (ErrorKind::Invalid, "OperationNotAllowed: Another operation is in progress", ErrorClass::Conflict),
            (ErrorKind::Forbidden, "no", ErrorClass::Auth),
            (ErrorKind::Timeout, "no answer", ErrorClass::Unavailable),
            (ErrorKind::Busy, "Conflict: the agent pool is being updated", ErrorClass::Conflict),
            (ErrorKind::AlreadyExists, "there is one", ErrorClass::Superseded),
            (ErrorKind::Invalid, "BadThing: never", ErrorClass::Invalid),
        ] {
            let key = ObjectKey::cluster(Kind::AgentPool, "a");
            let error = EffectError { key, verb: "create", kind, message: message.to_owned(), retry_after: None };
            assert_eq!(failure(&error).class, class, "{message}");
        }
    }
}
