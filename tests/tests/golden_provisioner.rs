//! What the reference asks of Azure is what we ask, and what it makes of pools and of refusals is what we make, but for the differences in the tables. Recorded by running the reference's own
//! provider over a scripted cloud (`golden/provisioner`).

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kaito_api::NodeClaim;
use kaito_provisioner::arm::{Arm, ClusterId, Endpoint, OperationLink, Pages, Removal};
use kaito_provisioner::operation::{Ask, Doing, Verdict};
use kaito_provisioner::pool::{ClaimView, PoolState, node_of, pool_of_provider_id};
use kaito_provisioner::{ArmError, ErrorClass, Operation, PoolName, PoolRequest, PoolSeen};
use kaito_tests::allowed::{Allowed, Comparison, Rows};
use kaito_tests::shared;
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

/// How the answers of a script end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// It is as it was asked for.
    Done,
    /// There is no such pool.
    Gone,
    /// Refused or failed.
    Class(ErrorClass),
    /// The reference does not look at the pool then, so the script does not go on.
    Unscripted,
}

/// How every script ends.
const ENDS: &[(&str, End)] = &[
    ("put-quota-family", End::Class(ErrorClass::Quota)),
    ("put-quota-opnotallowed", End::Class(ErrorClass::Quota)),
    ("put-regional-quota", End::Class(ErrorClass::Quota)),
    ("put-sku-not-available", End::Class(ErrorClass::SizeNotAllowed)),
    ("put-badrequest-notallowed", End::Class(ErrorClass::SizeNotAllowed)),
    ("put-invalid-parameter", End::Class(ErrorClass::Invalid)),
    ("put-auth-403", End::Class(ErrorClass::Auth)),
    ("put-404-cluster", End::Class(ErrorClass::NoCluster)),
    ("put-409-another", End::Class(ErrorClass::Conflict)),
    ("put-409-inprogress", End::Class(ErrorClass::Conflict)),
    ("put-409-conflict", End::Class(ErrorClass::Conflict)),
    ("put-412", End::Class(ErrorClass::Superseded)),
    ("put-500", End::Class(ErrorClass::Unavailable)),
    ("put-503", End::Class(ErrorClass::Unavailable)),
    ("put-html-body", End::Class(ErrorClass::Unavailable)),
    ("put-nested-details", End::Class(ErrorClass::Quota)),
    ("lro-ok", End::Done),
    ("lro-failed-quota", End::Class(ErrorClass::Quota)),
    ("lro-failed-zonal", End::Class(ErrorClass::StockOut)),
    ("lro-failed-overconstrained", End::Class(ErrorClass::StockOut)),
    ("lro-failed-superseded", End::Unscripted),
    ("lro-canceled", End::Unscripted),
    ("lro-poll-404", End::Unscripted),
    ("lro-poll-500", End::Class(ErrorClass::Unavailable)),
    ("sync-failed-state", End::Class(ErrorClass::Unknown)),
    ("sync-failed-state-201", End::Class(ErrorClass::Unknown)),
    ("bodypoll-failed", End::Class(ErrorClass::Unknown)),
    ("bodypoll-canceled", End::Class(ErrorClass::Superseded)),
    ("get-404-pool-lowercase", End::Gone),
    ("get-404-code-only", End::Gone),
    ("get-403", End::Class(ErrorClass::Auth)),
    ("get-429", End::Class(ErrorClass::Throttled)),
    ("delete-404", End::Gone),
    ("delete-404-cluster", End::Class(ErrorClass::NoCluster)),
    ("delete-deleting-lowercase", End::Done),
    ("delete-ok-sync", End::Gone),
    ("delete-ok-lro", End::Unscripted),
    ("delete-404-on-delete", End::Gone),
    ("delete-409", End::Class(ErrorClass::Conflict)),
    ("delete-lro-notfound", End::Unscripted),
    ("delete-lro-failed", End::Class(ErrorClass::Unavailable)),
    ("list-403", End::Class(ErrorClass::Auth)),
    ("list-page2-fails", End::Class(ErrorClass::Unavailable)),
];

/// Lines of a file; none where the recordings are absent.
fn lines(file: &str) -> Vec<Value> {
    let Some(path) = shared::path(&format!("golden/provisioner/{file}")) else {
        return Vec::new();
    };
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn id(line: &Value) -> &str {
    line["id"].as_str().unwrap()
}

fn is_bug(line: &Value) -> bool {
    line.get("reference_bug").is_some()
}

fn arm() -> Arm {
    let cluster = ClusterId::new("00000000-0000-0000-0000-000000000000", "rg", "aks").unwrap();
    Arm::new(Endpoint::parse("https://management.azure.com").unwrap(), cluster)
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn answer(status: u16, body: &Value) -> Response<Bytes> {
    Response::builder().status(status).body(Bytes::from(body.to_string())).unwrap()
}

fn nodes(line: &Value) -> Vec<Node> {
    line["nodes"].as_array().unwrap().iter().map(|node| serde_json::from_value(node.clone()).unwrap()).collect()
}

/// The fields of a view by the names of the recordings, as objects that can be compared.
fn view(ours: &ClaimView) -> Value {
    json!({
        "name": ours.name, "labels": ours.labels, "creationTimestamp": ours.created.map(|time| time.to_string()),
        "providerID": ours.provider_id, "imageID": ours.image_id, "isDeleting": ours.is_deleting,
    })
}

fn recorded_view(theirs: &Value) -> Value {
    let (metadata, status) = (&theirs["metadata"], &theirs["status"]);
    json!({
        "name": metadata["name"], "labels": metadata["labels"], "creationTimestamp": metadata["creationTimestamp"],
        "providerID": status["providerID"], "imageID": status["imageID"], "isDeleting": metadata.get("deletionTimestamp").is_some(),
    })
}

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

/// The answers of a script, in their order by method; the last one repeats.
struct Script(BTreeMap<String, Vec<Response<Bytes>>>);

impl Script {
    fn of(line: &Value) -> Self {
        let mut answers: BTreeMap<String, Vec<Response<Bytes>>> = BTreeMap::new();
        for step in line["script"].as_array().unwrap() {
            let mut response = Response::builder().status(u16::try_from(step["status"].as_u64().unwrap()).unwrap());
            for (name, value) in step["headers"].as_object().unwrap() {
                response = response.header(name, value.as_str().unwrap());
            }
            let body = match (&step["raw"], &step["body"]) {
                (Value::String(raw), _) => raw.clone(),
                (_, Value::Null) => String::new(),
                (_, body) => body.to_string(),
            };
            let method = step["method"].as_str().unwrap().to_owned();
            answers.entry(method).or_default().push(response.body(Bytes::from(body)).unwrap());
        }
        Self(answers)
    }

    fn next(&mut self, method: &str) -> Option<Response<Bytes>> {
        let left = self.0.get_mut(method)?;
        Some(if left.len() > 1 { left.remove(0) } else { left[0].clone() })
    }
}

/// What comes of a script when it is played as the program plays it.
fn play(line: &Value) -> Result<End, ArmError> {
    let (arm, mut script) = (arm(), Script::of(line));
    let name = PoolName::parse("ws0123456ab").unwrap();
    match line["op"].as_str().unwrap() {
        "list" => {
            let mut pages = Pages::default();
            while let Some(response) = script.next("GET") {
                if pages.take(arm.read_list(&response, now())?).unwrap().is_none() {
                    break;
                }
            }
            Ok(End::Done)
        }
        "get" => {
            let seen = arm.read_get(&name, &script.next("GET").unwrap(), now())?;
            Ok(if seen.is_some() { End::Done } else { End::Gone })
        }
        "create" => {
            let started = arm.read_create(&name, &script.next("PUT").unwrap(), now())?;
            let operation = Operation::begin(name, Doing::Create, now());
            watch(operation, Some(started.pool), started.operation, &mut script)
        }
        "delete" => match arm.read_get(&name, &script.next("GET").unwrap(), now())? {
            None => Ok(End::Gone),
            Some(pool) if pool.state == PoolState::Deleting => Ok(End::Done),
            Some(_) => match arm.read_delete(&script.next("DELETE").unwrap(), now())? {
                Removal::Gone => Ok(End::Gone),
                Removal::Started { operation: link, .. } => {
                    // The look before the deletion is the end of what the script has of the pool.
                    script.0.remove("GET");
                    watch(Operation::begin(name, Doing::Delete, now()), None, link, &mut script)
                }
            },
        },
        other => panic!("{other}"),
    }
}

/// Follows an operation to its end.
fn watch(
    mut operation: Operation,
    seen: Option<PoolSeen>,
    mut link: Option<OperationLink>,
    script: &mut Script,
) -> Result<End, ArmError> {
    let mut verdict = seen.map_or(Verdict::Running, |pool| operation.seen(Some(&pool), now()));
    for _ in 0..20 {
        match verdict {
            Verdict::Done => return Ok(End::Done),
            Verdict::Failed => return Ok(End::Class(operation.failure.unwrap().class)),
            Verdict::AskPool => link = None,
            Verdict::Running => {}
        }
        verdict = match operation.ask(link.as_ref()) {
            Ask::Operation(link) => {
                let progress = arm().read_poll(link, &script.next("OP").unwrap(), now())?;
                operation.told(&progress)
            }
            Ask::Pool(name) => {
                let Some(response) = script.next("GET") else {
                    return Ok(End::Unscripted);
                };
                let seen = arm().read_get(name, &response, now())?;
                operation.seen(seen.as_ref(), now())
            }
        };
    }
    panic!("no end in 20 answers: {operation:?}");
}

#[test]
fn what_the_reference_is_told_is_understood() {
    let lines = lines("errors.jsonl");
    for line in &lines {
        let name = id(line).trim_start_matches("errors/");
        let row = ENDS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name} has no row"));
        let end = play(line).unwrap_or_else(|error| {
            let first = error.failure.message.split([':', ' ']).next().unwrap();
            assert!(error.code.is_empty() || first == error.code, "the cloud's code is in front: {error}");
            End::Class(error.class())
        });
        assert_eq!(end, row.1, "{name}");
        if is_bug(line) {
            continue;
        }
        // What is an error, a missing pool, or neither is so for both; a pool that is gone after its deletion is no error of theirs.
        let theirs = line["result"]["error_type"].as_str().unwrap();
        let agree = match end {
            End::Done => theirs.is_empty(),
            End::Gone => theirs == "NodeClaimNotFoundError" || (theirs.is_empty() && line["op"] == "delete"),
            End::Class(_) => theirs == "plain",
            // Where the reference believes the operation, we look at the pool.
            End::Unscripted => true,
        };
        assert!(agree, "{name}: {end:?}, and theirs {theirs}");
    }
    if !lines.is_empty() {
        assert_eq!(lines.len(), ENDS.len(), "a row that no recording needs");
    }
}
