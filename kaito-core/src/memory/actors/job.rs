//! A Job becomes pods, one after the other, until one succeeds or too many have failed.

use super::kubelet::is_over;
use super::stateful_set::is_ready;
use super::{after, created, empty, root, set_status, wait_until};
use crate::driver::Planner;
use crate::effect::{Effect, WriteMode, is_controlled_by};
use crate::hash;
use crate::kinds::Kind;
use crate::memory::PodFate;
use crate::object::ObjectKey;
use crate::plan::{Outcome, Plan};
use crate::read::{Freshness, Selector};
use crate::settings::Settings;
use crate::snapshot::{Snapshot, Unread};
use crate::units::rfc3339;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::Pod;
use kube_core::ResourceExt;
use serde_json::{Value, json};

/// The label by which the pods of a Job are found.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// Attempts after the first, where the Job says nothing.
const BACKOFF_LIMIT: i32 = 6;
/// The first pause between two attempts, in seconds; doubled each time, up to the longest.
const FIRST_PAUSE: i64 = 10;
const LONGEST_PAUSE: i64 = 360;

/// The Job controller, for Jobs of one pod.
#[derive(Debug, Clone, Copy)]
pub struct JobController {
    makes: bool,
}

impl JobController {
    /// One whose pods have this fate.
    pub fn with_fate(fate: &PodFate) -> Self {
        Self { makes: *fate != PodFate::NeverMade }
    }
}

impl Planner for JobController {
    fn name(&self) -> &'static str {
        "job"
    }

    fn roots(&self) -> Kind {
        Kind::Job
    }

    fn plan(&self, key: &ObjectKey, snapshot: &Snapshot, _: &Settings) -> Result<Plan, Unread> {
        let Some(job) = root::<Job>(key, snapshot)? else { return Ok(Plan::nothing(Outcome::Gone)) };
        let mut plan = empty(&job.metadata);
        let runs = |spec: &&JobSpec| job.metadata.deletion_timestamp.is_none() && spec.suspend != Some(true);
        let Some(spec) = job.spec.as_ref().filter(runs) else {
            return Ok(plan);
        };
        let old = job.status.as_ref().and_then(|status| serde_json::to_value(status).ok());
        if old.as_ref().is_some_and(|status| status["conditions"].as_array().is_some_and(|all| !all.is_empty())) {
            return Ok(plan);
        }
        let (uid, now) = (job.uid().unwrap_or_default(), snapshot.now());
        let selector = Selector::of([(JOB_NAME, key.name.as_str())]);
        let all = snapshot.list::<Pod>(Some(key.namespace()), selector, Freshness::Cached)?.items;
        let pods: Vec<&Pod> = all.into_iter().filter(|pod| is_controlled_by(&pod.metadata, &uid)).collect();
        let count = count(&pods);
        let is_due = self.makes && count.alive + count.succeeded == 0;
        if is_due && count.failed <= spec.backoff_limit.unwrap_or(BACKOFF_LIMIT) {
            let last = pods.iter().map(|pod| created(&pod.metadata)).max();
            let next = last.map_or(now, |last| after(last, pause(count.failed)));
            if !wait_until(&mut plan, now, next) {
                // A failed pod may have been deleted by somebody: the number of those that are left is no name.
                let is_free = |name: &String| !pods.iter().any(|pod| pod.name_any() == *name);
                let free = (count.failed..).map(|attempt| pod_name(key, &uid, attempt)).find(is_free);
                let pod = ObjectKey::new(Kind::Pod, key.namespace(), free.unwrap_or_default());
                let body = pod_body(job, spec, &pod);
                plan.push(Effect::Ensure { body, key: pod, mode: WriteMode::CreateOnly, uid: None }, None);
            }
        }
        let status = status(job, spec, &count, now);
        set_status(&mut plan, key, &job.metadata, old.as_ref(), status);
        Ok(plan)
    }
}

struct Count {
    alive: i32,
    ready: i32,
    succeeded: i32,
    failed: i32,
}

fn count(pods: &[&Pod]) -> Count {
    let count =
        |is: &dyn Fn(&Pod) -> bool| i32::try_from(pods.iter().filter(|pod| is(pod)).count()).unwrap_or(i32::MAX);
    let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
    Count {
        alive: count(&|pod| !is_over(pod)),
        ready: count(&|pod| !is_over(pod) && is_ready(pod)),
        succeeded: count(&|pod| phase(pod) == "Succeeded"),
        failed: count(&|pod| phase(pod) == "Failed"),
    }
}

fn pause(failed: i32) -> SignedDuration {
    let doublings = u32::try_from(failed.clamp(1, 10)).unwrap_or(1) - 1;
    SignedDuration::from_secs((FIRST_PAUSE << doublings).min(LONGEST_PAUSE))
}

fn pod_name(job: &ObjectKey, uid: &str, attempt: i32) -> String {
    format!("{}-{}", job.name, hash::short(&[uid, &attempt.to_string()], 5))
}

fn status(job: &Job, spec: &JobSpec, count: &Count, now: Timestamp) -> Value {
    let start = job.status.as_ref().and_then(|status| status.start_time.as_ref()).map_or(now, |time| time.0);
    let mut status = json!({"startTime": rfc3339(start)});
    for (field, count) in
        [("active", count.alive), ("ready", count.ready), ("succeeded", count.succeeded), ("failed", count.failed)]
    {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    let condition = |type_: &str, reason: &str, message: &str| json!([{"type": type_, "status": "True", "reason": reason, "message": message, "lastTransitionTime": rfc3339(now), "lastProbeTime": rfc3339(now)}]);
    if count.succeeded > 0 {
        status["completionTime"] = json!(rfc3339(now));
        status["conditions"] = condition("Complete", "CompletionsReached", "Reached expected number of succeeded pods");
    } else if count.failed > spec.backoff_limit.unwrap_or(BACKOFF_LIMIT) {
        status["conditions"] =
            condition("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit");
    }
    status
}

fn pod_body(job: &Job, spec: &JobSpec, key: &ObjectKey) -> Value {
    let template = serde_json::to_value(&spec.template).unwrap_or_default();
    let mut labels = spec.template.metadata.as_ref().and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    labels.insert(JOB_NAME.to_owned(), job.name_any());
    let owner = json!({
        "apiVersion": "batch/v1", "kind": "Job", "name": job.name_any(), "uid": job.uid(), "controller": true, "blockOwnerDeletion": true,
    });
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": key.name, "namespace": key.namespace, "labels": labels, "ownerReferences": [owner]},
        "spec": template.get("spec").cloned().unwrap_or_default(),
        "status": {"phase": "Pending"},
    })
}
