//! What is said of settings, in words. A whole story: `tests/tests/bad_input/references.rs`.

use super::*;
use kaito_presets::profile;

fn config(text: &str) -> TrainingConfig {
    TrainingConfig::parse(text).unwrap()
}

#[test]
fn a_section_that_the_trainer_does_not_know_is_named_with_the_nearest() {
    let error = TrainingConfig::parse("training_config: {LoraConfig: {r: 8}, TrainingArgument: {}}").unwrap_err();
    let words = error.to_string();
    assert!(words.contains("training_config.TrainingArgument: unknown section"), "{words}");
    assert!(words.ends_with("did you mean TrainingArguments?"), "{words}");
    assert!(TrainingConfig::parse("training_config: {DataCollator: {mlm: true}, ModelConfig: null}\nother: 1").is_ok());
}

#[test]
fn a_result_lies_below_mnt_or_the_settings_are_refused() {
    let table = [
        ("/mnt/results", Some(("/mnt/results", None))),
        ("/mnt//results/./run1/", Some(("/mnt/results/run1", None))),
        ("lora-output", Some(("/mnt/lora-output", Some("/workspace/tfs/lora-output")))),
        ("", Some(("/mnt/output", Some("/workspace/tfs/trainer_output")))),
        ("/mnt/../etc", None),
        ("/mnt", None),
        ("/mntfoo", None),
        ("/srv/out", None),
        ("../out", None),
        (".", None),
        ("/mnt/data", None),
        ("/mnt/config/x", None),
        ("/mnt/a:b", None),
    ];
    for (given, wanted) in table {
        let found = config(&format!("training_config: {{TrainingArguments: {{output_dir: {given:?}}}}}")).results();
        let found = found.ok().map(|found| (found.directory, found.written));
        let wanted = wanted.map(|(at, written): (&str, Option<&str>)| (at.to_owned(), written.map(str::to_owned)));
        assert_eq!(found, wanted, "{given}");
    }
    assert!(config("training_config: {TrainingArguments: {output_dir: [1]}}").results().is_err());
}

#[test]
fn what_is_no_training_config_is_told() {
    for text in ["invalid yaml data", "a: 1", "training_config: [1]", "training_config: {LoraConfig: 8}", "{"] {
        assert!(TrainingConfig::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_gpu_without_bfloat16_refuses_it_wherever_it_stands() {
    let volta = profile("volta-turing").unwrap();
    let at = "pretrained_model_name_or_path: /workspace/weights";
    let table = [
        (format!("ModelConfig: {{torch_dtype: float16, {at}}}"), None),
        (format!("ModelConfig: {{torch_dtype: bfloat16, {at}}}"), Some("ModelConfig.torch_dtype")),
        (
            format!("ModelConfig: {{{at}}}, QuantizationConfig: {{bnb_4bit_compute_dtype: bfloat16}}"),
            Some("bnb_4bit_compute_dtype"),
        ),
        (format!("ModelConfig: {{{at}}}, TrainingArguments: {{bf16: true}}"), Some("bf16")),
        (format!("ModelConfig: {{{at}}}, TrainingArguments: {{tf32: 'yes'}}"), Some("tf32")),
        ("ModelConfig: {torch_dtype: float16}".to_owned(), Some("/workspace/weights")),
    ];
    for (sections, wanted) in table {
        let found = config(&format!("training_config: {{{sections}}}")).objection(volta, "NVIDIA V100");
        assert_eq!(found.is_some(), wanted.is_some(), "{sections}: {found:?}");
        assert!(found.unwrap_or_default().contains(wanted.unwrap_or_default()));
    }
    let new = config("training_config: {ModelConfig: {torch_dtype: bfloat16}}");
    assert_eq!(new.objection(profile("current").unwrap(), "NVIDIA A100"), None);
}

#[test]
fn settings_are_set_and_words_stay_words() {
    let text = "training_config:\n  TrainingArguments:\n    save_strategy: \"no\"\n    batch: 1\n";
    let made = with_settings(text, &[("ModelConfig", "torch_dtype", "float16")]).unwrap();
    let back = config(&made);
    let value = |section, key| back.setting(section, key).map(|setting| setting.value.clone());
    assert_eq!(value("ModelConfig", "torch_dtype"), Some(json!("float16")));
    assert_eq!(value("TrainingArguments", "save_strategy"), Some(json!("no")));
    assert!(made.contains("\"no\"") || made.contains("'no'"), "{made}");
}

/// Sections in one line each, and, of what is said for an A100 and for a V100, a part that must be there; nothing at all for an empty one.
fn expect(profile: &str, rows: &[(&str, &str, &str)]) {
    let mut met = Vec::new();
    for (sections, error, warning) in rows {
        let lines: String = sections.lines().map(|line| format!("  {line}\n")).collect();
        let collator = if sections.contains("DataCollator") { "" } else { "  DataCollator: {mlm: true}\n" };
        let lora = if sections.contains("LoraConfig") { "" } else { "  LoraConfig: {}\n" };
        let weights = "  ModelConfig: {pretrained_model_name_or_path: /workspace/weights}\n";
        let weights = if sections.contains("ModelConfig") { "" } else { weights };
        let text = format!("training_config:\n{lines}{collator}{lora}{weights}");
        let method = if sections.contains("load_in_4bit: true") { TuningMethod::Qlora } else { TuningMethod::Lora };
        let judged = config(&text).judge_for(method, kaito_presets::profile(profile).unwrap(), "this GPU");
        for (found, wanted) in [(judged.errors.join("; "), error), (judged.warnings.join("; "), warning)] {
            if !found.contains(*wanted) || found.is_empty() != wanted.is_empty() {
                met.push(format!("{sections:?}: {found:?} and not {wanted:?}"));
            }
        }
    }
    assert!(met.is_empty(), "{}", met.join("\n"));
}

#[test]
fn what_the_trainer_takes_is_taken_in_every_spelling() {
    let right = [
        "LoraConfig: {r: '8', lora_alpha: 1_6, lora-dropout: 1e-1, bias: none, task_type: CAUSAL_LM}",
        "LoraConfig: {target_modules: q_proj, layers_to_transform: [0, 1], use_dora: 'Y', fan_in_fan_out: 0, r: [4]}",
        "LoraConfig: {rank_pattern: {}, init_lora_weights: t, modules_to_save: [embed_tokens, lm_head]}",
        "TrainingArguments: {learning_rate: '1e-4', max_steps: -1, num_train_epochs: 3, warmup_steps: 10, seed: 0x10}",
        "TrainingArguments: {max_grad_norm: .inf, optim: adamw_8bit, lr_scheduler_type: cosine, save_strategy: 'no'}",
        "TrainingArguments: {gradient_checkpointing_kwargs: '{\"use_reentrant\": false}', label_names: [labels]}",
        "TrainingArguments: {logging_steps: 0.1, save_steps: 500.0, debug: underflow_overflow, run_name: 2024-01-01}",
        "TrainingArguments: {eval_strategy: steps, eval_steps: 50, load_best_model_at_end: true}",
        "TrainingArguments: {eval_strategy: epoch}\nDatasetConfig: {train_test_split: 0.9, shuffle_seed: 7}",
        "DatasetConfig: {train_test_split: 1, shuffle_dataset: no, context_column: '-a b', response_column: 1}",
        "QuantizationConfig: {load_in_4bit: true, bnb_4bit_quant_type: nf4, llm_int8_skip_modules: [lm_head]}",
        "QuantizationConfig: {load_in_4bit: false, bnb_4bit_quant_type: whatever, bnb_4bit_compute_dtype: float16}",
        "ModelConfig: {pretrained_model_name_or_path: /workspace/weights, torch_dtype: half, device_map: auto}",
        "DataCollator: {mlm: 'no', mask_replace_prob: 0.5, random_replace_prob: 0.5, seed: 3}",
    ];
    let rows = right.map(|sections| (sections, "", ""));
    expect("current", &rows);
    expect("volta-turing", &rows);
}

#[test]
fn what_ends_the_trainer_is_an_error_with_its_line_and_what_would_be_right() {
    let rows = [
        (
            "LoraConfig:\n  r: 8\n  lora_alpha: 16.0",
            "line 4: LoraConfig.lora_alpha is 16.0: expected a whole number",
            "",
        ),
        ("LoraConfig: {r: many}", "line 2: LoraConfig.r is \"many\": expected a whole number", ""),
        ("LoraConfig: {r: 0}", "LoraConfig.r is 0: expected 1 or more", ""),
        ("LoraConfig: {r: }", "LoraConfig.r is null: expected a whole number; leave it out for the default", ""),
        ("LoraConfig: {r: [8, 9]}", "LoraConfig.r is a list of 2: expected a whole number", ""),
        ("LoraConfig: {lora_dropout: 5}", "is 5: expected a share from 0 to 1", ""),
        ("LoraConfig: {bias: None}", "is \"None\": expected one of none, all, lora_only; did you mean none?", ""),
        ("LoraConfig: {use_dora: on please}", "is \"on please\": expected true or false", ""),
        ("LoraConfig: {target_modules: []}", "is an empty list: expected one word or more", ""),
        ("LoraConfig: {target_modules: [a, -b]}", "is \"-b\", which begins with a dash", ""),
        ("LoraConfig: {target_modules: }", "target_modules is empty, and the trainer takes that for the word None", ""),
        (
            "LoraConfig: {rank_pattern: {q_proj: 4}}",
            "LoraConfig.rank_pattern is a map, of which the trainer makes settings such as rank_pattern_q_proj",
            "",
        ),
        ("LoraConfig: {rank_pattern: '{}'}", "LoraConfig.rank_pattern cannot be set here", ""),
        ("LoraConfig: {init_lora_weights: gaussian}", "is \"gaussian\": expected true or false", ""),
        ("LoraConfig: {no_init_lora_weights: true}", "cannot be given a value: write init_lora_weights: false", ""),
        ("LoraConfig: {lora: 8}", "LoraConfig.lora is no setting: several begin so (lora_alpha, lora_dropout)", ""),
        ("LoraConfig: {rr: 8}", "is no setting that the trainer knows (transformers", ""),
        ("LoraConfig: {learning_rate: 1}", "there; it belongs into TrainingArguments", ""),
        (
            "LoraConfig:",
            "line 2: LoraConfig is empty, at which the trainer ends: leave the section out, or write {}",
            "",
        ),
        ("TrainingArguments: {learning_rte: 1e-4}", "; did you mean learning_rate?", ""),
        ("TrainingArguments: {learning_rate: fast}", "is \"fast\": expected a number", ""),
        ("TrainingArguments: {fp16: 'true ', bf16: maybe}", "bf16 is \"maybe\": expected true or false", ""),
        (
            "TrainingArguments: {save_strategy: no}",
            "is false: expected one of no, steps, epoch, best; a bare no is false in YAML, so write \"no\" in quotes",
            "",
        ),
        ("TrainingArguments: {lr_scheduler_type: cosin}", "words that it knows", ""),
        ("TrainingArguments: {optim: adamw_torhc}", "; did you mean adamw_torch?", ""),
        (
            "TrainingArguments: {gradient_checkpointing_kwargs: {use_reentrant: false}}",
            "write it as JSON in quotes",
            "",
        ),
        (
            "TrainingArguments: {gradient_checkpointing_kwargs: '{a}'}",
            "expected one word, or a map as JSON in quotes",
            "",
        ),
        (
            "TrainingArguments: {eval_strategy: epoch}\nDatasetConfig: {train_test_split: 1}",
            "leaves no data to evaluate with",
            "",
        ),
        (
            "TrainingArguments: {load_best_model_at_end: true}",
            "needs eval_strategy and save_strategy to be the same; they are no and steps",
            "",
        ),
        ("TrainingArguments: {lr_scheduler_type: reduce_lr_on_plateau}", "which needs an eval_strategy", ""),
        ("TrainingArguments: {logging_steps: 0}", "is 0: expected 1 or more, or logging_strategy: \"no\"", ""),
        ("TrainingArguments: {save_steps: 1.5}", "is 1.5: expected a whole number, or a share below 1", ""),
        ("TrainingArguments: {dataloader_prefetch_factor: 2}", "needs dataloader_num_workers of 1 or more", ""),
        ("TrainingArguments: {per_device_train_batch_size: 0}", "is 0: expected 1 or more", ""),
        ("TrainingArguments: {output_dir: }", "output_dir", ""),
        ("DatasetConfig: {train_test_split: 80}", "is 80: expected more than 0 and at most 1", ""),
        ("DatasetConfig: {shuffle_seed: x}", "DatasetConfig.shuffle_seed is \"x\": expected a whole number", ""),
        ("DatasetConfig: {respons_column: a}", "did you mean response_column?", ""),
        (
            "ModelConfig: {pretrained_model_name_or_path: /workspace/weights, torch_dtype: torch.float16}",
            "expected a type of torch by its bare name",
            "",
        ),
        (
            "ModelConfig: {pretrained_model_name_or_path: /workspace/weights, torch_dtype: auto}",
            "is \"auto\": expected a type of torch",
            "",
        ),
        ("QuantizationConfig: {load_in_4bit: true, bnb_4bit_quant_type: int4}", "is \"int4\": expected nf4 or fp4", ""),
        ("QuantizationConfig: {load_in_4bit: perhaps}", "expected true or false", ""),
        (
            "QuantizationConfig: {bnb_4bit_quant_storage: uint8}",
            "bnb_4bit_quant_storage is no setting that the trainer knows",
            "",
        ),
        ("DataCollator: {}", "line 1: DataCollator.mlm is not there", ""),
        ("DataCollator: {mlm: true, mask_replace_prob: 0.9, random_replace_prob: 0.2}", "more than 1 together", ""),
        ("DataCollator: {mlm: true, tokenizer: x}", "DataCollator.tokenizer cannot be set here", ""),
    ];
    expect(
        "volta-turing",
        &rows.map(|(sections, error, warning)| {
            (sections, if error == "words that it knows" { "lr_scheduler_type is \"cosin\"" } else { error }, warning)
        }),
    );
    expect(
        "current",
        &[("TrainingArguments: {fp16: true, bf16: true}", "bf16 is true beside fp16: keep one of them", "")],
    );
}

#[test]
fn what_will_be_regretted_is_a_warning_and_what_one_image_knows_another_does_not() {
    let rows = [
        (
            "LoraConfig: {lora_a: 8}",
            "",
            "LoraConfig.lora_a is read as lora_alpha, which is the only name that begins so",
        ),
        ("TrainingArguments: {run_name: }", "", "run_name is empty, and the trainer takes that for the word None"),
        ("TrainingArguments: {max_length: 2048, packing: true, loss_type: [x], fsdp: []}", "", ""),
        ("TrainingArguments: {save_safetensors: true}", "(transformers 5.14.1), but one of transformers 4.51.3", ""),
    ];
    expect("current", &rows);
    expect("volta-turing", &[("TrainingArguments: {max_length: 1}", "but one of transformers 5.14.1", "")]);
    let judged = config("training_config: {DataCollator: {mlm: true}}").judge_for(
        TuningMethod::Lora,
        kaito_presets::profile("current").unwrap(),
        "this GPU",
    );
    assert_eq!(judged.errors, Vec::<String>::new());
    assert!(judged.warnings.concat().contains("LoraConfig is not there"), "{:?}", judged.warnings);
}

#[test]
fn the_charts_templates_are_taken_without_a_word() {
    let table = [
        (TuningMethod::Lora, include_str!("../memory/lora_params_template.yaml")),
        (TuningMethod::Qlora, include_str!("../memory/qlora_params_template.yaml")),
    ];
    for (method, text) in table {
        for profile in kaito_presets::profiles() {
            let text = with_settings(text, profile.tuning.template_overrides).unwrap();
            let judged = config(&text).judge_for(method, profile, "this GPU");
            assert_eq!((judged.errors, judged.warnings), (vec![], vec![]), "{}", profile.id);
        }
    }
}
