//! The command line and the environment of `kaito-gpu-provisioner`: those of the reference (spec/05 §4.3), so that its chart starts this program unchanged. A flag wins over its variable.

use crate::admin::BindAddress;
use crate::arm::{self, ArmOptions};
use crate::telemetry::Verbosity;
use kaito_core::{Settings, cloud::Cloud};

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Print this, and end.
    Print(String),
    /// Run.
    Run(Box<Options>),
}

/// How to run.
#[derive(Debug)]
pub struct Options {
    /// What decisions depend on.
    pub settings: Settings,
    /// The cluster in Azure, and who asks.
    pub arm: ArmOptions,
    /// Where `/metrics` is served.
    pub metrics: BindAddress,
    /// Where `/healthz` and `/readyz` are.
    pub health: BindAddress,
    /// How many claims are looked at at once.
    pub concurrency: usize,
    /// How much is logged.
    pub verbosity: Verbosity,
    /// What was accepted and has no effect.
    pub warnings: Vec<String>,
}

/// A command line or an environment that this program cannot run with; the text is for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OptionError(String);

/// What an option does.
#[derive(Clone, Copy)]
enum Means {
    MetricsPort,
    HealthPort,
    LogLevel,
    Concurrency,
    Gates,
    /// On is an error, with this reason: it would promise what is not there.
    NotYet(&'static str),
    /// Off is an error, with this reason.
    AlwaysOn(&'static str),
    /// Accepted, with this warning where it is set.
    Nothing(&'static str),
}

/// One option. The variable is the flag in capitals, `-` as `_`.
struct Row {
    flag: &'static str,
    is_switch: bool,
    means: Means,
    help: &'static str,
}

const fn row(flag: &'static str, is_switch: bool, means: Means, help: &'static str) -> Row {
    Row { flag, is_switch, means, help }
}

const PACED: Means = Means::Nothing("requests are bounded by --concurrency, not by a rate");
const KARPENTER: Means = Means::Nothing("nothing here depends on it, nor does anything in Azure's gpu-provisioner");
const ELECTION: Means =
    Means::AlwaysOn("there is no election: several replicas are safe without one; leave it disabled");

const ROWS: &[Row] = &[
    row("metrics-port", false, Means::MetricsPort, "where /metrics is served, 0 for nowhere (default 8080)"),
    row("health-probe-port", false, Means::HealthPort, "where /healthz and /readyz are, 0 for nowhere (default 8081)"),
    row("log-level", false, Means::LogLevel, "debug, info or error (default info); RUST_LOG wins"),
    row("concurrency", false, Means::Concurrency, "how many claims are looked at at once (default 50)"),
    row("feature-gates", false, Means::Gates, "name=true,name=false"),
    row("disable-leader-election", true, ELECTION, "true, or left out: several replicas are safe without election"),
    row(
        "enable-profiling",
        true,
        Means::NotYet("this program serves no profiles"),
        "false, or left out: no profiles are served",
    ),
    row("karpenter-service", false, Means::Nothing("there is no webhook"), ""),
    row("kube-client-qps", false, PACED, ""),
    row("kube-client-burst", false, PACED, ""),
    row("cpu-requests", false, Means::Nothing("--concurrency says how many claims are looked at at once"), ""),
    row("memory-limit", false, Means::Nothing("memory is not collected, and needs no limit"), ""),
    row("leader-election-name", false, Means::Nothing("there is no election"), ""),
    row("leader-election-namespace", false, Means::Nothing("there is no election"), ""),
    row("disable-cluster-state-observability", true, KARPENTER, ""),
    row("log-output-paths", false, Means::Nothing("logs go to standard error"), ""),
    row("log-error-output-paths", false, Means::Nothing("logs go to standard error"), ""),
    row("batch-max-duration", false, KARPENTER, ""),
    row("batch-idle-duration", false, KARPENTER, ""),
    row("preference-policy", false, KARPENTER, ""),
    row("min-values-policy", false, KARPENTER, ""),
    row("ignore-dra-requests", true, KARPENTER, ""),
];

/// Whether a node that is not ready for long is replaced.
const REPAIR: &str = "NodeRepair";
/// Gates of the reference, of which the first has an effect there.
const GATES: [&str; 5] = [REPAIR, "ReservedCapacity", "SpotToSpotConsolidation", "NodeOverlay", "StaticCapacity"];

impl Options {
    /// Reads a command line, the program's own name left out, and the environment. Fails on what is unknown, malformed or not available, and when the cluster or the identity is not named.
    pub fn parse(arguments: &[String], variable: &dyn Fn(&str) -> Option<String>) -> Result<Command, OptionError> {
        let mut told: Vec<(&'static Row, String)> = Vec::new();
        for row in ROWS {
            let name = row.flag.to_ascii_uppercase().replace('-', "_");
            told.extend(variable(&name).filter(|value| !value.trim().is_empty()).map(|value| (row, value)));
        }
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let text = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')).unwrap_or_default();
            let (name, value) =
                text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
            match name {
                "help" | "h" => return Ok(Command::Print(help())),
                "version" => return Ok(Command::Print(format!("{}\n", crate::VERSION))),
                _ => {}
            }
            let row = ROWS.iter().find(|row| row.flag == name);
            let row = row.ok_or_else(|| OptionError(format!("unknown argument {argument:?}; --help names all")))?;
            let value = match value {
                Some(value) => value,
                None if row.is_switch => "true".to_owned(),
                None => rest.next().cloned().ok_or_else(|| OptionError(format!("--{name} needs a value")))?,
            };
            told.retain(|(known, _)| known.flag != row.flag);
            told.push((row, value));
        }
        let arm = ArmOptions::read(variable).map_err(|error| OptionError(error.to_string()))?;
        let mut options = Options {
            // Azure is the only cloud that it knows, whatever else may be set for other programs.
            settings: Settings { cloud: Cloud::Azure, ..Settings::default() },
            arm,
            metrics: BindAddress::Everywhere(8080),
            health: BindAddress::Everywhere(8081),
            concurrency: 50,
            verbosity: Verbosity::default(),
            warnings: Vec::new(),
        };
        for (row, value) in told {
            options.take(row, value.trim())?;
        }
        Ok(Command::Run(Box::new(options)))
    }

    fn take(&mut self, row: &Row, value: &str) -> Result<(), OptionError> {
        let wrong = |why: &str| OptionError(format!("--{}={value}: {why}", row.flag));
        let is_on = match value.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" => true,
            "0" | "f" | "false" => false,
            _ if row.is_switch => return Err(wrong("is neither true nor false")),
            _ => false,
        };
        match row.means {
            Means::MetricsPort => self.metrics = port(value).ok_or_else(|| wrong("is no port"))?,
            Means::HealthPort => self.health = port(value).ok_or_else(|| wrong("is no port"))?,
            Means::LogLevel => {
                self.verbosity = match value.to_ascii_lowercase().as_str() {
                    "debug" => Verbosity::Plans,
                    "info" => Verbosity::Changes,
                    "error" => Verbosity::Errors,
                    _ => return Err(wrong("is no level; known: debug, info, error")),
                };
            }
            Means::Concurrency => {
                let count = value.parse().ok().filter(|count| *count > 0);
                self.concurrency = count.ok_or_else(|| wrong("is no whole number above 0"))?;
            }
            Means::Gates => self.gates(value).map_err(|why| wrong(&why))?,
            Means::NotYet(why) if is_on => return Err(wrong(why)),
            Means::AlwaysOn(why) if !is_on => return Err(wrong(why)),
            Means::NotYet(_) | Means::AlwaysOn(_) => {}
            Means::Nothing(why) => self.warnings.push(format!("--{} has no effect: {why}", row.flag)),
        }
        Ok(())
    }

    /// Of the gates repair of nodes has an effect, in the reference as here.
    fn gates(&mut self, text: &str) -> Result<(), String> {
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) =
                part.split_once('=').ok_or_else(|| format!("{part:?} is not name=true or name=false"))?;
            if !GATES.contains(&name.trim()) {
                return Err(format!("{name:?} is no gate; known: {}", GATES.join(", ")));
            }
            let is_on =
                value.trim().to_ascii_lowercase().parse().map_err(|_| format!("{part:?} is neither true nor false"))?;
            if name.trim() == REPAIR {
                self.settings.node_repair = is_on;
            }
        }
        Ok(())
    }
}

fn port(text: &str) -> Option<BindAddress> {
    match text.parse().ok()? {
        0 => Some(BindAddress::Off),
        port => Some(BindAddress::Everywhere(port)),
    }
}

fn help() -> String {
    let mut text =
        String::from("kaito-gpu-provisioner: makes NodeClaims of karpenter.sh into agent pools of AKS.\n\nFlags:\n");
    for row in ROWS.iter().filter(|row| !row.help.is_empty()) {
        text.push_str(&format!("  --{:<24} {}\n", row.flag, row.help));
    }
    let silent = |row: &&Row| matches!(row.means, Means::Nothing(_));
    let others: Vec<&str> = ROWS.iter().filter(silent).map(|row| row.flag).collect();
    text.push_str(&format!("\nAccepted without effect: {}\n", others.join(", ")));
    text.push_str("\nEach is also read from the environment, in capitals and with _ for -. Further variables:\n");
    for (name, what) in arm::VARIABLES {
        text.push_str(&format!("  {name:<30} {what}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str], pairs: &[(&str, &str)]) -> Result<Options, String> {
        let cluster = [
            ("ARM_SUBSCRIPTION_ID", "00000000-0000-0000-0000-000000000000"),
            ("ARM_RESOURCE_GROUP", "rg"),
            ("AZURE_CLUSTER_NAME", "aks"),
        ];
        let all: Vec<(&str, &str)> = cluster.into_iter().chain(pairs.iter().copied()).collect();
        let variable =
            |name: &str| all.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        match Options::parse(&arguments, &variable).map_err(|error| error.to_string())? {
            Command::Run(options) => Ok(*options),
            Command::Print(text) => Err(text),
        }
    }

    #[test]
    fn what_the_references_chart_sets_starts_this_program() {
        let options = read(
            &[],
            &[
                ("LEADER_ELECT", "false"),
                ("E2E_TEST_MODE", "false"),
                ("LOCATION", "eastus"),
                ("DISABLE_WEBHOOK", "true"),
                ("METRICS_PORT", "8080"),
                ("HEALTH_PROBE_PORT", "8081"),
                ("KARPENTER_SERVICE", "gpu-provisioner"),
                ("DISABLE_LEADER_ELECTION", "true"),
                ("DEPLOYMENT_MODE", "managed"),
            ],
        )
        .unwrap();
        assert_eq!((options.metrics, options.health), (BindAddress::Everywhere(8080), BindAddress::Everywhere(8081)));
        assert_eq!(options.warnings.len(), 1, "{:?}", options.warnings);
    }

    #[test]
    fn repair_of_nodes_can_be_switched_off() {
        for (gates, is_on) in [
            ("", true),
            ("StaticCapacity=true", true),
            ("NodeRepair=false", false),
            ("StaticCapacity=true, NodeRepair = False", false),
        ] {
            let options = read(&["--feature-gates", gates], &[]).unwrap();
            assert_eq!((options.settings.node_repair, options.warnings.len()), (is_on, 0), "{gates}");
        }
    }

    #[test]
    fn a_flag_wins_over_its_variable() {
        let options =
            read(&["--metrics-port=0", "-log-level", "debug"], &[("METRICS_PORT", "x"), ("LOG_LEVEL", "info")]);
        let options = options.unwrap();
        assert_eq!((options.metrics, options.verbosity), (BindAddress::Off, Verbosity::Plans));
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (arguments, words) in [
            (&["--metrics-port=http"][..], "--metrics-port=http: is no port"),
            (&["--log-level=loud"], "no level"),
            (&["--concurrency=0"], "above 0"),
            (&["--disable-leader-election=false"], "several replicas are safe without one"),
            (&["--enable-profiling"], "no profiles"),
            (&["--feature-gates=NodeRepair"], "name=true"),
            (&["--feature-gates=Magic=true"], "no gate"),
            (&["--feature-gates=NodeRepair=maybe"], "neither true nor false"),
            (&["--magic"], "unknown argument"),
            (&["magic"], "unknown argument"),
            (&["--metrics-port"], "needs a value"),
        ] {
            let error = read(arguments, &[]).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        assert!(read(&[], &[("AZURE_CLUSTER_NAME", "")]).unwrap_err().contains("AZURE_CLUSTER_NAME"));
        assert!(read(&["--help"], &[]).unwrap_err().contains("ARM_RESOURCE_GROUP"));
    }
}
