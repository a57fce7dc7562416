//! How long things take in a simulated world.
//!
//! The defaults are what AKS users report for a one-GPU machine and a model of a few GiB; they are assumptions, and every one can be set.

use jiff::SignedDuration;
use serde::Serialize;

/// Durations, in simulated time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pace {
    /// From a NodeClaim to a running machine.
    pub launch: SignedDuration,
    /// From there to a Node that is ready.
    pub join: SignedDuration,
    /// From there to GPUs that are advertised.
    pub device_plugin: SignedDuration,
    /// From the deletion of a NodeClaim to the end of its machine.
    pub terminate: SignedDuration,
    /// From a scheduled pod to a started container: images are pulled, init containers have run.
    pub pull: SignedDuration,
    /// From a started container to a ready one: the weights are loaded.
    pub load: SignedDuration,
    /// From a started container that runs to its end to that end: a model is tuned.
    pub train: SignedDuration,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = SignedDuration::from_secs;
        Self {
            launch: seconds(200),
            join: seconds(40),
            device_plugin: seconds(10),
            terminate: seconds(90),
            pull: seconds(150),
            load: seconds(198),
            train: seconds(3600),
        }
    }
}

impl Pace {
    /// Everything happens at once; for tests beside a real API server.
    pub const fn instant() -> Self {
        const NOW: SignedDuration = SignedDuration::ZERO;
        Self { launch: NOW, join: NOW, device_plugin: NOW, terminate: NOW, pull: NOW, load: NOW, train: NOW }
    }
}
