//! The NodeClasses of Karpenter: what machines are like beyond their size, in a cloud's own words.
//!
//! Which kind they are of, and which there are, an operator is told at its start ([`parse`] reads the list). What stands in them is the cloud's business: a decision needs their names alone.

use kaito_api::karpenter::NodeClassRef;
use kaito_api::syntax;
use kaito_api::vocabulary::labels;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The kind that NodeClasses are of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassKind {
    /// `karpenter.azure.com`.
    pub group: String,
    /// `v1beta1`.
    pub version: String,
    /// `AKSNodeClass`.
    pub kind: String,
    /// `aksnodeclasses`.
    pub plural: String,
}

/// The classes of Azure.
impl Default for ClassKind {
    fn default() -> Self {
        let [group, version, kind, plural] =
            ["karpenter.azure.com", "v1beta1", "AKSNodeClass", "aksnodeclasses"].map(str::to_owned);
        Self { group, version, kind, plural }
    }
}

impl ClassKind {
    /// `aksnodeclasses.karpenter.azure.com`, the name of its definition.
    pub fn definition(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }
}

/// One NodeClass that an operator is told to keep.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassWish {
    /// Its name.
    pub name: String,
    /// Whether it is the one of Workspaces that name none.
    #[serde(default)]
    pub default: bool,
    /// What stands in it, passed through; where nothing is said, the cloud's own defaults hold.
    #[serde(default)]
    pub spec: Option<Map<String, Value>>,
}

impl ClassWish {
    /// The object, in its wire form: what of it is ours, and nothing else.
    pub fn object(&self, kind: &ClassKind) -> Value {
        let mut metadata =
            json!({"name": self.name, "labels": {labels::KARPENTER_MANAGED_BY: labels::MANAGED_BY_KAITO}});
        if self.default {
            metadata["labels"][labels::KARPENTER_DEFAULT] = json!("true");
        }
        let mut object = json!({
            "apiVersion": format!("{}/{}", kind.group, kind.version), "kind": kind.kind, "metadata": metadata,
        });
        if let Some(spec) = &self.spec {
            object["spec"] = json!(spec);
        }
        object
    }
}

/// Why a list of NodeClasses was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassError {
    /// Nothing at all is said.
    #[error("there is no list of NodeClasses; expected JSON such as [{{\"name\":\"default\",\"default\":true}}]")]
    Empty,
    /// Not a list of classes in JSON: the parser's words, which end with line and column.
    #[error("{0}; expected JSON such as [{{\"name\":\"default\",\"default\":true,\"spec\":{{}}}}]")]
    Malformed(String),
    /// `[]`.
    #[error("the list names no NodeClass; it needs one at least, with \"default\":true")]
    None,
    /// A name that no object can have.
    #[error("entry {0}: name {1:?} {2}")]
    Name(usize, String, String),
    /// Two of one name.
    #[error("entries {0} and {1} have one name, {2:?}")]
    Twice(usize, usize, String),
    /// Nothing says which one Workspaces get that name none.
    #[error("no entry has \"default\":true; exactly one must, and there are: {0}")]
    NoDefault(String),
    /// Several do.
    #[error("entries {0} and {1} ({2:?} and {3:?}) both have \"default\":true; exactly one may")]
    Defaults(usize, usize, String, String),
}

/// Reads a list of NodeClasses, `[{"name": …, "default": …, "spec": …}]`; they come back sorted by name. Entries are counted from 1.
pub fn parse(text: &str) -> Result<Vec<ClassWish>, ClassError> {
    if text.trim().is_empty() {
        return Err(ClassError::Empty);
    }
    let mut wishes: Vec<ClassWish> =
        serde_json::from_str(text).map_err(|error| ClassError::Malformed(error.to_string()))?;
    if wishes.is_empty() {
        return Err(ClassError::None);
    }
    let mut default: Option<usize> = None;
    for (index, wish) in wishes.iter().enumerate() {
        let name = || wish.name.clone();
        if wish.name.is_empty() {
            return Err(ClassError::Name(index + 1, name(), "is empty".to_owned()));
        }
        if let Err(expected) = syntax::dns_subdomain(&wish.name) {
            return Err(ClassError::Name(index + 1, name(), expected.to_owned()));
        }
        if let Some(first) = wishes[..index].iter().position(|earlier| earlier.name == wish.name) {
            return Err(ClassError::Twice(first + 1, index + 1, name()));
        }
        if wish.default
            && let Some(first) = default.replace(index)
        {
            return Err(ClassError::Defaults(first + 1, index + 1, wishes[first].name.clone(), name()));
        }
    }
    if default.is_none() {
        let names: Vec<&str> = wishes.iter().map(|wish| wish.name.as_str()).collect();
        return Err(ClassError::NoDefault(names.join(", ")));
    }
    wishes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(wishes)
}

/// The NodeClasses that a Workspace can have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeClasses {
    /// What they are.
    pub kind: ClassKind,
    /// Their names, sorted.
    pub names: Vec<String>,
    /// The one of Workspaces that name none.
    pub default: String,
}

/// One class of Azure by the name `default`: what is simulated where nothing is said.
impl Default for NodeClasses {
    fn default() -> Self {
        let default = "default".to_owned();
        Self { kind: ClassKind::default(), names: vec![default.clone()], default }
    }
}

impl NodeClasses {
    /// The classes of a list that [`parse`] has read.
    pub fn of(kind: ClassKind, wishes: &[ClassWish]) -> Self {
        let default = wishes.iter().find(|wish| wish.default).map(|wish| wish.name.clone()).unwrap_or_default();
        Self { kind, names: wishes.iter().map(|wish| wish.name.clone()).collect(), default }
    }

    /// Whether a Workspace may name this one; an empty name is none.
    pub fn knows(&self, name: &str) -> bool {
        name.is_empty() || self.names.iter().any(|known| known == name)
    }

    /// What a pool refers to.
    pub fn reference(&self, name: &str) -> NodeClassRef {
        let ClassKind { group, kind, .. } = self.kind.clone();
        NodeClassRef { group, kind, name: name.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_sorted_and_what_stands_in_a_class_is_passed_through() {
        let text = r#"[{"name":"windows"},{"name":"linux","default":true,"spec":{"amiFamily":"AL2023","role":"x"}}]"#;
        let wishes = parse(text).unwrap();
        let kind = ClassKind {
            group: "karpenter.k8s.aws".to_owned(),
            version: "v1".to_owned(),
            kind: "EC2NodeClass".to_owned(),
            plural: "ec2nodeclasses".to_owned(),
        };
        let classes = NodeClasses::of(kind.clone(), &wishes);
        assert_eq!(
            (classes.names.as_slice(), classes.default.as_str()),
            (&["linux".to_owned(), "windows".to_owned()][..], "linux")
        );
        assert_eq!(
            wishes[0].object(&kind),
            json!({
                "apiVersion": "karpenter.k8s.aws/v1", "kind": "EC2NodeClass",
                "metadata": {"name": "linux", "labels": {"karpenter.kaito.sh/managed-by": "kaito", "karpenter.kaito.sh/default": "true"}},
                "spec": {"amiFamily": "AL2023", "role": "x"},
            })
        );
        let other = wishes[1].object(&kind);
        assert_eq!((other.get("spec"), other.pointer("/metadata/labels/karpenter.kaito.sh~1default")), (None, None));
        assert!(classes.knows("windows") && classes.knows("") && !classes.knows("mac"));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, words) in [
            ("", "there is no list"),
            (" ", "there is no list"),
            ("default", "at line 1 column 1"),
            ("{}", "expected a sequence at line 1 column 0"),
            (r#"[{"name":"a","default":true},"#, "at line 1 column 29"),
            (r#"[{"name":"a","defualt":true}]"#, "unknown field `defualt`"),
            (r#"[{"default":true}]"#, "missing field `name`"),
            (r#"[{"name":"a","default":true,"spec":7}]"#, "invalid type: integer `7`, expected a map"),
            ("[]", "names no NodeClass"),
            (r#"[{"name":"","default":true}]"#, "entry 1: name \"\" is empty"),
            (r#"[{"name":"a","default":true},{"name":"A_b"}]"#, "entry 2: name \"A_b\" must be"),
            (r#"[{"name":"a","default":true},{"name":"b"},{"name":"a"}]"#, "entries 1 and 3 have one name, \"a\""),
            (r#"[{"name":"a"},{"name":"b"}]"#, "no entry has \"default\":true; exactly one must, and there are: a, b"),
            (r#"[{"name":"a","default":true},{"name":"b","default":true}]"#, "entries 1 and 2 (\"a\" and \"b\") both"),
        ] {
            let refusal = parse(text).expect_err(text).to_string();
            assert!(refusal.contains(words), "{text}: {refusal}");
        }
    }
}
