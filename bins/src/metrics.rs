//! What is counted: a few families with bounded labels, in a registry that the caller brings. No name of an object is ever a label.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};
use std::sync::Arc;
use std::time::Duration;

/// From a plan out of the cache to a write that a slow webhook holds.
const SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0];

/// The families. Cheap to clone.
#[derive(Clone, Default)]
pub struct Metrics(Option<Arc<Families>>);

struct Families {
    reconciles: IntCounterVec,
    seconds: HistogramVec,
    requests: IntCounterVec,
    depth: IntGaugeVec,
}

impl Metrics {
    /// Registers all families. Fails when one of these names is taken in the registry.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let reconciles = Opts::new("kaito_reconciles_total", "Looks at a root, by planner and by how they left it.");
        let seconds = HistogramOpts::new("kaito_reconcile_seconds", "How long one look takes, writes included.")
            .buckets(SECONDS.to_vec());
        let requests = Opts::new(
            "kaito_kube_requests_total",
            "Requests to the API server, watches aside, by verb, kind and result.",
        );
        let depth = Opts::new("kaito_queue_depth", "Roots that are due and not looked at yet.");
        let families = Families {
            reconciles: IntCounterVec::new(reconciles, &["planner", "outcome"])?,
            seconds: HistogramVec::new(seconds, &["planner"])?,
            requests: IntCounterVec::new(requests, &["verb", "kind", "result"])?,
            depth: IntGaugeVec::new(depth, &["planner"])?,
        };
        registry.register(Box::new(families.reconciles.clone()))?;
        registry.register(Box::new(families.seconds.clone()))?;
        registry.register(Box::new(families.requests.clone()))?;
        registry.register(Box::new(families.depth.clone()))?;
        Ok(Self(Some(Arc::new(families))))
    }

    /// Counts nothing.
    pub fn unread() -> Self {
        Self::default()
    }

    /// One look at a root.
    pub(crate) fn reconciled(&self, planner: &str, outcome: &str, took: Duration) {
        if let Some(families) = &self.0 {
            families.reconciles.with_label_values(&[planner, outcome]).inc();
            families.seconds.with_label_values(&[planner]).observe(took.as_secs_f64());
        }
    }

    /// One request.
    pub(crate) fn request(&self, verb: &str, kind: &str, result: &str) {
        if let Some(families) = &self.0 {
            families.requests.with_label_values(&[verb, kind, result]).inc();
        }
    }

    /// How many roots are due.
    pub(crate) fn depth(&self, planner: &str, due: usize) {
        if let Some(families) = &self.0 {
            families.depth.with_label_values(&[planner]).set(i64::try_from(due).unwrap_or(i64::MAX));
        }
    }
}
