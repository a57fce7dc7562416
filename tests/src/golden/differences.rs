//! What we do otherwise than the reference, on purpose. `S3-B4` is defect B4 in the notes on the reference's manifests, `D13` one in those on its controllers, `W-13` a rule of its webhook.

use crate::allowed::Allowed;

const fn row(file: &'static str, path: &'static str, reason: &'static str) -> Allowed {
    Allowed { file, path, reason }
}

/// One table for every place where ours is made: in memory, by `kaito render`, on a real API server.
pub const DIFFERENCES: &[Allowed] = &[
    row(
        "*",
        "NodeClaim.metadata.labels.kaito.sh/workspace-uid",
        "claims carry uid, slot and incarnation, so that asking twice asks once (Δ6, D1)",
    ),
    row("*", "NodeClaim.metadata.labels.kaito.sh/node-*", "as above"),
    row(
        "*",
        "NodePool.metadata.labels.kaito.sh/workspace-uid",
        "a pool carries the uid of its Workspace, so that a namesake's is never taken",
    ),
    row(
        "*",
        "NodePool.spec.template.spec.requirements.karpenter.sh/capacity-type",
        "no spot where nobody asks for it: Karpenter prefers it, and takes such a machine back in the middle of a training",
    ),
    row(
        "*",
        "Job.spec.template.spec.affinity",
        "bound to the Workspace's own machine too: another one with the same user labels may have other GPUs",
    ),
    row(
        "*",
        "Job.spec.template.spec.tolerations",
        "the taint nvidia.com/gpu too, which clusters beside AKS put on GPU nodes; the pods that serve tolerate it as well",
    ),
    row(
        "gpt-oss",
        "StatefulSet.spec.replicas",
        "its weights are counted once: the reference counts the copy in its maker's own format too, which nothing loads",
    ),
    row("gpt-oss", "StatefulSet.spec.template.spec.containers", "as above: laid over fewer machines"),
    row("gpt-oss", "NodeClaim: theirs only", "as above"),
    row(
        "*",
        "Job.spec.template.metadata.annotations",
        "karpenter.sh/do-not-disrupt, on machines of Karpenter: drift would evict a training, which begins anew",
    ),
    row(
        "inference.template",
        "ControllerRevision.metadata",
        "name and hash: the template is hashed as the user wrote it, the reference's as its own types write it; one that it has numbered is recognised by what it says",
    ),
    row(
        "inference.template",
        "ControllerRevision.data.inference.template",
        "as the user wrote it: what its own types add or spell otherwise is the reference's",
    ),
    row(
        "*",
        "StatefulSet.metadata.annotations.kaito.sh/asked-by-annotation",
        "annotations that pods are made from, so that their change rolls out (S3-B4)",
    ),
    row(
        "*",
        "StatefulSet.metadata.annotations.kaito.sh/inference-config-digest",
        "the settings that the pods were made with, so that an edit of the ConfigMap rolls out (S3-B4)",
    ),
    row(
        "inference.template",
        "StatefulSet.metadata.annotations",
        "the set carries its revision, so that an edit of the template rolls out (S3-B5, D24)",
    ),
    row(
        "*",
        "*.spec.template.spec.*.*.terminationMessagePolicy",
        "FallbackToLogsOnError: the last words of a container that fails are told in the status",
    ),
    row(
        "*",
        "*.spec.template.spec.*.*.args.script",
        "a script of our own; what it is told is compared (`tests/tests/puller.rs` and its like run it)",
    ),
    // Refused in words before a machine is paid for.
    row(
        "amd-v620.yaml",
        "*: theirs only",
        "no published image serves AMD; the reference waits for NVIDIA's GPUs (D14)",
    ),
    row("trainium.yaml", "*: theirs only", "no published image serves Trainium, as for AMD (D14)"),
    row("config-absent.yaml", "*: theirs only", "the ConfigMap does not exist; the reference's pods wait for it"),
    row(
        "selector-only-reserved.yaml",
        "*: theirs only",
        "reserved labels alone select nothing; the reference's own webhook refuses it (W-13)",
    ),
    row(
        "tune-lora-volume-volume-config.yaml",
        "*: theirs only",
        "its settings are for another method; the reference's own webhook refuses them (TC-9)",
    ),
    row("no-inference-no-tuning.yaml", "*: theirs only", "there is nothing to be done with a machine"),
    row(
        "kaito_workspace_tuning_phi_3.yaml",
        "ControllerRevision.metadata",
        "its placeholders are replaced, so its hash is another: as they stand they are refused in words (Δ10)",
    ),
    // What the reference takes and forgets rolls out.
    row("step-adapter-added.2.yaml", "StatefulSet.spec.template.spec", "--enable-lora and pull secrets (S3-B4, D25)"),
    row("step-adapter.2.yaml", "StatefulSet.spec.template.spec", "the same, on machines of Karpenter (S3-B4, D25)"),
    row("step-config-named.2.yaml", "StatefulSet.spec.template.spec.containers", "--kaito-config-file (S3-B4, D25)"),
    row("step-preset-swapped.2.yaml", "StatefulSet.spec.template.spec.containers", "the other model (S3-B4, D25)"),
    row("step-runtime.2.yaml", "StatefulSet.spec.template.spec", "the other server and pull secrets (S3-B4, D25)"),
    row("step-template-image.2.yaml", "StatefulSet.spec.template.spec.containers", "the other image (S3-B5, D24)"),
    row(
        "step-annotations.2.yaml",
        "StatefulSet.spec.template.spec.containers",
        "--performance-mode, and no benchmark (S3-B4)",
    ),
    row("step-annotations.2.yaml", "Service.spec", "an address outside of the cluster (S3-B6, D29)"),
];
