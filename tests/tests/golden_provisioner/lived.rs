//! Lives of claims: what becomes of a claim, its Node and its pool, in the reference and here.

use crate::{id, is_bug, lines};
use jiff::{SignedDuration, Timestamp};
use kaito_core::backend::{BackendError, ErrorKind};
use kaito_core::{Kind, ObjectKey};
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::CloudByHand;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A line that ends otherwise here.
struct Otherwise {
    line: &'static str,
    /// Every field that differs, and what it is here: a JSON pointer into what is compared, and JSON.
    ours: &'static [(&'static str, &'static str)],
    why: &'static str,
}

/// Nothing was done to a claim, its Node or its pool.
const UNTOUCHED: &[(&str, &str)] = &[
    ("/conditions", "[]"),
    ("/finalizers", "null"),
    ("/labels/karpenter.azure.com~1sku-name", "null"),
    ("/node/0/karpenter.sh~1registered", "null"),
    ("/nodeName", r#""""#),
    ("/providerID", "null"),
    ("/puts", "0"),
];
/// The pool is asked to go, the claim waits for it.
const GOES_LATER: &[(&str, &str)] = &[
    ("/annotations/karpenter.sh~1do-not-disrupt", r#""true""#),
    ("/finalizers", r#"["karpenter.sh/termination"]"#),
    ("/gone", "false"),
];

/// What we do otherwise, and why.
const DIFFERENCES: &[Otherwise] = &[
    Otherwise {
        line: "lifecycle/label-merge",
        ours: &[
            (
                "/conditions/1",
                r#""[\"Launched\",\"False\",\"InvalidNodeClaim\",\"spec.requirements: apps forbids claim, which the claim's own label says\",1]""#,
            ),
            ("/labels", r#"{"apps": "claim", "kaito.sh/workspace": "w"}"#),
            ("/node/0/karpenter.sh~1registered", "null"),
            ("/nodeName", r#""""#),
            ("/providerID", "null"),
            ("/puts", "0"),
        ],
        why: "a claim whose own label contradicts what it requires is refused with the label",
    },
    Otherwise {
        line: "lifecycle/managed-by-label",
        ours: UNTOUCHED,
        why: "a claim with the class of another provisioner is that one's, whatever its labels say: else both make a machine (spec/05 §9.2)",
    },
    Otherwise {
        line: "lifecycle/duplicate-nodes",
        ours: &[
            ("/conditions/2", r#""[\"Ready\",\"True\",\"Ready\",\"\",1]""#),
            ("/node/0/karpenter.sh~1registered", r#""true""#),
            ("/nodeName", r#""n1""#),
        ],
        why: "a Node is looked for by the labels of its pool, so that no claim is woken by every Node of the cluster: the other one, which AKS has not labelled, is not seen",
    },
    Otherwise {
        line: "finalize/never-launched",
        ours: &[GOES_LATER[0], GOES_LATER[1], GOES_LATER[2], ("/pool", r#"["ws0123456ab"]"#)],
        why: "the pool is deleted before the claim is let go, whether or not a Node came (S5-B16)",
    },
    Otherwise {
        line: "finalize/delete-404",
        ours: GOES_LATER,
        why: "that there is no pool is read before the claim is let go, one look later",
    },
    Otherwise {
        line: "gc/inst-leaked-node",
        ours: &[("/nodes", "[]")],
        why: "a Node that carries nothing of ours is not ours to delete (I6): AKS takes it with its machine",
    },
    Otherwise {
        line: "gc/inst-31s",
        ours: &[("/nodes", "[]"), ("/pools", "[]")],
        why: "a pool without a claim is left for ten minutes (S5-B20)",
    },
    Otherwise {
        line: "gc/inst-claim-unmanaged",
        ours: &[("/nodes", "[]"), ("/pools", "[]")],
        why: "while any claim has its name, no pool is taken for one without a claim",
    },
    Otherwise { line: "gc/inst-two", ours: &[("/nodes", "[]")], why: "as inst-leaked-node" },
    Otherwise {
        line: "gc/claim-unregistered",
        ours: &[("/claims", r#"["ws0123456ab"]"#)],
        why: "a claim that had a machine which is gone, and whose node never came, would wait for ever: it goes, and another is asked for",
    },
];

impl Otherwise {
    /// Checks that these fields differ, no others, and how.
    fn check(&self, ours: &Value, theirs: &Value) {
        let first = |pointer: &'static str| pointer.split('/').nth(1).unwrap_or_default();
        let told: BTreeSet<&str> = self.ours.iter().map(|(pointer, _)| first(pointer)).collect();
        let fields = ours.as_object().into_iter().flatten().filter(|(field, ours)| **ours != theirs[field.as_str()]);
        assert_eq!(
            fields.map(|(field, _)| field.as_str()).collect::<BTreeSet<_>>(),
            told,
            "{}: {}",
            self.line,
            self.why
        );
        for (pointer, wanted) in self.ours {
            let wanted: Value = serde_json::from_str(wanted).unwrap_or_else(|error| panic!("{}: {error}", self.line));
            let found = ours.pointer(pointer).cloned().unwrap_or_default();
            assert_eq!(found, wanted, "{} {pointer}: {}", self.line, self.why);
        }
    }
}

fn claim_key(name: &str) -> ObjectKey {
    ObjectKey::cluster(Kind::NodeClaim, name)
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn items<'a>(line: &'a Value, field: &str) -> Vec<&'a Value> {
    line[field].as_array().into_iter().flatten().collect()
}

/// The claims of a line, which stand alone or in a list.
fn claims(line: &Value) -> Vec<&Value> {
    let one = line.get("nodeclaim").filter(|claim| !claim.is_null());
    one.into_iter().chain(items(line, "nodeclaims")).collect()
}

/// An object of a recording, made as it was: one that goes is deleted when it is there.
fn put(cloud: &mut CloudByHand, api_version: &str, kind: &str, recorded: &Value) {
    let mut object = recorded.clone();
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    let gone = object["metadata"]["deletionTimestamp"].as_str().map(time);
    let key = cloud.put(&object);
    if let Some(gone) = gone {
        let now = cloud.now();
        cloud.set_now(gone);
        cloud.delete(&key);
        cloud.set_now(now);
    }
}

/// A pool in Azure's form as an object; `@now-600s` is a time in its labels.
fn put_pool(cloud: &mut CloudByHand, recorded: &Value) {
    let properties = &recorded["properties"];
    let mut labels = properties["nodeLabels"].clone();
    for label in labels.as_object_mut().unwrap().values_mut() {
        let ago = label.as_str().and_then(|text| text.strip_prefix("@now-")?.strip_suffix('s')?.parse().ok());
        if let Some(seconds) = ago {
            let at = cloud.now().saturating_sub(SignedDuration::from_secs(seconds)).unwrap();
            *label = json!(kaito_provisioner::pool::stamp(at));
        }
    }
    let object = json!({
        "metadata": {"name": recorded["name"], "labels": labels},
        "spec": {"size": properties["vmSize"]},
        "status": {"state": properties["provisioningState"], "image": properties["nodeImageVersion"]},
    });
    put(cloud, "cloud.kaito.sh/v1", "AgentPool", &object);
}

/// The Workspace that a claim was made for: the reference never looks at it.
fn put_workspace(cloud: &mut CloudByHand, claim: &Value) {
    let label = |key: &str| claim["metadata"]["labels"][key].as_str();
    if let (Some(name), Some(namespace)) = (label("kaito.sh/workspace"), label("kaito.sh/workspacenamespace")) {
        let object = json!({"metadata": {"name": name, "namespace": namespace}, "resource": {"instanceType": "x"}, "inference": {"preset": {"name": "phi-4"}}});
        put(cloud, "kaito.sh/v1beta1", "Workspace", &object);
    }
}

/// What the log says was tried with objects of a kind.
fn named(cloud: &CloudByHand, what: &str) -> BTreeSet<String> {
    cloud.tried.iter().filter_map(|tried| tried.strip_prefix(what)).map(str::to_owned).collect()
}

fn set(recorded: &Value) -> BTreeSet<String> {
    recorded.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Checks that lines differ exactly where and how the table says.
fn judge(line: &Value, ours: &Value, theirs: &Value, told: &mut BTreeSet<String>) {
    if let Some(row) = DIFFERENCES.iter().find(|row| row.line == id(line)) {
        told.insert(id(line).to_owned());
        row.check(ours, theirs);
    } else if !is_bug(line) {
        assert_eq!(ours, theirs, "{}", id(line));
    }
}

fn all_told(file: &str, told: &BTreeSet<String>) {
    for row in DIFFERENCES.iter().filter(|row| row.line.starts_with(file)) {
        assert!(told.contains(row.line), "no line {}", row.line);
    }
}

/// What can be compared of a condition.
fn condition(condition: &Value) -> Value {
    let message = condition["message"].as_str().unwrap_or_default();
    json!([condition["type"], condition["status"], condition["reason"], message, condition["observedGeneration"]])
}

#[test]
fn claims_become_nodes_as_in_the_reference() {
    let mut told = BTreeSet::new();
    let all = lines("lifecycle.jsonl");
    for line in &all {
        let mut cloud = CloudByHand::new(time("2026-01-02T03:04:05Z"));
        cloud.pools_succeed = true;
        let claim = &line["nodeclaim"];
        put_workspace(&mut cloud, claim);
        items(line, "nodes").into_iter().for_each(|node| put(&mut cloud, "v1", "Node", node));
        put(&mut cloud, "karpenter.sh/v1", "NodeClaim", claim);
        let key = claim_key("ws0123456ab");
        cloud.settle(&ClaimPlanner, &key);
        let (ours, node) = (cloud.get(&key), cloud.get(&ObjectKey::cluster(Kind::Node, "n1")));
        let theirs = items(&line["result"], "steps").pop().unwrap();
        let conditions = |all: &Value| -> BTreeSet<String> {
            all.as_array().into_iter().flatten().map(|one| condition(one).to_string()).collect()
        };
        let told_of_node = |metadata: &Value, taints: &Value, owners: &Value| {
            let mut owners = owners.clone();
            owners.as_array_mut().into_iter().flatten().for_each(|owner| owner["uid"] = Value::Null);
            json!([metadata["labels"], metadata["annotations"], metadata["finalizers"], taints, owners])
        };
        let ours = json!({
            "conditions": conditions(&ours["status"]["conditions"]),
            "labels": ours["metadata"]["labels"], "annotations": ours["metadata"]["annotations"], "finalizers": ours["metadata"]["finalizers"],
            "node": told_of_node(&node["metadata"], &node["spec"]["taints"], &node["metadata"]["ownerReferences"]),
            "nodeName": ours["status"]["nodeName"].as_str().unwrap_or_default(), "providerID": ours["status"]["providerID"],
            "puts": cloud.tried.iter().filter(|tried| tried.starts_with("create AgentPool")).count(),
        });
        let seen = &theirs["node"];
        let theirs = json!({
            "conditions": conditions(&theirs["conditions"]),
            "labels": theirs["labels"], "annotations": theirs["annotations"], "finalizers": theirs["finalizers"],
            "node": told_of_node(seen, &seen["taints"], &seen["ownerReferences"]),
            "nodeName": theirs["status"]["nodeName"], "providerID": theirs["status"]["providerID"],
            "puts": theirs["puts_so_far"],
        });
        judge(line, &ours, &theirs, &mut told);
    }
    if !all.is_empty() {
        all_told("lifecycle", &told);
    }
}

/// What a refused DELETE of a recording says, as a backend tells it.
fn refuse_deletes(cloud: &mut CloudByHand, line: &Value) {
    let Some(error) = line.get("delete_error").filter(|error| !error.is_null()) else { return };
    let kind = if error["status"] == 404 { ErrorKind::NotFound } else { ErrorKind::Unavailable };
    let said = &error["body"]["error"];
    let words = format!("{}: {}", said["code"].as_str().unwrap(), said["message"].as_str().unwrap());
    cloud.refusals.push(("delete", Kind::AgentPool, BackendError::new(kind, words)));
}

#[test]
fn claims_give_back_what_they_have_as_in_the_reference() {
    let mut told = BTreeSet::new();
    let all = lines("finalize.jsonl");
    for line in &all {
        let mut cloud = CloudByHand::new(time("2026-01-02T03:04:05Z"));
        items(line, "pools").into_iter().for_each(|pool| put_pool(&mut cloud, pool));
        items(line, "nodes").into_iter().for_each(|node| put(&mut cloud, "v1", "Node", node));
        claims(line).into_iter().for_each(|claim| put(&mut cloud, "karpenter.sh/v1", "NodeClaim", claim));
        refuse_deletes(&mut cloud, line);
        cloud.set_now(time("2026-01-03T00:00:01Z"));
        let key = claim_key("ws0123456ab");
        cloud.look(&ClaimPlanner, &key);
        let claim = cloud.get(&key);
        let ours = json!({
            "pool": named(&cloud, "delete AgentPool "), "nodes": named(&cloud, "delete Node "),
            "gone": claim.is_null(), "finalizers": claim["metadata"]["finalizers"], "annotations": claim["metadata"]["annotations"],
        });
        let theirs = &line["result"];
        let deletes = set(&theirs["requests"]).into_iter().filter(|request| request.starts_with("DELETE "));
        let theirs = json!({
            "pool": deletes.filter_map(|request| Some(request.rsplit_once('/')?.1.to_owned())).collect::<BTreeSet<_>>(),
            "nodes": set(&theirs["node_deletes"]),
            "gone": theirs["claim_gone"], "finalizers": theirs["finalizers"], "annotations": theirs["annotations"],
        });
        judge(line, &ours, &theirs, &mut told);
    }
    if !all.is_empty() {
        all_told("finalize", &told);
    }
}

#[test]
fn what_nobody_claims_is_collected_as_in_the_reference() {
    let mut told = BTreeSet::new();
    let all = lines("gc.jsonl");
    for line in &all {
        // Pools were made ten minutes ago; so was every claim.
        let mut cloud = CloudByHand::new(time("2026-01-02T03:04:05Z"));
        claims(line).into_iter().for_each(|claim| put(&mut cloud, "karpenter.sh/v1", "NodeClaim", claim));
        cloud.set_now(time("2026-01-02T03:14:05Z"));
        items(line, "pools").into_iter().for_each(|pool| put_pool(&mut cloud, pool));
        items(line, "nodes").into_iter().for_each(|node| put(&mut cloud, "v1", "Node", node));
        refuse_deletes(&mut cloud, line);
        let names = items(line, "pools").into_iter().map(|pool| &pool["name"]);
        let names = names.chain(claims(line).into_iter().map(|claim| &claim["metadata"]["name"]));
        let roots: BTreeSet<String> = names.filter_map(Value::as_str).map(str::to_owned).collect();
        for _ in 0..3 {
            for root in &roots {
                cloud.look(&ClaimPlanner, &claim_key(root));
            }
        }
        let ours = json!({
            "pools": named(&cloud, "delete AgentPool "), "nodes": named(&cloud, "delete Node "),
            "claims": named(&cloud, "delete NodeClaim "),
        });
        let theirs = &line["result"];
        let theirs = json!({
            "pools": set(&theirs["arm_deletes"]), "nodes": set(&theirs["node_deletes"]),
            "claims": set(&theirs["nodeclaim_deletes"]),
        });
        judge(line, &ours, &theirs, &mut told);
    }
    if !all.is_empty() {
        all_told("gc", &told);
    }
}
