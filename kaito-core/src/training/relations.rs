//! Settings beside each other, and those that must be there. The trainer ends where one of these does not hold, most of them once the weights are loaded.

use super::values::number;
use super::{Findings, TrainingConfig};
use crate::findings::Finding;
use crate::words::quoted;

const ARGUMENTS: &str = "TrainingArguments";

pub(super) fn judge(config: &TrainingConfig, found: &mut Findings) {
    collator(config, found);
    if config.setting_in("LoraConfig").is_none() {
        let says = "is not there: the adapter gets the trainer's defaults, r 8, lora_alpha 8 and no dropout";
        found.warnings.push(config.whole("LoraConfig", says));
    }
    quantization(config, found);
    evaluation(config, found);
    steps(config, found);
    for (a, b) in [("fp16", "bf16"), ("fp16_full_eval", "bf16_full_eval")] {
        if config.is_on(ARGUMENTS, a) && config.is_on(ARGUMENTS, b) {
            config.tell(ARGUMENTS, b, format!("is true beside {a}: keep one of them"), found);
        }
    }
    let workers = config.figure(ARGUMENTS, "dataloader_num_workers").unwrap_or(0.0);
    if workers == 0.0 && config.setting(ARGUMENTS, "dataloader_prefetch_factor").is_some() {
        let says = "needs dataloader_num_workers of 1 or more".to_owned();
        config.tell(ARGUMENTS, "dataloader_prefetch_factor", says, found);
    }
}

/// The trainer's collator wants a mask token of a tokenizer that it does not have yet, as long as `mlm` is true, which it is unless something is said; only a `mlm` that is said it takes back itself
/// (`parse_section` in its `parser.py`).
fn collator(config: &TrainingConfig, found: &mut Findings) {
    if config.setting("DataCollator", "mlm").is_none() {
        let says = "is not there, without which the trainer ends (PreTrainedTokenizer has no mask_token): write DataCollator: {mlm: false}";
        found.errors.push(config.whole("DataCollator.mlm", says));
    }
    let share = |key, unsaid| config.figure("DataCollator", key).unwrap_or(unsaid);
    let (masked, replaced) = (share("mask_replace_prob", 0.8), share("random_replace_prob", 0.1));
    if masked + replaced > 1.0 && masked <= 1.0 && replaced <= 1.0 {
        let key = ["random_replace_prob", "mask_replace_prob"]
            .into_iter()
            .find(|key| config.setting("DataCollator", key).is_some());
        let says = format!("makes mask_replace_prob {masked} and random_replace_prob {replaced} more than 1 together");
        config.tell("DataCollator", key.unwrap_or("mask_replace_prob"), says, found);
    }
}

/// bitsandbytes packs four bits in two ways only.
fn quantization(config: &TrainingConfig, found: &mut Findings) {
    const SECTION: &str = "QuantizationConfig";
    let kind = config.word(SECTION, "bnb_4bit_quant_type").filter(|_| config.is_on(SECTION, "load_in_4bit"));
    if let Some(kind) = kind.filter(|kind| !["nf4", "fp4"].contains(&kind.as_str())) {
        let says = format!("is {:?}: expected nf4 or fp4", quoted(&kind));
        config.tell(SECTION, "bnb_4bit_quant_type", says, found);
    }
}

fn evaluation(config: &TrainingConfig, found: &mut Findings) {
    let strategy = |key, unsaid: &str| config.word(ARGUMENTS, key).unwrap_or_else(|| unsaid.to_owned());
    let (evaluates, saves) = (strategy("eval_strategy", "no"), strategy("save_strategy", "steps"));
    let all = config.figure("DatasetConfig", "train_test_split") == Some(1.0);
    if all && ["steps", "epoch"].contains(&evaluates.as_str()) {
        let says = format!(
            "is {evaluates}, and DatasetConfig.train_test_split 1 leaves no data to evaluate with: write 0.9 there, or \"no\" here"
        );
        config.tell(ARGUMENTS, "eval_strategy", says, found);
    }
    if config.is_on(ARGUMENTS, "load_best_model_at_end") && saves != "best" && saves != evaluates {
        let says = format!(
            "needs eval_strategy and save_strategy to be the same; they are {} and {}",
            quoted(&evaluates),
            quoted(&saves)
        );
        config.tell(ARGUMENTS, "load_best_model_at_end", says, found);
    }
    let schedule = strategy("lr_scheduler_type", "linear");
    if ["reduce_lr_on_plateau", "greedy"].contains(&schedule.as_str()) && evaluates == "no" {
        config.tell(ARGUMENTS, "lr_scheduler_type", format!("is {schedule}, which needs an eval_strategy"), found);
    }
}

/// Something is done every so many steps, or after a part of all of them: whole from 1 on.
fn steps(config: &TrainingConfig, found: &mut Findings) {
    let rows = [
        ("logging_strategy", "steps", "logging_steps"),
        ("save_strategy", "steps", "save_steps"),
        ("eval_strategy", "no", "eval_steps"),
    ];
    for (strategy, unsaid, key) in rows {
        let by_steps = config.word(ARGUMENTS, strategy).unwrap_or_else(|| unsaid.to_owned()) == "steps";
        let Some(steps) = config.figure(ARGUMENTS, key).filter(|_| by_steps) else { continue };
        if steps > 1.0 && steps.fract() != 0.0 {
            config.tell(ARGUMENTS, key, format!("is {steps}: expected a whole number, or a share below 1"), found);
        }
        if steps == 0.0 && key == "logging_steps" {
            config.tell(ARGUMENTS, key, "is 0: expected 1 or more, or logging_strategy: \"no\"".to_owned(), found);
        }
    }
}

impl TrainingConfig {
    /// The section with that name; one that is empty is told elsewhere.
    fn setting_in(&self, section: &str) -> Option<&super::Section> {
        self.sections.iter().find(|found| found.name == section)
    }

    /// A setting as a number, where it is one.
    fn figure(&self, section: &str, key: &str) -> Option<f64> {
        self.word(section, key).and_then(|word| number(&word))
    }

    fn tell(&self, section: &str, key: &str, says: String, found: &mut Findings) {
        found.errors.extend(self.setting(section, key).map(|setting| setting.finding(section, says)));
    }

    /// What there is to say of what is not there.
    fn whole(&self, path: &str, says: &str) -> Finding {
        Finding { line: self.line, path: path.to_owned(), says: says.to_owned() }
    }
}
