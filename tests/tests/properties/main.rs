//! Properties of everything that reads what a person wrote: it never panics, it names the place, and what it accepts means what it says.
//!
//! The cases are the same every time; `KAITO_CASES=100000 KAITO_SEED=7 cargo test --release -p kaito-tests --test properties` looks further. What it finds goes into `tests/corpus/`,
//! which is played again in every run.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod admission; // what is admitted can be served
mod commands; // the command line
mod corpus; // hard inputs that were found before
mod decoder; // objects
mod shell; // no text of a user leaves its word
mod words; // small grammars

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Words that mean something somewhere.
const WORDS: &[&str] = &[
    "",
    "a",
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "labels",
    "resource",
    "inference",
    "tuning",
    "status",
    "preset",
    "adapters",
    "source",
    "conditions",
    "config",
    "count",
    "instanceType",
    "labelSelector",
    "matchLabels",
    "matchExpressions",
    "kaito.sh/v1beta1",
    "kaito.sh/v1alpha1",
    "Workspace",
    "phi-4-mini-instruct",
    "Standard_NC6s_v3",
    "ü",
    "\u{0}",
    "a.b/c",
    "-1",
    "1e3",
    "2026-01-01T00:00:00Z",
];

/// Any JSON at all.
fn anything() -> impl Strategy<Value = Value> {
    let word = || proptest::sample::select(WORDS).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        word().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        let key = prop_oneof![4 => word(), 1 => any::<String>()];
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(key, inner, 0..8).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}
