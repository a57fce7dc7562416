//! What a watch would tell.

use super::*;
use http::Method;
use kaito_core::Settings;
use kaito_core::backend::ClusterBackend;
use kaito_core::cache::{Change, Found, Phase, Stores};
use kaito_core::kinds::{KindUse, Watch};
use kaito_core::read::Selector;
use kaito_operator::arm::Routed;
use kaito_operator::kube::Operator;
use kaito_provisioner::ClaimPlanner;
use kaito_tests::fake_arm::{FakeArm, Order, Said};
use kube_client::Client;
use kube_client::client::Body;
use std::sync::Arc;
use tokio::sync::mpsc;
use tower::BoxError;

const ROWS: [KindUse; 1] =
    [KindUse { kind: Kind::AgentPool, watch: Watch::Full, label: None, verbs: &[], subresources: &[], custom: false }];

/// Stores that are kept by lists in short order.
struct Kept {
    stores: Arc<Stores>,
    changes: mpsc::Receiver<Change>,
}

fn keep(pools: &ArmPools) -> Kept {
    let stores = Arc::new(Stores::new(&ROWS));
    let (sender, changes) = mpsc::channel(1024);
    tokio::spawn(pools.clone().keep(Arc::clone(&stores), vec![sender], Duration::from_millis(100)));
    Kept { stores, changes }
}

impl Kept {
    fn known(&self, name: &str) -> Option<String> {
        match self.stores.find(&Read::object(key(name))) {
            Found::Object(Some(seen)) => Some(state(Some(&seen)).to_owned()),
            _ => None,
        }
    }

    async fn until(&self, holds: impl Fn(&Kept) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "{:?}", self.stores.phases());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn phase(&self) -> Phase {
        self.stores.phases().remove(0).1
    }
}

async fn all(pools: &ArmPools, selector: Selector) -> Result<usize, BackendError> {
    match pools.read(&Read::list(Kind::AgentPool, None, selector).live()).await? {
        Answer::List(list) => Ok(list.len()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_list_is_followed_to_its_last_page() {
    let azure = FakeArm::start(pace(0)).await;
    azure.page(3);
    for number in 0..10 {
        azure.intrude(&format!("p{number}"), if number < 4 { &[("a", "b")] } else { &[] });
    }
    let pools = azure.pools();
    assert_eq!(all(&pools, Selector::default()).await.unwrap(), 10);
    assert_eq!(all(&pools, Selector::of([("a", "b")])).await.unwrap(), 4);
    assert_eq!(azure.asked().len(), 8);
    let unreadable = json!({"value": [{"name": "p0", "properties": {}}, {"name": "Not A Pool"}]}).to_string();
    azure.order(Method::GET, Order::Instead(Said::new(200, unreadable)));
    assert!(all(&pools, Selector::default()).await.is_err(), "what cannot be read is there all the same");
}

#[tokio::test]
async fn pools_come_and_go_in_the_stores_without_anybody_looking() {
    let azure = FakeArm::start(pace(2)).await;
    azure.intrude("system", &[]);
    let pools = azure.pools();
    let mut kept = keep(&pools);
    kept.until(|kept| kept.phase() == Phase::Synced && kept.known("system").is_some()).await;
    create(&pools, "ws1").await.unwrap();
    assert_eq!(kept.known("ws1").as_deref(), Some("Creating"), "what was done is known at once");
    kept.until(|kept| kept.known("ws1").as_deref() == Some("Succeeded")).await;
    let seen = look(&pools, "ws1").await.unwrap().unwrap();
    delete(&pools, &seen, STAMP).await.unwrap();
    kept.until(|kept| kept.known("ws1").is_none()).await;
    let mut states = Vec::new();
    while let Ok(change) = kept.changes.try_recv() {
        if let Change::Object { new: Some(seen), .. } = change
            && seen.key().name == "ws1"
        {
            states.push(state(Some(&seen)).to_owned());
        }
    }
    states.dedup();
    assert_eq!(states, ["Creating", "Succeeded", "Deleting"], "whoever depends on it hears of every state");
}

#[tokio::test]
async fn a_list_that_began_before_a_pool_was_made_does_not_take_it_away() {
    let azure = FakeArm::start(pace(0)).await;
    let pools = azure.pools();
    let mut kept = keep(&pools);
    kept.until(|kept| kept.phase() == Phase::Synced).await;
    // An answer that was true when it was asked for, and takes its time.
    let before = azure.asked().len();
    azure.order(Method::GET, Order::Slow(Duration::from_millis(500)));
    kept.until(|_| azure.asked().len() > before).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    create(&pools, "ws1").await.unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        assert!(kept.known("ws1").is_some(), "after {:?}", start.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while let Ok(change) = kept.changes.try_recv() {
        assert!(!matches!(change, Change::Object { new: None, .. }), "{change:?}");
    }
}

#[tokio::test]
async fn when_lists_fail_each_pool_is_asked_for_by_itself() {
    let azure = FakeArm::start(pace(0)).await;
    azure.intrude("system", &[]);
    let pools = azure.pools();
    let kept = keep(&pools);
    kept.until(|kept| kept.known("system").is_some()).await;
    for wait in ["10", "10", "1000"] {
        azure.order(Method::GET, Order::Instead(Said::new(500, "<html>").with("retry-after-ms", wait)));
    }
    kept.until(|kept| matches!(kept.phase(), Phase::Lost(_))).await;
    assert_eq!(kept.stores.find(&Read::object(key("system"))), Found::AskServer);
    kept.until(|kept| kept.phase() == Phase::Synced).await;
    assert!(kept.known("system").is_some());
}

#[tokio::test]
async fn lists_that_fail_are_not_asked_for_in_a_row_whatever_azure_says() {
    let azure = FakeArm::start(pace(0)).await;
    for _ in 0..500 {
        azure.order(Method::GET, Order::Instead(Said::new(503, "").with("retry-after", "0")));
    }
    let kept = keep(&azure.pools());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = azure.asked().len();
    assert!((1..=4).contains(&asked), "{asked}");
    assert_ne!(kept.phase(), Phase::Synced);
}

#[tokio::test]
async fn a_list_with_a_pool_that_cannot_be_read_takes_none_away() {
    let azure = FakeArm::start(pace(0)).await;
    azure.intrude("system", &[]);
    let pools = azure.pools();
    let mut kept = keep(&pools);
    kept.until(|kept| kept.known("system").is_some()).await;
    let unreadable = json!({"value": [{"name": "Not A Pool"}]}).to_string();
    azure.order(Method::GET, Order::Instead(Said::new(200, unreadable)));
    // The next list is answered so; when the one after it is asked for, that has been read.
    let before = azure.asked().len();
    kept.until(|_| azure.asked().len() > before + 1).await;
    assert!(kept.known("system").is_some());
    while let Ok(change) = kept.changes.try_recv() {
        assert!(!matches!(change, Change::Object { new: None, .. }), "{change:?}");
    }
}

#[tokio::test]
async fn what_a_controller_reads_live_is_asked_of_azure_and_not_of_the_last_list() {
    let nobody = tower::service_fn(|_: http::Request<Body>| async {
        Err::<http::Response<Body>, BoxError>("the API server is not asked for pools".into())
    });
    let client = Client::new(nobody, "default");
    let cluster = Operator::builder(client, Settings::default()).planner(Box::new(ClaimPlanner)).build().cluster();
    let azure = FakeArm::start(pace(0)).await;
    let pools = azure.pools();
    tokio::spawn(pools.clone().keep(Arc::clone(cluster.stores()), Vec::new(), Duration::from_hours(1)));
    let is_listed = || {
        let phases = cluster.stores().phases();
        phases.into_iter().any(|(row, phase)| row.kind == Kind::AgentPool && phase == Phase::Synced)
    };
    let start = Instant::now();
    while !is_listed() {
        assert!(start.elapsed() < PATIENCE, "{:?}", cluster.stores().phases());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    azure.intrude("late", &[]);
    let (read, routed) = (Read::object(key("late")), Routed::new(cluster.clone(), Some(pools)));
    assert_eq!(routed.read(&read).await.unwrap(), Answer::Object(None), "that list did not have it");
    assert!(matches!(routed.read(&read.live()).await.unwrap(), Answer::Object(Some(_))));
}
