//! The text as settings with their lines.

use super::{RuntimeConfig, Setting, Unreadable};
use crate::settings_file::{self, Node};
use serde_json::Value;
use serde_saphyr::Spanned;

pub(super) fn settings(yaml: &str) -> Result<RuntimeConfig, Unreadable> {
    let root = settings_file::read(yaml).map_err(Unreadable::NotYaml)?;
    let Node::Map(sections) = root else { return Err(Unreadable::NotSections(0)) };
    let mut config = RuntimeConfig::default();
    for (key, node) in sections {
        let line = key.referenced.line();
        match node {
            Node::Map(options) if key.value == "vllm" => {
                config.vllm.extend(options.into_iter().map(|(key, node)| setting(key, node)));
            }
            _ if key.value == "vllm" => return Err(Unreadable::NotSections(line)),
            node => config.beside.push(setting(key, node)),
        }
    }
    Ok(config)
}

fn setting(key: Spanned<String>, node: Node) -> Setting {
    // Nowhere in the file is a list of use: that it is one, is all that is told.
    let value = match node {
        Node::List(items) => Value::Array(vec![Value::Null; items.len().min(1)]),
        node => node.into_value(),
    };
    Setting { line: key.referenced.line(), spelled: key.value, value }
}
