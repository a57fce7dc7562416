//! The tables are complete, sorted and consistent with each other.

use kaito_presets::{
    Attention, Cloud, ComputeCapability, GIB, GpuMemoryRule, MaxModelLenRule, Takes, WeightsSource, aliases, is_hub_id,
    model, models, nearest, nearest_skus, parsers, profile, profile_for, profiles, removed, removed_presets, sku, skus,
};

fn strictly_rising<T: Ord>(items: impl IntoIterator<Item = T>) -> bool {
    let items: Vec<T> = items.into_iter().collect();
    items.windows(2).all(|pair| pair[0] < pair[1])
}

#[test]
fn every_model_is_there_and_found_by_each_of_its_names() {
    assert_eq!(models().len(), 60);
    assert_eq!(aliases().len(), 25);
    assert!(strictly_rising(models().iter().map(|model| &model.key)));
    assert!(strictly_rising(aliases().iter().map(|(alias, _)| alias)));
    for known in models() {
        assert_eq!(known.key, known.id.to_lowercase());
        let names = [&*known.id, &*known.key, &*known.short_name, known.preferred_name()];
        for name in names.iter().chain(known.aliases) {
            assert_eq!(model(name), Ok(*known), "{name}");
            assert_eq!(model(&name.to_uppercase()), Ok(*known), "{name}");
        }
    }
    for (alias, known) in aliases() {
        assert!(known.aliases.contains(alias));
        assert_eq!(model(alias), Ok(*known));
    }
    assert_eq!(model("gemma-3-4b-instruct").unwrap().id, "google/gemma-3-4b-it");
    assert_eq!(model("Mistral-7B").unwrap().id, "mistralai/Mistral-7B-v0.3");
}

#[test]
fn phi_3_mini_4k_is_as_published() {
    let phi = model("phi-3-mini-4k-instruct").unwrap();
    assert_eq!((&*phi.id, &*phi.short_name), ("microsoft/Phi-3-mini-4k-instruct", "phi-3-mini-4k-instruct"));
    assert_eq!((&*phi.weights_text, phi.weights_bytes), ("7.12Gi", 7_645_041_787));
    assert_eq!((phi.kv_bytes_per_token, phi.attention, phi.token_limit), (393_216, Attention::Mha, Some(4096)));
    assert_eq!((phi.disk_request_gib, phi.readiness_timeout_seconds), (87, 1800));
    assert_eq!((phi.dtype, phi.quantization.as_ref(), phi.gated), ("bfloat16", None, Some(false)));
    assert_eq!((phi.tool_call_parser, phi.reasoning_parser, phi.chat_template), (None, None, None));
    assert_eq!(phi.shape.head_dim, 96);
    assert_eq!(phi.pinned_revision, Some("0a67737cc96d2554230f90338b163bc6380a2a85"));
    let artifact = phi.weights_artifact.unwrap();
    assert_eq!(artifact.reference("r.io/kaito"), "r.io/kaito/kaito-phi-3-mini-4k-instruct:0.2.0");
    assert!(phi.transformers.unwrap().trust_remote_code);
    assert_eq!(phi.tuning.unwrap().disk_request_gib, 80);
    assert_eq!(model("phi-3-mini-128k-instruct").unwrap().token_limit, Some(131_072));
}

#[test]
fn single_facts() {
    let r1 = model("deepseek-r1-0528").unwrap();
    assert_eq!((r1.attention, r1.kv_bytes_per_token, &*r1.weights_text), (Attention::Mla, 70_272, "641.30Gi"));
    assert_eq!((r1.readiness_timeout_seconds, r1.dtype, r1.formats.tokenizer), (10_800, "auto", "deepseek_v32"));
    assert_eq!(model("minimax-m2.7").unwrap().vllm_flags, [("enable-expert-parallel", None)]);
    assert_eq!(model("deepseek-v4-pro").unwrap().vllm_flags, [("kv-cache-dtype", Some("fp8"))]);
    assert_eq!(model("mistral-7b").unwrap().weights_artifact.unwrap().name, "kaito-mistral-7b");
    assert_eq!(model("qwen2.5-coder-32b-instruct").unwrap().readiness_timeout_seconds, 1999);
    assert!(
        model("gpt-oss-120b").unwrap().features.kv_offload_disabled
            && !model("gpt-oss-120b").unwrap().features.hybrid_kv
    );
    assert!(model("mistral-small-4-119b-2603").unwrap().features.cuda_toolkit);
    assert!(!model("mistral-small-4-119b-2603-nvfp4").unwrap().features.cuda_toolkit);
    assert_eq!(models().iter().filter(|model| model.transformers.is_some()).count(), 20);
    assert_eq!(models().iter().filter(|model| model.tuning.is_some()).count(), 10);
    assert!(models().iter().all(|model| model.tuning.is_none() || model.weights_artifact.is_some()));
}

#[test]
fn what_the_tables_say_of_a_model_is_what_its_entry_says() {
    for model in models() {
        let (name, architectures) = (&*model.short_name, &*model.architectures);
        assert_eq!(parsers::tool_call_parser(name, architectures), model.tool_call_parser, "{name}");
        assert_eq!(parsers::reasoning_parser(name, architectures), model.reasoning_parser, "{name}");
        assert_eq!(parsers::chat_template(name), model.chat_template, "{name}");
        assert_eq!(parsers::tokenizer_mode(name).unwrap_or(model.formats.load), model.formats.tokenizer, "{name}");
        assert_eq!(parsers::vllm_flags(name), model.vllm_flags, "{name}");
        assert_eq!(parsers::features(name, architectures), model.features, "{name}");
    }
}

#[test]
fn the_longest_prefix_and_then_the_first_architecture_win() {
    let none: [&str; 0] = [];
    assert_eq!(parsers::tool_call_parser("deepseek-v3.1", &none), Some("deepseek_v31"));
    assert_eq!(parsers::tool_call_parser("qwen3-coder-30b", &none), Some("qwen3_xml"));
    assert_eq!(parsers::tool_call_parser("x", &["NoSuch", "LlamaForCausalLM"]), Some("llama3_json"));
    assert_eq!(parsers::tool_call_parser("x", &none), None);
    assert_eq!(parsers::reasoning_parser("mistral-7b-v0.3", &["MistralForCausalLM"]), None);
    assert_eq!(parsers::architecture("ministral-3-8b"), Some("Mistral3ForConditionalGeneration"));
}

#[test]
fn what_a_release_of_vllm_can_be_told_is_found_by_name() {
    let takes = |id: &str, name: &str| profile(id).unwrap().option(name).map(|option| option.takes);
    for (name, older, newer) in [
        ("max-model-len", Some(Takes::Integer), Some(Takes::Integer)),
        ("enable-prefix-caching", Some(Takes::Nothing), Some(Takes::Nothing)),
        ("gpu-memory-utilization", Some(Takes::Number), Some(Takes::Number)),
        ("swap-space", Some(Takes::Number), None),
        ("performance-mode", None, Some(Takes::Text)),
        ("max_model_len", None, None),
    ] {
        assert_eq!((takes("volta-turing", name), takes("current", name)), (older, newer), "{name}");
    }
    for profile in profiles() {
        assert!(strictly_rising(profile.options.iter().map(|option| option.name)));
        assert!(strictly_rising(profile.tuning.settings.iter().map(|setting| (setting.section, setting.key))));
        let flags = profile.vllm_flags.iter().map(|(flag, _)| flag.split('.').next().unwrap_or(flag));
        for flag in flags {
            let positive = flag.strip_prefix("no-").unwrap_or(flag);
            assert!(
                profile.option(positive).is_some(),
                "{}: {flag} is passed, and its vLLM does not know it",
                profile.id
            );
        }
    }
}

#[test]
fn an_unknown_name_says_what_was_meant() {
    let typo = model("phi-3-mini-4k-instrct").unwrap_err();
    assert_eq!(typo.nearest[0], "phi-3-mini-4k-instruct");
    assert_eq!(nearest("phi-3-mini", 2), ["phi-3-mini-128k-instruct", "phi-3-mini-4k-instruct"]);
    assert_eq!(nearest("no-such-thing-at-all", 3), [""; 0]);
    assert_eq!(nearest("", 3), [""; 0]);
    let gone = model("Falcon-7B").unwrap_err();
    assert_eq!(
        gone.to_string(),
        r#"the preset "falcon-7b" was removed after v0.10.0; nothing in the catalogue takes its place"#
    );
    assert!(strictly_rising(removed_presets().iter().map(|preset| preset.name)));
    for preset in removed_presets() {
        assert!(model(preset.name).is_err() && removed(preset.name).is_some());
        assert!(model(preset.replacement).is_ok() || preset.replacement.starts_with("tiiuae/"), "{preset}");
    }
    assert!(is_hub_id("a/b") && is_hub_id("a/b/c") && !is_hub_id("a/") && !is_hub_id("/b") && !is_hub_id("a"));
}

#[test]
fn sizes_are_found_in_any_case_and_replaced_by_ones_that_hold_as_much() {
    let count: usize = Cloud::ALL.iter().map(|cloud| skus(*cloud).len()).sum();
    assert_eq!(count, 78);
    for cloud in Cloud::ALL {
        assert!(strictly_rising(skus(cloud).iter().map(|size| size.name.to_lowercase())));
        for size in skus(cloud) {
            assert_eq!(size.cloud, cloud);
            assert_eq!(sku(cloud, &size.name.to_uppercase()), Some(size));
            assert!(size.visible_bytes_per_gpu.is_none_or(|seen| seen < size.gpu_memory_bytes_each()));
            if let Some(end) = size.retirement {
                let next = sku(cloud, end.replacement).unwrap();
                assert!(next.gpu_memory_bytes >= size.gpu_memory_bytes && next.retirement.is_none());
                assert_eq!(profile_for(next.compute_capability.unwrap()).unwrap().id, "current");
            }
        }
    }
    let v100 = sku(Cloud::Azure, "standard_nc6s_V3").unwrap();
    assert_eq!((v100.name, v100.gpu_count, v100.gpu_memory_bytes), ("Standard_NC6s_v3", 1, 16 * GIB));
    assert_eq!(v100.compute_capability, Some(ComputeCapability::new(7, 0)));
    assert!(!v100.bfloat16() && v100.visible_bytes_per_gpu.is_some());
    assert_eq!(v100.retirement.unwrap().date, "2025-09-30");
    assert_eq!(sku(Cloud::Aws, "Standard_NC6s_v3"), None);
    assert_eq!(nearest_skus(Cloud::Azure, "Standard_NC24ads_A10_v4", 1), ["Standard_NC24ads_A100_v4"]);
}

#[test]
fn one_profile_serves_each_gpu() {
    let id = |major, minor| profile_for(ComputeCapability::new(major, minor)).map(|profile| profile.id);
    assert_eq!(id(6, 1), None);
    assert_eq!((id(7, 0), id(7, 5)), (Some("volta-turing"), Some("volta-turing")));
    assert_eq!((id(8, 0), id(9, 0), id(12, 0)), (Some("current"), Some("current"), Some("current")));
    for known in profiles() {
        assert_eq!(profile(known.id), Some(known));
        assert!(strictly_rising(known.architectures) && strictly_rising(known.bfloat16_only));
        assert!(strictly_rising(known.vllm_flags));
        for fallback in known.fallback_images {
            assert!(fallback.only_for.is_none_or(|key| model(key).is_ok_and(|model| model.key == key)));
        }
    }
}

#[test]
fn the_current_profile_is_that_of_the_reference() {
    let current = profile("current").unwrap();
    assert_eq!(current.image.reference("mcr.microsoft.com/aks/kaito"), "mcr.microsoft.com/aks/kaito/kaito-base:0.5.0");
    assert_eq!(current.architectures.len(), 356);
    assert_eq!(current.gpu_memory, GpuMemoryRule::Fixed { default_hundredths: 84, overrides: &[("NVIDIA A10", 82)] });
    assert_eq!(current.max_model_len, MaxModelLenRule::Auto);
    assert!(current.vllm_flags.contains(&("trust-remote-code", None)));
    assert!(current.supports.multi_node && current.supports.mla && !current.supports.explicit_model_path);
    for model in models() {
        assert!(model.architectures.iter().any(|name| current.knows_architecture(name)), "{}", model.id);
    }
}

#[test]
fn the_profile_for_volta_serves_phi_3_and_refuses_what_it_cannot() {
    let volta = profile("volta-turing").unwrap();
    let v100 = ComputeCapability::new(7, 0);
    assert_eq!((volta.image.tag, volta.versions.vllm, volta.dtypes.forced), ("0.0.2", "0.8.5", Some("float16")));
    assert_eq!(volta.architectures.len(), 146);
    assert!(volta.knows_architecture("Phi3ForCausalLM") && !volta.knows_architecture("GptOssForCausalLM"));
    assert!(volta.overflows_in_float16("Gemma3ForConditionalGeneration"));
    assert_eq!(volta.weights[0], WeightsSource::OciArtifact);
    let awq = model("qwen3-8b-awq").unwrap().quantization.as_ref().unwrap();
    assert!(!volta.quantization.allows(awq, v100));
    assert!(volta.quantization.allows(awq, ComputeCapability::new(7, 5)));
    assert!(!volta.quantization.allows(model("ministral-3-8b-instruct").unwrap().quantization.as_ref().unwrap(), v100));
    assert_eq!(volta.gpu_memory, GpuMemoryRule::ReserveThenCap { reserve_bytes: 3 * GIB / 2, cap_hundredths: 95 });
    assert_eq!(volta.lora.unwrap().max_rank, Some(16));
}
