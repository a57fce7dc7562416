//! Whatever is answered and whatever a claim holds: no panic, no token elsewhere, and what is asked for is what AKS takes.

use crate::arm::errors::{ROWS, of_text};
use crate::arm::{Arm, ClusterId, Endpoint, OperationLink, Progress, Removal};
use crate::operation::{Doing, Verdict};
use crate::pool::{PoolState, node_of, pool_of_provider_id, read_stamp, stamp};
use crate::{ErrorClass, Failure, Operation, PoolName, PoolRequest, PoolSeen};
use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use kaito_api::NodeClaim;
use kaito_api::cloud::AgentPool;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

/// The same cases every time; `PROPTEST_CASES=100000` looks further.
fn config() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(20_261_121), failure_persistence: None, ..ProptestConfig::default() }
}

fn arm() -> Arm {
    let cluster = ClusterId::new("00000000-0000-0000-0000-000000000000", "rg", "aks").unwrap();
    Arm::new(Endpoint::parse("https://management.azure.com").unwrap(), cluster)
}

fn name() -> PoolName {
    PoolName::parse("ws0123456ab").unwrap()
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// A word that an answer of Azure may hold, or any other.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "ws0123456ab",
            "Failed",
            "Succeeded",
            "NotFound",
            "QuotaExceeded",
            "Agent Pool not found",
            "https://evil.example/",
            "/x"
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

/// A document whose keys are those that are read, with anything below.
fn document() -> impl Strategy<Value = Value> {
    let key = select(vec![
        "error",
        "code",
        "message",
        "details",
        "subcode",
        "innererror",
        "value",
        "nextLink",
        "name",
        "properties",
        "status",
        "provisioningState",
        "nodeLabels",
        "provisioningError",
        "eTag",
        "vmSize",
        "tags",
        "count",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word().prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(key.clone().prop_map(str::to_owned), inner, 0..6).prop_map(Value::from_iter),
        ]
    })
}

/// A body: a document, a part of one, or any bytes.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let whole = document().prop_map(|document| document.to_string().into_bytes());
    let part = (document(), any::<prop::sample::Index>()).prop_map(|(document, cut)| {
        let mut bytes = document.to_string().into_bytes();
        bytes.truncate(cut.index(bytes.len()));
        bytes
    });
    prop_oneof![4 => whole, 1 => part, 1 => vec(any::<u8>(), 0..200)]
}

fn response() -> impl Strategy<Value = Response<Bytes>> {
    let status =
        prop_oneof![select(vec![200_u16, 201, 202, 204, 400, 401, 403, 404, 409, 429, 500, 503]), 100_u16..1000];
    let header = select(vec![
        "retry-after",
        "retry-after-ms",
        "date",
        "location",
        "azure-asyncoperation",
        "x-ms-request-id",
        "x-ms-error-code",
    ]);
    (status, vec((header, "[ -~\u{80}-\u{ff}]{0,40}"), 0..4), body()).prop_map(|(status, headers, body)| {
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            let bytes: Vec<u8> = value.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
            if let Ok(value) = http::HeaderValue::from_bytes(&bytes) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    })
}

fn link() -> OperationLink {
    let body = Bytes::from(json!({"name": "ws0123456ab"}).to_string());
    let response = Response::builder().status(201).header("location", "/op").body(body).unwrap();
    arm().read_create(&name(), &response, now()).unwrap().operation.unwrap()
}

/// What holds of every operation that may be followed.
fn is_at_home(operation: Option<OperationLink>) -> bool {
    operation.is_none_or(|link| arm().endpoint().may_carry_token(arm().poll(&link).unwrap().uri()))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_answer_makes_the_decoder_panic_or_leads_elsewhere(response in response()) {
        let arm = arm();
        if let Ok(Some(pool)) = arm.read_get(&name(), &response, now()) {
            prop_assert_eq!(pool.name, name());
            prop_assert!(response.status().is_success());
        }
        if let Some(next) = arm.read_list(&response, now()).ok().and_then(|page| page.next) {
            prop_assert!(arm.endpoint().may_carry_token(arm.next_page(&next).unwrap().uri()));
        }
        if let Ok(started) = arm.read_create(&name(), &response, now()) {
            prop_assert!(is_at_home(started.operation));
        }
        if let Ok(Removal::Started { operation, .. }) = arm.read_delete(&response, now()) {
            prop_assert!(is_at_home(operation));
        }
        let mut operation = Operation::begin(name(), Doing::Create, now());
        if let Ok(progress) = arm.read_poll(&link(), &response, now()) {
            let verdict = operation.told(&progress);
            prop_assert_eq!(verdict == Verdict::Failed, operation.failure.is_some());
            prop_assert!(!matches!(progress, Progress::Failed(error) if error.failure.message.is_empty()));
        }
    }

    #[test]
    fn every_refusal_has_words_on_one_line_and_an_end_to_its_wait(response in response()) {
        if let Err(error) = arm().read_get(&name(), &response, now()) {
            prop_assert!(!error.failure.message.is_empty());
            prop_assert!(!error.failure.message.contains(|c: char| c.is_control()));
            prop_assert!(error.failure.message.len() <= Failure::LONGEST + 3);
            prop_assert!(error.retry_after.is_none_or(|wait| wait <= crate::arm::LONGEST_WAIT));
        }
    }

    #[test]
    fn the_words_of_a_refusal_mean_what_the_refusal_meant(sample in sample(), place in 0_usize..6, other in select(vec!["ReconcileVMSSAgentPoolFailed", "BadThing", "X"]), is_told_later in any::<bool>()) {
        let (status, code, message) = sample;
        let error = match place {
            0 => json!({"code": code, "message": message}),
            1 => json!({"code": other, "subcode": code, "message": message}),
            2 => json!({"code": code, "subcode": other, "message": message}),
            3 => json!({"code": other, "message": "failed", "details": [{"code": "Y", "message": "y"}, {"code": code, "message": message}]}),
            4 => json!({"code": other, "message": "failed", "innererror": {"code": code, "message": message}}),
            _ => json!({"code": other, "message": format!("failed. Code=\"{code}\" Message=\"{message}\"")}),
        };
        let answer = |status: u16, body: Value| Response::builder().status(status).body(Bytes::from(body.to_string())).unwrap();
        let failure = if is_told_later {
            let pool = json!({"name": "ws0123456ab", "properties": {"provisioningState": "Failed", "status": {"provisioningError": error}}});
            arm().read_get(&name(), &answer(200, pool), now()).unwrap().and_then(|pool| pool.failure)
        } else {
            arm().read_get(&name(), &answer(status, json!({"error": error})), now()).err().map(|error| error.failure)
        };
        let Some(failure) = failure else { return Ok(()) };
        let row = of_text(&failure.message);
        prop_assert_eq!((row.class, row.reason), (failure.class, failure.reason.as_str()), "{}", failure.message);
        // Also as the failure of an object.
        let mut pool = PoolSeen::of_object(&AgentPool::new(name().as_str(), Default::default())).unwrap();
        pool.failure = Some(failure.clone());
        prop_assert_eq!(PoolSeen::of_object(&pool.to_object()).unwrap().failure, Some(failure));
    }

    #[test]
    fn an_address_is_followed_at_home_only(text in "(https?:)?/{0,3}([a-z.@:\\\\]{0,8}(management\\.azure\\.com)?){0,3}[.@:/]?[a-z0-9:/?#@]{0,9}") {
        let body = Bytes::from(json!({"value": [], "nextLink": text}).to_string());
        let response = Response::builder().status(200).body(body).unwrap();
        if let Some(next) = arm().read_list(&response, now()).ok().and_then(|page| page.next) {
            let request = arm().next_page(&next).unwrap();
            let host = request.uri().host().unwrap().to_ascii_lowercase();
            prop_assert!(host == "management.azure.com" || host.ends_with(".management.azure.com"), "{text}: {host}");
            prop_assert_eq!(request.uri().scheme_str(), Some("https"));
        }
    }

    #[test]
    fn what_is_written_down_reads_back(create in any::<bool>(), seconds in 0_i64..4_000_000_000, message in any::<String>(), class in select(ErrorClass::ALL.to_vec())) {
        let doing = if create { Doing::Create } else { Doing::Delete };
        let mut operation = Operation::begin(name(), doing, Timestamp::from_second(seconds).unwrap());
        operation.failure = Some(Failure::new(class, class.label(), &message));
        let read: Operation = serde_json::from_str(&serde_json::to_string(&operation).unwrap()).unwrap();
        prop_assert_eq!(read, operation);
        let time = Timestamp::from_second(seconds).unwrap();
        prop_assert_eq!(read_stamp(&stamp(time)), Some(time));
    }

    #[test]
    fn a_claim_is_refused_in_words_or_asks_for_what_aks_takes(claim in claim()) {
        let claim: NodeClaim = serde_json::from_value(claim).unwrap();
        match PoolRequest::of(&claim) {
            Err(refusal) => {
                prop_assert!(!refusal.fields().is_empty());
                prop_assert!(refusal.fields().iter().all(|error| !error.detail.is_empty()));
            }
            Ok(request) => {
                prop_assert!((30..=2048).contains(&request.disk_gib));
                prop_assert_eq!(Some(request.name.as_str()), claim.metadata.name.as_deref());
                let body: Value = serde_json::from_slice(&request.body()).unwrap();
                prop_assert_eq!(&body["properties"]["vmSize"], &Value::from(request.size.clone()));
                prop_assert!(request.labels.keys().all(|key| !key.starts_with("kubernetes.azure.com/")));
                prop_assert_eq!(arm().create(&request).unwrap().into_body(), Bytes::from(request.body()));
                // What is asked for is ours when it is seen again, and of this very claim.
                let mut echo = body;
                echo["name"] = Value::from(request.name.as_str());
                let response = Response::builder().status(201).body(Bytes::from(echo.to_string())).unwrap();
                let pool = arm().read_create(&request.name, &response, now()).unwrap().pool;
                prop_assert!(pool.is_ours() && pool.is_of(&claim));
                prop_assert_eq!(&pool.labels, &request.labels);
            }
        }
    }

    #[test]
    fn no_text_makes_the_small_readers_panic(text in any::<String>(), word in word()) {
        let _ = (PoolName::parse(&text), read_stamp(&text), pool_of_provider_id(&format!("azure://{text}")), PoolState::parse(&word));
        let _ = (Endpoint::parse(&text), ClusterId::new(&text, &word, &text), arm().in_version(&text));
        prop_assert_eq!(node_of(&name(), []).provider_id(), None);
    }
}

/// What a row of the table knows: a status, a code and a message.
fn sample() -> impl Strategy<Value = (u16, &'static str, &'static str)> {
    let samples = ROWS.iter().flat_map(|row| {
        let status = row.status.map_or(400, |(from, _)| from);
        let by_code = row.codes.iter().map(move |code| (status, *code, "words"));
        let by_phrase = row.says.iter().map(move |phrase| (status, "BadRequest", *phrase));
        by_code.chain(by_phrase).chain(row.status.map(|_| (status, "Strange", "words")))
    });
    select(samples.collect::<Vec<_>>())
}

fn claim() -> impl Strategy<Value = Value> {
    let text =
        |words: &'static [&'static str]| prop_oneof![4 => select(words).prop_map(str::to_owned), 1 => any::<String>()];
    let key = text(&[
        "node.kubernetes.io/instance-type",
        "karpenter.sh/capacity-type",
        "topology.kubernetes.io/zone",
        "kubernetes.io/os",
        "a.io/b",
    ]);
    let operator = text(&["In", "In", "In", "NotIn", "Exists", "DoesNotExist", "Gt"]);
    let values = vec(text(&["Standard_NC24ads_A100_v4", "A", "spot", "on-demand", "eastus-1", "linux"]), 0..3);
    let others = vec((key, operator, values), 0..3);
    let label =
        text(&["kaito.sh/workspace", "a.io/b", "kubernetes.azure.com/x", "karpenter.sh/nodepool", "kubernetes.io/os"]);
    let labels = btree_map(label, text(&["v", ""]), 0..3);
    let storage = text(&["30Gi", "107Gi", "1", "0", "5Ti"]);
    let taint = (text(&["sku", "a.io/b"]), text(&["gpu", ""]), text(&["NoSchedule", "NoExecute"]));
    (text(&["ws0123456ab", "a"]), prop::bool::weighted(0.9), others, labels, storage, vec(taint, 0..2)).prop_map(
        |(name, is_made, others, labels, storage, taints)| {
            let mut requirements = vec![json!({"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["A", "Standard_NC24ads_A100_v4"]})];
            requirements.extend(others.iter().map(|(key, operator, values)| json!({"key": key, "operator": operator, "values": values})));
            let taints: Vec<Value> = taints.iter().map(|(key, value, effect)| json!({"key": key, "value": value, "effect": effect})).collect();
            json!({
                "metadata": {"name": name, "labels": labels, "creationTimestamp": is_made.then_some("2026-01-02T03:04:05Z")},
                "spec": {"requirements": requirements, "taints": taints, "resources": {"requests": {"storage": storage}}}
            })
        },
    )
}
