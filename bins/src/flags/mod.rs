//! The command line and the environment of `kaito-workspace`: the flags of the Go operator, so that its manifests start this program unchanged.
//!
//! `table.rs` names every flag; [`Options::parse`] reads them as Go does: one dash or two, `--flag value` or `--flag=value`, a bare `--flag` for a boolean.
//! A flag that has no effect here is accepted with a warning that says so; one that would promise what is not there is an error.

mod table;

use crate::admin::BindAddress;
use crate::hub::{HubOptions, HubToken};
use crate::telemetry::Verbosity;
use kaito_api::vocabulary::{ImageFamily, names};
use kaito_core::gates::Gates;
use kaito_core::node_classes::{self, ClassKind, ClassWish, NodeClasses};
use kaito_core::record::Limits;
use kaito_core::units;
use kaito_core::{NodeProvisioner, Settings, cloud::Cloud};
use std::path::PathBuf;
use table::{FLAGS, Flag, Means};

/// What `kaito replay` reads at most.
const MOST_RECORDED: usize = 64 << 20;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Print this, the version or the help, and end.
    Print(String),
    /// Run.
    Run(Box<Options>),
}

/// How to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What decisions depend on.
    pub settings: Settings,
    /// `--metrics-bind-address`.
    pub metrics: BindAddress,
    /// `--health-probe-bind-address`.
    pub health: BindAddress,
    /// `--concurrency`.
    pub concurrency: usize,
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--node-provisioner`, as it was written; what it means is in the settings.
    provisioner: Option<String>,
    /// `--karpenter-node-class-…`: what NodeClasses are.
    pub class_kind: ClassKind,
    /// `--karpenter-node-classes`, as it was written.
    class_list: String,
    /// The NodeClasses that are kept; none where others than Karpenter make the machines.
    pub node_classes: Vec<ClassWish>,
    /// `--recorder-size`: bytes for the flight recorder; 0 records nothing.
    pub recorder_bytes: usize,
    /// `--debug-token-file`.
    pub debug_token_file: Option<PathBuf>,
    /// `--model-hub-endpoint`, `--model-folder`, `HF_ENDPOINT`, `HF_TOKEN`: where models are asked for that are in no catalogue.
    pub hub: HubOptions,
    /// `-v`, `--zap-log-level`: 0 for info, 4 and more for debug.
    pub verbosity: Verbosity,
    /// `--zap-encoder=json`.
    pub json_logs: bool,
    /// What was accepted and has no effect.
    pub warnings: Vec<String>,
}

/// A command line or an environment that this program cannot run with; the text is for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FlagError(String);

/// What the process is told besides its command line.
pub struct Environment<'a> {
    /// An environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The content of the service account's namespace file, where there is one.
    pub namespace: Option<String>,
}

impl Options {
    /// Reads a command line, the program's own name left out. Fails on what is unknown, malformed or not available, and when the cloud is not named.
    pub fn parse(arguments: &[String], environment: &Environment<'_>) -> Result<Command, FlagError> {
        let mut options = Options {
            settings: Settings::default(),
            metrics: BindAddress::Everywhere(8080),
            health: BindAddress::Everywhere(8081),
            concurrency: 5,
            kubeconfig: None,
            provisioner: None,
            class_kind: ClassKind::default(),
            class_list: String::new(),
            node_classes: Vec::new(),
            recorder_bytes: Limits::default().bytes,
            debug_token_file: None,
            hub: HubOptions::default(),
            verbosity: Verbosity::default(),
            json_logs: false,
            warnings: Vec::new(),
        };
        for (flag, value) in split(arguments)? {
            if let Some(command) = options.take(flag, &value)? {
                return Ok(command);
            }
        }
        options.settings.provisioner = NodeProvisioner::choose(options.provisioner.as_deref(), &options.settings.gates)
            .map_err(|error| FlagError(format!("--node-provisioner={error}")))?;
        options.read_node_classes()?;
        options.read(environment)?;
        Ok(Command::Run(Box::new(options)))
    }

    fn take(&mut self, flag: &Flag, value: &str) -> Result<Option<Command>, FlagError> {
        let wrong = |why: &dyn std::fmt::Display| FlagError(format!("--{}: {why}", flag.name));
        let is_set =
            flag.boolean && truth(value).ok_or_else(|| wrong(&format!("{value:?} is neither true nor false")))?;
        match flag.means {
            Means::Version => return Ok(is_set.then(|| Command::Print(format!("{}\n", crate::VERSION)))),
            Means::Help => return Ok(is_set.then(|| Command::Print(table::help()))),
            Means::Metrics => self.metrics = value.parse().map_err(|error| wrong(&error))?,
            Means::Health => self.health = value.parse().map_err(|error| wrong(&error))?,
            Means::Gates => {
                self.settings.gates =
                    Gates::parse(value).map_err(|error| FlagError(format!("--feature-gates: {error}")))?;
            }
            Means::ImageFamily if value.trim().is_empty() => self.settings.image_family = ImageFamily::default(),
            Means::ImageFamily => {
                let none = || wrong(&format!("{value:?} is no image family; known: ubuntu, azurelinux"));
                self.settings.image_family = ImageFamily::parse(value).ok_or_else(none)?;
            }
            Means::Provisioner => self.provisioner = Some(value.to_owned()),
            Means::NodeClasses => self.class_list = value.to_owned(),
            Means::NodeClassGroup => replace(&mut self.class_kind.group, value),
            Means::NodeClassVersion => replace(&mut self.class_kind.version, value),
            Means::NodeClassKind => replace(&mut self.class_kind.kind, value),
            Means::NodeClassPlural => replace(&mut self.class_kind.plural, value),
            Means::Concurrency => {
                let count = value.parse().ok().filter(|count| *count > 0);
                self.concurrency = count.ok_or_else(|| wrong(&format!("{value:?} is no whole number above 0")))?;
            }
            Means::Kubeconfig => self.kubeconfig = (!value.is_empty()).then(|| PathBuf::from(value)),
            Means::RecorderSize => {
                let none = || wrong(&format!("{value:?} is no size from 0 to 64Mi, such as 8Mi"));
                self.recorder_bytes = bytes(value).filter(|bytes| *bytes <= MOST_RECORDED).ok_or_else(none)?;
            }
            Means::HubEndpoint if value.trim().is_empty() => self.hub.endpoint = None,
            Means::HubEndpoint => self.hub.endpoint = Some(value.parse().map_err(|error| wrong(&error))?),
            Means::ModelFolder => self.hub.folder = (!value.is_empty()).then(|| PathBuf::from(value)),
            Means::DebugTokenFile => self.debug_token_file = (!value.is_empty()).then(|| PathBuf::from(value)),
            Means::Verbosity => {
                let number = value.parse::<u8>();
                self.verbosity =
                    number.map_err(|_| wrong(&format!("{value:?} is no level; expected 0 to 255")))?.into();
            }
            Means::ZapLevel => {
                self.verbosity = zap_level(value).ok_or_else(|| {
                    wrong(&format!("{value:?} is no level; known: debug, info, error, panic, or a number"))
                })?;
            }
            Means::ZapEncoder => self.json_logs = value == "json",
            Means::NotYet(why) if is_set => return Err(FlagError(format!("--{}=true: {why}", flag.name))),
            Means::NotYet(_) => {}
            Means::Nothing(why) => {
                // A boolean that is off, and an empty value, ask for nothing.
                if is_set || (!flag.boolean && !value.is_empty()) {
                    self.warnings.push(format!("--{} has no effect: {why}", flag.name));
                }
            }
        }
        Ok(None)
    }

    fn read(&mut self, environment: &Environment<'_>) -> Result<(), FlagError> {
        let variable = |name: &str| {
            (environment.variable)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let known = Cloud::ALL.iter().map(|cloud| cloud.as_str()).collect::<Vec<_>>().join(", ");
        let name = variable("CLOUD_PROVIDER").ok_or_else(|| {
            FlagError(format!("the environment variable CLOUD_PROVIDER is not set; it must be one of {known}"))
        })?;
        self.settings.cloud = Cloud::ALL
            .iter()
            .copied()
            .find(|cloud| cloud.as_str().eq_ignore_ascii_case(&name))
            .ok_or_else(|| FlagError(format!("CLOUD_PROVIDER={name:?}: no such cloud; known: {known}")))?;
        if let Some(registry) = variable("PRESET_REGISTRY_NAME") {
            self.settings.registry = registry.trim_end_matches('/').to_owned();
        }
        let namespace =
            environment.namespace.as_deref().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        if let Some(namespace) = namespace.or_else(|| variable("RELEASE_NAMESPACE")) {
            self.settings.release_namespace = namespace;
        }
        self.read_hub(&variable)
    }

    fn read_node_classes(&mut self) -> Result<(), FlagError> {
        if let NodeProvisioner::Karpenter(classes) = &mut self.settings.provisioner {
            let wishes = node_classes::parse(&self.class_list);
            self.node_classes = wishes.map_err(|error| FlagError(format!("--karpenter-node-classes: {error}")))?;
            *classes = NodeClasses::of(self.class_kind.clone(), &self.node_classes);
            return Ok(());
        }
        let why = "it belongs to --node-provisioner=karpenter";
        let (told, plain) = (&self.class_kind, ClassKind::default());
        for (flag, is_told) in [
            ("classes", !self.class_list.is_empty()),
            ("class-group", told.group != plain.group),
            ("class-version", told.version != plain.version),
            ("class-kind", told.kind != plain.kind),
            ("class-resource-name", told.plural != plain.plural),
        ] {
            if is_told {
                self.warnings.push(format!("--karpenter-node-{flag} has no effect: {why}"));
            }
        }
        Ok(())
    }

    fn read_hub(&mut self, variable: &dyn Fn(&str) -> Option<String>) -> Result<(), FlagError> {
        if self.hub.folder.is_some() && self.hub.endpoint.is_some() {
            let why = "with --model-folder, nothing is asked over the network";
            self.warnings.push(format!("--model-hub-endpoint has no effect: {why}"));
        }
        if let Some(address) = variable(names::HF_ENDPOINT).filter(|_| self.hub.endpoint.is_none()) {
            let endpoint = address.parse().map_err(|error| FlagError(format!("{}: {error}", names::HF_ENDPOINT)))?;
            self.hub.endpoint = Some(endpoint);
        }
        self.settings.hub = self.hub.endpoint.as_ref().map(ToString::to_string);
        if let Some(text) = variable(names::HF_TOKEN_KEY) {
            let from = format!("the operator's own {}", names::HF_TOKEN_KEY);
            let token = HubToken::parse(&text, from);
            self.hub.token = Some(token.map_err(|error| FlagError(format!("{} {error}", names::HF_TOKEN_KEY)))?);
        }
        Ok(())
    }
}

/// Pairs of flag and value, as Go's flag package splits them.
fn split(arguments: &[String]) -> Result<Vec<(&'static Flag, String)>, FlagError> {
    let (mut pairs, mut rest) = (Vec::new(), arguments.iter());
    while let Some(argument) = rest.next() {
        let Some(text) =
            argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')).filter(|text| !text.is_empty())
        else {
            return Err(FlagError(format!("unexpected argument {argument:?}; every argument is a flag")));
        };
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
        let flag = FLAGS.iter().find(|flag| flag.name == name).ok_or_else(|| unknown(name))?;
        let value = match value {
            Some(value) => value,
            None if flag.boolean => "true".to_owned(),
            None => rest.next().cloned().ok_or_else(|| FlagError(format!("--{name} needs a value")))?,
        };
        pairs.push((flag, value));
    }
    Ok(pairs)
}

fn unknown(name: &str) -> FlagError {
    let likeness = |flag: &&Flag| (strsim::jaro_winkler(name, flag.name) * 1000.0).round();
    let nearest =
        FLAGS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|flag| likeness(flag) >= 800.0);
    let hint = nearest.map(|flag| format!("; did you mean --{}?", flag.name)).unwrap_or_default();
    FlagError(format!("unknown flag --{name}{hint}\nknown flags: {}", table::names()))
}

/// What is said in the place of a default; nothing leaves it.
fn replace(default: &mut String, value: &str) {
    if !value.trim().is_empty() {
        *default = value.trim().to_owned();
    }
}

/// A quantity of bytes as Kubernetes writes it.
fn bytes(text: &str) -> Option<usize> {
    usize::try_from(units::parse_quantity(text)? / 1000).ok()
}

/// Booleans as Go reads them.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn zap_level(text: &str) -> Option<Verbosity> {
    match text.to_ascii_lowercase().as_str() {
        "debug" => Some(Verbosity::Plans),
        "info" => Some(Verbosity::Changes),
        "error" | "panic" => Some(Verbosity::Errors),
        number => number.parse::<u8>().ok().map(Verbosity::from),
    }
}

#[cfg(test)]
mod tests;
