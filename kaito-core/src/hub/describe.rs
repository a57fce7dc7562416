//! A repository as a model: what the catalogue says of its own, said of any.

use super::{Config, ConfigFile, HubError, Repository, weights};
use crate::words::quoted;
use kaito_presets::{Formats, Model, TransformersParams, numbers, parsers};
use std::borrow::Cow;

/// Why a repository is no model that can be served. Names what is wrong and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undescribed {
    /// There are no weights that a runtime loads.
    #[error("it has no weights: {0}")]
    NoWeights(String),
    /// Nothing says what the weights are.
    #[error(
        "it has no config.json, which says what its weights are; a repository in the format of Hugging Face or Mistral is needed"
    )]
    NoConfig,
    /// What should say so cannot be read.
    #[error("{path} {why}")]
    BrokenConfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// No class is named that would load the weights.
    #[error("{path} names no architectures; the runtimes choose their code by it, such as [\"LlamaForCausalLM\"]")]
    NoArchitecture {
        /// The file.
        path: String,
    },
    /// What it says cannot be kept beside the Workspace.
    #[error("what it says of itself takes {bytes} bytes, and {limit} is the most that is kept")]
    TooLarge {
        /// So much.
        bytes: usize,
        /// The most.
        limit: usize,
    },
}

/// Describes a repository, with the same functions that the catalogue is generated with.
///
/// # Errors
/// It is no model that a runtime could serve. Whether the runtime for a GPU knows its architecture is another question (`crate::workspace`).
pub fn describe(repository: &Repository) -> Result<Model, Undescribed> {
    let weights = weights(repository)?;
    let file = repository.config.as_ref().ok_or(Undescribed::NoConfig)?;
    let config = Config::read(file)?;
    let key = repository.id.to_ascii_lowercase();
    let short_name = key.rsplit('/').next().unwrap_or_default().to_owned();
    let architectures = config.architectures(&short_name, weights.mistral);
    if architectures.is_empty() {
        return Err(Undescribed::NoArchitecture { path: quoted(&file.path) });
    }
    let (shape, quantization) = (config.shape(), config.quantization());
    let (attention, kv_bytes_per_token) = numbers::attention(&shape);
    let format = if weights.mistral { "mistral" } else { "auto" };
    Ok(Model {
        aliases: &[],
        family: "hub",
        license: Cow::Borrowed(""),
        gated: Some(repository.gated),
        multimodal: config.multimodal(),
        weights_bytes: weights.loaded_bytes,
        weights_text: numbers::weights_text(weights.loaded_bytes).into(),
        disk_request_gib: numbers::disk_request_gib(weights.downloaded_bytes),
        readiness_timeout_seconds: numbers::readiness_timeout_seconds(weights.downloaded_bytes),
        kv_bytes_per_token,
        attention,
        token_limit: config.token_limit(),
        dtype: numbers::dtype(quantization.is_some()),
        quantization,
        shape,
        formats: Formats {
            load: format,
            config: format,
            tokenizer: parsers::tokenizer_mode(&short_name).unwrap_or(format),
        },
        tool_call_parser: parsers::tool_call_parser(&short_name, &architectures),
        reasoning_parser: parsers::reasoning_parser(&short_name, &architectures),
        chat_template: parsers::chat_template(&short_name),
        vllm_flags: parsers::vllm_flags(&short_name),
        features: parsers::features(&short_name, &architectures),
        transformers: transformers(&short_name),
        tuning: None,
        weights_artifact: None,
        pinned_revision: None,
        revision: is_commit(&repository.commit).then(|| repository.commit.clone().into()),
        architectures: architectures.into_iter().map(Cow::Owned).collect(),
        id: repository.id.clone().into(),
        key: key.into(),
        short_name: short_name.into(),
    })
}

/// Whether it names a commit: what a folder is called in its place, no hub knows.
fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// As the reference: a repository is served like the catalogue's model of the same short name, by the runtime that serves nothing else.
fn transformers(short_name: &str) -> Option<TransformersParams> {
    kaito_presets::model(short_name).ok().filter(|model| model.short_name == short_name)?.transformers
}

impl Repository {
    /// The most bytes that a lean repository takes as JSON: it stands in an annotation, and all of those together may take 256 KiB.
    pub const MOST_BYTES: usize = 128 << 10;

    /// The same repository with nothing but what [`describe`] reads, so that both are described alike.
    ///
    /// # Errors
    /// [`HubErrorKind::Unservable`](super::HubErrorKind::Unservable): its config cannot be read, or even what is read of it is too large to be kept.
    pub fn lean(mut self) -> Result<Repository, HubError> {
        self.files.retain(|file| super::weights::is_telling(&file.path));
        let unservable = |why: &Undescribed| HubError::unservable(&self.id, &self.commit, why);
        let lean = |file: ConfigFile| Ok(ConfigFile { text: Config::lean(&file)?, path: file.path });
        self.config = self.config.map(lean).transpose().map_err(|why| unservable(&why))?;
        let bytes = serde_json::to_string(&self).map_or(0, |text| text.len());
        let limit = Self::MOST_BYTES;
        if bytes > limit {
            return Err(HubError::unservable(&self.id, &self.commit, &Undescribed::TooLarge { bytes, limit }));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::HubErrorKind;
    use super::super::testing::repository;
    use super::*;
    use kaito_presets::{Attention, models};
    use serde_json::{Value, json};

    /// What a repository must look like for the catalogue's row to follow from it: what the reference makes of its own catalogue (spec/04 §4).
    fn imagined(model: &Model) -> Repository {
        let file = if model.formats.load == "mistral" { "consolidated.safetensors" } else { "model.safetensors" };
        let shape = model.shape;
        let mut config = json!({
            "architectures": model.architectures, "max_position_embeddings": model.token_limit, "hidden_size": shape.hidden_size,
            "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads,
            "head_dim": shape.head_dim, "vision_config": model.multimodal,
        });
        for (name, number) in [("kv_lora_rank", shape.kv_lora_rank), ("qk_rope_head_dim", shape.qk_rope_head_dim)] {
            config[name] = json!(number);
        }
        if let Some(quantization) = &model.quantization {
            config["quantization_config"] = json!({"quant_method": quantization.method, "bits": quantization.bits});
        }
        // Beside what vLLM loads, these hold it once more in their maker's own format.
        let copies = if model.family == "gpt-oss" { model.weights_bytes } else { 0 };
        let files = [(file, model.weights_bytes), ("original/model.safetensors", copies)];
        repository(&model.id, &files, &config.to_string())
    }

    #[test]
    fn every_row_of_the_catalogue_follows_from_its_repository() {
        for known in models() {
            let repository = imagined(known);
            let described = describe(&repository).unwrap();
            // What no repository says, or what is a decision of the catalogue's.
            let expected = Model {
                aliases: &[],
                family: "hub",
                license: "".into(),
                gated: Some(false),
                tuning: None,
                weights_artifact: None,
                pinned_revision: None,
                revision: Some(repository.commit.clone().into()),
                ..(*known).clone()
            };
            assert_eq!(described, expected);
            assert_eq!(describe(&repository.lean().unwrap()).unwrap(), expected);
        }
    }

    #[test]
    fn a_model_that_nobody_has_listed_is_described() {
        let config = json!({"architectures": ["FalconForCausalLM"], "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71, "multi_query": true});
        let files =
            [("pytorch_model-00001-of-00002.bin", 9_951_028_193), ("pytorch_model-00002-of-00002.bin", 4_483_421_659)];
        let falcon = describe(&repository("tiiuae/Falcon-7B-Instruct", &files, &config.to_string())).unwrap();
        assert_eq!(
            (&*falcon.weights_text, falcon.disk_request_gib, falcon.readiness_timeout_seconds),
            ("13.44Gi", 93, 1800)
        );
        assert_eq!((falcon.attention, falcon.kv_bytes_per_token, falcon.token_limit), (Attention::Mqa, 8192, None));
        assert_eq!((&*falcon.key, &*falcon.short_name), ("tiiuae/falcon-7b-instruct", "falcon-7b-instruct"));
        assert_eq!(falcon.download_id(), "tiiuae/Falcon-7B-Instruct");
        assert_eq!(
            (falcon.dtype, falcon.formats.load, falcon.revision.as_deref()),
            ("bfloat16", "auto", Some("0123456789abcdef0123456789abcdef01234567"))
        );
    }

    #[test]
    fn what_is_no_commit_is_no_revision() {
        let folder = Repository {
            commit: "folder-0123".to_owned(),
            ..repository("a/b", &[("model.safetensors", 1)], r#"{"architectures": ["LlamaForCausalLM"]}"#)
        };
        assert_eq!(describe(&folder).unwrap().revision, None);
    }

    #[test]
    fn a_repository_that_is_no_model_is_refused_in_words() {
        let refused =
            |files: &[(&str, u64)], config: &str| describe(&repository("a/b", files, config)).unwrap_err().to_string();
        let weights = [("model.safetensors", 1)];
        assert!(refused(&[], "{}").starts_with("it has no weights: the runtimes load *.safetensors"));
        assert_eq!(
            refused(&weights, "{}"),
            "config.json names no architectures; the runtimes choose their code by it, such as [\"LlamaForCausalLM\"]"
        );
        assert!(refused(&weights, "<html>").starts_with("config.json is not JSON"));
        let bare = Repository { config: None, ..repository("a/b", &weights, "") };
        assert!(describe(&bare).unwrap_err().to_string().starts_with("it has no config.json"));
    }

    #[test]
    fn a_repository_in_mistrals_format_names_its_architecture_by_what_it_has() {
        let named = |params: Value| {
            let model =
                describe(&repository("mistralai/X", &[("consolidated.safetensors", 1)], &params.to_string())).unwrap();
            model.architectures[0].to_string()
        };
        assert_eq!(named(json!({"dim": 4096})), "MistralForCausalLM");
        assert_eq!(named(json!({"moe": {"num_experts": 8}})), "MixtralForCausalLM");
        assert_eq!(named(json!({"vision_encoder": {"dim": 1}})), "PixtralForConditionalGeneration");
    }

    #[test]
    fn what_is_kept_of_a_repository_says_the_same_and_is_small() {
        let config = json!({
            "architectures": ["NemotronHForCausalLM"], "layers_block_type": vec!["mamba"; 52], "id2label": vec!["x"; 50_000],
            "text_config": {"hidden_size": 64, "num_attention_heads": 8}, "vision_config": {"depth": 3},
            "quantization_config": {"quant_method": "fp8", "ignored_layers": vec!["model.layers.0"; 9_000]},
        });
        let mut files: Vec<(String, u64)> = (0..1000).map(|page| (format!("images/{page}.png"), 1)).collect();
        files.extend([("model.safetensors".to_owned(), 5), ("original/model.safetensors".to_owned(), 7)]);
        let files: Vec<(&str, u64)> = files.iter().map(|(path, size)| (path.as_str(), *size)).collect();
        let whole = repository("a/b", &files, &config.to_string());
        let lean = whole.clone().lean().unwrap();
        assert_eq!(describe(&lean), describe(&whole));
        assert_eq!(lean.clone().lean().unwrap(), lean, "it does not shrink for ever");
        let bytes = serde_json::to_string(&lean).unwrap().len();
        assert!(bytes < 1000, "{bytes}");
        assert_eq!(describe(&whole).unwrap().shape.layers, 52);
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let names: Vec<String> = (0..5000).map(|part| format!("{}-{part}.safetensors", "x".repeat(40))).collect();
        let files: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let refused = |repository: Repository| {
            let error = repository.lean().unwrap_err();
            assert_eq!(error.kind, HubErrorKind::Unservable);
            error.message
        };
        let large = refused(repository("a/b", &files, "{}"));
        assert!(
            large.starts_with("a/b at commit 0123456789abcdef0123456789abcdef01234567 cannot be served"),
            "{large}"
        );
        assert!(large.ends_with("131072 is the most that is kept"), "{large}");
        let config = |text: &str| refused(repository("a/b", &[("model.safetensors", 1)], text));
        assert!(
            config(&"<html>".repeat(100_000)).contains("config.json is not JSON: expected value at line 1 column 1")
        );
        // What is said is about the file, not about what is left of it.
        let long = format!("{{\"a\": {:?},\n\"b\": }}", "x".repeat(5000));
        assert!(
            config(&long).contains("config.json is not JSON: expected value at line 2 column 6"),
            "{}",
            config(&long)
        );
        let control = "{\"architectures\": [\"Llama\u{7}ForCausalLM\"]}";
        assert!(config(control).contains("control character"), "{}", config(control));
    }
}
