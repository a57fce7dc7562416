//! What the containers of a simulated pod print: a function of the pod, so that a cluster in memory keeps no logs, and the explorer's states hold none.

use crate::kinds::{Kind, Typed};
use crate::object::{ObjectKey, Seen};
use crate::read::LogQuery;
use crate::units::rfc3339;
use k8s_openapi::api::core::v1::{Container, ContainerState, ContainerStatus, Pod};
use kaito_api::vocabulary::benchmark;
use kube_core::ResourceExt;

/// What every container of a pod prints, in place of what it would: a fate or a test sets it. Empty: the kubelet has lost it.
pub const PRINTS: &str = "memory.kaito.sh/prints";

/// The pod that a question is about.
pub(super) fn pod(query: &LogQuery) -> ObjectKey {
    ObjectKey::new(Kind::Pod, &query.namespace, &query.pod)
}

/// The answer of the kubelet, or its refusal in the words of a real one.
pub(super) fn printed(pod: Option<&Seen>, query: &LogQuery) -> Result<String, String> {
    let LogQuery { pod: name, container, .. } = query;
    let object = pod.and_then(|seen| match seen {
        Seen::Decoded(object) => Pod::of(object),
        Seen::Malformed(_) => None,
    });
    let pod = object.ok_or_else(|| format!("pods {name:?} not found"))?;
    let spec = pod.spec.as_ref().into_iter();
    let mut containers = spec.flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers));
    let made = containers.find(|made| made.name == *container);
    let made = made.ok_or_else(|| format!("container {container} is not valid for pod {name}"))?;
    let status = status_of(pod, container);
    let state =
        status.and_then(|status| if query.previous { status.last_state.as_ref() } else { status.state.as_ref() });
    let begun = state.filter(|state| state.running.is_some() || state.terminated.is_some());
    let state = begun.ok_or_else(|| match query.previous {
        true => format!("previous terminated container {container:?} in pod {name:?} not found"),
        false => format!("container {container:?} in pod {name:?} is waiting to start: ContainerCreating"),
    })?;
    match pod.annotations().get(PRINTS).map(String::as_str) {
        Some("") => Err(format!("failed to try resolving symlinks in path \"/var/log/pods/{name}\": no such file")),
        Some(text) => Ok(text.to_owned()),
        None => Ok(usual(made, state, status.is_some_and(|status| status.ready))),
    }
}

fn status_of<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    all.into_iter().find(|status| status.name == container)
}

/// A server whose start is benchmarked prints the result before it is ready; a container that has failed, what became of it last.
fn usual(container: &Container, state: &ContainerState, ready: bool) -> String {
    if let Some(end) = &state.terminated {
        return format!("starting\n{}\n", end.message.as_deref().unwrap_or("done"));
    }
    let probe = container.startup_probe.as_ref().and_then(|probe| probe.exec.as_ref()?.command.as_ref());
    let is_benchmarked = probe.is_some_and(|command| command.iter().any(|word| word.contains(benchmark::SCRIPT)));
    let started = state.running.as_ref().and_then(|running| running.started_at.as_ref());
    match started.filter(|_| is_benchmarked && ready) {
        Some(at) => {
            let (at, config, result) = (rfc3339(at.0), benchmark::CONFIG, benchmark::RESULT);
            format!(
                "INFO started\n\
                 {config} {at} {{\"duration_sec\": 60, \"input_tokens\": 2048, \"output_tokens\": 256, \"max_concurrency\": 32}}\n\
                 {result} {at} {{\"vllm_total_tpm\": 12345.5, \"ttft_avg_ms\": 850.2, \"tpot_avg_ms\": 31.4}}\n"
            )
        }
        None => "INFO started\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn asked(pod: Option<Value>, container: &str, previous: bool) -> Result<String, String> {
        let seen = pod.map(|pod| Seen::decode(Kind::Pod, pod));
        let [namespace, pod, container] = ["a", "phi-0", container].map(str::to_owned);
        printed(seen.as_ref(), &LogQuery { namespace, pod, container, previous, lines: 10, holding: None, bytes: 1000 })
    }

    #[test]
    fn a_kubelet_tells_what_a_container_has_printed_or_why_it_cannot() {
        let running = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
        let pod = |status: Value| {
            let probe = json!({"exec": {"command": ["python3", "/workspace/vllm/benchmark_entrypoint.py"]}});
            json!({
                "metadata": {"name": "phi-0", "namespace": "a"},
                "spec": {"containers": [{"name": "phi", "startupProbe": probe}, {"name": "aside"}]},
                "status": {"containerStatuses": [status]},
            })
        };
        let said = |status: Value| asked(Some(pod(status)), "phi", false);
        let status = |ready: bool, state: &Value| json!({"name": "phi", "ready": ready, "state": state, "image": "", "imageID": "", "restartCount": 0});
        let served = said(status(true, &running)).unwrap();
        assert!(
            served.contains("KAITO_BENCHMARK_RESULT 2026-01-01T00:00:00Z {\"vllm_total_tpm\": 12345.5"),
            "{served}"
        );
        assert_eq!(said(status(false, &running)).unwrap(), "INFO started\n");
        let ended = json!({"terminated": {"exitCode": 1, "message": "CUDA out of memory"}});
        assert!(said(status(false, &ended)).unwrap().ends_with("CUDA out of memory\n"));
        assert!(said(status(false, &json!({}))).unwrap_err().contains("waiting to start"));
        for (pod, container, previous, why) in [
            (None, "phi", false, "not found"),
            (Some(pod(status(true, &running))), "no", false, "is not valid"),
            (Some(pod(status(true, &running))), "phi", true, "previous terminated"),
        ] {
            assert!(asked(pod, container, previous).unwrap_err().contains(why), "{why}");
        }
    }

    #[test]
    fn what_a_pod_prints_can_be_said_and_lost() {
        let pod = |prints: &str| {
            json!({
                "metadata": {"name": "phi-0", "namespace": "a", "annotations": {PRINTS: prints}},
                "spec": {"containers": [{"name": "phi"}]},
                "status": {"containerStatuses": [{"name": "phi", "ready": true, "state": {"running": {}}, "image": "", "imageID": "", "restartCount": 0}]},
            })
        };
        assert_eq!(asked(Some(pod("hello")), "phi", false).unwrap(), "hello");
        assert!(asked(Some(pod("")), "phi", false).is_err());
    }
}
