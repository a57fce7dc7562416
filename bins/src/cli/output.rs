//! Results for programs: JSON and YAML.

use super::args::Form;
use super::console::Defect;
use serde::Serialize;
use serde_json::Value;

/// The group and version of everything that the command line prints for programs.
pub const API_VERSION: &str = "cli.kaito.sh/v1";

/// A result with its `apiVersion` and `kind`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Typed<T> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    body: T,
}

impl<T> Typed<T> {
    /// Gives a result its kind.
    pub fn new(kind: &'static str, body: T) -> Self {
        Self { api_version: API_VERSION, kind, body }
    }
}

/// Many results of one kind.
#[derive(Debug, Serialize)]
pub struct Items<T> {
    /// The results.
    pub items: Vec<T>,
}

/// Indented JSON, with a line end.
pub fn json(value: &impl Serialize) -> Result<String, Defect> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| Defect(format!("cannot write JSON: {error}")))
}

/// One document of YAML. Words that older readers take for yes, no or a number are quoted.
pub fn yaml(value: &impl Serialize) -> Result<String, Defect> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false, yaml_12: false };
    let mut text = serde_saphyr::to_string_with_options(value, options)
        .map_err(|error| Defect(format!("cannot write YAML: {error}")))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Many documents of YAML.
pub fn documents(values: &[Value]) -> Result<String, Defect> {
    values.iter().map(|value| Ok(format!("---\n{}", yaml(value)?))).collect()
}

/// Results of one kind: one by itself, several as a list.
pub fn one_or_list<T: Serialize>(
    kind: &'static str,
    list: &'static str,
    mut items: Vec<T>,
    form: Form,
) -> Result<String, Defect> {
    match items.pop() {
        Some(item) if items.is_empty() => print(&Typed::new(kind, item), form),
        last => {
            items.extend(last);
            print(&Typed::new(list, Items { items }), form)
        }
    }
}

fn print(result: &impl Serialize, form: Form) -> Result<String, Defect> {
    if form == Form::Yaml { yaml(result) } else { json(result) }
}
