//! The words of the command line.

use crate::hub::FolderHub;
use clap::{Args, Parser, Subcommand, ValueEnum};
use kaito_api::syntax;
use kaito_api::vocabulary::ImageFamily;
use kaito_core::cloud::Cloud;
use kaito_core::gates::Gates;
use kaito_core::hub::{HubError, Repository};
use kaito_core::memory::Faults;
use kaito_core::node_classes::{self, ClassError, ClassKind, NodeClasses};
use kaito_core::{NodeProvisioner, Settings};
use std::path::PathBuf;

/// What will happen to a model on Kubernetes, before anything is paid for.
///
/// Every verb runs the very functions that the controllers run, on a cluster in memory: nothing is asked of, or sent to, any cluster.
#[derive(Debug, Parser)]
#[command(name = "kaito", version, disable_help_subcommand = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Shown below the help.
const EXIT_CODES: &str =
    "Exit codes: 0 yes; 1 a clear no, with the reason; 2 a file could not be read or written; 3 a defect of kaito.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Does it become ready, through which steps, and if not, why
    Simulate(Simulate),
    /// The objects that a Workspace comes to, in the order of their creation
    Render(Render),
    /// Would it be admitted, as it is or as a change; if not, which field and why
    Validate(Validate),
    /// What the reason of a condition means, what proves it, and what can be done
    Explain(Explain),
    /// Whether this version decides what a recorded one did, and where not
    Replay(Replay),
    /// The models that can be served by name
    Models(Models),
    /// The machine sizes with GPUs
    Skus(Skus),
    /// What the programs may do in a cluster: accounts, roles and bindings, for kubectl apply
    Roles(Roles),
}

impl Verb {
    /// The flags of the operator, where the verb decides what one would.
    pub fn operator(&self) -> Option<&Operator> {
        match self {
            Verb::Simulate(args) => Some(&args.operator),
            Verb::Render(args) => Some(&args.operator),
            Verb::Validate(args) => Some(&args.operator),
            Verb::Roles(args) => Some(&args.operator),
            Verb::Explain(_) | Verb::Replay(_) | Verb::Models(_) | Verb::Skus(_) => None,
        }
    }
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    #[command(flatten)]
    pub(super) input: Input,
    /// What is applied next, when nothing happens any more; may be given more than once, applied in order
    #[arg(long, value_name = "FILE")]
    pub(super) then: Vec<String>,
    /// What may go wrong on the way: all, or a list such as crash,lag; =-user is all but user, and all,+lag has lag for sure
    #[arg(long, value_name = "LIST", conflicts_with = "then")]
    pub(super) faults: Option<Faults>,
    /// What chance is drawn from where something may go wrong; the same seed is the same run
    #[arg(long, value_name = "SEED", conflicts_with = "then")]
    pub(super) seed: Option<u64>,
    /// The run of this seed with all faults, as the project's own checks run it (a file of --record is replayed by `kaito replay FILE`)
    #[arg(long, value_name = "SEED", conflicts_with_all = ["then", "seed", "faults"])]
    pub(super) replay: Option<u64>,
    /// Writes what every reconcile saw and decided to a file, for `kaito replay FILE`
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
    #[command(flatten)]
    pub(super) operator: Operator,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Arguments of `render`.
#[derive(Debug, Args)]
pub struct Render {
    #[command(flatten)]
    pub(super) input: Input,
    #[command(flatten)]
    pub(super) operator: Operator,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Document::Yaml, value_name = "FORM")]
    pub(super) output: Document,
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct Validate {
    /// A file, a folder, a pattern, or - for standard input; may be given more than once
    #[arg(short = 'f', long = "filename", required_unless_present = "review", num_args = 1.., value_name = "FILE")]
    pub(super) files: Vec<String>,
    /// The same objects as they are now: the verdict is that on a change
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with = "review")]
    pub(super) old: Vec<String>,
    /// AdmissionReviews to answer, one a line; - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub(super) review: Option<String>,
    /// The namespace of objects that name none
    #[arg(short, long, default_value = "default", value_parser = namespace)]
    pub(super) namespace: String,
    #[command(flatten)]
    pub(super) operator: Operator,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// A reason, in any case; all without it
    pub(super) reason: Option<String>,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// A recording, as /debug/recorder serves it or `simulate --record` writes it, or - for standard input
    pub(super) file: String,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Arguments of `models`.
#[derive(Debug, Args)]
pub struct Models {
    /// One model, by preset name, alias or Hugging Face id; all without it
    pub(super) name: Option<String>,
    /// Prints the ConfigMap kaito-supported-models instead, from which other tools know the models
    #[arg(long, conflicts_with_all = ["name", "form"])]
    pub(super) configmap: bool,
    /// The namespace of that ConfigMap: the operator's
    #[arg(short, long, requires = "configmap", default_value = "kaito-workspace", value_parser = namespace)]
    pub(super) namespace: String,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Arguments of `skus`.
#[derive(Debug, Args)]
pub struct Skus {
    /// One machine size; all of the cloud without it
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) cloud: CloudArg,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Arguments of `roles`.
#[derive(Debug, Args)]
pub struct Roles {
    #[command(flatten)]
    pub(super) operator: Operator,
    /// The namespace that the programs run in
    #[arg(short, long, default_value = "kaito-workspace", value_parser = namespace)]
    pub(super) namespace: String,
}

/// Where objects come from.
#[derive(Debug, Args)]
pub struct Input {
    /// A file, a folder, a pattern, or - for standard input; may be given more than once
    #[arg(short = 'f', long = "filename", required = true, num_args = 1.., value_name = "FILE")]
    pub(super) files: Vec<String>,
    /// The namespace of objects that name none
    #[arg(short, long, default_value = "default", value_parser = namespace)]
    pub(super) namespace: String,
}

/// The cloud.
#[derive(Debug, Args)]
pub struct CloudArg {
    /// Whose machines: azure, aws or arc
    #[arg(long, env = "CLOUD_PROVIDER", default_value = "azure", value_parser = cloud)]
    pub(super) cloud: Cloud,
}

/// Flags of the operator, with its names and defaults.
#[derive(Debug, Args)]
pub struct Operator {
    #[command(flatten)]
    cloud: CloudArg,
    /// Feature gates, such as vLLM=true
    #[arg(long, default_value = "", hide_default_value = true, value_parser = gates, value_name = "NAME=BOOL,…")]
    feature_gates: Gates,
    /// The operating system of nodes that name none: ubuntu or azurelinux
    #[arg(long, default_value = "ubuntu", value_parser = image_family, value_name = "FAMILY")]
    default_node_image_family: ImageFamily,
    /// Who makes the machines; with byo, they are the Nodes among the documents
    #[arg(long, value_parser = provisioner, value_name = "NAME")]
    node_provisioner: Option<String>,
    /// What machines of Karpenter are like, as JSON: [{"name":"linux","default":true}]; one class by the name default, where nothing is said
    #[arg(long, value_parser = node_classes, value_name = "JSON")]
    karpenter_node_classes: Option<NamedClasses>,
    /// The API group of these classes
    #[arg(long, default_value = "karpenter.azure.com", value_name = "GROUP")]
    karpenter_node_class_group: String,
    /// Their kind
    #[arg(long, default_value = "AKSNodeClass", value_name = "KIND")]
    karpenter_node_class_kind: String,
    /// The version of that API
    #[arg(long, default_value = "v1beta1", value_name = "VERSION")]
    karpenter_node_class_version: String,
    /// The plural of that kind, by which rights are given
    #[arg(long, default_value = "aksnodeclasses", value_name = "PLURAL")]
    karpenter_node_class_resource_name: String,
    /// A folder of models that are in no catalogue, as OWNER/NAME; without it, nothing is known of them
    #[arg(long, value_name = "DIR")]
    model_folder: Option<PathBuf>,
}

impl Operator {
    /// What the folder of models holds of this one; `None` without a folder.
    pub fn model(&self, id: &str) -> Option<Result<Repository, HubError>> {
        self.model_folder.as_ref().map(|folder| FolderHub::new(folder).look(id))
    }

    /// Who makes the machines, or how two flags contradict each other; `parse` asks before anything else does.
    pub fn provisioner(&self) -> Result<NodeProvisioner, String> {
        let mut chosen = NodeProvisioner::choose(self.node_provisioner.as_deref(), &self.feature_gates)?;
        if let NodeProvisioner::Karpenter(classes) = &mut chosen {
            if let Some(named) = &self.karpenter_node_classes {
                *classes = named.0.clone();
            }
            classes.kind = ClassKind {
                group: self.karpenter_node_class_group.clone(),
                version: self.karpenter_node_class_version.clone(),
                kind: self.karpenter_node_class_kind.clone(),
                plural: self.karpenter_node_class_resource_name.clone(),
            };
        }
        Ok(chosen)
    }

    /// The settings that decisions depend on.
    pub fn settings(&self) -> Settings {
        Settings {
            cloud: self.cloud.cloud,
            gates: self.feature_gates.clone(),
            provisioner: self.provisioner().unwrap_or_default(),
            image_family: self.default_node_image_family,
            ..Settings::default()
        }
    }
}

/// How results are printed.
#[derive(Debug, Args)]
pub struct Output {
    /// How to print
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Form::Table, value_name = "FORM")]
    pub(super) form: Form,
}

/// A form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    Table,
    /// For programs
    Json,
    /// For both
    Yaml,
}

/// A form of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// One document for each
    Yaml,
    /// A list
    Json,
}

fn cloud(text: &str) -> Result<Cloud, String> {
    // An empty variable is as good as none.
    if text.is_empty() {
        return Ok(Cloud::Azure);
    }
    let known = Cloud::ALL.into_iter().find(|cloud| cloud.as_str().eq_ignore_ascii_case(text));
    known.ok_or_else(|| format!("expected {}", Cloud::ALL.map(Cloud::as_str).join(", ")))
}

fn namespace(text: &str) -> Result<String, String> {
    syntax::dns_label(text).map(|()| text.to_owned()).map_err(str::to_owned)
}

fn gates(text: &str) -> Result<Gates, String> {
    Gates::parse(text).map_err(|error| error.to_string())
}

fn image_family(text: &str) -> Result<ImageFamily, String> {
    let known = [ImageFamily::Ubuntu.as_str(), ImageFamily::AzureLinux.as_str()];
    ImageFamily::parse(text).ok_or_else(|| format!("expected {}", known.join(" or ")))
}

/// Classes of Karpenter's by name.
#[derive(Debug, Clone)]
struct NamedClasses(NodeClasses);

fn node_classes(text: &str) -> Result<NamedClasses, ClassError> {
    node_classes::parse(text).map(|wishes| NamedClasses(NodeClasses::of(ClassKind::default(), &wishes)))
}

fn provisioner(text: &str) -> Result<String, String> {
    NodeProvisioner::choose(Some(text), &Gates::default()).map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_words_hold_together() {
        Cli::command().debug_assert();
    }
}
