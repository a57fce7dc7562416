//! Every flag, one row each.

/// One flag.
pub(super) struct Flag {
    pub(super) name: &'static str,
    /// May stand without a value.
    pub(super) boolean: bool,
    pub(super) means: Means,
    pub(super) help: &'static str,
}

/// What a flag does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Means {
    Version,
    Help,
    Metrics,
    Health,
    Gates,
    ImageFamily,
    Provisioner,
    NodeClasses,
    NodeClassGroup,
    NodeClassVersion,
    NodeClassKind,
    NodeClassPlural,
    Concurrency,
    Kubeconfig,
    RecorderSize,
    HubEndpoint,
    ModelFolder,
    DebugTokenFile,
    Verbosity,
    ZapLevel,
    ZapEncoder,
    /// On is an error, with this reason.
    NotYet(&'static str),
    /// Accepted, with this warning.
    Nothing(&'static str),
}

const PACED: Means = Means::Nothing("requests are bounded by --concurrency, not by a rate");
const KLOG: Means =
    Means::Nothing("logs go to standard error; choose what is logged by RUST_LOG, -v or --zap-log-level");
const MIRROR: Means = Means::Nothing("model mirrors come with a later version");

const fn value(name: &'static str, means: Means, help: &'static str) -> Flag {
    Flag { name, boolean: false, means, help }
}

const fn switch(name: &'static str, means: Means, help: &'static str) -> Flag {
    Flag { name, boolean: true, means, help }
}

pub(super) const FLAGS: &[Flag] = &[
    value("metrics-bind-address", Means::Metrics, "where /metrics is served, 0 for nowhere (default :8080)"),
    value(
        "health-probe-bind-address",
        Means::Health,
        "where /healthz and /readyz are served, 0 for nowhere (default :8081)",
    ),
    value("concurrency", Means::Concurrency, "how many Workspaces are looked at at once (default 5)"),
    value("feature-gates", Means::Gates, "name=true,name=false (default vLLM=true)"),
    value("default-node-image-family", Means::ImageFamily, "ubuntu or azurelinux (default ubuntu)"),
    value(
        "node-provisioner",
        Means::Provisioner,
        "azure-gpu-provisioner, karpenter, or byo for nodes that are brought along, which the gate disableNodeAutoProvisioning=true means too (default azure-gpu-provisioner)",
    ),
    value(
        "karpenter-node-classes",
        Means::NodeClasses,
        "JSON, what machines of Karpenter are like: [{\"name\":\"linux\",\"default\":true,\"spec\":{…}}]; exactly one is the default (needed with --node-provisioner=karpenter)",
    ),
    value(
        "karpenter-node-class-group",
        Means::NodeClassGroup,
        "the API group of these classes (default karpenter.azure.com)",
    ),
    value("karpenter-node-class-version", Means::NodeClassVersion, "their version (default v1beta1)"),
    value("karpenter-node-class-kind", Means::NodeClassKind, "their kind (default AKSNodeClass)"),
    value(
        "karpenter-node-class-resource-name",
        Means::NodeClassPlural,
        "their plural in the API's addresses (default aksnodeclasses)",
    ),
    value(
        "kubeconfig",
        Means::Kubeconfig,
        "a kubeconfig file; else KUBECONFIG, ~/.kube/config, or the pod's own account",
    ),
    value(
        "recorder-size",
        Means::RecorderSize,
        "bytes of the last reconciles that are kept for /debug/recorder, beside /metrics; 0 for none (default 8Mi)",
    ),
    value(
        "debug-token-file",
        Means::DebugTokenFile,
        "a file with the bearer token that opens /debug/recorder to other machines; without it, only this one may look",
    ),
    value(
        "model-hub-endpoint",
        Means::HubEndpoint,
        "where models are asked for that are in no catalogue, such as a mirror; else HF_ENDPOINT (default https://huggingface.co)",
    ),
    value(
        "model-folder",
        Means::ModelFolder,
        "a folder of such models, as <owner>/<name> or a cache of the hub's client; then nothing is asked over the network",
    ),
    value("v", Means::Verbosity, "4 and more log every plan (default 0)"),
    value("zap-log-level", Means::ZapLevel, "debug, info, error, panic, or a number as for -v"),
    value("zap-encoder", Means::ZapEncoder, "console or json (default console)"),
    switch("version", Means::Version, "print the version and end"),
    switch("help", Means::Help, "print this and end"),
    switch("h", Means::Help, "print this and end"),
    switch(
        "leader-elect",
        Means::NotYet("there is no election: several replicas are safe without one; leave it off"),
        "must be false",
    ),
    switch(
        "webhook",
        Means::Nothing("this version serves no webhook; objects are checked when they are looked at"),
        "no effect yet",
    ),
    value("kube-client-qps", PACED, ""),
    value("kube-client-burst", PACED, ""),
    value("default-model-mirror-storage-class", MIRROR, ""),
    value("default-streaming-service-account", MIRROR, ""),
    value("model-mirror-download-cpu", MIRROR, ""),
    value("model-mirror-download-memory", MIRROR, ""),
    switch("zap-devel", KLOG, ""),
    value("zap-stacktrace-level", KLOG, ""),
    value("zap-time-encoding", KLOG, ""),
    switch("add_dir_header", KLOG, ""),
    switch("alsologtostderr", KLOG, ""),
    value("log_backtrace_at", KLOG, ""),
    value("log_dir", KLOG, ""),
    value("log_file", KLOG, ""),
    value("log_file_max_size", KLOG, ""),
    switch("logtostderr", KLOG, ""),
    switch("one_output", KLOG, ""),
    switch("skip_headers", KLOG, ""),
    switch("skip_log_headers", KLOG, ""),
    value("stderrthreshold", KLOG, ""),
    value("vmodule", KLOG, ""),
];

/// Those that have an effect, with what they do; then the names of the others.
pub(super) fn help() -> String {
    let mut text = String::from("kaito-workspace: makes Workspaces of kaito.sh real.\n\nFlags:\n");
    for flag in FLAGS.iter().filter(|flag| !flag.help.is_empty()) {
        text.push_str(&format!("  --{:<28} {}\n", flag.name, flag.help));
    }
    let others: Vec<&str> = FLAGS.iter().filter(|flag| flag.help.is_empty()).map(|flag| flag.name).collect();
    text.push_str(&format!("\nAccepted without effect: {}\n", others.join(", ")));
    text.push_str("\nEnvironment: CLOUD_PROVIDER (azure, aws or arc; required), PRESET_REGISTRY_NAME, RELEASE_NAMESPACE, HF_ENDPOINT, HF_TOKEN, HTTPS_PROXY, NO_PROXY, KUBECONFIG, RUST_LOG\n");
    text
}

/// All names.
pub(super) fn names() -> String {
    FLAGS.iter().map(|flag| format!("--{}", flag.name)).collect::<Vec<_>>().join(" ")
}
