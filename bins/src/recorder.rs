//! The flight recorder of a process: one, shared by its controllers and by whoever wants to read it.

use kaito_core::Settings;
use kaito_core::driver::{Planner, Reconciliation};
use kaito_core::record::{Limits, Recorder};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A [`Recorder`] behind a lock. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FlightRecorder {
    recorder: Arc<Mutex<Recorder>>,
    is_on: bool,
}

impl FlightRecorder {
    /// An empty one; with no bytes, one that records nothing.
    pub fn new(limits: Limits) -> Self {
        Self { recorder: Arc::new(Mutex::new(Recorder::new(limits))), is_on: limits.bytes > 0 && limits.reconciles > 0 }
    }

    /// One that records nothing.
    pub fn off() -> Self {
        Self::new(Limits::of_bytes(0))
    }

    /// Whether it records.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Takes down a reconcile.
    pub fn take(&self, work: &Reconciliation, planner: &dyn Planner, settings: &Settings) {
        if self.is_on {
            self.lock().take(work, planner, settings);
        }
    }

    /// Everything that it holds, as the document of `docs/recorder.md`.
    pub fn to_json(&self) -> String {
        self.lock().to_json()
    }

    fn lock(&self) -> MutexGuard<'_, Recorder> {
        // A panic elsewhere ends the process; until then what was recorded is worth reading.
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
