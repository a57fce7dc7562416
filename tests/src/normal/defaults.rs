//! What an API server fills in where nothing is said: at this place, and this value.

use serde_json::{Map, Value};
use std::sync::LazyLock;

/// What counts as "not said" at a place.
enum Given {
    /// This value, and no other.
    As(Value),
    /// Whatever the server gives.
    ByServer,
    /// An address that the server gives, but where it is said to be none.
    Address,
    /// What the tag of the image beside it asks for.
    ByTag,
    /// Names that controllers of Kubernetes or of the cloud have put there.
    FinalizersOf(&'static [&'static str]),
}

/// Objects by the ends of their paths, which begin with the kind (items of lists add nothing), their field, and what counts there.
type Row<T> = (&'static [&'static str], &'static str, T);

const POD: &[&str] = &["StatefulSet.spec.template.spec", "Job.spec.template.spec"];
const CONTAINER: &[&str] = &["spec.template.spec.containers", "spec.template.spec.initContainers"];
const PROBE: &[&str] = &["containers.livenessProbe", "containers.readinessProbe", "containers.startupProbe"];
const HTTP_PROBE: &[&str] = &["livenessProbe.httpGet", "readinessProbe.httpGet", "startupProbe.httpGet"];
const CLAIM: &[&str] = &["StatefulSet.spec.volumeClaimTemplates"];
/// A Job's labels are made of its own uid and name.
const OF_JOB: &[&str] = &["Job.metadata.labels", "Job.spec.template.metadata.labels"];

/// What counts, in YAML.
const VALUES: &[Row<&str>] = &[
    (POD, "dnsPolicy", "ClusterFirst"),
    (POD, "schedulerName", "default-scheduler"),
    (POD, "securityContext", "{}"),
    (POD, "terminationGracePeriodSeconds", "30"),
    // A Job has no default: it says one.
    (&["StatefulSet.spec.template.spec"], "restartPolicy", "Always"),
    (CONTAINER, "terminationMessagePath", "/dev/termination-log"),
    (CONTAINER, "terminationMessagePolicy", "File"),
    (CONTAINER, "resources", "{}"),
    (PROBE, "successThreshold", "1"),
    (PROBE, "timeoutSeconds", "1"),
    (PROBE, "failureThreshold", "3"),
    (PROBE, "periodSeconds", "10"),
    (PROBE, "initialDelaySeconds", "0"),
    (HTTP_PROBE, "scheme", "HTTP"),
    (&["containers.ports", "Service.spec.ports"], "protocol", "TCP"),
    (&["volumes.configMap", "volumes.secret", "volumes.projected"], "defaultMode", "420"),
    (&["volumes.hostPath"], "type", "''"),
    (&["env.valueFrom.fieldRef"], "apiVersion", "v1"),
    (&["NodePool.spec.disruption"], "consolidationPolicy", "WhenEmptyOrUnderutilized"),
    (&["StatefulSet.spec"], "updateStrategy", "{type: RollingUpdate, rollingUpdate: {partition: 0}}"),
    (&["StatefulSet.spec"], "revisionHistoryLimit", "10"),
    (&["StatefulSet.spec"], "podManagementPolicy", "OrderedReady"),
    (&["StatefulSet.spec"], "persistentVolumeClaimRetentionPolicy", "{whenDeleted: Retain, whenScaled: Retain}"),
    (&["StatefulSet.spec"], "serviceName", "''"),
    (CLAIM, "apiVersion", "v1"),
    (CLAIM, "kind", "PersistentVolumeClaim"),
    (CLAIM, "status", "{phase: Pending}"),
    (&["volumeClaimTemplates.spec", "ephemeral.volumeClaimTemplate.spec"], "volumeMode", "Filesystem"),
    (&["Service.spec"], "type", "ClusterIP"),
    (&["Service.spec"], "sessionAffinity", "None"),
    (&["Service.spec"], "ipFamilies", "[IPv4]"),
    (&["Service.spec"], "ipFamilyPolicy", "SingleStack"),
    (&["Service.spec"], "internalTrafficPolicy", "Cluster"),
    (&["Service.spec"], "externalTrafficPolicy", "Cluster"),
    (&["Service.spec"], "allocateLoadBalancerNodePorts", "true"),
    (&["Job.spec"], "parallelism", "1"),
    (&["Job.spec"], "completions", "1"),
    (&["Job.spec"], "backoffLimit", "6"),
    (&["Job.spec"], "completionMode", "NonIndexed"),
    (&["Job.spec"], "podReplacementPolicy", "TerminatingOrFailed"),
    (&["Job.spec"], "suspend", "false"),
    (&["Job.spec"], "manualSelector", "false"),
];

/// What is the server's whatever it is, or depends on what stands beside it.
const OTHERS: &[Row<fn() -> Given>] = &[
    (CONTAINER, "imagePullPolicy", || Given::ByTag),
    (&["Service.spec"], "clusterIP", || Given::Address),
    (&["Service.spec"], "clusterIPs", || Given::ByServer),
    (&["Service.spec.ports"], "nodePort", || Given::ByServer),
    (&["Job.spec"], "selector", || Given::ByServer),
    (OF_JOB, "batch.kubernetes.io/controller-uid", || Given::ByServer),
    (OF_JOB, "batch.kubernetes.io/job-name", || Given::ByServer),
    (OF_JOB, "controller-uid", || Given::ByServer),
    (OF_JOB, "job-name", || Given::ByServer),
    (&["NodeClaim.metadata"], "finalizers", || Given::FinalizersOf(&["karpenter.sh/termination"])),
    (&["Service.metadata"], "finalizers", || Given::FinalizersOf(&["service.kubernetes.io/load-balancer-cleanup"])),
];

static TABLE: LazyLock<Vec<Row<Given>>> = LazyLock::new(|| {
    let value = |text: &str| Given::As(serde_saphyr::from_str(text).expect("a default is YAML"));
    let values = VALUES.iter().map(|(of, field, text)| (*of, *field, value(text)));
    values.chain(OTHERS.iter().map(|(of, field, given)| (*of, *field, given()))).collect()
});

/// Whether a field of the object at this path says nothing: what stands there is what the server fills in.
pub(super) fn is_default(path: &str, object: &Map<String, Value>, field: &str) -> bool {
    let value = &object[field];
    let rows = TABLE.iter().filter(|(_, name, _)| *name == field);
    rows.filter(|(ends, ..)| ends.iter().any(|end| is_end(path, end))).any(|(.., given)| match given {
        Given::As(default) => value == default,
        Given::ByServer => true,
        Given::Address => *value != "None",
        Given::ByTag => *value == of_tag(object["image"].as_str().unwrap_or_default()),
        Given::FinalizersOf(known) => {
            let mut names = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            names.all(|name| known.contains(&name))
        }
    })
}

/// Whether the path ends so, at a border of words.
fn is_end(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// `latest` may be another image tomorrow.
fn of_tag(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or_default();
    let is_fixed = name.contains('@') || name.split_once(':').is_some_and(|(_, tag)| tag != "latest");
    if is_fixed { "IfNotPresent" } else { "Always" }
}
