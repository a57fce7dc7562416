//! Rules about the nodes.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use validator::ValidationError;

use super::report::Report;
use crate::field_error::{FieldErrorKind, FieldPath};
use crate::syntax;
use crate::vocabulary::labels;
use crate::workspace::{MigProfile, PartitionMode, PartitionSpec, WorkspaceSpec};

/// More nodes than this are no wish but a mistake.
pub const MOST_NODES: u32 = 1000;

/// N-3: a number of nodes is at least one, and one that can be meant.
pub(in crate::workspace) fn count(count: i64) -> Result<(), ValidationError> {
    let mut report = Report::default();
    if count < 1 {
        report.add(
            "N-3",
            FieldPath::root(),
            FieldErrorKind::Value,
            format!("{count} nodes cannot run a model; must be at least 1"),
        );
    } else if count > MOST_NODES.into() {
        let detail = format!("{count} is more than a Workspace may have; must be at most {MOST_NODES} nodes");
        report.add("N-3", FieldPath::root(), FieldErrorKind::Value, detail);
    }
    report.end()
}

/// N-4: labels are labels. W-12: expressions can be turned into labels. W-13: something is left when the operator's own keys are taken away, and none of it is what the operator writes itself.
pub(in crate::workspace) fn label_selector(selector: &LabelSelector) -> Result<(), ValidationError> {
    let mut report = Report::default();
    let given = selector.match_labels.iter().flatten();
    for (key, value) in given.clone() {
        let at = FieldPath::from("matchLabels").key(key);
        if let Err(expected) = syntax::label_key(key) {
            report.add("N-4", at, FieldErrorKind::Value, format!("the key {expected}"));
        } else if let Err(expected) = syntax::label_value(value) {
            report.add("N-4", at, FieldErrorKind::Value, format!("{value:?} {expected}"));
        } else if labels::is_contradicted(key, value) {
            let detail = "belongs to the operator, which writes another value on each machine; use a key of your own";
            report.add("W-13", at, FieldErrorKind::Value, detail);
        }
    }
    let mut asked: BTreeMap<&str, &str> = given.clone().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    for (index, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let at = FieldPath::from("matchExpressions").index(index);
        let values = expression.values.as_deref().unwrap_or_default();
        if expression.operator != "In" {
            let detail = format!(
                "{:?} cannot be made true by a label on a new node; must be In with one value",
                expression.operator
            );
            report.add("W-12", at.key("operator"), FieldErrorKind::Value, detail);
            continue;
        }
        if let Err(expected) = syntax::label_key(&expression.key) {
            report.add("N-4", at.clone().key("key"), FieldErrorKind::Value, format!("{:?} {expected}", expression.key));
        }
        match values {
            [value] => {
                if asked.insert(&expression.key, value).is_some_and(|other| other != value) {
                    let detail = format!("asks for {value:?}, and another value of {} is asked for", expression.key);
                    report.add("W-12", at.clone().key("values").index(0), FieldErrorKind::Value, detail);
                }
                if let Err(expected) = syntax::label_value(value) {
                    report.add(
                        "N-4",
                        at.key("values").index(0),
                        FieldErrorKind::Value,
                        format!("{value:?} {expected}"),
                    );
                }
            }
            _ => {
                let detail = format!("has {} values; must be exactly one", values.len());
                report.add("W-12", at.key("values"), FieldErrorKind::Value, detail);
            }
        }
    }
    if given.clone().next().is_some() && given.clone().all(|(key, _)| labels::is_reserved(key)) {
        let detail = "has only keys that belong to the operator and are ignored; add a label of your own, such as apps: my-model";
        report.add("W-13", FieldPath::from("matchLabels"), FieldErrorKind::Value, detail);
    }
    report.end()
}

/// W-14, W-16, W-17 (grammar only), W-19 (but for feature gates): a part of the GPUs is told in one way.
pub(in crate::workspace) fn partition(partition: &PartitionSpec) -> Result<(), ValidationError> {
    let mut report = Report::default();
    let (count, profile) = (FieldPath::from("count"), FieldPath::from("profile"));
    match &partition.mode {
        PartitionMode::Mig => {
            if partition.count.is_some() {
                report.add(
                    "W-16",
                    count,
                    FieldErrorKind::Forbidden,
                    "is only for the mode accelerator; a mig profile is one slice",
                );
            }
            if let Err(error) = partition.profile.parse::<MigProfile>() {
                let kind = if partition.profile.is_empty() { FieldErrorKind::Missing } else { FieldErrorKind::Value };
                report.add("W-17", profile, kind, error.to_string());
            }
        }
        PartitionMode::Accelerator => {
            if !partition.profile.is_empty() {
                report.add(
                    "W-19",
                    profile,
                    FieldErrorKind::Forbidden,
                    "is only for the mode mig; say how many GPUs with count",
                );
            }
            match partition.count {
                None => report.add(
                    "W-19",
                    count,
                    FieldErrorKind::Missing,
                    "says how many whole GPUs are used; must be at least 1",
                ),
                Some(gpus) if gpus < 1 => {
                    report.add(
                        "W-19",
                        count,
                        FieldErrorKind::Value,
                        format!("{gpus} GPUs cannot run a model; must be at least 1"),
                    );
                }
                Some(_) => {}
            }
        }
        PartitionMode::Unknown(word) => {
            report.add(
                "W-14",
                FieldPath::from("mode"),
                FieldErrorKind::Value,
                format!("{word:?} is no mode; must be mig or accelerator"),
            );
        }
    }
    report.end()
}

/// W-47, W-48: tuning runs on one whole node.
pub(super) fn nodes_for_tuning(spec: &WorkspaceSpec, report: &mut Report) {
    if spec.tuning.is_some() {
        if let Some(count) = spec.resource.count.filter(|&count| count > 1) {
            let detail = format!("tuning runs on one node, not on {count}; set 1 or leave it out");
            report.add("W-47", FieldPath::from("resource.count"), FieldErrorKind::Value, detail);
        }
        if spec.resource.partition.is_some() {
            let detail = "tuning uses whole nodes; leave it out";
            report.add("W-48", FieldPath::from("resource.partition"), FieldErrorKind::Forbidden, detail);
        }
    }
}
