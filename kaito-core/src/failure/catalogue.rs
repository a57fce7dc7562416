//! The rows. Each says what it means (its doc comment, which the docs and `kaito explain` show too), where the proof is, what happens next, and what a person can do.
//!
//! In `evidence` and `remedy`, NAME stands for the Workspace and NAMESPACE for its namespace; another word in capitals for what the message names.

use super::Class;
use kaito_api::vocabulary::{ConditionType, reasons};

/// A row of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Reason {
    /// The `reason` of the condition.
    pub name: &'static str,
    /// What it means, in general words.
    pub meaning: &'static str,
    /// The condition that shows it.
    pub condition: ConditionType,
    /// Waiting is expected to end by itself; failing is not.
    pub class: Class,
    /// Which fields of which objects prove it, and how to see them.
    pub evidence: &'static str,
    /// What the controller does next.
    pub next: &'static str,
    /// What a person can do.
    pub remedy: &'static str,
}

macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $id:ident = $name:literal on $condition:ident, $class:expr, evidence $evidence:literal, next $next:literal, remedy $remedy:literal;)*) => {
        $($(#[doc = $meaning])+ pub static $id: Reason = Reason {
            name: $name, meaning: concat!($($meaning),+).trim_ascii(), condition: ConditionType::$condition, class: $class,
            evidence: $evidence, next: $next, remedy: $remedy,
        };)*
        /// Every row.
        pub static CATALOGUE: &[&Reason] = &[$(&$id,)*];
    };
}

const fn wait(deadline_minutes: i64) -> Class {
    Class::Wait { deadline_minutes }
}

const fn warns(retry_minutes: i64) -> Class {
    Class::Warning { retry_minutes }
}

const fn fails(retry_minutes: i64) -> Class {
    Class::Failure { retry_minutes }
}

const fn refuses(retry_minutes: i64) -> Class {
    Class::Refusal { retry_minutes }
}

reasons! {
    /// The Workspace itself cannot be understood or contradicts itself.
    INVALID_WORKSPACE = "InvalidWorkspace" on ResourceReady, refuses(60),
        evidence "the fields that the message names: kubectl get workspace NAME -n NAMESPACE -o yaml | kaito validate -f -",
        next "looks again when the Workspace changes; no machine is asked for",
        remedy "correct the fields that are named";

    /// The preset is not in the registry.
    UNKNOWN_PRESET = "UnknownPreset" on ResourceReady, refuses(60),
        evidence "preset.name of the Workspace beside the list of models: kaito models",
        next "looks again when the Workspace changes; no machine is asked for",
        remedy "name a supported model: `kaito models` lists them";

    /// The model is in no catalogue, and a hub is being asked what it is.
    MODEL_METADATA_PENDING = "ModelMetadataPending" on ResourceReady, wait(10),
        evidence "inference.preset.name of the Workspace, and what the controller logs of the hub: kubectl logs -n kaito-workspace deploy/kaito-workspace",
        next "asks the hub in the background; a machine is chosen when the model is known",
        remedy "see that the controller reaches the hub (--model-hub-endpoint, HTTPS_PROXY), or give it the model in a folder (--model-folder)";

    /// The hub has no such repository.
    MODEL_NOT_FOUND = "ModelNotFound" on ResourceReady, refuses(10),
        evidence "inference.preset.name of the Workspace beside the page of that name at the hub",
        next "asks the hub again within 5 minutes; no machine is asked for",
        remedy "correct the name: it is owner/name, as on the page of the model; `kaito models` lists those that need no hub";

    /// The hub gives the repository to nobody without a token, or not to this one.
    MODEL_NOT_ACCESSIBLE = "ModelNotAccessible" on ResourceReady, refuses(10),
        evidence "the hub's words, and the keys (never the values) of the Secret that presetOptions.modelAccessSecret names: kubectl describe secret SECRET -n NAMESPACE",
        next "asks the hub again within 5 minutes; no machine is asked for",
        remedy "accept the license of the model at the hub, and name a Secret with a token of that account under the key HF_TOKEN in presetOptions.modelAccessSecret; a name that is misspelt is refused alike";

    /// The hub cannot be reached, asks for patience, or does not speak as a hub does.
    MODEL_HUB_UNAVAILABLE = "ModelHubUnavailable" on ResourceReady, refuses(10),
        evidence "the words of the hub, or of whoever answered in its place: kubectl logs -n kaito-workspace deploy/kaito-workspace",
        next "asks the hub again within 10 minutes; no machine is asked for",
        remedy "see that the controller reaches the hub (--model-hub-endpoint, HTTPS_PROXY), or give it the model in a folder (--model-folder)";

    /// Models are looked up in a folder only, and this one is not there.
    MODEL_NOT_AT_HAND = "ModelNotAtHand" on ResourceReady, refuses(10),
        evidence "OWNER/NAME below the folder that --model-folder names",
        next "looks into the folder again within 5 minutes; no machine is asked for",
        remedy "put config.json and the weights (their pointers of large-file storage are enough) as OWNER/NAME into the folder that --model-folder names, or ask a hub";

    /// The repository is there, and no runtime can serve what it holds.
    MODEL_NOT_SERVABLE = "ModelNotServable" on ResourceReady, refuses(60),
        evidence "the files of the repository that the message names, at the hub",
        next "looks again when the Workspace changes; no machine is asked for",
        remedy "name a repository with config.json and weights as safetensors, of an architecture that vLLM serves";

    /// The machine size is not in the table of this cloud.
    UNKNOWN_INSTANCE_TYPE = "UnknownInstanceType" on ResourceReady, refuses(60),
        evidence "resource.instanceType of the Workspace beside the list of sizes: kaito skus --cloud CLOUD",
        next "looks again when the Workspace changes; no machine is asked for",
        remedy "name a size with GPUs that the cloud offers: `kaito skus` lists them";

    /// No runtime image has kernels for this GPU that can serve this model.
    NO_RUNTIME = "NoRuntimeForGpu" on ResourceReady, refuses(60),
        evidence "the compute capability of the size, and the type of the model: kaito skus SIZE; kaito models MODEL",
        next "looks again when the Workspace changes; no machine is asked for",
        remedy "choose a machine size with a newer GPU, or another model";

    /// The model does not fit the machine size in any number.
    MODEL_TOO_LARGE = "ModelDoesNotFit" on ResourceReady, refuses(60),
        evidence "the weights of the model and the memory of each GPU: kaito models MODEL; kaito skus SIZE",
        next "looks again when the Workspace changes; no machine is asked for",
        remedy "choose a machine size with more memory per GPU, or a shorter context";

    /// The model takes many more machines of this size than were asked for.
    MORE_NODES_THAN_ASKED = "MoreNodesThanAsked" on ResourceReady, refuses(60),
        evidence "the weights of the model and the memory of each GPU: kaito models MODEL; kaito skus SIZE",
        next "looks again when the Workspace changes; no machine is asked for",
        remedy "choose a machine size with more GPUs or more memory for each, or make the Workspace anew with the number that the message names as resource.count";

    /// A kind of work that this version does not do yet.
    NOT_SUPPORTED = "NotSupported" on ResourceReady, refuses(60),
        evidence "the field that the message names: kubectl get workspace NAME -n NAMESPACE -o yaml",
        next "looks again when the Workspace changes; no machine is asked for",
        remedy "see the release notes for what this version serves";

    /// The ConfigMap with the runtime's settings is missing or cannot be used.
    CONFIG_NOT_USABLE = "InferenceConfigNotUsable" on ResourceReady, refuses(5),
        evidence "the ConfigMap that inference.config names: kubectl get configmap CONFIG -n NAMESPACE -o yaml",
        next "looks again when the ConfigMap changes; no machine is asked for",
        remedy "create or correct the ConfigMap in the namespace of the Workspace";

    /// The model has no parameters for tuning.
    NOT_TUNABLE = "ModelNotTunable" on ResourceReady, refuses(60),
        evidence "tuning.preset.name of the Workspace; the message lists the models that can be tuned: kubectl get workspace NAME -n NAMESPACE -o yaml",
        next "looks again when the Workspace changes; no machine is asked for",
        remedy "name a model that can be tuned";

    /// The ConfigMap with the settings of a training is missing or cannot be used.
    TRAINING_CONFIG = "TuningConfigNotUsable" on ResourceReady, refuses(5),
        evidence "training_config.yaml in the ConfigMap that tuning.config names, or in the chart's template that the message names: kubectl get configmap CONFIG -n NAMESPACE -o yaml",
        next "looks again when the ConfigMap changes; no machine is asked for",
        remedy "create or correct the ConfigMap in the namespace that is named";

    /// A name that we need is taken by an object that is not ours.
    NAME_TAKEN = "NameTaken" on InferenceReady, refuses(5),
        evidence "metadata.ownerReferences of the object that the message names: kubectl get service,statefulset,job,controllerrevision -n NAMESPACE -o yaml",
        next "looks again when that object changes; no machine is asked for",
        remedy "rename or delete that object, or choose another name for the Workspace";

    /// A NodeClaim or Node of ours is there and cannot be read.
    MALFORMED_OBJECT = "MalformedObject" on ResourceReady, fails(5),
        evidence "the object and the field that the message names: kubectl get KIND OBJECT -o yaml",
        next "leaves it alone, and looks again when it changes",
        remedy "repair or delete that object";

    /// A Service, StatefulSet or Job of ours is there and cannot be read: nothing could be made of a machine.
    MALFORMED_CHILD = "MalformedChild" on ResourceReady, refuses(5),
        evidence "the object and the field that the message names: kubectl get KIND OBJECT -n NAMESPACE -o yaml",
        next "leaves it alone, and looks again when it changes; no machine is asked for",
        remedy "repair or delete that object";

    /// A CRD that we need is not installed.
    KIND_NOT_INSTALLED = "KindNotInstalled" on NodeClaimReady, fails(1),
        evidence "the kinds that the API server serves: kubectl api-resources --api-group=karpenter.sh",
        next "looks again every minute",
        remedy "install the CRD, or the provisioner that brings it";

    /// The API server refused a write.
    WRITE_REFUSED = "WriteRefused" on ResourceReady, fails(1),
        evidence "the server's words in the message, the controller's rights, and quotas: kubectl auth can-i --list --as=system:serviceaccount:RELEASE-NAMESPACE:SERVICE-ACCOUNT; kubectl get resourcequota -n NAMESPACE",
        next "tries again",
        remedy "see the server's words; usually a permission, a quota or an admission policy";

    /// The API server refuses to answer something that must be known: nothing is planned without it.
    READ_REFUSED = "ReadRefused" on ResourceReady, fails(5),
        evidence "the server's words in the message, and the controller's rights: kubectl auth can-i --list --as=system:serviceaccount:RELEASE-NAMESPACE:SERVICE-ACCOUNT",
        next "asks again, ever more rarely, at last every five minutes; meanwhile everything stays as it is, and nothing is made or given back",
        remedy "give the controller the rights of its role, which kaito roles --node-provisioner PROVISIONER prints";

    /// The API server refuses a write that nothing depends on: the label on a Node for charts of others, or the deletion of an old ControllerRevision.
    UPKEEP_REFUSED = "UpkeepRefused" on ResourceReady, warns(10),
        evidence "the server's words in the message, and the controller's rights: kubectl auth can-i --list --as=system:serviceaccount:RELEASE-NAMESPACE:SERVICE-ACCOUNT",
        next "tries again",
        remedy "see the server's words; usually a permission or an admission policy";

    /// A ResourceQuota of the namespace leaves no room for what is needed.
    QUOTA_EXCEEDED = "QuotaExceeded" on ResourceReady, fails(1),
        evidence "used and hard of the ResourceQuota that is named: kubectl describe resourcequota -n NAMESPACE",
        next "tries again every minute",
        remedy "raise the quota, or delete what the namespace does not need any more";

    /// The Secret that gives access to the model's weights is missing or lacks its key.
    MODEL_SECRET = "ModelAccessSecretNotUsable" on InferenceReady, warns(1),
        evidence "the keys (never the values) of the Secret that presetOptions.modelAccessSecret names: kubectl describe secret SECRET -n NAMESPACE",
        next "looks again every minute; the pods start without it",
        remedy "create the Secret with the key HF_TOKEN in the namespace of the Workspace";

    /// A Secret that an adapter's image is pulled with is missing or lacks its key.
    ADAPTER_SECRET = "AdapterPullSecretNotUsable" on InferenceReady, warns(1),
        evidence "type and keys (never the values) of the Secret that source.imagePullSecrets names: kubectl describe secret SECRET -n NAMESPACE",
        next "looks again every minute; new pods wait for the Secret",
        remedy "create it in the namespace of the Workspace: kubectl create secret docker-registry";

    /// A Secret that a training pulls its data or pushes its result with does not exist: the pod of the Job would wait for it without a word.
    SECRET_NOT_FOUND = "SecretNotFound" on JobStarted, fails(1),
        evidence "the Secrets beside the field that the message names: kubectl get secret -n NAMESPACE; kubectl get workspace NAME -n NAMESPACE -o yaml",
        next "looks again every minute, and starts the Job when the Secret is there",
        remedy "create it with `kubectl create secret docker-registry` in that namespace";

    /// Such a Secret is there and lacks the key that is mounted.
    SECRET_NOT_USABLE = "SecretNotUsable" on JobStarted, fails(1),
        evidence "type and keys (never the values) of the Secret that the message names: kubectl describe secret SECRET -n NAMESPACE",
        next "looks again every minute, and starts the Job when the Secret has the key",
        remedy "create it anew with `kubectl create secret docker-registry` in that namespace";

    /// The Job has given up.
    JOB_FAILED = "WorkspaceTuningJobStatusFailed" on JobStarted, fails(60),
        evidence "condition Failed of the Job, and what its pods said: kubectl describe job NAME -n NAMESPACE; kubectl logs -l batch.kubernetes.io/job-name=NAME -n NAMESPACE --all-containers",
        next "leaves the Job as it is, for its pods' logs",
        remedy "see the logs of the Job's pods; then correct the Workspace, or delete the Job to try again";

    /// The training has failed for good; the condition JobStarted says why.
    TRAINING_FAILED = "workspaceFailed" on WorkspaceSucceeded, fails(60),
        evidence "the condition JobStarted of the Workspace, and its Job: kubectl describe workspace NAME -n NAMESPACE; kubectl describe job NAME -n NAMESPACE",
        next "leaves the Job as it is, for its pods' logs",
        remedy "see the logs of the Job's pods; then correct the Workspace, or delete the Job to try again";

    /// The Job is not there, or has no pod.
    JOB_PENDING = "WorkspaceTuningJobStatusPending" on JobStarted, wait(30),
        evidence "status.active of the Job, and its events: kubectl describe job NAME -n NAMESPACE",
        next "waits for the Job's pod",
        remedy "see the events of the Job: a quota or an admission policy may keep it from making its pod";

    /// The Workspace does not yet do what it is for: its training goes on, or its other conditions say what is missing.
    TRAINING = "workspacePending" on WorkspaceSucceeded, wait(30),
        evidence "the other conditions of the Workspace; of a training, the status of its Job and what its pod says: kubectl describe workspace NAME -n NAMESPACE; kubectl describe job NAME -n NAMESPACE; kubectl logs job/NAME -n NAMESPACE --all-containers",
        next "waits for the training to end",
        remedy "see the pod's events and logs";

    /// The provisioner refuses, in its own words and with its own reason.
    CLAIM_REFUSED = "NodeClaimNotLaunched" on NodeClaimReady, fails(5),
        evidence "status.conditions of the NodeClaim, first of all Launched: kubectl get nodeclaim -l kaito.sh/workspace=NAME,kaito.sh/workspacenamespace=NAMESPACE -o yaml; where Karpenter makes them: kubectl get nodeclaim -l karpenter.kaito.sh/workspace-name=NAME,karpenter.kaito.sh/workspace-namespace=NAMESPACE -o yaml",
        next "the provisioner tries again by itself",
        remedy "see the provisioner's words: quota, stock, or the name of the size";

    /// The name of the NodePool that is needed is taken by one that is not ours.
    NODE_POOL_TAKEN = "NodePoolNameTaken" on NodeClaimReady, refuses(5),
        evidence "metadata.labels of the NodePool that the message names: kubectl get nodepool POOL -o yaml",
        next "looks again when that NodePool changes; no machine is asked for",
        remedy "choose another name for the Workspace, or delete that NodePool; names of two Workspaces meet where namespace and name, joined with '-', are the same";

    /// Karpenter does not use the NodePool of the Workspace, in its own words and with its own reason.
    NODE_POOL_REFUSED = "NodePoolNotReady" on NodeClaimReady, fails(5),
        evidence "status.conditions of the NodePool that the message names, and the class that it names: kubectl get nodepool POOL -o yaml",
        next "Karpenter looks again by itself; machines come when the NodePool is ready",
        remedy "see Karpenter's words; a class that is not ready says why itself: kubectl describe CLASS-KIND CLASS";

    /// A machine was asked for, and the request was deleted before the machine came: usually by the provisioner, which finds none, or whose machine never joined.
    CLAIM_GIVEN_UP = "NodeClaimGivenUp" on NodeClaimReady, fails(5),
        evidence "the annotation kaito.sh/nodeclaims-given-up of the Workspace, and the events of NodeClaims that are gone: kubectl get workspace NAME -n NAMESPACE -o yaml; kubectl get event -A --field-selector involvedObject.kind=NodeClaim",
        next "asks again by itself: a minute after the first time, then ever later, at last every half hour; where a NodePool asks, Karpenter replaces at once what was launched and did not come",
        remedy "see the provisioner's words, events and log: quota, stock, its node class, or a network in which machines cannot join";

    /// Machines are asked for and have not come.
    CLAIMS_PENDING = "NodeClaimNotReady" on NodeClaimReady, wait(30),
        evidence "status.conditions of the NodeClaims: kubectl get nodeclaim -l kaito.sh/workspace=NAME,kaito.sh/workspacenamespace=NAMESPACE -o yaml; where Karpenter makes them: kubectl get nodeclaim -l karpenter.kaito.sh/workspace-name=NAME,karpenter.kaito.sh/workspace-namespace=NAMESPACE -o yaml",
        next "waits for the provisioner",
        remedy "see the NodeClaim's own conditions and the provisioner's log";

    /// Machines have come and their nodes are not ready.
    NODES_PENDING = "NodeNotReady" on NodesReady, wait(20),
        evidence "status.nodeName of the NodeClaim, and the condition Ready of that Node: kubectl get nodeclaim -l kaito.sh/workspace=NAME,kaito.sh/workspacenamespace=NAMESPACE, or where Karpenter makes them -l karpenter.kaito.sh/workspace-name=NAME,karpenter.kaito.sh/workspace-namespace=NAMESPACE; kubectl describe node NODE",
        next "waits for the node to join and become Ready",
        remedy "see the node's conditions; a node that never joins is usually a network or image fault";

    /// Too few of the nodes that somebody brought along have the labels, are ready, and can be used.
    NODES_NOT_BROUGHT = "NotEnoughNodes" on NodesReady, wait(30),
        evidence "the nodes with the labels of resource.labelSelector, their conditions and their labels nvidia.com/*: kubectl get node -l KEY=VALUE -L nvidia.com/gpu.product,nvidia.com/gpu.count",
        next "goes on as soon as enough nodes can be used; none is made",
        remedy "bring nodes along and give them the labels of resource.labelSelector, or make those that are named usable";

    /// The nodes that somebody brought along do not say which GPUs they have.
    GPU_LABELS_PENDING = "GpuLabelsMissing" on NodesReady, wait(15),
        evidence "labels nvidia.com/gpu.product, nvidia.com/gpu.count, nvidia.com/gpu.memory and nvidia.com/gpu.compute.major of the nodes that the message names: kubectl get node NODE --show-labels",
        next "goes on as soon as a node says what it has",
        remedy "install NVIDIA's GPU feature discovery (part of the GPU operator), which writes these labels, or write them by hand";

    /// The GPUs of the nodes are being divided into slices, or joined again.
    GPUS_BEING_DIVIDED = "MigConfigPending" on NodesReady, wait(15),
        evidence "labels nvidia.com/mig.config and nvidia.com/mig.config.state of the nodes that the message names: kubectl get node NODE --show-labels",
        next "goes on as soon as nvidia.com/mig.config.state is success",
        remedy "see the log of NVIDIA's MIG manager on that node: a GPU in use is not divided, and a layout must be one of its configuration";

    /// The nodes with the labels are different machines.
    NODES_DIFFER = "NodesDiffer" on NodesReady, refuses(60),
        evidence "labels nvidia.com/* of the nodes that the message names: kubectl get node -L nvidia.com/gpu.product,nvidia.com/gpu.count,nvidia.com/gpu.memory",
        next "looks again when the labels of a node change; no machine is asked for",
        remedy "choose nodes of one kind, by another label in resource.labelSelector, which tells them apart";

    /// No node has the part of its GPUs that is asked for, or whole ones are asked for and all are divided.
    PART_NOT_POSSIBLE = "PartNotPossible" on NodesReady, refuses(60),
        evidence "resource.partition of the Workspace beside the labels nvidia.com/gpu.product and nvidia.com/gpu.count, and nvidia.com/* in status.allocatable, of the nodes that the message names: kubectl get node NODE -o yaml",
        next "looks again when the labels of a node change; no machine is asked for",
        remedy "ask for a part that the nodes have, or bring nodes along that have it";

    /// Nodes are ready and show no GPUs.
    GPUS_PENDING = "NodePluginsNotReady" on NodesReady, wait(15),
        evidence "nvidia.com/gpu in status.allocatable of the Nodes that status.workerNodes of the Workspace names: kubectl get workspace NAME -n NAMESPACE -o jsonpath={.status.workerNodes}; kubectl get node NODE -o yaml",
        next "waits for the device plugin to advertise the GPUs",
        remedy "see the device plugin's pods on that node; the driver may have failed to install";

    /// A container ran out of main memory.
    CONTAINER_OOM_KILLED = "ContainerOOMKilled" on InferenceReady, fails(5),
        evidence "the last state of the container that is named: kubectl get pod POD -n NAMESPACE -o yaml, status.containerStatuses",
        next "the kubelet starts the container again",
        remedy "choose a machine size with more main memory, or let the runtime take less of it (swap-space, cpu-offload-gb)";

    /// An image cannot be pulled.
    IMAGE_PULL_ERROR = "ImagePullError" on InferenceReady, fails(5),
        evidence "the waiting container's message: kubectl describe pod POD -n NAMESPACE",
        next "the kubelet tries again, at least every five minutes",
        remedy "see the registry's words: a name or tag that does not exist, credentials that are missing, or no way from the node to the registry";

    /// A container cannot be made or started.
    CONTAINER_START_ERROR = "ContainerStartError" on InferenceReady, fails(5),
        evidence "the waiting container's message: kubectl describe pod POD -n NAMESPACE",
        next "the kubelet tries again",
        remedy "create or correct what is named: usually a Secret, a ConfigMap, a key of one, or a command that the image lacks";

    /// A container ends again and again.
    CONTAINER_CRASH_LOOP = "ContainerCrashLoopBackOff" on InferenceReady, fails(5),
        evidence "what the container said before it ended: kubectl logs POD -n NAMESPACE --container=CONTAINER --previous",
        next "the kubelet starts it again, at least every five minutes",
        remedy "see what it said before it ended: kubectl logs POD --container=CONTAINER --previous";

    /// The hub does not give the weights: the token is missing, wrong, or its owner has not been let in.
    MODEL_ACCESS_DENIED = "ModelAccessDenied" on InferenceReady, fails(5),
        evidence "what the server said before it ended: kubectl logs POD -n NAMESPACE --container=CONTAINER --previous",
        next "the kubelet starts the server again, at least every five minutes; a token is read at each start",
        remedy "ask the owner of the repository for access, and name a Secret with a token that has it (key HF_TOKEN) in presetOptions.modelAccessSecret";

    /// A pod had to go for lack of disk, or its node is short of it.
    NODE_DISK_PRESSURE = "NodeDiskPressure" on InferenceReady, fails(5),
        evidence "the message of the evicted pod, and the node's condition DiskPressure: kubectl describe node NODE",
        next "waits for room on the node; a pod that had to go is made anew then",
        remedy "choose a machine size with a larger disk";

    /// A pod had to go for lack of main memory, or its node is short of it.
    NODE_MEMORY_PRESSURE = "NodeMemoryPressure" on InferenceReady, fails(5),
        evidence "the message of the evicted pod, and the node's condition MemoryPressure: kubectl describe node NODE",
        next "waits for room on the node; a pod that had to go is made anew then",
        remedy "choose a machine size with more main memory";

    /// A pod had to go for another cause.
    POD_EVICTED = "PodEvicted" on InferenceReady, fails(5),
        evidence "the message of the evicted pod: kubectl describe pod POD -n NAMESPACE",
        next "the pod is made anew",
        remedy "see the words of the node that evicted it, and the node's conditions";

    /// A pod has failed as a whole; the kubelet or a controller says why.
    POD_FAILED = "PodFailed" on InferenceReady, fails(5),
        evidence "status.reason and status.message of the pod: kubectl describe pod POD -n NAMESPACE",
        next "the pod is made anew",
        remedy "see the words of whoever ended it; UnexpectedAdmissionError is usually a device plugin that has lost its GPUs: see its pods on that node";

    /// A pod finds no node.
    UNSCHEDULABLE = "Unschedulable" on InferenceReady, fails(5),
        evidence "condition PodScheduled of the pod: kubectl describe pod POD -n NAMESPACE",
        next "the scheduler tries again when nodes or pods change",
        remedy "see the scheduler's words: taints, labels, or GPUs that another pod holds";

    /// The pods are ready and no address leads to them.
    ENDPOINT_PENDING = "EndpointNotServing" on InferenceReady, wait(5),
        evidence "the endpoints of the Service: kubectl get endpointslice -n NAMESPACE -l kubernetes.io/service-name=NAME -o yaml",
        next "waits for Kubernetes to publish the address",
        remedy "see the EndpointSlices and the selector of that Service; the endpointslice controller is a part of kube-controller-manager";

    /// The pods are not ready.
    WORKLOAD_PENDING = "WorkspaceInferenceStatusPending" on InferenceReady, wait(60),
        evidence "events and logs of the pods: kubectl describe pod -l kaito.sh/workspace=NAME -n NAMESPACE; kubectl logs -l kaito.sh/workspace=NAME -n NAMESPACE",
        next "waits for the model server to answer",
        remedy "see the pods' events and logs";

    /// The model answers, and no result of its benchmark has been read from the log of its first pod.
    BENCHMARK_PENDING = "BenchmarkPending" on BenchmarkCompleted, wait(10),
        evidence "the lines with KAITO_BENCHMARK in the log of the first pod, and the right to read it: kubectl logs NAME-0 -n NAMESPACE --container=NAME | grep KAITO_BENCHMARK; kubectl auth can-i get pods/log --as=system:serviceaccount:RELEASE-NAMESPACE:SERVICE-ACCOUNT",
        next "looks for it in the log for ten minutes, and again when the pod becomes ready anew",
        remedy "delete the pod to measure again, or set the annotation kaito.sh/disable-benchmark: \"true\"; the model serves without it";

    /// The benchmark has printed something that is no result.
    BENCHMARK_FAILED = "BenchmarkFailed" on BenchmarkCompleted, warns(60),
        evidence "the lines with KAITO_BENCHMARK in the log of the first pod: kubectl logs NAME-0 -n NAMESPACE --container=NAME | grep KAITO_BENCHMARK",
        next "looks for a result when the pod becomes ready anew",
        remedy "delete the pod to measure again, or set the annotation kaito.sh/disable-benchmark: \"true\"; the model serves without it";

    /// Children are going away before the Workspace may.
    TERMINATING = "workspaceDeleted" on WorkspaceDeleting, wait(30),
        evidence "metadata.deletionTimestamp and metadata.finalizers of the NodeClaims: kubectl get nodeclaim -l kaito.sh/workspace=NAME,kaito.sh/workspacenamespace=NAMESPACE -o yaml; where Karpenter makes them: kubectl get nodepool,nodeclaim -l karpenter.kaito.sh/workspace-name=NAME,karpenter.kaito.sh/workspace-namespace=NAMESPACE -o yaml",
        next "waits for the NodeClaims to go, then lets the Workspace go",
        remedy "see the NodeClaim's own conditions and the provisioner's log";
}

/// A reason of a condition that tells how far the work is, and needs nobody.
#[derive(Debug, PartialEq, Eq)]
pub struct Milestone {
    /// The `reason` of the condition.
    pub name: &'static str,
    /// The condition that shows it.
    pub condition: ConditionType,
    /// What it means.
    pub meaning: &'static str,
}

/// The reasons beside the [`CATALOGUE`], in the order of the work.
#[rustfmt::skip] // one a line
pub static MILESTONES: &[Milestone] = &[
    Milestone { name: reasons::NODE_CLAIMS_READY, condition: ConditionType::NodeClaimReady, meaning: "Every machine that is needed has been made and is ready." },
    Milestone { name: reasons::NODES_READY, condition: ConditionType::NodesReady, meaning: "Every node that is needed has joined, is Ready, and advertises its GPUs." },
    Milestone { name: reasons::NODES_RELEASED, condition: ConditionType::NodeClaimReady, meaning: "The training is over, and its machines were given back, because the annotation kaito.sh/release-nodes-when-done asks for that." },
    Milestone { name: reasons::RESOURCE_SUCCESS, condition: ConditionType::ResourceReady, meaning: "Everything that the workload stands on is ready." },
    Milestone { name: reasons::INFERENCE_SUCCESS, condition: ConditionType::InferenceReady, meaning: "Every pod is ready, and the model answers at the Service of the Workspace." },
    Milestone { name: reasons::BENCHMARK_COMPLETED, condition: ConditionType::BenchmarkCompleted, meaning: "The result of the benchmark stands in status.performance." },
    Milestone { name: reasons::JOB_STARTED, condition: ConditionType::JobStarted, meaning: "The Job of the training has made its pod; it stays so when the training has succeeded." },
    Milestone { name: reasons::WORKSPACE_SUCCEEDED, condition: ConditionType::WorkspaceSucceeded, meaning: "The Workspace does what it is for; of a training, that its result is where it was asked for." },
];
