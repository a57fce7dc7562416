//! The server's command line.
//!
//! A command is a list of typed arguments; each row of a table says where an argument comes from, and the dialect of the runtime profile decides which rows apply. Quoting
//! happens once, at the end. Arguments are sorted by flag: their order means nothing to the servers, and a stable text is a quiet controller.

use super::quote::quote;
use super::{Layout, Serving, adapters, role, weights};
use crate::sizing;
use crate::workspace::Engine;
use std::fmt;

use kaito_presets::{Flag, VllmDialect, paths, ports};

/// One argument: a flag without its dashes, and its value, bare of quotes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arg {
    /// The flag.
    pub flag: String,
    /// Its value, where it takes one.
    pub value: Option<String>,
}

impl Arg {
    /// `--flag`.
    pub fn bare(flag: &str) -> Arg {
        Arg { flag: flag.to_owned(), value: None }
    }

    /// `--flag=value`.
    pub fn of(flag: &str, value: impl fmt::Display) -> Arg {
        Arg { flag: flag.to_owned(), value: Some(value.to_string()) }
    }

    fn given((flag, value): &Flag) -> Arg {
        Arg { flag: (*flag).to_owned(), value: value.map(str::to_owned) }
    }
}

/// A program and its arguments as one line for a shell, arguments sorted by flag.
pub fn command_line(program: &str, mut args: Vec<Arg>) -> String {
    args.sort();
    args.dedup_by(|a, b| a.flag == b.flag);
    let words = args.iter().map(|arg| match &arg.value {
        None => format!("--{}", arg.flag),
        Some(value) => format!("--{}={}", arg.flag, quote(value)),
    });
    std::iter::once(program.to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// The command of the main container.
pub(super) fn of(serving: &Serving<'_>) -> Vec<String> {
    let line = match serving.engine {
        Engine::Transformers => transformers(serving),
        Engine::Vllm if serving.is_distributed() => distributed(serving),
        Engine::Vllm => vllm(serving),
    };
    vec!["/bin/sh".into(), "-c".into(), line]
}

fn vllm(serving: &Serving<'_>) -> String {
    let program = format!("python3 {}", paths::VLLM_SERVER);
    command_line(&program, vllm_args(serving))
}

/// Pod 0 gathers the workers and serves; the others join it and stay.
fn distributed(serving: &Serving<'_>) -> String {
    let ray = |role: &str, args| command_line(&format!("{} {role}", paths::MULTI_NODE_SCRIPT), args);
    let leader =
        ray("leader", vec![Arg::of("ray_cluster_size", serving.layout.nodes), Arg::of("ray_port", ports::RAY)]);
    let worker = ray("worker", vec![Arg::of("ray_address", serving.leader()), Arg::of("ray_port", ports::RAY)]);
    format!("if [ \"${{POD_INDEX}}\" = \"0\" ]; then {leader}; {}; else {worker}; fi", vllm(serving))
}

/// What the operator tells vLLM.
pub(crate) fn vllm_args(serving: &Serving<'_>) -> Vec<Arg> {
    let profile = serving.facts.profile;
    let mut args: Vec<Arg> = profile.vllm_flags.iter().map(Arg::given).collect();
    args.extend(model_args(serving));
    args.extend(weights::of(serving).vllm_args(serving));
    args.extend(layout_args(serving));
    args.extend(adapters::vllm_args(serving));
    let port = role::port(serving);
    if port != ports::INFERENCE {
        args.push(Arg::of("port", port));
    }
    args.push(Arg::of("served-model-name", &serving.served_name));
    let hundredths = sizing::gpu_memory_hundredths(profile, &serving.facts.hardware);
    args.push(Arg::of("gpu-memory-utilization", format!("0.{hundredths:02}")));
    match serving.max_model_len {
        Some(tokens) => args.push(Arg::of("max-model-len", tokens)),
        None => args.push(Arg::of("max-model-len", "auto")),
    }
    if serving.config.is_some() {
        args.push(Arg::of("kaito-config-file", paths::INFERENCE_CONFIG));
    }
    if let Some(mode) = serving.performance_mode.filter(|_| profile.supports.performance_mode) {
        args.push(Arg::of("performance-mode", mode));
    }
    args
}

/// What the model itself wants, as far as the dialect of the image has words for it.
fn model_args(serving: &Serving<'_>) -> Vec<Arg> {
    let (model, profile) = (&serving.facts.model, serving.facts.profile);
    let mut args = vec![Arg::of("dtype", profile.dtypes.forced.unwrap_or(model.dtype))];
    let knows = |known: Option<&[&str]>, parser: &str| known.is_none_or(|known| known.contains(&parser));
    if let Some(parser) = model.tool_call_parser.filter(|parser| knows(profile.tool_call_parsers, parser)) {
        args.extend([Arg::of("tool-call-parser", parser), Arg::bare("enable-auto-tool-choice")]);
    }
    if let Some(parser) = model.reasoning_parser.filter(|parser| knows(profile.reasoning_parsers, parser)) {
        args.push(Arg::of("reasoning-parser", parser));
        if profile.supports.enable_reasoning_switch {
            args.push(Arg::bare("enable-reasoning"));
        }
    }
    if profile.vllm_dialect == VllmDialect::Vllm025 {
        if weights::of(serving).are_brought() {
            args.push(Arg::of("load_format", model.formats.load));
        }
        args.extend([
            Arg::of("config_format", model.formats.config),
            Arg::of("tokenizer_mode", model.formats.tokenizer),
        ]);
        args.extend(model.vllm_flags.iter().map(Arg::given));
        // Templates lie in the images of this dialect only.
        args.extend(
            model.chat_template.map(|file| Arg::of("chat-template", format!("{}/{file}", paths::CHAT_TEMPLATES_DIR))),
        );
    }
    args
}

fn layout_args(serving: &Serving<'_>) -> Vec<Arg> {
    let Layout { data, tensor, pipeline, nodes, .. } = serving.layout;
    let mut args = vec![Arg::of("tensor-parallel-size", tensor)];
    if serving.layout.is_data_parallel() {
        args.push(Arg::of("data-parallel-size", data));
    }
    if pipeline > 1 {
        args.push(Arg::of("pipeline-parallel-size", pipeline));
    }
    if nodes > 1 {
        args.push(Arg::of("distributed-executor-backend", "ray"));
    }
    let keeps_cache_on_gpu = serving.facts.model.features.kv_offload_disabled
        || serving.layout.is_data_parallel()
        || serving.facts.hardware.is_sliced
        || pipeline > 1;
    if keeps_cache_on_gpu && serving.facts.profile.supports.kv_offload {
        args.push(Arg::of("kaito-kv-cache-cpu-memory-utilization", 0));
    }
    args
}

/// The transformers server: `accelerate` with its own parameters, then the server with its.
fn transformers(serving: &Serving<'_>) -> String {
    use kaito_presets::TransformersRuntime as Runtime;
    let (model, runtime) = (&serving.facts.model, &serving.facts.profile.transformers);
    let mut args: Vec<Arg> = Runtime::RUN_PARAMS.iter().map(Arg::given).collect();
    if let Some(params) = &model.transformers {
        args.push(Arg::of("torch_dtype", runtime.torch_dtype.unwrap_or(params.torch_dtype)));
        args.extend(
            params.chat_template.map(|file| Arg::of("chat_template", format!("{}/{file}", paths::CHAT_TEMPLATES_DIR))),
        );
        if params.trust_remote_code && runtime.trust_remote_code {
            args.push(Arg::bare("trust_remote_code"));
        }
    }
    if runtime.served_model_name {
        args.push(Arg::of("served_model_name", &model.short_name));
    }
    args.extend(weights::of(serving).transformers_args(serving));
    let launcher: Vec<String> =
        Runtime::ACCELERATE_PARAMS.iter().map(|(flag, value)| format!("--{flag}={value}")).collect();
    let server = command_line(Runtime::MAIN_FILE, args);
    format!("{}{} {} {server}", adapters::shell_env(serving), Runtime::LAUNCHER, launcher.join(" "))
}
