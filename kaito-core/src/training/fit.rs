//! What the settings of a training ask of the GPUs, of the image and of the method.

use super::TrainingConfig;
use kaito_api::workspace::TuningMethod;
use kaito_presets::RuntimeProfile;

impl TrainingConfig {
    /// What the GPUs of a profile, or its image, cannot do of this.
    pub fn objection(&self, profile: &RuntimeProfile, gpu: &str) -> Option<String> {
        let allows = |dtype: &str| profile.dtypes.allowed.contains(&dtype);
        if !allows("bfloat16") {
            for (section, key) in [("ModelConfig", "torch_dtype"), ("QuantizationConfig", "bnb_4bit_compute_dtype")] {
                if self.word(section, key).is_some_and(|word| word.ends_with("bfloat16")) {
                    return Some(format!(
                        "{section}.{key} is bfloat16, which {gpu} does not have; use float16, or a GPU with compute capability 8.0 or newer"
                    ));
                }
            }
            for (key, lacks) in [("bf16", "bfloat16"), ("bf16_full_eval", "bfloat16"), ("tf32", "TensorFloat-32")] {
                if self.is_on("TrainingArguments", key) {
                    return Some(format!("TrainingArguments.{key} is true, and {gpu} has no {lacks}; leave it out"));
                }
            }
        }
        // Only settings that say where something lies; numeric types were judged above.
        let places = profile.tuning.template_overrides.iter().filter(|(_, _, value)| value.starts_with('/'));
        places.into_iter().find_map(|(section, key, wanted)| {
            (self.word(section, key).as_deref() != Some(wanted)).then(|| {
                format!("{section}.{key} must be {wanted}: the image for {gpu} looks for the weights nowhere else")
            })
        })
    }

    /// Where the settings say something else than the method of the Workspace: the result would not be what was asked for, and may need another GPU.
    pub fn contradiction(&self, method: TuningMethod) -> Option<String> {
        let on = |key: &&&str| self.is_on("QuantizationConfig", key);
        let quantized: Vec<&str> = ["load_in_4bit", "load_in_8bit"].iter().filter(on).copied().collect();
        match (method, quantized.as_slice()) {
            (TuningMethod::Lora, [first, ..]) => Some(format!(
                "is for another method: QuantizationConfig.{first} is true, and tuning.method is lora; leave it out, or take qlora"
            )),
            (TuningMethod::Qlora, []) => Some(
                "is for another method: QuantizationConfig quantises nothing, and tuning.method is qlora; set load_in_4bit: true, or take lora"
                    .to_owned(),
            ),
            (TuningMethod::Qlora, [_, _, ..]) => Some(
                "sets both QuantizationConfig.load_in_4bit and load_in_8bit; a model is loaded in one of them".to_owned(),
            ),
            (TuningMethod::Lora, []) | (TuningMethod::Qlora, [_]) => None,
        }
    }
}
