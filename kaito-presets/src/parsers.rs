//! How vLLM 0.25 is told to serve a model that the catalogue does not name.
//!
//! By the start of the short name (the id's last segment, lower case) first: the longest prefix wins. Then by architecture: the first with an entry wins.
//! For models of the catalogue the answers stand in [`crate::Model`]; they agree (a test holds them to it). Source: KAITO v0.12.0 `generator.go`.

use crate::generated::parsers as table;
use crate::{Features, Flag};

/// `--tool-call-parser`.
#[must_use]
pub fn tool_call_parser(short_name: &str, architectures: &[impl AsRef<str>]) -> Option<&'static str> {
    by_prefix(table::TOOL_CALL_PARSER_BY_PREFIX, short_name)
        .or_else(|| by_architecture(table::TOOL_CALL_PARSER_BY_ARCHITECTURE, architectures))
}

/// `--reasoning-parser`.
#[must_use]
pub fn reasoning_parser(short_name: &str, architectures: &[impl AsRef<str>]) -> Option<&'static str> {
    if table::NO_REASONING_PARSER.binary_search(&short_name).is_ok() {
        return None;
    }
    by_prefix(table::REASONING_PARSER_BY_PREFIX, short_name)
        .or_else(|| by_architecture(table::REASONING_PARSER_BY_ARCHITECTURE, architectures))
}

/// File below [`crate::paths::CHAT_TEMPLATES_DIR`].
#[must_use]
pub fn chat_template(short_name: &str) -> Option<&'static str> {
    by_prefix(table::CHAT_TEMPLATE_BY_PREFIX, short_name)
}

/// `--tokenizer_mode`, where it is not what the repository's format says.
#[must_use]
pub fn tokenizer_mode(short_name: &str) -> Option<&'static str> {
    by_prefix(table::TOKENIZER_MODE_BY_PREFIX, short_name)
}

/// What else vLLM is told, sorted by flag.
#[must_use]
pub fn vllm_flags(short_name: &str) -> &'static [Flag] {
    by_prefix(table::VLLM_FLAGS_BY_PREFIX, short_name).unwrap_or_default()
}

/// The architecture of a repository in Mistral's own format, which names none.
#[must_use]
pub fn architecture(short_name: &str) -> Option<&'static str> {
    by_prefix(table::ARCHITECTURE_BY_PREFIX, short_name)
}

/// What the model needs or forbids.
#[must_use]
pub fn features(short_name: &str, architectures: &[impl AsRef<str>]) -> Features {
    let any = |table: &[&str]| architectures.iter().any(|a| table.binary_search(&a.as_ref()).is_ok());
    let hybrid_kv = any(table::HYBRID_KV);
    let deepgemm = any(table::DEEPGEMM);
    let flashinfer_nvcc = table::FLASHINFER_NVCC.binary_search(&short_name).is_ok();
    Features {
        hybrid_kv,
        kv_offload_disabled: hybrid_kv || any(table::NO_KV_OFFLOAD),
        deepgemm,
        flashinfer_nvcc,
        cuda_toolkit: deepgemm || flashinfer_nvcc,
    }
}

/// The entry with the longest prefix of `name`.
fn by_prefix<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().filter(|(prefix, _)| name.starts_with(prefix)).max_by_key(|(prefix, _)| prefix.len()).map(|row| row.1)
}

/// The entry of the first architecture that has one; the table is sorted.
fn by_architecture(table: &[(&str, &'static str)], architectures: &[impl AsRef<str>]) -> Option<&'static str> {
    architectures.iter().find_map(|wanted| {
        table.binary_search_by(|(known, _)| (*known).cmp(wanted.as_ref())).ok().map(|at| table[at].1)
    })
}
