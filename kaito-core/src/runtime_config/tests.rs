//! What is said of settings, in words. Whole stories of ConfigMaps: `tests/tests/bad_input/references.rs`.

use super::*;
use crate::workspace::testing::facts;

fn on_a100(yaml: &str) -> Judged {
    RuntimeConfig::read(yaml).unwrap().judge(&facts("phi-4-mini-instruct", "Standard_NC24ads_A100_v4"))
}

fn on_v100(yaml: &str) -> Judged {
    RuntimeConfig::read(yaml).unwrap().judge(&facts("phi-3-mini-4k-instruct", "Standard_NC6s_v3"))
}

#[test]
fn a_length_is_read_in_every_spelling_and_nonsense_is_refused() {
    let context = |yaml: &str| RuntimeConfig::read(yaml).unwrap().context();
    assert_eq!(context("vllm:\n  max-model-len: 8192 # short\n"), Ok(Some(8192)));
    assert_eq!(context("vllm:\n  max_model_len: '8192'\n"), Ok(Some(8192)));
    assert_eq!(
        context("vllm:\n  max-model-len: 1\n  max_model_len: 2\n"),
        Ok(Some(2)),
        "the last wins, as in the server"
    );
    assert_eq!(context("vllm:\n  max-model-len: auto\n"), Ok(None));
    assert_eq!(context("vllm:\n  max-model-len: -1\n"), Ok(None));
    assert_eq!(context("max_probe_steps: 6\n"), Ok(None));
    assert_eq!(context("vllm:\n  max-model-len: 8k\n"), Ok(Some(8000)));
    assert_eq!(context("vllm:\n  max-model-len: 8K\n"), Ok(Some(8192)));
    for (odd, said) in [
        ("-2", "-2"),
        ("1.5", "1.5"),
        ("no", "false"),
        ("[1]", "[null]"),
        ("8kk", "\"8kk\""),
        ("'inf'", "\"inf\""),
        (".inf", "\"inf\""),
        ("5G", "\"5G\""),
    ] {
        let error = context(&format!("vllm:\n  max-model-len: {odd}\n")).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("line 2: vllm.max-model-len is {said}: expected a positive whole number")
        );
    }
}

#[test]
fn what_the_wrapper_of_the_server_cannot_read_is_refused_with_its_line() {
    for (yaml, says) in [
        ("vllm: [\n", "key inference_config.yaml is not YAML: line 1 column 7: unclosed bracket '['"),
        ("vllm:\n  a: 1\n  a: 2\n", "key inference_config.yaml is not YAML: line 3 column 3: duplicate mapping key: a"),
        ("", "key inference_config.yaml: expected a map with a section `vllm`, itself a map of options and values"),
        (
            "max_probe_steps: 6\nvllm:\n",
            "key inference_config.yaml, line 2: expected a map with a section `vllm`, itself a map of options and values",
        ),
    ] {
        assert_eq!(RuntimeConfig::read(yaml).unwrap_err().to_string(), says, "{yaml:?}");
    }
    let binary = ConfigMap {
        binary_data: Some([("inference_config.yaml".to_owned(), k8s_openapi::ByteString(b"vllm: {}".to_vec()))].into()),
        ..ConfigMap::default()
    };
    assert_eq!(RuntimeConfig::of(&binary), Err(Unreadable::Binary));
    assert_eq!(RuntimeConfig::of(&ConfigMap::default()), Err(Unreadable::NoKey));
}

/// Settings and, of what is said, a part that must be there; nothing at all for an empty one.
fn expect(judge: fn(&str) -> Judged, rows: &[(&str, &str, &str)]) {
    for (lines, error, warning) in rows {
        let judged =
            judge(&format!("vllm:\n{}\n", lines.lines().map(|line| format!("  {line}\n")).collect::<String>()));
        for (found, wanted) in [(told(&judged.errors), error), (told(&judged.warnings), warning)] {
            assert!(
                found.contains(wanted) && found.is_empty() == wanted.is_empty(),
                "{lines:?}: {found:?} and not {wanted:?}"
            );
        }
    }
}

#[test]
fn what_keeps_the_server_from_serving_is_an_error_and_what_it_may_not_know_a_warning() {
    let rows = [
        ("gpu-memory-utilization: 0.95\nmax-num-seqs: 16\ncpu-offload-gb: 0\nperformance-mode: throughput", "", ""),
        ("max-num-batched-tokens: 8k\ntool-call-parser: phi4_mini_json\nseed: -1", "", ""),
        ("compilation-config.pass_config.fuse_allreduce_rms: 'False'\nmax-num-se: 3", "", ""),
        ("gpu_memory_utilization: 1.5", "line 2: vllm.gpu_memory_utilization is 1.5: expected a share", ""),
        ("max-num-seqs: many", "max-num-seqs is \"many\": expected a whole number", ""),
        ("cpu-offload-gb: 'inf'", "cpu-offload-gb is \"inf\": expected a number", ""),
        ("max-num-seqs: 'nan'", "max-num-seqs is \"nan\": expected a whole number", ""),
        ("gpu-memory-utilization:", "vllm.gpu-memory-utilization has no value, and must be a number", ""),
        ("max-num-seqs: null", "", "vllm.max-num-seqs has no value: it is handed on as None, with which vLLM 0.25.1"),
        ("chat-template: null", "", ""),
        ("max-model-len: 200k", "asks for a context of 200000 tokens; the model ends at 131072", ""),
        ("cpu-offload-gb: a lot", "cpu-offload-gb is \"a lot\": expected a number", ""),
        ("max-model-len: 99999999", "asks for a context of 99999999 tokens; the model ends at 131072", ""),
        (
            "limit-mm-per-prompt: {image: 2}",
            "line 2: vllm.limit-mm-per-prompt is a map: expected one value; JSON goes in quotes",
            "",
        ),
        ("limit-mm-per-prompt: '{\"image\": 2}'", "", ""),
        ("port: 8000", "line 2: vllm.port is 8000, and the Service and the probes ask port 5000", ""),
        ("port: 5000\nhost: 0.0.0.0", "", ""),
        ("host: localhost", "only the container itself reaches", ""),
        ("ssl-keyfile: /mnt/config/key", "plain HTTP", ""),
        ("dtype: half", "", ""),
        ("tensor-parallel-size: 0", "is 0: expected 1 or more", ""),
        ("max-num-seqs: 0", "is 0: expected 1 or more", ""),
        ("chat-template: --none", "begins with a dash", ""),
        ("swap-space: 4", "", "is no option of vLLM 0.25.1, which this machine gets, but of 0.8.5"),
        (
            "max-modle-len: 4",
            "",
            "line 2: vllm.max-modle-len is no option of vLLM 0.25.1 (did you mean max-model-len?); it is passed on",
        ),
        ("--port: 1", "", "is no option"),
        (
            "kaito-kv-cache-cpu-memory-utilization: 0",
            "",
            "kv_cache_cpu_memory_utilization stands beside the section vllm",
        ),
        ("enable-prefix-caching: true", "", ""),
        ("enable-prefix-caching: false", "", "is switched ON by this"),
        ("no-enable-prefix-caching: true", "", ""),
        (
            "enforce-eager: true\nenable-prefix-caching: true",
            "line 3: vllm.enable-prefix-caching is a second switch after enforce-eager in line 2",
            "",
        ),
        ("max-num-seqs: 1\nmax_num_seqs: 2", "", "says again what max-num-seqs says in line 2; the last counts"),
        ("model: somebody/else", "", "something else than microsoft/Phi-4-mini-instruct"),
        ("hf-token: hf_ThisMustNotBeRepeated0123456789", "", "is a secret"),
        ("'hf_ThisMustNotBeRepeated0123456789': 1", "", "vllm.hf_*** is no option"),
    ];
    expect(on_a100, &rows);
}

#[test]
fn what_an_older_gpu_cannot_do_is_refused_before_its_machine_is_paid_for() {
    let rows = [
        ("gpu-memory-utilization: 0.85\nswap-space: 4\nmax-model-len: 2048\ndtype: float16", "", ""),
        ("dtype: bfloat16", "is bfloat16; NVIDIA V100 (compute capability 7.0) takes float16, float32", ""),
        ("dtype: auto", "is auto, which for this model is bfloat16", ""),
        ("quantization: fp8", "quantization is fp8, which is not available on NVIDIA V100", ""),
        ("quantization: gptq", "", ""),
        ("kv-cache-dtype: fp8_e5m2", "is fp8_e5m2, which NVIDIA V100", ""),
        ("max-model-len: auto", "is auto, and vLLM 0.8.5 takes a number only", ""),
        ("max-model-len: -1", "is -1, and vLLM 0.8.5 takes a number only", ""),
        ("enforce-eager: true", "is a switch, which no file can set here", ""),
        ("performance-mode: throughput", "", "is no option of vLLM 0.8.5, which this machine gets, but of 0.25.1"),
    ];
    expect(on_v100, &rows);
}

#[test]
fn what_stands_beside_the_section_is_told_where_nobody_reads_it() {
    assert_eq!(on_a100("kv_cache_cpu_memory_utilization: 0.5\nmax_probe_steps: 6\nvllm: {}\n"), Judged::default());
    let judged = on_a100("max-model-len: 4096\nteam: blue\nkv_cache_cpu_memory_utilization: lots\n");
    assert_eq!(
        told(&judged.errors),
        "line 3: kv_cache_cpu_memory_utilization is \"lots\": expected a share of the main memory, from 0 to 1"
    );
    assert_eq!(
        told(&judged.warnings),
        "line 1: max-model-len is not read there; it belongs into the section vllm; line 2: team is not read by the runtime"
    );
    let many: String = (0..9).map(|n| format!("  no-such-thing-{n}: 1\n")).collect();
    assert!(told(&on_a100(&format!("vllm:\n{many}")).warnings).ends_with("; and 3 more"));
}

fn beyond(yaml: &str, layout: &Layout, facts: &Facts) -> Option<String> {
    RuntimeConfig::read(yaml).unwrap().beyond(layout, facts).map(|finding| finding.to_string())
}

#[test]
fn groups_of_gpus_are_held_to_the_gpus_that_there_are() {
    let pair = facts("phi-4-mini-instruct", "Standard_NC48ads_A100_v4");
    let layout = Layout::choose(&pair, 1, None);
    let beyond = |yaml: &str| beyond(yaml, &layout, &pair);
    assert_eq!(layout.data, 2);
    assert_eq!(
        beyond("vllm:\n  tensor-parallel-size: 2\n").as_deref(),
        Some(
            "line 2: vllm.tensor-parallel-size asks for 4 GPUs (tensor-parallel-size 2 × data-parallel-size 2 (the operator's)); 2 on 1 machine of Standard_NC48ads_A100_v4"
        )
    );
    assert_eq!(beyond("vllm: {tensor-parallel-size: 2, data-parallel-size: 1}\n"), None);
    assert_eq!(beyond("vllm: {max-num-seqs: 2}\n"), None);
}

#[test]
fn a_group_that_the_heads_of_the_model_are_not_shared_out_over_is_refused() {
    let four = facts("phi-4", "Standard_NC96ads_A100_v4");
    let layout = Layout::choose(&four, 1, None);
    let beyond = |yaml: &str| beyond(yaml, &layout, &four);
    assert_eq!(
        beyond("vllm: {tensor-parallel-size: 4, data-parallel-size: 1}\n").as_deref(),
        Some(
            "line 1: vllm.tensor-parallel-size is 4, and 4 GPUs cannot share the 40 attention heads and 10 key-value heads of microsoft/phi-4; expected one of 1, 2"
        )
    );
    assert_eq!(beyond("vllm: {tensor-parallel-size: 2, data-parallel-size: 2}\n"), None);
}

#[test]
fn a_copy_whose_weights_alone_find_no_room_is_refused() {
    for (preset, size, nodes, yaml, says) in [
        (
            "llama-3.3-70b-instruct",
            "Standard_NC96ads_A100_v4",
            1,
            "vllm: {tensor-parallel-size: 1}\n",
            "line 1: vllm.tensor-parallel-size leaves 67.2 GiB for 131.4 GiB of weights on the GPU that holds a copy of meta-llama/Llama-3.3-70B-Instruct (0.84 of 80.0 GiB)",
        ),
        ("llama-3.3-70b-instruct", "Standard_NC96ads_A100_v4", 1, "vllm: {tensor-parallel-size: 4}\n", ""),
        (
            "llama-3.3-70b-instruct",
            "Standard_NC96ads_A100_v4",
            1,
            "vllm: {tensor-parallel-size: 1, quantization: fp8}\n",
            "",
        ),
        (
            "phi-4",
            "Standard_NC24ads_A100_v4",
            1,
            "vllm: {gpu-memory-utilization: 0.3}\n",
            "line 1: vllm.gpu-memory-utilization leaves 24.0 GiB for 27.3 GiB of weights on the GPU that holds a copy of microsoft/phi-4 (0.3 of 80.0 GiB)",
        ),
        ("phi-4", "Standard_NC24ads_A100_v4", 1, "vllm: {gpu-memory-utilization: 0.4}\n", ""),
        ("phi-4", "Standard_NC24ads_A100_v4", 1, "vllm: {gpu-memory-utilization: 0.3, cpu-offload-gb: 16}\n", ""),
    ] {
        let facts = facts(preset, size);
        let said = beyond(yaml, &Layout::choose(&facts, nodes, None), &facts).unwrap_or_default();
        assert_eq!(said, says, "{preset} {yaml}");
    }
}

#[test]
fn where_the_file_wins_over_the_operator_is_said() {
    let told =
        [Arg::of("gpu-memory-utilization", "0.84"), Arg::of("load_format", "auto"), Arg::bare("trust-remote-code")];
    let overrules = |yaml: &str| RuntimeConfig::read(yaml).unwrap().overrules(&told);
    let yaml = "vllm: {gpu_memory_utilization: 0.9, load-format: auto, seed: 1, dtype: float16}\n";
    assert_eq!(overrules(yaml), ["gpu-memory-utilization 0.9 for 0.84"]);
    assert_eq!(overrules("vllm: {seed: 1}\n"), [""; 0]);
}

#[test]
fn the_digest_changes_with_what_the_server_is_told_and_with_nothing_else() {
    let map = |yaml: &str, template: &str| ConfigMap {
        data: Some(
            [("inference_config.yaml".to_owned(), yaml.to_owned()), ("a.jinja".to_owned(), template.to_owned())].into(),
        ),
        ..ConfigMap::default()
    };
    let digest = |yaml: &str, template: &str| {
        let map = map(yaml, template);
        RuntimeConfig::of(&map).unwrap().digest(&map)
    };
    let plain = digest("vllm: {max-num-seqs: 16, seed: 1}\n", "x");
    for same in ["# more\nvllm:\n  seed: 1\n  max_num_seqs: 16\n", "team: blue\nvllm: {seed: '1', max-num-seqs: 16}\n"]
    {
        assert_eq!(digest(same, "y"), plain, "{same}");
    }
    for other in [
        "vllm: {max-num-seqs: 17, seed: 1}\n",
        "vllm: {seed: 1}\n",
        "max_probe_steps: 1\nvllm: {max-num-seqs: 16, seed: 1}\n",
        "vllm: {max-num-seqs: 16, seed: 2, seed_: 1}\n",
    ] {
        assert_ne!(digest(other, "x"), plain, "{other}");
    }
    let named = "vllm: {chat-template: /mnt/config/a.jinja}\n";
    assert_ne!(digest(named, "x"), digest(named, "y"), "a file that a setting names counts");
}
