//! Claims, and what is asked of Azure for them.

use crate::{answer, arm, id, is_bug, lines, nodes, now, recorded_view, view};
use kaito_api::NodeClaim;
use kaito_provisioner::PoolRequest;
use kaito_provisioner::pool::node_of;
use kaito_tests::allowed::{Allowed, Comparison, Rows};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOT_OURS: &str = "a pool whose claim names neither Workspace nor RAGEngine is known by its node class, or nobody would find it (S5-B7)";

/// What is asked for otherwise.
const ASKED: &[Allowed] = &[
    Allowed {
        file: "*",
        path: "Request.query",
        reason: "a version of the API with If-None-Match, eTag and the pool's own error",
    },
    Allowed { file: "create/sku-20", path: "Request.body.properties.vmSize", reason: "spelled as the cloud spells it" },
    Allowed {
        file: "create/sku-20",
        path: "Request.body.properties.nodeLabels.kaito.sh/machine-type",
        reason: "a GPU is one in any case (S5-B21)",
    },
    Allowed { file: "create/sku-20", path: "Created.labels", reason: "of both above" },
    Allowed {
        file: "create/disk-1Gi",
        path: "Request.body.properties.osDiskSizeGB",
        reason: "AKS makes no disk below 30 GiB (S5-B22)",
    },
    Allowed {
        file: "create/labels-none",
        path: "*.body.properties.nodeLabels.kaito.sh/kaitonodeclass",
        reason: NOT_OURS,
    },
    Allowed { file: "create/labels-none", path: "Created.labels", reason: NOT_OURS },
    Allowed {
        file: "create/labels-nil",
        path: "*.body.properties.nodeLabels.kaito.sh/kaitonodeclass",
        reason: NOT_OURS,
    },
    Allowed { file: "create/labels-nil", path: "Created.labels", reason: NOT_OURS },
];

/// Claims that the reference makes pools of, and we refuse: with the field that is named.
const REFUSED: &[(&str, &str, &str)] = &[
    ("create/labels-driver", "metadata.labels", "AKS refuses labels below kubernetes.azure.com"),
    ("create/ignored-windows", "spec.requirements", "the reference makes a Linux node of it"),
    (
        "create/ct-zero",
        "metadata.creationTimestamp",
        "no API server stores such a claim; without a time nothing tells how old its pool is",
    ),
];

#[test]
fn what_the_reference_asks_of_azure_is_what_we_ask() {
    let lines = lines("create.jsonl");
    let mut comparison = Comparison::allowing(ASKED);
    let mut refused = Rows::of(REFUSED);
    let mut wrong = Vec::new();
    for line in lines.iter().filter(|line| !is_bug(line)) {
        let claim: NodeClaim = serde_json::from_value(line["nodeclaim"].clone()).unwrap();
        let asked_for = line["result"]["body"].is_object();
        match PoolRequest::of(&claim) {
            Ok(request) if asked_for => compare_asked(line, &request, &mut comparison),
            Ok(_) => wrong.push(format!("{}: ours only; theirs: {}", id(line), line["error"])),
            Err(refusal) => {
                let field = refusal.fields()[0].path.to_string();
                let same =
                    !asked_for && line["error"].as_str().is_some_and(|theirs| theirs.contains(complaint(&field)));
                let meant = same || refused.allow(|(file, path, _)| *file == id(line) && field.starts_with(path));
                if !meant || refusal.fields().len() != 1 {
                    wrong.push(format!("{}: refused: {refusal}; theirs: {}", id(line), line["error"]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if !lines.is_empty() {
        comparison.conclude();
        refused.expect_needed();
    }
}

/// The reference's words where this field is in the way.
fn complaint(field: &str) -> &'static str {
    match field {
        "metadata.name" => "is invalid, must match regex pattern",
        "spec.requirements" => "has no requirement for instance type",
        "spec.resources.requests.storage" => "should be more than 0",
        _ => "no such complaint",
    }
}

fn compare_asked(line: &Value, request: &PoolRequest, comparison: &mut Comparison<'_>) {
    let sent = arm().create(request).unwrap();
    let body: Value = serde_json::from_slice(sent.body()).unwrap();
    let asked =
        json!({"method": sent.method().as_str(), "path": sent.uri().path(), "query": sent.uri().query(), "body": body});
    let mut theirs = line["result"]["request"].clone();
    theirs["body"] = line["result"]["body"].clone();
    let mut echo = body;
    echo["name"] = json!(request.name);
    let pool = arm().read_create(&request.name, &answer(200, &echo), now()).unwrap().pool;
    let nodes = nodes(line);
    let provider_id = node_of(&pool.name, &nodes).provider_id();
    let mut ours = BTreeMap::from([("Request".to_owned(), asked)]);
    let mut recorded = BTreeMap::from([("Request".to_owned(), theirs)]);
    // Without a Node the reference gives up, and shows no claim.
    if let Some(created) = line["result"].get("created") {
        ours.insert("Created".to_owned(), view(&pool.as_claim(provider_id)));
        recorded.insert("Created".to_owned(), recorded_view(created));
    } else {
        assert_eq!(provider_id, None, "{}", id(line));
    }
    comparison.compare(&[id(line)], &ours, &recorded);
}
