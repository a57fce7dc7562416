//! What is said of a benchmark: a condition, and the figure.

use super::{Draft, View, trouble};
use crate::conditions::Finding;
use crate::workspace::draft::Benchmark;
use kaito_api::vocabulary::{ConditionType, benchmark, reasons};
use serde_json::{Map, Value};

/// `BenchmarkCompleted`, where there is a benchmark.
pub(super) fn finding(view: &View<'_>, draft: &Draft) -> Option<Finding> {
    const ABOUT: ConditionType = ConditionType::BenchmarkCompleted;
    match &draft.benchmark {
        Benchmark::None => None,
        Benchmark::Unknown => trouble(view, draft, ABOUT),
        Benchmark::Measured(_, words) => Some(Finding::yes(ABOUT, reasons::BENCHMARK_COMPLETED, words.as_str())),
        Benchmark::AsBefore => {
            let told = view.conditions().iter().find(|told| told.type_ == ABOUT.as_str())?;
            Some(Finding {
                condition: ABOUT,
                holds: told.status == "True",
                reason: told.reason.clone(),
                message: told.message.clone(),
            })
        }
    }
}

/// The figure in `performance`. Those of other names are not ours.
pub(super) fn performance(known: &Benchmark, status: &mut Map<String, Value>) {
    let metric = match known {
        Benchmark::AsBefore | Benchmark::Unknown => return,
        Benchmark::None => None,
        Benchmark::Measured(metric, _) => serde_json::to_value(metric).ok(),
    };
    let mut performance = take(status, "performance");
    let mut metrics = take(&mut performance, "metrics");
    match metric {
        Some(metric) => drop(metrics.insert(benchmark::METRIC.to_owned(), metric)),
        None => drop(metrics.remove(benchmark::METRIC)),
    }
    put(&mut performance, "metrics", metrics);
    put(status, "performance", performance);
}

fn take(fields: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match fields.remove(name) {
        Some(Value::Object(found)) => found,
        _ => Map::new(),
    }
}

fn put(fields: &mut Map<String, Value>, name: &str, value: Map<String, Value>) {
    if !value.is_empty() {
        fields.insert(name.to_owned(), Value::Object(value));
    }
}
