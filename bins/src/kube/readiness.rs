//! What is still missing before this program does its work, in words.

use super::kinds;
use kaito_core::cache::{Phase, Stores};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A loop that has not been round for so long hangs.
const STALLED: Duration = Duration::from_secs(30);

/// What `/readyz` and `/healthz` ask. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Readiness {
    stores: Arc<Stores>,
    loops: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl Readiness {
    pub(super) fn new(stores: Arc<Stores>) -> Self {
        Self { stores, loops: Arc::default() }
    }

    /// Everything that is waited for; empty when ready.
    pub fn missing(&self) -> Vec<String> {
        let phases = self.stores.phases();
        let told = phases.into_iter().filter_map(|(row, phase)| match phase {
            Phase::Synced => None,
            Phase::NoSuchKind => Some(format!("waiting for customresourcedefinition {}", kinds::definition(row.kind))),
            Phase::Starting(None) => Some(format!("waiting for the first list of {}", row.kind.plural())),
            Phase::Starting(Some(cause)) => {
                Some(format!("waiting for the first list of {}: {cause}", row.kind.plural()))
            }
            Phase::Lost(cause) => {
                Some(format!("nothing is heard of {}, the API server is asked instead: {cause}", row.kind.plural()))
            }
        });
        told.collect()
    }

    /// The loops that hang; empty when healthy.
    pub fn stalled(&self) -> Vec<String> {
        let loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        loops.iter().filter(|(_, beat)| beat.elapsed() > STALLED).map(|(name, _)| format!("{name} hangs")).collect()
    }

    /// A loop is alive.
    pub(super) fn beat(&self, name: &str) {
        let mut loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        loops.insert(name.to_owned(), Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kaito_core::kinds::KindUse;
    use kaito_core::{KINDS, Kind};

    #[test]
    fn a_kind_of_which_nothing_is_heard_any_more_is_named() {
        let row = *KindUse::of(KINDS, Kind::NodeClaim).unwrap();
        let stores = Arc::new(Stores::new(&[row]));
        let readiness = Readiness::new(Arc::clone(&stores));
        assert_eq!(readiness.missing(), ["waiting for the first list of nodeclaims"]);
        stores.listed(Kind::NodeClaim, Vec::new());
        assert!(readiness.missing().is_empty());
        assert!(stores.lost(Kind::NodeClaim, "no route to host").is_some());
        assert_eq!(
            readiness.missing(),
            ["nothing is heard of nodeclaims, the API server is asked instead: no route to host"]
        );
    }

    #[test]
    fn a_loop_that_has_not_been_round_for_long_is_named() {
        let readiness = Readiness::new(Arc::new(Stores::new(&[])));
        readiness.beat("workspace");
        assert!(readiness.stalled().is_empty());
        let before = Instant::now().checked_sub(STALLED + Duration::from_secs(1)).unwrap();
        readiness.loops.lock().unwrap().insert("workspace".to_owned(), before);
        assert_eq!(readiness.stalled(), ["workspace hangs"]);
    }
}
