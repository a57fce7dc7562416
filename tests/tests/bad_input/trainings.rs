//! Settings of a training that its trainer does not take.

use super::clock::look;
use super::{BAD, GOOD, alone, expect_told, machines, until_good, world};
use kaito_core::Kind;
use kaito_core::memory::Fate;
use kaito_tests::manifests;
use kaito_tests::stage::{Stage, condition};
use serde_json::{Value, json};

/// What is right for the machine of [`manifests::tuning`], but for what a story changes.
fn settings(lora: &str, others: &str) -> Value {
    let text = format!(
        "training_config:\n  ModelConfig: {{torch_dtype: float16, pretrained_model_name_or_path: /workspace/weights}}\n  QuantizationConfig: {{load_in_4bit: true}}\n{lora}\n{others}\n"
    );
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"training_config.yaml": text}})
}

const LORA: &str = "  LoraConfig: {r: 8}";
const COLLATOR: &str = "  DataCollator: {mlm: true}";

fn training() -> Value {
    let mut manifest = manifests::tuning(BAD);
    manifest["tuning"]["config"] = json!("mine");
    manifest
}

#[test]
fn settings_that_the_trainer_does_not_take_buy_no_machine_and_their_correction_does() {
    let calm = alone(&Fate::default());
    let rest = |more: &str| format!("{COLLATOR}\n  {more}");
    let stories = [
        (
            "a word for a number",
            settings("  LoraConfig: {r: many}", COLLATOR),
            "line 4: LoraConfig.r is \"many\": expected a whole number",
        ),
        (
            "a slip in a name",
            settings(LORA, &rest("TrainingArguments: {learning_rte: 1e-4}")),
            "line 6: TrainingArguments.learning_rte is no setting that the trainer knows (transformers 4.51.3); did you mean learning_rate?",
        ),
        (
            "a word out of no set",
            settings(LORA, &rest("TrainingArguments: {lr_scheduler_type: cosinus}")),
            "did you mean cosine?",
        ),
        ("no for a word", settings(LORA, &rest("TrainingArguments: {save_strategy: no}")), "write \"no\" in quotes"),
        (
            "a map",
            settings("  LoraConfig: {rank_pattern: {q_proj: 4}}", COLLATOR),
            "line 4: LoraConfig.rank_pattern is a map",
        ),
        (
            "nothing left to evaluate with",
            settings(LORA, &rest("TrainingArguments: {eval_strategy: epoch}\n  DatasetConfig: {train_test_split: 1}")),
            "leaves no data to evaluate with",
        ),
        ("no collator", settings(LORA, ""), "line 1: DataCollator.mlm is not there"),
        ("an empty section", settings("  LoraConfig:", COLLATOR), "line 4: LoraConfig is empty"),
        ("everything wrong", settings("  LoraConfig: {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7}", ""), "and 2 more"),
    ];
    for (story, instead, mention) in stories {
        let mut stage = world(&Fate::default());
        stage.put(&manifests::registry_secret("my-push-secret"));
        stage.put(&instead);
        stage.put(&training());
        stage.put(&manifests::phi_4_mini(GOOD));
        let is_told = |stage: &dyn Stage| {
            condition(stage, BAD, "ResourceReady").is_some_and(|(_, why, _)| why == "TuningConfigNotUsable")
        };
        stage.until(story, &is_told);
        expect_told(
            &stage,
            story,
            "ResourceReady",
            "TuningConfigNotUsable",
            &["tuning.config: ConfigMap mine", mention],
        );
        assert_eq!(until_good(&mut stage), calm, "{story}");
        assert!(
            machines(&stage, BAD).is_empty() && stage.get(Kind::Job, BAD).is_none(),
            "{story}: a machine is paid for"
        );
        stage.put(&settings(LORA, COLLATOR));
        (&mut stage as &mut dyn Stage).until_state(BAD, "Succeeded");
    }
}

#[test]
fn a_setting_that_is_only_begun_is_passed_on_and_told() {
    let mut stage = world(&Fate::default());
    stage.put(&manifests::registry_secret("my-push-secret"));
    stage.put(&settings("  LoraConfig: {lora_a: 16}", COLLATOR));
    stage.put(&training());
    (&mut stage as &mut dyn Stage).until("a machine is asked for", &|stage| !stage.list(Kind::NodeClaim).is_empty());
    let now = stage.world().now();
    let (_, report) = look(&mut stage, BAD, now);
    let told: Vec<&str> = report.remarks.iter().map(|remark| remark.text.as_str()).collect();
    let wanted = "tuning.config: ConfigMap mine, line 4: LoraConfig.lora_a is read as lora_alpha, which is the only name that begins so; write it out";
    assert!(told.contains(&wanted), "{told:?}");
}
