//! What the benchmark of a start has measured.
//!
//! The startup probe of the first pod runs it and prints the result, which is read from the log when the model is served: once for each pod that serves, for a pod that is made anew may be on another
//! machine or of another revision. While no result is found, the log is read again and again until a deadline; then it is said that there is none, and nothing is read before the pod becomes ready anew.
//! Whether the model is ready does not depend on it.

use super::draft::{Benchmark, Draft, Flow};
use super::facts::{Engine, Facts, Subject, Task};
use super::former;
use super::measurement::{self, Flaw, Measurement};
use super::pods;
use super::view::View;
use crate::compat;
use crate::effect::{self, is_dying};
use crate::failure::{self, Failure, Waiting};
use crate::read::LogQuery;
use crate::snapshot::Unread;
use crate::units::rfc3339;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kaito_api::vocabulary::{ConditionType, annotations, benchmark as words};
use kaito_api::workspace::Metric;

/// How many lines are looked through: the result is printed right before the model is ready, and then the server tells of requests.
const LINES: u32 = 2000;
/// What the lines that count have in common, and how many bytes of them are kept.
const HOLDING: &str = "KAITO_BENCHMARK_";
const BYTES: u32 = 16 << 10;
/// What upstream says of a result.
const RECORDED: &str = "benchmark result has been recorded";
/// Between two looks at the log: as long as half of what was waited already, within these bounds.
const SOONEST: SignedDuration = SignedDuration::from_secs(10);
const LATEST: SignedDuration = SignedDuration::from_mins(2);

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    draft.benchmark = observe(view, draft)?;
    Ok(Flow::Next)
}

fn observe(view: &View<'_>, draft: &mut Draft) -> Result<Benchmark, Unread> {
    if view.tuning().is_some() || view.annotation(annotations::DISABLE_BENCHMARK) == Some("true") {
        return Ok(Benchmark::None);
    }
    let facts = match &draft.subject {
        Some(Subject::Model(facts)) if facts.task == (Task::Inference { engine: Engine::Vllm }) => facts.clone(),
        Some(Subject::Model(_) | Subject::Own(_)) => return Ok(Benchmark::None),
        Some(Subject::Unseen(_)) | None => return Ok(Benchmark::AsBefore),
    };
    let found = view.stateful_set()?.found();
    let Some(set) = found.filter(|set| effect::is_controlled_by(&set.metadata, view.uid())) else {
        return Ok(Benchmark::AsBefore);
    };
    let Some(container) = benchmarked(set).filter(|_| is_of_revision(draft, set)) else { return Ok(Benchmark::None) };
    let leader = format!("{}-0", view.name());
    let pod = if draft.workload.ready { view.snapshot.get::<Pod>(view.namespace(), &leader)?.found() } else { None };
    match pod.filter(|pod| controls(set, pod) && !is_dying(&pod.metadata)) {
        Some(pod) => look(view, draft, &facts, container, pod),
        None => Ok(Benchmark::AsBefore),
    }
}

/// The container whose start is benchmarked. Sets that were made before there was a benchmark, or without it, have none.
fn benchmarked(set: &StatefulSet) -> Option<&Container> {
    let runs = |container: &&Container| {
        let command = container.startup_probe.as_ref().and_then(|probe| probe.exec.as_ref()?.command.as_ref());
        command.is_some_and(|command| command.iter().any(|word| word.contains(words::SCRIPT)))
    };
    compat::stateful_set_spec(set)?.template.spec.as_ref()?.containers.iter().find(runs)
}

/// Whether a set is of the revision that is wanted: what was measured of another is no measure of this one.
fn is_of_revision(draft: &Draft, set: &StatefulSet) -> bool {
    draft.revision.as_ref().is_none_or(|wanted| former::is_of(&set.metadata, wanted))
}

fn controls(set: &StatefulSet, pod: &Pod) -> bool {
    set.metadata.uid.as_deref().is_some_and(|uid| effect::is_controlled_by(&pod.metadata, uid))
}

/// The model is served, and this pod leads.
fn look(
    view: &View<'_>,
    draft: &mut Draft,
    facts: &Facts,
    container: &Container,
    pod: &Pod,
) -> Result<Benchmark, Unread> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let made = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let words = recorded(name, made);
    if is_recorded(view, &words) {
        return Ok(Benchmark::AsBefore);
    }
    let since = pods::ready_since(pod).or(made).unwrap_or(view.now());
    let wait =
        Waiting::new(&failure::BENCHMARK_PENDING, format!("no result of the benchmark of pod {name} is known"), since);
    if is_given_up(view, &wait) {
        return Ok(Benchmark::AsBefore);
    }
    let why = match view.snapshot.log(query(view, container, name))? {
        Ok(log) => match measurement::of(log) {
            Ok(measured) => return Ok(Benchmark::Measured(Box::new(metric(facts, container, measured)), words)),
            Err(flaw) => Why::Flaw(flaw),
        },
        Err(words) => Why::Log(words.to_owned()),
    };
    missing(view, draft, wait, &why);
    Ok(Benchmark::Unknown)
}

/// The words of the condition. They name the pod, so that another one is known; no clock does, for clocks differ.
fn recorded(pod: &str, made: Option<Timestamp>) -> String {
    let made = made.map(|made| format!(", which was made at {}", rfc3339(made))).unwrap_or_default();
    format!("{RECORDED}; measured on pod {pod}{made}")
}

/// Whether the status tells the figure of this pod, or one that upstream has recorded: it does not say of which pod, and stands until another request is rolled out.
fn is_recorded(view: &View<'_>, words: &str) -> bool {
    let is_ours = |condition: &&Condition| condition.type_ == ConditionType::BenchmarkCompleted.as_str();
    let told = view.conditions().iter().find(is_ours).filter(|told| told.status == "True");
    told.is_some_and(|told| told.message == words || told.message == RECORDED) && is_told(view)
}

/// Whether the status tells a figure.
fn is_told(view: &View<'_>) -> bool {
    view.status
        .pointer(&format!("/performance/metrics/{}/value", words::METRIC))
        .is_some_and(serde_json::Value::is_string)
}

fn query(view: &View<'_>, container: &Container, pod: &str) -> LogQuery {
    LogQuery {
        namespace: view.namespace().to_owned(),
        pod: pod.to_owned(),
        container: container.name.clone(),
        previous: false,
        lines: LINES,
        holding: Some(HOLDING.to_owned()),
        bytes: BYTES,
    }
}

/// The figure as a status tells it.
fn metric(facts: &Facts, container: &Container, measured: Measurement) -> Metric {
    let mut config = measured.settings;
    config.insert(words::ENGINE.to_owned(), annotations::RUNTIME_VLLM.to_owned());
    config.insert(
        words::QUANTIZATION.to_owned(),
        facts.model.quantization.as_ref().map_or("", |quantization| &quantization.method).to_owned(),
    );
    // The version of the image that runs: pods may be older than this program.
    let image = container.image.as_deref().unwrap_or_default();
    if let Some(profile) = kaito_presets::profiles().iter().find(|profile| profile.image.is_called(image)) {
        config.insert(words::ENGINE_VERSION.to_owned(), profile.versions.vllm.to_owned());
    }
    Metric { description: words::DESCRIPTION.to_owned(), value: measured.value, unit: words::UNIT.to_owned(), config }
}

/// Why no result is known.
enum Why {
    /// The log cannot be read.
    Log(String),
    /// It holds none.
    Flaw(Flaw),
}

/// There is no result, or not yet: a log that cannot be read may be read in a minute, and a line that is half there may be whole then.
fn missing(view: &View<'_>, draft: &mut Draft, wait: Waiting, why: &Why) {
    if view.now() < wait.due() {
        let waited = view.now().duration_since(wait.since);
        draft.look_again(if waited.is_negative() { LATEST } else { (waited / 2).clamp(SOONEST, LATEST) });
        draft.waits.push(wait);
        return;
    }
    let given_up = rfc3339(wait.due());
    match why {
        Why::Flaw(Flaw::Bad(words)) => {
            let cause = format!("{}: {words}; not looked for after {given_up}", wait.what);
            draft.failures.push(Failure::new(&failure::BENCHMARK_FAILED, cause));
        }
        Why::Flaw(Flaw::Missing) => {
            let words = format!("none of the last {LINES} lines of its log holds one");
            draft.waits.push(wait.overdue_because(view.now(), || Some(words)));
        }
        Why::Log(words) => draft.waits.push(wait.overdue_because(view.now(), || Some(words.clone()))),
    }
}

/// Whether the status tells already that nothing was found until the deadline. The words name it, so that those of an earlier start are not taken for those of this one.
fn is_given_up(view: &View<'_>, wait: &Waiting) -> bool {
    let told = |condition: &&Condition| condition.type_ == ConditionType::BenchmarkCompleted.as_str();
    let until = rfc3339(wait.due());
    view.conditions().iter().find(told).is_some_and(|told| {
        [format!("after {until}"), format!("overdue since {until}")].iter().any(|words| told.message.contains(words))
    })
}
