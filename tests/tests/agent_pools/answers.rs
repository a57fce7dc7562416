//! What is said of a pool, and what cannot be an answer.

use super::*;
use http::Method;
use kaito_core::backend::ErrorKind;
use kaito_core::memory::CloudFate;
use kaito_core::memory::azure::{CREDENTIAL_EXPIRED, FAMILY_QUOTA, NO_CLUSTER, OTHER_OPERATION, REFUSALS, Told};
use kaito_operator::arm::StaticToken;
use kaito_provisioner::Arm;
use kaito_provisioner::arm::{ClusterId, Endpoint};
use kaito_tests::fake_arm::{FakeArm, GROUP, Order, SUBSCRIPTION, Said};
use std::sync::Arc;

#[tokio::test]
async fn a_pool_is_made_seen_and_deleted() {
    let azure = FakeArm::start(pace(3)).await;
    let pools = azure.pools();
    assert_eq!(look(&pools, "ws1").await.unwrap(), None);
    let Written::Now(made) = create(&pools, "ws1").await.unwrap() else { panic!("it is there") };
    assert_eq!((state(Some(&made)), made.metadata().uid.as_deref()), ("Creating", Some(STAMP)));
    let seen = until(&pools, "ws1", "Succeeded").await.unwrap();
    assert_eq!((pool(&seen).spec.size.as_str(), azure.nodes().len()), (SIZE, 1));
    assert_ne!(seen.metadata().resource_version, made.metadata().resource_version);
    let Written::Now(going) = delete(&pools, &seen, STAMP).await.unwrap() else { panic!("it takes a while") };
    assert_eq!((state(Some(&going)), going.metadata().deletion_timestamp.is_some()), ("Deleting", true));
    until(&pools, "ws1", "gone").await;
    assert_eq!(delete(&pools, &seen, STAMP).await.unwrap(), Written::Gone, "said twice, it is gone");
    let asked = azure.asked();
    let of = |method: Method| asked.iter().filter(move |asked| asked.method == method);
    assert!(of(Method::PUT).all(|asked| asked.conditions[1].as_deref() == Some("*")));
    assert!(
        of(Method::DELETE).all(|asked| asked.conditions[0].as_deref().is_some_and(|etag| etag.starts_with("etag-")))
    );
    assert!(of(Method::DELETE).all(|asked| asked.uri.contains("ignore-pod-disruption-budget=true")));
    assert!(of(Method::GET).any(|asked| asked.uri.starts_with("/operations/")));
}

#[tokio::test]
async fn a_pool_is_made_once_and_another_of_the_name_is_left_alone() {
    let azure = FakeArm::start(pace(0)).await;
    let pools = azure.pools();
    create(&pools, "ws1").await.unwrap();
    assert_eq!(create(&pools, "ws1").await.unwrap_err().kind, ErrorKind::AlreadyExists);
    let seen = until(&pools, "ws1", "Succeeded").await.unwrap();
    delete(&pools, &seen, STAMP).await.unwrap();
    until(&pools, "ws1", "gone").await;

    let ours = [
        ("kaito.sh/creation-timestamp", OTHER_STAMP),
        ("kaito.sh/workspace", "phi"),
        ("karpenter.sh/nodepool", "kaito"),
    ];
    azure.intrude("ws1", &ours);
    let error = delete(&pools, &seen, STAMP).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
    azure.intrude("system", &[("agentpool", "system")]);
    let foreign = look(&pools, "system").await.unwrap().unwrap();
    let target = Owned::by_names(&foreign, &[("agentpool", "system")]).unwrap();
    let error = pools.perform(&Effect::Delete { target }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden, "nobody's claim stands behind it: {error}");
    let patch = Effect::Evict { key: key("system"), uid: String::new() };
    assert_eq!(pools.perform(&patch).await.unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(azure.states().len(), 2);
}

#[tokio::test]
async fn every_refusal_arrives_in_azures_words_at_once_or_as_the_pools_failure() {
    let azure = FakeArm::start(pace(0)).await;
    let pools = azure.pools();
    for (index, refusal) in REFUSALS.iter().enumerate() {
        let name = format!("ws{index}");
        azure.set_fate(CloudFate::Azure { refusal, size: None });
        match (refusal.told, create(&pools, &name).await) {
            (Told::At(_), Err(error)) => {
                assert!(error.message.starts_with(&format!("{}: ", refusal.code)), "{error}");
                let kind = match refusal.word {
                    "other operation" => ErrorKind::Busy,
                    "throttled" => ErrorKind::Throttled,
                    "not authorized" => ErrorKind::Forbidden,
                    _ => ErrorKind::Invalid,
                };
                assert_eq!(error.kind, kind, "{}", refusal.word);
                let asked = error.retry_after.map(|wait| wait.as_secs());
                assert_eq!(asked, refusal.retry_after_s, "{}: Azure's wait and no other", refusal.word);
            }
            (Told::Later, Ok(_)) => {
                let seen = until(&pools, &name, "Failed").await.unwrap();
                let failure = pool(&seen).status.as_ref().unwrap().failure.clone().unwrap();
                assert_eq!(failure.code, refusal.code);
                assert!(failure.message.starts_with(&refusal.message[..30]), "{failure:?}");
            }
            (told, answer) => panic!("{}: {told:?} {answer:?}", refusal.word),
        }
    }
}

#[tokio::test]
async fn a_refusal_of_one_size_is_none_of_another_nor_of_a_deletion() {
    futures::future::join_all(REFUSALS.iter().map(|refusal| async move {
        let azure = FakeArm::start(pace(0)).await;
        let pools = azure.pools();
        azure.set_fate(CloudFate::Azure { refusal, size: Some(SIZE.to_owned()) });
        create_of(&pools, "other", OTHER_SIZE).await.unwrap();
        match (refusal.told, create(&pools, "ws1").await) {
            (Told::At(_), Err(error)) => assert!(error.message.starts_with(&format!("{}: ", refusal.code)), "{error}"),
            (Told::Later, Ok(_)) => drop(until(&pools, "ws1", "Failed").await),
            (told, answer) => panic!("{}: {told:?} {answer:?}", refusal.word),
        }
        let seen = until(&pools, "other", "Succeeded").await.unwrap();
        assert_eq!(pool(&seen).spec.size, OTHER_SIZE);
        delete(&pools, &seen, STAMP).await.unwrap();
        until(&pools, "other", "gone").await;
    }))
    .await;
}

#[tokio::test]
async fn a_request_that_does_not_say_that_it_makes_a_pool_makes_none() {
    let azure = FakeArm::start(pace(0)).await;
    let request = |name: &str| {
        let body = json!({"properties": {"count": 1, "vmSize": SIZE}}).to_string();
        let address =
            format!("{}{}/agentPools/{name}?api-version=2026-03-01", azure.endpoint(), azure.arm().cluster().path());
        http::Request::put(address).body(bytes::Bytes::from(body)).unwrap()
    };
    let exchange = azure.exchange(azure.arm().endpoint(), Arc::new(StaticToken(kaito_tests::fake_arm::TOKEN.into())));
    azure.intrude("there", &[]);
    for name in ["ws1", "there"] {
        let answer = exchange.send(request(name)).await.unwrap();
        assert_eq!(answer.status(), 400, "{name}");
    }
    assert_eq!((azure.made(), azure.states().len()), (0, 1));
}

#[tokio::test]
async fn who_or_whose_cluster_is_not_known_is_told_so_whatever_is_asked_in_the_words_of_the_simulated_cloud() {
    let azure = FakeArm::start(pace(0)).await;
    let pools = azure.pools();
    for (refusal, kind, end) in
        [(&CREDENTIAL_EXPIRED, ErrorKind::Forbidden, ""), (&NO_CLUSTER, ErrorKind::Unavailable, " (HTTP 404)")]
    {
        azure.set_fate(CloudFate::Azure { refusal, size: None });
        let answers = [look(&pools, "ws1").await.unwrap_err(), create(&pools, "ws1").await.unwrap_err()];
        for error in answers {
            let words = format!("{}: {}{end}", refusal.code, refusal.message);
            assert_eq!((error.kind, error.message), (kind, words));
        }
    }
    azure.set_fate(CloudFate::Well);
    create(&pools, "ws1").await.unwrap();
}

#[tokio::test]
async fn a_deletion_that_is_refused_or_fails_is_asked_for_again() {
    let azure = FakeArm::start(pace(0)).await;
    let pools = azure.pools();
    create(&pools, "ws1").await.unwrap();
    let seen = until(&pools, "ws1", "Succeeded").await.unwrap();
    azure.set_fate(CloudFate::Azure { refusal: &OTHER_OPERATION, size: None });
    let refused = delete(&pools, &seen, STAMP).await.unwrap_err();
    assert_eq!((refused.kind, refused.retry_after), (ErrorKind::Busy, None), "no race of ours: {refused}");
    azure.set_fate(CloudFate::FailsToTerminate { reason: "InternalOperationError".into(), message: "no".into() });
    delete(&pools, &seen, STAMP).await.unwrap();
    let failed = until(&pools, "ws1", "Failed").await.unwrap();
    assert_eq!(failed.metadata().deletion_timestamp, None, "it does not go any more");
    assert_eq!(pool(&failed).status.as_ref().unwrap().failure.as_ref().unwrap().code, "InternalOperationError");
    azure.be_well();
    delete(&pools, &failed, STAMP).await.unwrap();
    until(&pools, "ws1", "gone").await;
    assert!(azure.nodes().is_empty());
}

#[tokio::test]
async fn a_process_that_knows_no_operation_asks_the_pool_why_it_failed() {
    let azure = FakeArm::start(pace(0)).await;
    azure.set_fate(CloudFate::Azure { refusal: &FAMILY_QUOTA, size: None });
    create(&azure.pools(), "ws1").await.unwrap();
    let another = azure.pools();
    let seen = until(&another, "ws1", "Failed").await.unwrap();
    assert_eq!(pool(&seen).status.as_ref().unwrap().failure.as_ref().unwrap().code, FAMILY_QUOTA.code);
    assert!(azure.asked().iter().all(|asked| !asked.uri.starts_with("/operations/")));
}

#[tokio::test]
async fn what_cannot_be_an_answer_is_told_and_the_next_one_is_believed() {
    let azure = FakeArm::start(pace(0)).await;
    let pools = azure.pools();
    create(&pools, "ws1").await.unwrap();
    until(&pools, "ws1", "Succeeded").await;
    // From here on the pool alone is asked: its operation has told its end.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    look(&pools, "ws1").await.unwrap();
    let html = "<html><body>Sign in to the proxy</body></html>";
    let named = |name: &str| json!({"name": name, "properties": {}}).to_string();
    for (order, kind, words) in [
        (Order::Instead(Said::new(200, html)), ErrorKind::Unavailable, "no JSON"),
        (Order::Instead(Said::new(502, html)), ErrorKind::Unavailable, "502"),
        (Order::Instead(Said::new(403, html)), ErrorKind::Forbidden, "403"),
        (Order::Instead(Said::new(200, "")), ErrorKind::Unavailable, "no JSON"),
        (Order::Half(30), ErrorKind::Unavailable, "no JSON"),
        (Order::Instead(Said::new(200, "[]")), ErrorKind::Unavailable, "names no agent pool"),
        (Order::Instead(Said::new(200, named("ws2"))), ErrorKind::Unavailable, "speaks of ws2"),
        (
            Order::Instead(Said::new(200, r#"{"error":{"code":"QuotaExceeded","message":"cores"}}"#)),
            ErrorKind::Invalid,
            "QuotaExceeded: cores",
        ),
        (Order::Instead(Said::new(404, html)), ErrorKind::Unavailable, "404"),
        (
            Order::Instead(Said::new(404, r#"{"error":{"code":"ResourceGroupNotFound","message":"no group"}}"#)),
            ErrorKind::Unavailable,
            "ResourceGroupNotFound: no group",
        ),
        (Order::Instead(Said::new(302, "").with("location", "http://evil.example/")), ErrorKind::Unavailable, "302"),
        (Order::Slow(Duration::from_secs(7)), ErrorKind::Timeout, "no answer within 5s"),
    ] {
        azure.order(Method::GET, order.clone());
        let error = look(&pools, "ws1").await.expect_err("it is none");
        assert_eq!(error.kind, kind, "{order:?}: {error}");
        assert!(error.message.contains(words), "{order:?}: {error}");
        assert_eq!(state(look(&pools, "ws1").await.unwrap().as_ref()), "Succeeded", "{order:?}");
    }
    azure.order(Method::GET, Order::Instead(Said::new(429, "").with("retry-after", "86400")));
    let error = look(&pools, "ws1").await.unwrap_err();
    assert_eq!((error.kind, error.retry_after), (ErrorKind::Throttled, Some(Duration::from_secs(300))), "{error}");
}

#[tokio::test]
async fn a_token_that_is_refused_is_asked_for_once_more_and_goes_nowhere_else() {
    let azure = FakeArm::start(pace(0)).await;
    let pools = azure.pools();
    azure.order(
        Method::PUT,
        Order::Instead(Said::new(401, r#"{"error":{"code":"ExpiredAuthenticationToken","message":"old"}}"#)),
    );
    create(&pools, "ws1").await.unwrap();
    let stranger = azure.pools_of(azure.arm(), Arc::new(StaticToken("another".into())));
    let error = look(&stranger, "ws1").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden, "{error}");
    assert!(error.message.starts_with("InvalidAuthenticationToken: "), "{error}");

    // An answer may lead anywhere; the token follows to this very endpoint alone.
    let evil = FakeArm::start(pace(0)).await;
    let address = format!("{}/operations/0?api-version=1", evil.endpoint());
    azure.order(Method::PUT, Order::With("azure-asyncoperation", address));
    create(&pools, "ws2").await.unwrap();
    until(&pools, "ws2", "Succeeded").await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    look(&pools, "ws2").await.unwrap();
    let list = json!({"value": [], "nextLink": format!("{}/x", evil.endpoint())}).to_string();
    azure.order(Method::GET, Order::Instead(Said::new(200, list)));
    let all = Read::list(Kind::AgentPool, None, kaito_core::read::Selector::default()).live();
    assert!(pools.read(&all).await.unwrap_err().message.contains("leads to"));
    assert!(evil.asked().is_empty(), "{:?}", evil.asked());
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_not_a_pool_that_is_gone() {
    let azure = FakeArm::start(pace(0)).await;
    for (group, cluster) in [(GROUP, "other"), ("other", "aks")] {
        let id = ClusterId::new(SUBSCRIPTION, group, cluster).unwrap();
        let arm = Arm::new(Endpoint::parse(azure.endpoint()).unwrap(), id);
        let pools = azure.pools_of(arm, Arc::new(StaticToken(kaito_tests::fake_arm::TOKEN.into())));
        let error = look(&pools, "ws1").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        assert!(create(&pools, "ws1").await.is_err());
    }
    let nobody = Endpoint::parse("http://127.0.0.1:1").unwrap();
    let arm = Arm::new(nobody, ClusterId::new(SUBSCRIPTION, GROUP, "aks").unwrap());
    let pools = azure.pools_of(arm, Arc::new(StaticToken("x".into())));
    assert!(look(&pools, "ws1").await.unwrap_err().message.starts_with("Azure cannot be reached"));
}
