//! How many machines. Settled once and recorded in the status: a running model is not moved because a formula changed.

use super::config;
use super::draft::{Draft, Flow};
use super::facts::{Engine, Facts, Subject, Task};
use super::view::View;
use super::workload;
use crate::failure::{self, Failure};
use crate::manifest::Layout;
use crate::runtime_config::RuntimeConfig;
use crate::sizing::{self, Demand};
use crate::snapshot::Unread;
use crate::units::Bytes;
use kaito_api::Workspace;
use kaito_api::workspace::{MOST_NODES, TuningMethod};

/// As many machines as a model takes are bought without being asked for, as upstream does (its own examples take up to eleven), up to this number; more would surprise whoever reads the bill, and must
/// be asked for by `resource.count`.
const UNASKED_NODES: u32 = 16;

/// How a model that is served lies on its machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) layout: Layout,
    /// Context length in tokens; `None` lets the engine measure.
    pub(super) max_model_len: Option<u64>,
}

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let found = match draft.subject.clone() {
        Some(Subject::Own(_)) => Ok(None), // What serves there is not ours to configure.
        subject => config::judge(view, draft, subject.as_ref().and_then(Subject::model))?,
    };
    let context = match found {
        Ok(context) => context,
        Err(failure) if view.recorded_target().is_none() => return Ok(draft.stop(failure)),
        Err(failure) => {
            draft.failures.push(failure);
            None
        }
    };
    let computed = match (&draft.subject, view.workspace) {
        (Some(subject), Ok(workspace)) => compute(subject, context, asked(workspace)).map(Some),
        _ => Ok(None),
    };
    match (view.recorded_target(), computed) {
        (Some(recorded), computed) => {
            draft.target = Some(recorded);
            beside_settled(view, draft, recorded, computed)?;
        }
        (None, Ok(Some((nodes, text)))) => {
            let running = what_runs(view)?;
            let unasked = draft.model().filter(|_| running < nodes).and_then(|facts| {
                // What is not looked at here: a Workspace that cannot be read has asked for nothing.
                too_many(&facts, nodes, asked(view.workspace.as_ref().ok()?))
            });
            if let Some(failure) = unasked {
                return Ok(draft.stop(failure));
            }
            draft.remark("sized", text);
            draft.target = Some(nodes.max(running));
        }
        (None, Ok(None)) => draft.target = None,
        (None, Err(failure)) => return Ok(draft.stop(failure)),
    }
    let laid = draft.model().zip(draft.target).map(|(facts, nodes)| {
        let layout = Layout::choose(&facts, nodes, context);
        (facts, layout)
    });
    let room = laid.as_ref().map(|(facts, layout)| {
        let room = room(facts, *layout)?;
        config::beyond(view, draft, layout, facts).map_or(Ok(room), Err)
    });
    match room {
        None => {}
        Some(Ok(room)) => draft.room = Some(room),
        // Nothing has been begun: nothing is.
        Some(Err(failure)) if view.recorded_target().is_none() => {
            draft.target = None;
            return Ok(draft.stop(failure));
        }
        // What runs has read these settings, whatever is thought of them now.
        Some(Err(failure)) if workload::runs_as_asked(view, draft)? => {
            draft.remark("warning", failure.cause);
            draft.room = laid.map(|(_, layout)| Room { layout, max_model_len: None });
        }
        Some(Err(failure)) => draft.failures.push(failure),
    }
    Ok(Flow::Next)
}

/// What the formula says beside a number of machines that is settled: told of what runs already, for nothing is moved because a formula changed. An edit that it knows cannot work is refused, and
/// brings nothing to pods that run.
fn beside_settled(
    view: &View<'_>,
    draft: &mut Draft,
    settled: u32,
    computed: Result<Option<(u32, String)>, Failure>,
) -> Result<(), Unread> {
    let (topic, text, refusal) = match computed {
        Ok(None) => return Ok(()),
        Ok(Some((nodes, text))) => ("sized", text, draft.model().and_then(|facts| too_few(&facts, nodes, settled))),
        Err(failure) => ("warning", failure.cause.clone(), Some(failure)),
    };
    match refusal {
        Some(refusal) if !workload::runs_as_asked(view, draft)? => {
            // With it go the settings that would be brought to the pods.
            draft.config = None;
            draft.failures.push(refusal);
        }
        _ => draft.remark(topic, text),
    }
    Ok(())
}

/// Why a model is not served on the machines that there are: their number is settled, and an edit does not change it. Another runtime is not sized, and takes what it gets.
fn too_few(facts: &Facts, nodes: u32, settled: u32) -> Option<Failure> {
    (nodes > settled && facts.engine() == Some(Engine::Vllm)).then(|| {
        let cause = format!(
            "{} takes {} of {} now, and this Workspace has {settled}, which an edit does not change",
            facts.model.id,
            counted(nodes, "node"),
            facts.hardware.name,
        );
        Failure::new(&failure::MORE_NODES_THAN_ASKED, cause)
    })
}

/// What a layout leaves room for, if it is a context. Only vLLM is told how long one may be.
fn room(facts: &Facts, layout: Layout) -> Result<Room, Failure> {
    if facts.engine() != Some(Engine::Vllm) {
        return Ok(Room { layout, max_model_len: None });
    }
    match sizing::max_model_len(facts.profile, &facts.model, &facts.hardware, layout.shared_by()) {
        Ok(max_model_len) => Ok(Room { layout, max_model_len }),
        Err(missing) => {
            Err(too_large(facts, &format!("no memory is left for a context on a GPU; {missing} more are needed")))
        }
    }
}

fn too_large(facts: &Facts, cause: &str) -> Failure {
    Failure::new(&failure::MODEL_TOO_LARGE, format!("{} on {}: {cause}", facts.model.id, facts.hardware.name))
}

/// How many pods serve already: a status that was stripped (a restored backup) never shrinks a workload.
fn what_runs(view: &View<'_>) -> Result<u32, Unread> {
    let running = view.stateful_set()?.found().filter(|set| crate::effect::is_controlled_by(&set.metadata, view.uid()));
    let replicas = running
        .and_then(|set| crate::compat::stateful_set_spec(set)?.replicas)
        .and_then(|count| u32::try_from(count).ok());
    Ok(replicas.unwrap_or_default().min(MOST_NODES))
}

/// Why so many machines are not bought without being asked for.
fn too_many(facts: &Facts, nodes: u32, asked: u32) -> Option<Failure> {
    (nodes > UNASKED_NODES.max(asked)).then(|| {
        let cause = format!(
            "{} takes {} of {}, and resource.count asks for {asked}; it must be at least {nodes} where that is meant",
            facts.model.id,
            counted(nodes, "node"),
            facts.hardware.name,
        );
        Failure::new(&failure::MORE_NODES_THAN_ASKED, cause)
    })
}

/// That another number of machines is bought than was asked for.
pub(crate) fn bought_otherwise(workspace: &Workspace, subject: &Subject) -> Option<String> {
    let (Subject::Model(facts), asked) = (subject, asked(workspace)) else { return None };
    if is_decided_elsewhere(workspace, facts) {
        return None;
    }
    let (nodes, _) = for_model(facts, None, asked).ok()?;
    let is_bought = nodes != asked && too_many(facts, nodes, asked).is_none();
    is_bought.then(|| {
        let (takes, size) = (counted(nodes, "node"), &facts.hardware.name);
        format!("resource.count: asks for {asked}, and {} takes {takes} of {size}; it gets {nodes}", facts.model.id)
    })
}

/// What can be said of the number of machines before any cluster is looked at: nothing, where a ConfigMap may name another context.
pub(crate) fn forecast(workspace: &Workspace, subject: &Subject) -> Result<(), Failure> {
    let Subject::Model(facts) = subject else { return Ok(()) };
    if is_decided_elsewhere(workspace, facts) {
        return Ok(());
    }
    lay(workspace, facts, None).map(|_| ())
}

/// Whether a ConfigMap may name another context, so that the number of machines is not known without it.
fn is_decided_elsewhere(workspace: &Workspace, facts: &Facts) -> bool {
    facts.engine() == Some(Engine::Vllm) && workspace.inference().is_some_and(|inference| !inference.config.is_empty())
}

/// How the model lies on as many machines as it takes, if it may have them.
fn lay(workspace: &Workspace, facts: &Facts, context: Option<u32>) -> Result<Room, Failure> {
    let asked = asked(workspace);
    let (nodes, _) = for_model(facts, context, asked)?;
    too_many(facts, nodes, asked).map_or_else(|| room(facts, Layout::choose(facts, nodes, context)), Err)
}

/// The same, where the settings of the runtime are known: why the model cannot be served with them.
pub(crate) fn forecast_with(
    workspace: &Workspace,
    facts: &Facts,
    config: &RuntimeConfig,
    context: Option<u32>,
) -> Result<(), String> {
    let room = lay(workspace, facts, context).map_err(|failure| failure.cause)?;
    config.beyond(&room.layout, facts).map_or(Ok(()), |finding| Err(finding.to_string()))
}

fn asked(workspace: &Workspace) -> u32 {
    u32::try_from(workspace.count().clamp(1, MOST_NODES.into())).unwrap_or(1)
}

/// The transformers runtime is not sized; but weights that no GPU of the machines holds are not loaded either (W-29, W-31).
fn transformers_shortage(facts: &Facts, asked: u32) -> Option<String> {
    let (weights, memory) = (Bytes(facts.model.weights_bytes), Bytes(facts.hardware.gpu_memory_bytes));
    let whole = Bytes(memory.0.saturating_mul(u64::from(asked)));
    if weights.0 > whole.0 {
        return Some(format!(
            "the weights take {weights}, and {whole} is all the GPU memory of {}",
            counted(asked, "node")
        ));
    }
    (weights.0 > memory.0).then(|| {
        format!("the weights take {weights}, one node has {memory} of GPU memory, and the transformers runtime loads all of them on each")
    })
}

/// Nor is a training; but what no GPUs hold, they do not train. Low-rank adapters alone leave the weights as they are, `qlora` loads them in four bits of sixteen.
fn training_shortage(facts: &Facts, method: TuningMethod) -> Option<String> {
    let (weights, memory) = (facts.model.weights_bytes, Bytes(facts.hardware.gpu_memory_bytes));
    let (held, remedy) = match method {
        TuningMethod::Lora => (Bytes(weights), "; the method qlora takes a quarter of it"),
        TuningMethod::Qlora => (Bytes(weights / 4), ""),
    };
    (held.0 > memory.0).then(|| {
        format!(
            "a training by {} holds {held} of weights, and {memory} is all the GPU memory of 1 node{remedy}",
            method.as_str()
        )
    })
}

fn compute(subject: &Subject, context: Option<u32>, asked: u32) -> Result<(u32, String), Failure> {
    match subject {
        Subject::Model(facts) => for_model(facts, context, asked),
        Subject::Unseen(_) => Ok((asked, "nothing is known of the model yet".to_owned())),
        Subject::Own(_) => {
            Ok((asked, format!("{}, as asked for (a template of the user's own is not sized)", counted(asked, "node"))))
        }
    }
}

fn for_model(facts: &Facts, context: Option<u32>, asked: u32) -> Result<(u32, String), Failure> {
    let hardware = &facts.hardware;
    let too_large = |cause: String| too_large(facts, &cause);
    let engine = match facts.task {
        Task::Inference { engine } => engine,
        Task::Tuning { method, .. } => {
            let fits = || Ok((1, "1 node: a training runs on one machine".to_owned()));
            return training_shortage(facts, method).map_or_else(fits, |shortage| Err(too_large(shortage)));
        }
    };
    if engine == Engine::Transformers {
        if let Some(shortage) = transformers_shortage(facts, asked) {
            return Err(too_large(shortage));
        }
        return Ok((
            asked,
            format!("{}, as asked for (the transformers runtime is not sized)", counted(asked, "node")),
        ));
    }
    if hardware.is_sliced {
        return in_one_slice(facts, context);
    }
    let unshared = sizing::unshared(facts).map(|why| format!("; {why}")).unwrap_or_default();
    let estimate =
        sizing::estimate(&Demand::of(facts, context)).map_err(|small| too_large(format!("{small}{unshared}")))?;
    if estimate.nodes > MOST_NODES {
        return Err(too_large(format!("{} GPUs would be needed{unshared}", estimate.gpus)));
    }
    if estimate.nodes > 1 && !facts.profile.supports.multi_node {
        let cause = format!(
            "{} GPUs are needed, and serving over several nodes is not available on {}{unshared}",
            estimate.gpus, hardware.gpu_model
        );
        return Err(too_large(cause));
    }
    let text = format!(
        "{} of {}: weights {} + KV cache {} + overhead {} of {} usable on a GPU{unshared}",
        counted(estimate.nodes, "node"),
        counted(hardware.gpu_count, "GPU"),
        estimate.weights,
        estimate.kv_per_gpu,
        estimate.overhead_per_gpu,
        estimate.usable_per_gpu
    );
    Ok((estimate.nodes, text))
}

/// Slices of a GPU do not work together, neither on one machine nor over several: each holds the whole model, or none does.
fn in_one_slice(facts: &Facts, context: Option<u32>) -> Result<(u32, String), Failure> {
    let slice = Demand::of(facts, context).of_one_gpu();
    let estimate = sizing::estimate(&slice).map_err(|small| too_large(facts, &small.to_string()))?;
    if estimate.gpus > 1 {
        let cause = format!(
            "weights {} + KV cache {} + overhead {} are more than the {} that can be used of a slice, and slices do not work together",
            estimate.weights, estimate.kv_per_gpu, estimate.overhead_per_gpu, estimate.usable_per_gpu
        );
        return Err(too_large(facts, &cause));
    }
    Ok((1, format!("1 node: the model fits a slice of {}", facts.hardware.name)))
}

/// `1 node`, `2 nodes`.
fn counted(count: u32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{manifest, resolved};
    use super::*;
    use serde_json::{Value, json};

    /// The same for the transformers runtime.
    fn transformers(model: &str, size: &str) -> Value {
        let mut manifest = manifest(model, size);
        manifest["metadata"]["annotations"] = json!({"kaito.sh/runtime": "transformers"});
        manifest
    }

    #[test]
    fn many_machines_are_had_by_whoever_asks_for_them() {
        let said = |count: u32| {
            let mut manifest = manifest("deepseek-r1-0528", "Standard_NV36ads_A10_v5");
            manifest["resource"]["count"] = json!(count);
            let (workspace, subject) = resolved(manifest)?;
            Some((forecast(&workspace, &subject).err().map(|it| it.cause), bought_otherwise(&workspace, &subject)))
        };
        let refusal =
            "deepseek-ai/DeepSeek-R1-0528 takes 39 nodes of Standard_NV36ads_A10_v5, and resource.count asks for";
        for too_few in [1, 17, 38] {
            let expected = format!("{refusal} {too_few}; it must be at least 39 where that is meant");
            assert_eq!(said(too_few), Some((Some(expected), None)), "what is refused is not bought");
        }
        assert_eq!(said(39), Some((None, None)));
        let told = "resource.count: asks for 40, and deepseek-ai/DeepSeek-R1-0528 takes 39 nodes of Standard_NV36ads_A10_v5; it gets 39";
        assert_eq!(said(40), Some((None, Some(told.to_owned()))));
    }

    #[test]
    fn settings_that_the_transformers_runtime_does_not_read_leave_no_doubt_about_its_machine() {
        let mut manifest = transformers("phi-4", "Standard_NC4as_T4_v3");
        manifest["inference"]["config"] = json!("mine");
        let (workspace, subject) = resolved(manifest).unwrap();
        assert_eq!(forecast(&workspace, &subject).unwrap_err().reason, &failure::MODEL_TOO_LARGE);
    }

    #[test]
    fn the_transformers_runtime_is_not_asked_for_the_room_of_a_context_that_only_vllm_is_told() {
        let sizes = ["Standard_NC6s_v3", "Standard_NC4as_T4_v3", "Standard_NC12s_v3", "Standard_NC64as_T4_v3"];
        let mut would_be_refused = 0;
        for model in kaito_presets::models() {
            let named = sizes.iter().filter_map(|size| resolved(transformers(&model.id, size)));
            for facts in named.filter_map(|(_, subject)| subject.model().cloned()) {
                if for_model(&facts, None, 1).is_err() {
                    continue;
                }
                let found = room(&facts, Layout::choose(&facts, 1, None)).map(|room| room.max_model_len);
                assert_eq!(found, Ok(None), "{} on {}", model.id, facts.hardware.name);
                let of_vllm =
                    sizing::max_model_len(facts.profile, &facts.model, &facts.hardware, facts.hardware.gpu_count);
                would_be_refused += usize::from(of_vllm.is_err());
            }
        }
        assert!(would_be_refused > 0, "no model tells the two apart");
    }

    #[test]
    fn a_training_is_refused_whose_weights_alone_are_more_than_the_gpus_hold() {
        for (model, size, method, says) in [
            (
                "phi-3-medium-4k-instruct",
                "Standard_NC4as_T4_v3",
                "lora",
                "a training by lora holds 26.0 GiB of weights, and 16.0 GiB is all",
            ),
            ("phi-3-medium-4k-instruct", "Standard_NC4as_T4_v3", "qlora", ""),
            ("phi-3-medium-4k-instruct", "Standard_NC24ads_A100_v4", "lora", ""),
            ("qwen2.5-coder-32b-instruct", "Standard_NC4as_T4_v3", "qlora", ""),
            ("qwen2.5-coder-32b-instruct", "Standard_NV36ads_A10_v5", "lora", "holds 61."),
        ] {
            let manifest = json!({
                "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "t"},
                "resource": {"instanceType": size, "labelSelector": {"matchLabels": {"apps": "t"}}},
                "tuning": {"preset": {"name": model}, "method": method, "input": {"urls": ["https://example.com/d"]}, "output": {"image": "r.example.com/i:1"}},
            });
            let (workspace, subject) = resolved(manifest).unwrap();
            let said = forecast(&workspace, &subject).map_or_else(|failure| failure.cause, |_| String::new());
            assert!(if says.is_empty() { said.is_empty() } else { said.contains(says) }, "{model} {method}: {said}");
        }
    }
}
