//! Pools, as claims.

use crate::{answer, arm, id, is_bug, lines, nodes, now, recorded_view, view};
use kaito_provisioner::PoolName;
use kaito_provisioner::arm::Pages;
use kaito_provisioner::pool::{node_of, pool_of_provider_id};
use kaito_tests::allowed::{Allowed, Comparison};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is made of pools otherwise.
const CONVERTED: &[Allowed] = &[
    Allowed { file: "list", path: "View.imageID", reason: "a list knows the image as well (S5-B14)" },
    Allowed { file: "convert/get-prefix-text", path: "Asked", reason: "an id that is not Azure's names no pool" },
    Allowed {
        file: "convert/get-user-vmss",
        path: "Asked",
        reason: "a scale set that AKS did not make belongs to no pool",
    },
];

#[test]
fn what_the_reference_makes_of_a_pool_is_what_we_make() {
    let lines = lines("convert.jsonl");
    let mut comparison = Comparison::allowing(CONVERTED);
    for line in lines.iter().filter(|line| !is_bug(line)) {
        let (ours, theirs) = match line["op"].as_str().unwrap() {
            "list" => (listed(line), recorded_list(line)),
            "get" => (got(line), recorded_get(line)),
            other => panic!("{other}"),
        };
        comparison.compare(&[id(line), line["op"].as_str().unwrap()], &ours, &theirs);
    }
    if !lines.is_empty() {
        comparison.conclude();
    }
}

fn listed(line: &Value) -> BTreeMap<String, Value> {
    let pools = line["pools"].as_array().unwrap();
    let size = line["page"].as_u64().map_or(pools.len().max(1), |size| usize::try_from(size).unwrap());
    let (mut pages, count) = (Pages::default(), pools.chunks(size).count());
    for (number, chunk) in pools.chunks(size).enumerate() {
        let next = (number + 1 < count).then(|| format!("https://management.azure.com/next?page={number}"));
        let page = arm().read_list(&answer(200, &json!({"value": chunk, "nextLink": next})), now()).unwrap();
        assert_eq!(pages.take(page).unwrap().is_some(), next.is_some());
    }
    let (pools, unreadable) = pages.finish();
    assert!(unreadable.is_empty(), "{unreadable:?}");
    let nodes = nodes(line);
    let ours = pools.iter().filter(|pool| pool.is_ours());
    ours.map(|pool| (format!("View {}", pool.name), view(&pool.as_claim(node_of(&pool.name, &nodes).provider_id()))))
        .collect()
}

fn recorded_list(line: &Value) -> BTreeMap<String, Value> {
    let claims = line["result"]["nodeclaims"].as_array().unwrap();
    claims
        .iter()
        .map(|claim| (format!("View {}", claim["metadata"]["name"].as_str().unwrap()), recorded_view(claim)))
        .collect()
}

fn got(line: &Value) -> BTreeMap<String, Value> {
    let id = line["provider_id"].as_str().unwrap();
    let pool = pool_of_provider_id(id);
    let asked = json!({"pool": pool});
    // Where the reference finds another pool than the id names, its view is compared with that of the pool it found.
    let name = pool.or_else(|| PoolName::parse(line["result"]["agent_pool_name"].as_str()?).ok()).unwrap();
    let document = line["pools"].as_array().unwrap().iter().find(|pool| pool["name"] == *name.as_str());
    let missing = json!({"error": {"code": "NotFound", "message": "Agent Pool not found."}});
    let response = document.map_or_else(|| answer(404, &missing), |pool| answer(200, pool));
    let seen = arm().read_get(&name, &response, now()).unwrap();
    let mut ours = BTreeMap::from([("Asked".to_owned(), asked)]);
    ours.extend(seen.map(|pool| (format!("View {name}"), view(&pool.as_claim(Some(id))))));
    ours
}

fn recorded_get(line: &Value) -> BTreeMap<String, Value> {
    let result = &line["result"];
    let mut theirs = BTreeMap::from([("Asked".to_owned(), json!({"pool": result["agent_pool_name"]}))]);
    theirs.extend(
        result
            .get("nodeclaim")
            .map(|claim| (format!("View {}", claim["metadata"]["name"].as_str().unwrap()), recorded_view(claim))),
    );
    theirs
}
