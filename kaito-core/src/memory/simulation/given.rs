//! What a user has given to a world, known by the uid that it got: hers, whatever kind it is of, and whoever makes such objects otherwise.

use crate::backend::BackendError;
use crate::memory::World;
use crate::object::{ObjectKey, Seen};
use serde_json::Value;

impl World {
    /// Puts an object of the user's into the world, and remembers that it is hers, and how she gave it.
    pub(in crate::memory) fn give(&mut self, key: &ObjectKey, body: &Value) -> Result<(), BackendError> {
        self.put(key, body)?;
        if let Some(uid) = self.get(key).and_then(|seen| seen.metadata().uid.clone()) {
            self.given.insert(uid, body.clone());
        }
        Ok(())
    }

    /// How the user gave this object, where she did. A namesake that somebody made later is not hers.
    pub(super) fn as_given(&self, seen: &Seen) -> Option<&Value> {
        self.given.get(seen.metadata().uid.as_deref()?)
    }
}
