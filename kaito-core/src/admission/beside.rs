//! What the ConfigMap that a Workspace names would tell its server or its trainer: for whoever has both, such as the command line. A webhook that sees the Workspace alone cannot; the controller says it late.

use super::known::Known;
use super::read;
use super::verdict::Verdict;
use crate::failure;
use crate::kinds::{Kind, Typed};
use crate::object::Object;
use crate::runtime_config::{RuntimeConfig, first};
use crate::settings::Settings;
use crate::training::TrainingConfig;
use crate::workspace::{self, Engine, Subject, Task};
use k8s_openapi::api::core::v1::ConfigMap;
use kaito_api::vocabulary::names;
use kaito_api::{FieldError, FieldErrorKind, FieldPath};
use serde_json::Value;

/// Judges a ConfigMap as the settings of the runtime of a Workspace in its namespace; `None` where this Workspace does not read it, or cannot be read itself. `known` says what is known of its model and its machines, where no table has them.
///
/// ```
/// use kaito_core::{Settings, admission};
/// use serde_json::json;
///
/// let workspace = json!({
///     "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "phi"},
///     "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": "phi"}}},
///     "inference": {"preset": {"name": "phi-4-mini-instruct"}, "config": "my-settings"},
/// });
/// let text = "vllm:\n  max-model-len: many\n";
/// let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "my-settings"}, "data": {"inference_config.yaml": text}});
/// let verdict = admission::runtime_settings(&workspace, &config, &Settings::default(), &Default::default()).unwrap();
/// assert_eq!(verdict.message, r#"data["inference_config.yaml"]: line 2: vllm.max-model-len is "many": expected a positive whole number"#);
/// ```
pub fn runtime_settings(workspace: &Value, config: &Value, settings: &Settings, known: &Known<'_>) -> Option<Verdict> {
    let (_, workspace) = read(workspace).ok()?;
    let looked = known.of(&workspace, settings);
    let Ok(Subject::Model(facts)) = workspace::resolve(&workspace, settings, &looked) else { return None };
    let named = &workspace.inference()?.config;
    let is_read = facts.engine() == Some(Engine::Vllm) && config.pointer("/metadata/name")? == named.as_str();
    let object = is_read.then(|| Object::decode_as(Kind::ConfigMap, config).ok())??;
    let error = |says: String| {
        let path = FieldPath::from("data").key(names::INFERENCE_CONFIG_KEY);
        FieldError::new(path, FieldErrorKind::Value, says).rule(failure::CONFIG_NOT_USABLE.name)
    };
    let config = match RuntimeConfig::of(ConfigMap::of(&object)?) {
        Ok(config) => config,
        Err(unreadable) => return Some(Verdict::new(vec![error(unreadable.to_string())], Vec::new())),
    };
    let judged = config.judge(&facts);
    let mut errors: Vec<FieldError> = first(&judged.errors).into_iter().map(error).collect();
    if errors.is_empty() {
        errors.extend(workspace::forecast_with(&workspace, &facts, &config, judged.context).err().map(error));
    }
    Some(Verdict::new(errors, first(&judged.warnings)))
}

/// Judges a ConfigMap as the settings of the training of a Workspace in its namespace; `None` where this Workspace does not read it, or cannot be read itself.
///
/// ```
/// use kaito_core::{Settings, admission};
/// use serde_json::json;
///
/// let workspace = json!({
///     "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "phi"},
///     "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": "phi"}}},
///     "tuning": {"preset": {"name": "phi-4-mini-instruct"}, "method": "lora", "config": "mine",
///         "input": {"urls": ["https://example.com/a.parquet"]}, "output": {"image": "example.com/a:1", "imagePushSecret": "push"}},
/// });
/// let text = "training_config:\n  LoraConfig:\n    r: many\n  DataCollator: {mlm: false}\n";
/// let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"training_config.yaml": text}});
/// let verdict = admission::training_settings(&workspace, &config, &Settings::default(), &Default::default()).unwrap();
/// assert!(verdict.message.ends_with(r#"line 3: LoraConfig.r is "many": expected a whole number"#));
/// ```
pub fn training_settings(workspace: &Value, config: &Value, settings: &Settings, known: &Known<'_>) -> Option<Verdict> {
    let (_, workspace) = read(workspace).ok()?;
    let looked = known.of(&workspace, settings);
    let Ok(Subject::Model(facts)) = workspace::resolve(&workspace, settings, &looked) else { return None };
    let Task::Tuning { method, .. } = facts.task else { return None };
    let is_read = config.pointer("/metadata/name")? == workspace.tuning()?.config.as_str();
    let object = is_read.then(|| Object::decode_as(Kind::ConfigMap, config).ok())??;
    let error = |says: String| {
        let path = FieldPath::from("data").key(names::TRAINING_CONFIG_KEY);
        FieldError::new(path, FieldErrorKind::Value, says).rule(failure::TRAINING_CONFIG.name)
    };
    let judged = match TrainingConfig::of(ConfigMap::of(&object)?) {
        Ok(config) => config.judge(method, &facts),
        Err(unreadable) => return Some(Verdict::new(vec![error(unreadable.to_string())], Vec::new())),
    };
    Some(Verdict::new(judged.errors.into_iter().map(error).collect(), judged.warnings))
}
