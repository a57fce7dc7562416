//! Our definitions are the published ones, but for what is listed here with a reason.

use std::collections::BTreeSet;

use serde_json::Value;

/// Paths where we may differ: (path, reason). A line that is not needed any more fails the test.
const DIFFERENCES: &[(&str, &str)] = &[
    ("/metadata/annotations", "ours is not written by controller-gen"),
    (
        "/spec/versions/0/additionalPrinterColumns",
        "the columns that older releases showed come first (architecture, difference 4)",
    ),
    ("/spec/versions/1/additionalPrinterColumns", "as above"),
    (
        "/spec/versions/1/schema/openAPIV3Schema/properties/resource/properties/partition/properties/mode/allOf",
        "the same list of words twice",
    ),
    (
        "/spec/versions/1/schema/openAPIV3Schema/properties/resource/properties/partition/properties/mode/enum",
        "the same list of words once",
    ),
];

#[test]
fn workspace_is_the_published_definition() {
    let Some(path) = kaito_tests::shared::path("corpus/crds/kaito/kaito.sh_workspaces.yaml") else { return };
    let published: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let ours = serde_json::to_value(kaito_api::crd::workspace().unwrap()).unwrap();

    let mut found = BTreeSet::new();
    compare("", &ours, &published, &mut found);
    let allowed: BTreeSet<String> = DIFFERENCES.iter().map(|(path, _)| (*path).to_owned()).collect();
    let unexpected: Vec<_> = found.difference(&allowed).collect();
    let unneeded: Vec<_> = allowed.difference(&found).collect();
    assert!(unexpected.is_empty(), "not the published form at {unexpected:#?}");
    assert!(unneeded.is_empty(), "no difference any more at {unneeded:#?}");
}

/// Adds every place where the two differ; descriptions may, and order does not count where the API server does not look at it.
fn compare(path: &str, ours: &Value, theirs: &Value, found: &mut BTreeSet<String>) {
    if DIFFERENCES.iter().any(|(known, _)| *known == path) && ours != theirs {
        found.insert(path.to_owned());
        return;
    }
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let described = key == "description" && [a, b].iter().any(|o| o.get(key).is_some_and(Value::is_string));
                if !described {
                    let none = &Value::Null;
                    compare(&format!("{path}/{key}"), a.get(key).unwrap_or(none), b.get(key).unwrap_or(none), found);
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let unordered = path.ends_with("/required");
            let sorted = |list: &[Value]| {
                let mut list = list.to_vec();
                if unordered {
                    list.sort_by_key(ToString::to_string);
                }
                list
            };
            for (index, (a, b)) in sorted(a).iter().zip(&sorted(b)).enumerate() {
                compare(&format!("{path}/{index}"), a, b, found);
            }
        }
        // 1 and 1.0 are the same number to the API server.
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (a, b) if a == b => {}
        _ => {
            found.insert(path.to_owned());
        }
    }
}
