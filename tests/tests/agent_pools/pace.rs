//! How often Azure is asked about what takes minutes, and what the end of an operation means.

use super::*;
use http::Method;
use kaito_core::backend::ErrorKind;
use kaito_core::memory::CloudFate;
use kaito_core::memory::azure::STOCK_OUT;
use kaito_tests::fake_arm::{FakeArm, Order, Said};

fn gets(azure: &FakeArm, what: &str) -> usize {
    azure.asked().iter().filter(|asked| asked.method == Method::GET && asked.uri.contains(what)).count()
}

#[tokio::test]
async fn while_a_pool_is_made_its_operation_is_asked_when_azure_wants_to_be_and_the_pool_is_not() {
    let azure = FakeArm::start(pace(60)).await;
    let pools = azure.pools();
    azure.order(Method::PUT, Order::With("retry-after", "2".to_owned()));
    create(&pools, "ws1").await.unwrap();
    for _ in 0..9 {
        assert_eq!(state(look(&pools, "ws1").await.unwrap().as_ref()), "Creating");
    }
    assert_eq!((gets(&azure, "/operations/"), gets(&azure, "/agentPools/ws1")), (0, 0), "it is too early");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    for _ in 0..9 {
        assert_eq!(state(look(&pools, "ws1").await.unwrap().as_ref()), "Creating");
    }
    assert_eq!((gets(&azure, "/operations/"), gets(&azure, "/agentPools/ws1")), (1, 0), "it goes on");
}

#[tokio::test]
async fn what_a_list_shows_is_believed_more_than_an_operation_that_goes_on() {
    let azure = FakeArm::start(pace(0)).await;
    let pools = azure.pools();
    azure.order(Method::PUT, Order::With("retry-after", "200".to_owned()));
    create(&pools, "ws1").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(state(look(&pools, "ws1").await.unwrap().as_ref()), "Creating");
    let all = Read::list(Kind::AgentPool, None, kaito_core::read::Selector::default()).live();
    pools.read(&all).await.unwrap();
    azure.order(Method::GET, Order::Instead(Said::new(200, r#"{"status": "InProgress"}"#)));
    assert_eq!(state(look(&pools, "ws1").await.unwrap().as_ref()), "Succeeded");
}

#[tokio::test]
async fn a_pools_own_reason_wins_over_an_operation_that_was_put_aside() {
    let azure = FakeArm::start(pace(0)).await;
    let pools = azure.pools();
    azure.set_fate(CloudFate::Azure { refusal: &STOCK_OUT, size: None });
    create(&pools, "ws1").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let aside = r#"{"status": "Canceled", "error": {"code": "OperationPreempted", "message": "overriden and canceled by a later operation"}}"#;
    azure.order(Method::GET, Order::Instead(Said::new(200, aside)));
    let seen = until(&pools, "ws1", "Failed").await.unwrap();
    assert_eq!(pool(&seen).status.as_ref().unwrap().failure.as_ref().unwrap().code, STOCK_OUT.code);
}

#[tokio::test]
async fn a_conflict_of_azures_is_told_and_one_of_ours_is_looked_at_again() {
    let azure = FakeArm::start(pace(0)).await;
    let pools = azure.pools();
    create(&pools, "ws1").await.unwrap();
    let seen = until(&pools, "ws1", "Succeeded").await.unwrap();
    for (status, code, kind) in [
        (409, "OperationNotAllowed", ErrorKind::Busy),
        (409, "Canceled", ErrorKind::Busy),
        (409, "Strange", ErrorKind::Busy),
        (412, "EtagMismatch", ErrorKind::Conflict),
        (412, "PreconditionFailed", ErrorKind::Conflict),
    ] {
        let body = json!({"code": code, "message": "no", "details": null}).to_string();
        azure.order(Method::DELETE, Order::Instead(Said::new(status, body)));
        let error = delete(&pools, &seen, STAMP).await.unwrap_err();
        assert_eq!((error.kind, error.retry_after), (kind, None), "{status} {code}");
        assert!(error.message.starts_with(&format!("{code}: no")), "{error}");
    }
}
