//! What `config.json` says, whatever it calls it.
//!
//! Source of the names: KAITO v0.12.0 `generator.go`; rows marked "ours" are names that it misses.

use super::literals::standard_json;
use super::{ConfigFile, Undescribed};
use crate::words::quoted;
use kaito_presets::{Quantization, Shape, numbers};
use serde_json::{Map, Value};

/// Where the text model of a larger one is described; the first that is there counts. The last two are ours.
const NESTED: [&str; 4] = ["text_config", "llm_config", "language_config", "thinker_config"];

/// One number, by the names it goes by.
type Names = &'static [&'static str];

const TOKENS: Names =
    &["max_position_embeddings", "n_ctx", "seq_length", "max_seq_len", "max_sequence_length", "model_max_length"];
/// A length that vLLM takes too where the others say less.
const LONGEST_TOKENS: Names = &["model_max_length"];
const HIDDEN_SIZE: Names = &["hidden_size", "n_embd", "d_model", "dim"];
const LAYERS: Names = &["num_hidden_layers", "n_layer", "n_layers"];
const HEADS: Names = &["num_attention_heads", "n_head", "n_heads"];
/// The last is ours: Falcon 40B.
const KV_HEADS: Names = &["num_key_value_heads", "n_head_kv", "n_kv_heads", "num_kv_heads"];
const HEAD_DIM: Names = &["head_dim", "attention_head_dim"];
const KV_LORA_RANK: Names = &["kv_lora_rank"];
const QK_ROPE_HEAD_DIM: Names = &["qk_rope_head_dim"];
/// How positions are stretched beyond those that a model was trained on; the latter in files of transformers 5.
const ROPE: [&str; 2] = ["rope_scaling", "rope_parameters"];
/// What is read of it.
const ROPE_DETAILS: [&str; 4] = ["rope_type", "type", "factor", "original_max_position_embeddings"];
/// Kinds of it whose factor is in the length already.
const ROPE_COUNTED: [&str; 3] = ["su", "longrope", "llama3"];
const MODEL_TYPE: &str = "model_type";
const MULTI_QUERY: &str = "multi_query";
const ARCHITECTURES: &str = "architectures";
const QUANTIZATION: &str = "quantization_config";
/// Ours: what Mistral's `params.json` says in its place.
const MISTRAL_QUANTIZATION: &str = "quantization";
/// Ours: lists with an element a layer, where the number of layers is not said (Nemotron-H).
const LAYER_LISTS: [&str; 2] = ["layers_block_type", "layer_types"];
/// Ours: a model that takes images or sound has one of these.
const OTHER_SENSES: [&str; 6] =
    ["vision_config", "audio_config", "vision_encoder", "visual", "thinker_config", "multimodal"];
/// Ours: a mixture of experts in Mistral's format.
const EXPERTS: &str = "moe";

/// Everything that is read from the file, by name; the rest is not kept of a repository.
fn read_names() -> impl Iterator<Item = &'static str> {
    let numbers = [TOKENS, HIDDEN_SIZE, LAYERS, HEADS, KV_HEADS, HEAD_DIM, KV_LORA_RANK, QK_ROPE_HEAD_DIM];
    let others = [MODEL_TYPE, MULTI_QUERY, ARCHITECTURES, QUANTIZATION, MISTRAL_QUANTIZATION, EXPERTS];
    numbers.into_iter().flatten().copied().chain(others).chain(LAYER_LISTS).chain(ROPE)
}

/// The file as one map, what is nested brought to the top.
#[derive(Debug, Clone, PartialEq)]
pub struct Config(Map<String, Value>);

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// It is not JSON, or not an object.
    pub fn read(file: &ConfigFile) -> Result<Self, Undescribed> {
        let mut map = Self::top(file)?;
        if let Some(mut nested) = nested(&map) {
            let innermost = self::nested(&nested);
            bring_up(innermost, &mut nested);
            bring_up(Some(nested), &mut map);
        }
        Ok(Self(map))
    }

    /// The file as it stands.
    fn top(file: &ConfigFile) -> Result<Map<String, Value>, Undescribed> {
        let broken = |why: String| Undescribed::BrokenConfig { path: quoted(&file.path), why };
        match serde_json::from_str(&standard_json(&file.text)) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(_) => Err(broken("is JSON, but not an object".to_owned())),
            Err(error) => Err(broken(format!("is not JSON: {}", quoted(&error.to_string())))),
        }
    }

    /// The same file with nothing but what is read from it: as small as an annotation must be.
    pub(super) fn lean(file: &ConfigFile) -> Result<String, Undescribed> {
        let config = Self::read(file)?;
        let mut kept: Map<String, Value> = read_names()
            .filter_map(|name| Some((name.to_owned(), config.0.get(name)?.clone())))
            .map(
                |(name, value)| {
                    if LAYER_LISTS.contains(&name.as_str()) { (name, placeholder(&value)) } else { (name, value) }
                },
            )
            .collect();
        for sense in OTHER_SENSES.into_iter().filter(|sense| config.0.get(*sense).is_some_and(is_said)) {
            kept.insert(sense.to_owned(), Value::Bool(true));
        }
        for quantization in [QUANTIZATION, MISTRAL_QUANTIZATION] {
            if let Some(Value::Object(all)) = kept.get_mut(quantization) {
                let is_read =
                    |name: &str| QUANTIZATION_METHODS.iter().chain(&QUANTIZATION_DETAILS).any(|read| *read == name);
                all.retain(|name, value| is_read(name) && !value.is_object() && !value.is_array());
            }
        }
        for rope in ROPE {
            if let Some(rope) = kept.get_mut(rope) {
                keep_details(rope);
            }
        }
        Ok(Value::Object(kept).to_string())
    }

    /// Longest context, in tokens, where the file names one: as many as vLLM lets somebody ask for.
    ///
    /// vLLM 0.25 `config/model.py`, `_get_and_verify_max_len`: the length, times the factor of its stretching; with YaRN, times the length before that. Where several could count, the largest does:
    /// what is beyond it is refused before it is tried.
    pub fn token_limit(&self) -> Option<u64> {
        let stated = self.positive(TOKENS)?;
        // Gemma 3 counts the factor already.
        let counted = self.0.get(MODEL_TYPE).and_then(Value::as_str).is_some_and(|name| name.contains("gemma3"));
        let ropes = ROPE.iter().filter(|_| !counted).filter_map(|name| self.0.get(*name));
        // One, or one for each kind of layer.
        let each = ropes.flat_map(|rope| {
            let layers = rope.as_object().into_iter().flat_map(Map::values).filter(|value| value.is_object());
            layers.chain([rope])
        });
        each.map(|rope| stretched(stated, rope)).chain([stated]).chain(self.positive(LONGEST_TOKENS)).max()
    }

    /// The first of the names that has a number above zero.
    fn positive(&self, names: Names) -> Option<u64> {
        names.iter().find_map(|name| whole(self.0.get(*name)?).filter(|number| *number > 0))
    }

    /// `architectures`; in Mistral's format, which names none, what vLLM makes of it.
    pub fn architectures(&self, short_name: &str, mistral: bool) -> Vec<String> {
        let named = self.0.get(ARCHITECTURES).and_then(Value::as_array).into_iter().flatten();
        let named: Vec<String> = named.filter_map(Value::as_str).map(str::to_owned).collect();
        if !named.is_empty() {
            return named;
        }
        let by_name = kaito_presets::parsers::architecture(short_name);
        by_name.or_else(|| mistral.then(|| self.mistral_architecture())).map(str::to_owned).into_iter().collect()
    }

    /// vLLM 0.25 `transformers_utils/configs/mistral.py`.
    fn mistral_architecture(&self) -> &'static str {
        let latent = self.shape().kv_lora_rank.is_some();
        let has = |name: &str| self.0.get(name).is_some_and(is_said);
        match () {
            () if has("vision_encoder") => "PixtralForConditionalGeneration",
            () if has(EXPERTS) && latent => "MistralLarge3ForCausalLM",
            () if has(EXPERTS) => "MixtralForCausalLM",
            () => "MistralForCausalLM",
        }
    }

    /// Whether it takes images or sound too.
    pub fn multimodal(&self) -> bool {
        OTHER_SENSES.iter().any(|sense| self.0.get(*sense).is_some_and(is_said))
    }

    /// The numbers that sizes are computed from; what is not said is 0.
    pub fn shape(&self) -> Shape {
        let small = |names| self.number(names).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let (hidden_size, heads) = (small(HIDDEN_SIZE).unwrap_or_default(), small(HEADS).unwrap_or_default());
        let multi_query = self.0.get(MULTI_QUERY) == Some(&Value::Bool(true));
        Shape {
            hidden_size,
            layers: small(LAYERS).or_else(|| self.listed_layers()).unwrap_or_default(),
            heads,
            kv_heads: small(KV_HEADS).filter(|heads| *heads > 0).unwrap_or(if multi_query { 1 } else { heads }),
            head_dim: small(HEAD_DIM).filter(|dim| *dim > 0).unwrap_or_else(|| numbers::head_dim(hidden_size, heads)),
            kv_lora_rank: small(KV_LORA_RANK),
            qk_rope_head_dim: small(QK_ROPE_HEAD_DIM),
        }
    }

    fn listed_layers(&self) -> Option<u32> {
        let list = LAYER_LISTS.iter().find_map(|name| self.0.get(*name)?.as_array())?;
        u32::try_from(list.len()).ok()
    }

    /// How the weights are quantised, in the words of the engines that made them.
    pub fn quantization(&self) -> Option<Quantization> {
        let (stated, of_mistral) = (self.0.get(QUANTIZATION), self.0.get(MISTRAL_QUANTIZATION));
        let word = |value: Option<&Value>, name: &str| value?.get(name)?.as_str().map(str::to_owned);
        let method = QUANTIZATION_METHODS.iter().find_map(|name| word(stated, name)).or_else(|| {
            // `fp8_e4m3`
            word(of_mistral, "qformat_weight").map(|format| format.split('_').next().unwrap_or_default().to_owned())
        })?;
        let bits = stated.and_then(|stated| whole(stated.get("bits")?)).and_then(|bits| u32::try_from(bits).ok());
        (!method.is_empty()).then(|| Quantization { method: method.into(), bits: bits.filter(|bits| *bits > 0) })
    }

    /// The first of the names that has a number.
    fn number(&self, names: Names) -> Option<u64> {
        names.iter().find_map(|name| whole(self.0.get(*name)?))
    }
}

/// How a method is named, the most exact first: the order of the reference's catalogue, which its look-up of hub models does not follow.
const QUANTIZATION_METHODS: [&str; 3] = ["format", "quant_algo", "quant_method"];
/// What else is read of a quantisation.
const QUANTIZATION_DETAILS: [&str; 2] = ["bits", "qformat_weight"];

/// The text model that is described within.
fn nested(map: &Map<String, Value>) -> Option<Map<String, Value>> {
    NESTED.iter().find_map(|name| map.get(*name)?.as_object().cloned())
}

/// What stands at the top wins.
fn bring_up(nested: Option<Map<String, Value>>, map: &mut Map<String, Value>) {
    for (key, value) in nested.into_iter().flatten() {
        map.entry(key).or_insert(value);
    }
}

/// Whether something is said at all.
fn is_said(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

/// A length, stretched.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "as vLLM: in floats, cut to a whole number; what is too large becomes the largest"
)]
fn stretched(stated: u64, rope: &Value) -> u64 {
    let kind = rope.get("rope_type").or_else(|| rope.get("type")).and_then(Value::as_str).unwrap_or_default();
    let factor = rope.get("factor").and_then(Value::as_f64).filter(|_| !ROPE_COUNTED.contains(&kind));
    let original = rope.get("original_max_position_embeddings").and_then(whole).filter(|_| kind == "yarn");
    factor.map_or(stated, |factor| (original.unwrap_or(stated) as f64 * factor) as u64)
}

/// Leaves nothing of how positions are stretched but what is read.
fn keep_details(rope: &mut Value) {
    let Value::Object(all) = rope else { return };
    all.retain(|name, value| ROPE_DETAILS.contains(&name.as_str()) || value.is_object());
    for layer in all.values_mut().filter_map(Value::as_object_mut) {
        layer.retain(|name, value| ROPE_DETAILS.contains(&name.as_str()) && !value.is_object() && !value.is_array());
    }
}

/// A list of the same length.
fn placeholder(list: &Value) -> Value {
    Value::Array(vec![Value::from(0); list.as_array().map_or(0, Vec::len)])
}

/// A number, cut to a whole one, or a whole number in a string; never below zero.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float that is too large or too small becomes the nearest whole number"
)]
fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(|float| float as u64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kaito_presets::Attention;
    use serde_json::json;

    fn config(value: &Value) -> Config {
        Config::read(&ConfigFile { path: "config.json".into(), text: value.to_string() }).unwrap()
    }

    /// Vectors `config_merge` and `config_keys` of the reference: hidden size, layers, heads, key-value heads as stated, tokens. Where the last are not stated, all heads have their own.
    #[test]
    fn what_is_nested_is_brought_up_and_what_stands_at_the_top_wins() {
        for (value, (hidden, layers, heads, kv, tokens)) in [
            (
                json!({"architectures": ["Gemma3ForConditionalGeneration"], "max_position_embeddings": 8192, "text_config": {"hidden_size": 2560, "num_hidden_layers": 34, "num_attention_heads": 8, "num_key_value_heads": 4}}),
                (2560, 34, 8, 4, Some(8192)),
            ),
            (
                json!({"max_position_embeddings": 4096, "hidden_size": 1024, "text_config": {"hidden_size": 2048, "num_hidden_layers": 12}}),
                (1024, 12, 0, 0, Some(4096)),
            ),
            (
                json!({"max_position_embeddings": 2048, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "num_key_value_heads": 4}),
                (768, 12, 12, 4, Some(2048)),
            ),
            (
                json!({"architectures": ["NemotronH_Nano_VL_V2"], "max_position_embeddings": 4096, "llm_config": {"hidden_size": 3072, "num_hidden_layers": 32, "num_attention_heads": 24, "num_key_value_heads": 8}}),
                (3072, 32, 24, 8, Some(4096)),
            ),
            (json!({"dim": 4096, "n_layers": 32}), (4096, 32, 0, 0, None)),
            (json!({"n_embd": "640", "n_layer": 12.9, "n_head": 10, "n_ctx": 1e30}), (640, 12, 10, 10, Some(u64::MAX))),
            (
                json!({"thinker_config": {"text_config": {"hidden_size": 64, "num_attention_heads": 8}}}),
                (64, 0, 8, 8, None),
            ),
            (
                json!({"layers_block_type": ["mamba", "attention", "mlp"], "num_attention_heads": 8, "num_kv_heads": 2}),
                (0, 3, 8, 2, None),
            ),
        ] {
            let config = config(&value);
            let shape = config.shape();
            assert_eq!(
                (shape.hidden_size, shape.layers, shape.heads, shape.kv_heads, config.token_limit()),
                (hidden, layers, heads, kv, tokens),
                "{value}"
            );
        }
    }

    #[test]
    fn a_length_is_stretched_as_vllm_does_it_and_what_is_no_length_is_none() {
        let yarn = json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768});
        for (value, tokens) in [
            (json!({}), None),
            (json!({"max_position_embeddings": 0}), None),
            (json!({"max_position_embeddings": -1, "n_ctx": null}), None),
            (json!({"max_position_embeddings": -1, "seq_length": 4096}), Some(4096)),
            (json!({"max_position_embeddings": 40_960, "rope_scaling": yarn}), Some(131_072)),
            (json!({"text_config": {"max_position_embeddings": 40_960, "rope_parameters": yarn}}), Some(131_072)),
            (json!({"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 2}}), Some(8192)),
            (
                json!({"max_position_embeddings": 4096, "rope_scaling": {"type": "mrope", "mrope_section": [1]}}),
                Some(4096),
            ),
            (
                json!({"max_position_embeddings": 131_072, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}}),
                Some(131_072),
            ),
            (
                json!({"max_position_embeddings": 131_072, "rope_scaling": {"type": "longrope", "factor": 32.0}}),
                Some(131_072),
            ),
            (
                json!({"model_type": "gemma3_text", "max_position_embeddings": 131_072, "rope_scaling": {"rope_type": "linear", "factor": 8.0}}),
                Some(131_072),
            ),
            (
                json!({"max_position_embeddings": 4096, "rope_scaling": {"type": "video_rope", "factor": null}}),
                Some(4096),
            ),
            (json!({"max_position_embeddings": 8192, "model_max_length": 131_072}), Some(131_072)),
            (
                json!({"max_position_embeddings": u64::MAX, "rope_scaling": {"type": "linear", "factor": 1e300}}),
                Some(u64::MAX),
            ),
        ] {
            assert_eq!(config(&value).token_limit(), tokens, "{value}");
            let lean = Config::lean(&ConfigFile { path: "config.json".into(), text: value.to_string() }).unwrap();
            assert_eq!(config(&serde_json::from_str(&lean).unwrap()).token_limit(), tokens, "{lean}");
        }
    }

    #[test]
    fn a_sense_of_the_text_model_is_kept_as_one_of_the_whole() {
        let value = json!({"text_config": {"vision_config": {"depth": 3}}});
        let lean = Config::lean(&ConfigFile { path: "config.json".into(), text: value.to_string() }).unwrap();
        assert!(config(&value).multimodal() && config(&serde_json::from_str(&lean).unwrap()).multimodal());
    }

    #[test]
    fn multi_query_means_one_key_value_head_where_none_is_named() {
        let falcon =
            json!({"hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71, "multi_query": true});
        assert_eq!(numbers::attention(&config(&falcon).shape()), (Attention::Mqa, 8192));
        let latent =
            json!({"num_hidden_layers": 61, "num_attention_heads": 128, "kv_lora_rank": 512, "qk_rope_head_dim": 64});
        assert_eq!(numbers::attention(&config(&latent).shape()), (Attention::Mla, 70_272));
    }

    #[test]
    fn a_quantisation_is_named_as_the_engines_name_it() {
        let method = |value: Value| config(&value).quantization().map(|found| (found.method.into_owned(), found.bits));
        assert_eq!(
            method(json!({"quantization_config": {"quant_method": "awq", "bits": 4}})),
            Some(("awq".into(), Some(4)))
        );
        assert_eq!(
            method(json!({"quantization_config": {"quant_method": "modelopt", "quant_algo": "FP8"}})),
            Some(("FP8".into(), None))
        );
        assert_eq!(method(json!({"quantization": {"qformat_weight": "fp8_e4m3"}})), Some(("fp8".into(), None)));
        assert_eq!(method(json!({"quantization_config": null})), None);
    }

    #[test]
    fn what_is_no_description_is_refused_with_its_place() {
        let refused = |text: &str| {
            Config::read(&ConfigFile { path: "config.json".into(), text: text.into() }).unwrap_err().to_string()
        };
        assert!(refused("version https://git-lfs").starts_with("config.json is not JSON: expected value at line 1"));
        assert_eq!(refused("[]"), "config.json is JSON, but not an object");
    }
}
