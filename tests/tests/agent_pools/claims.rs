//! Lives of claims on an Azure over HTTP: the planner of claims with the product's own transport, by the clock of that Azure. The API server is one in memory.

use super::*;
use async_trait::async_trait;
use http::Method;
use jiff::SignedDuration;
use kaito_core::Settings;
use kaito_core::backend::ClusterBackend;
use kaito_core::driver;
use kaito_core::memory::azure::{AzureRefusal, FAMILY_QUOTA, REGIONAL_QUOTA, SIZE_NOT_ALLOWED, STOCK_OUT};
use kaito_core::memory::{CloudFate, MemoryCluster};
use kaito_core::plan::{Notice, StatusWrite};
use kaito_provisioner::ClaimPlanner;
use kaito_tests::fake_arm::FakeArm;
use serde_json::Value;
use std::sync::Arc;

/// The claim, and so its pool.
const NAME: &str = "ws0123456ab";

/// Agent pools at Azure, everything else in memory.
struct Both {
    cluster: Arc<MemoryCluster>,
    pools: ArmPools,
}

#[async_trait]
impl ClusterBackend for Both {
    async fn read(&self, read: &Read) -> Result<Answer, BackendError> {
        match read.kind() {
            Some(Kind::AgentPool) => self.pools.read(read).await,
            _ => self.cluster.read(read).await,
        }
    }

    async fn perform(&self, effect: &Effect) -> Result<Written, BackendError> {
        match effect.key().kind {
            Kind::AgentPool => self.pools.perform(effect).await,
            _ => self.cluster.perform(effect).await,
        }
    }

    async fn write_status(&self, write: &StatusWrite) -> Result<Written, BackendError> {
        self.cluster.write_status(write).await
    }

    async fn publish(&self, about: &ObjectKey, uid: &str, notice: &Notice) {
        self.cluster.publish(about, uid, notice).await;
    }
}

/// A cluster with a Workspace, beside its Azure.
struct Stage {
    azure: FakeArm,
    both: Both,
}

impl Stage {
    async fn start(pace: Pace) -> Stage {
        let azure = FakeArm::start(pace).await;
        let cluster = Arc::new(MemoryCluster::new(azure.now()));
        azure.make_nodes_in(Arc::clone(&cluster) as Arc<dyn ClusterBackend>, None);
        let both = Both { cluster, pools: azure.pools() };
        let stage = Stage { azure, both };
        stage.put(&json!({
            "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "phi", "namespace": "default"},
            "resource": {"instanceType": SIZE}, "inference": {"preset": {"name": "phi-4"}}, "status": {"targetNodeCount": 2},
        }));
        stage
    }

    fn put(&self, object: &Value) {
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let kind = Kind::named(text("apiVersion"), text("kind")).unwrap();
        let of = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        let key = ObjectKey::new(kind, of("namespace"), of("name"));
        self.both.cluster.set_now(self.azure.now());
        self.both.cluster.with_store(|store| store.create(&key, object)).unwrap();
    }

    /// The claim of a machine of the Workspace, of one of these sizes.
    fn claim(&self, name: &str, slot: &str, sizes: &[&str]) {
        self.put(&json!({
            "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
            "metadata": {"name": name, "labels": {
                "karpenter.sh/nodepool": "kaito", "kaito.sh/workspace": "phi", "kaito.sh/workspacenamespace": "default", "kaito.sh/node-slot": slot,
            }},
            "spec": {
                "nodeClassRef": {"group": "kaito.sh", "kind": "KaitoNodeClass", "name": "default"},
                "requirements": [{"key": "node.kubernetes.io/instance-type", "operator": "In", "values": sizes}],
                "resources": {"requests": {"storage": "107Gi"}},
            },
        }));
    }

    fn get(&self, key: &ObjectKey) -> Value {
        self.both.cluster.with_store(|store| store.value(key).cloned()).unwrap_or_default()
    }

    /// Somebody deletes the claim.
    fn delete(&self) {
        self.both.cluster.set_now(self.azure.now());
        self.both.cluster.with_store(|store| store.delete(&claim_key(NAME), None)).unwrap();
    }

    async fn look(&self, name: &str) {
        let now = self.azure.now();
        self.both.cluster.set_now(now);
        // What cannot be read now is read at the next look.
        let _ = driver::reconcile(&self.both, &ClaimPlanner, &claim_key(name), &Settings::default(), now).await;
    }

    /// Looks at a claim until something is true; its clock goes on as this machine's does.
    async fn until(&self, name: &str, what: &str, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            let claim = self.get(&claim_key(name));
            assert!(start.elapsed() < PATIENCE, "never: {what}\n{claim:#}\n{:?}", self.azure.states());
            self.look(name).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Status, reason and message of a condition.
    fn condition(&self, name: &str, type_: &str) -> [String; 3] {
        let claim = self.get(&claim_key(name));
        let all = claim["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = all.into_iter().find(|condition| condition["type"] == type_).unwrap_or_default();
        ["status", "reason", "message"].map(|field| found[field].as_str().unwrap_or_default().to_owned())
    }

    fn says(&self, name: &str, type_: &str, words: &str) -> bool {
        self.condition(name, type_)[2].contains(words)
    }

    async fn ready(&self, name: &str) {
        self.until(name, "it is ready", || self.condition(name, "Ready")[0] == "True").await;
    }

    /// Looks until nothing is left of a claim.
    async fn gone(&self, name: &str) {
        self.until(name, "it is gone", || self.get(&claim_key(name)).is_null()).await;
        assert!(!self.azure.states().contains_key(name), "its pool goes first");
    }

    /// How often something was asked of the cloud.
    fn asked(&self, method: &Method) -> usize {
        self.azure.asked().iter().filter(|asked| asked.method == *method).count()
    }

    /// The Nodes of the cluster.
    fn nodes(&self) -> usize {
        self.both.cluster.with_store(|store| store.iter().filter(|(key, _)| key.kind == Kind::Node).count())
    }
}

fn claim_key(name: &str) -> ObjectKey {
    ObjectKey::cluster(Kind::NodeClaim, name)
}

/// A machine takes an hour.
fn an_hour() -> Pace {
    pace(3600)
}

#[tokio::test]
async fn a_machine_that_takes_an_hour_is_waited_for_told_when_it_is_overdue_and_paid_for_once() {
    let stage = Stage::start(an_hour()).await;
    stage.claim(NAME, "0", &[SIZE]);
    stage.until(NAME, "its pool is made", || stage.says(NAME, "Launched", "is being made")).await;
    assert!(!stage.says(NAME, "Launched", "overdue"));
    stage.azure.pass(SignedDuration::from_mins(31));
    stage.until(NAME, "it is overdue", || stage.says(NAME, "Launched", "; overdue since ")).await;
    stage.azure.pass(SignedDuration::from_mins(28));
    stage.look(NAME).await;
    assert_eq!((stage.azure.states()[NAME].as_str(), stage.nodes()), ("Creating", 0), "not a minute sooner");
    stage.azure.pass(SignedDuration::from_mins(1));
    stage.ready(NAME).await;
    assert_eq!((stage.asked(&Method::PUT), stage.azure.made(), stage.nodes()), (1, 1, 1));
}

#[tokio::test]
async fn a_claim_that_is_deleted_while_its_machine_is_made_takes_it_along_at_once_or_when_the_cloud_lets_it() {
    for is_serial in [false, true] {
        let stage = Stage::start(an_hour()).await;
        if is_serial {
            stage.azure.do_one_thing_at_a_time();
        }
        stage.claim(NAME, "0", &[SIZE]);
        stage.until(NAME, "its pool is made", || stage.says(NAME, "Launched", "is being made")).await;
        stage.delete();
        if is_serial {
            let words = format!(
                "OperationNotAllowed: Operation is not allowed: Another agentpool operation ({NAME} - Creating) is in progress"
            );
            stage.until(NAME, "it is refused", || stage.says(NAME, "InstanceTerminating", &words)).await;
            assert!(
                stage.says(NAME, "InstanceTerminating", "; next: "),
                "{:?}",
                stage.condition(NAME, "InstanceTerminating")
            );
            stage.azure.pass(SignedDuration::from_mins(50));
            let before = stage.asked(&Method::DELETE);
            stage.until(NAME, "it is refused again", || stage.asked(&Method::DELETE) > before).await;
            assert_eq!(stage.azure.states()[NAME], "Creating", "it is still made");
            stage.azure.pass(SignedDuration::from_mins(10));
        }
        stage.until(NAME, "its pool is gone", || stage.azure.states().is_empty()).await;
        // A request may still be under way, as far as anybody knows who has seen no machine.
        stage.azure.pass(SignedDuration::from_mins(3));
        stage.gone(NAME).await;
        assert_eq!((stage.azure.made(), stage.azure.nodes().len(), stage.nodes()), (1, 0, 0), "{is_serial}");
    }
}

#[tokio::test]
async fn a_machine_is_asked_for_again_when_that_of_another_claim_has_come() {
    let stage = Stage::start(an_hour()).await;
    stage.azure.do_one_thing_at_a_time();
    let other = "ws0123456cd";
    stage.claim(NAME, "0", &[SIZE]);
    stage.claim(other, "1", &[SIZE]);
    stage.until(NAME, "its pool is made", || stage.says(NAME, "Launched", "is being made")).await;
    let words = format!("Another agentpool operation ({NAME} - Creating) is in progress");
    stage.until(other, "it is refused", || stage.says(other, "Launched", &words)).await;
    assert_eq!(stage.condition(other, "Launched")[1], "AwaitingReconciliation");
    let refused = stage.asked(&Method::PUT);
    for _ in 0..5 {
        stage.look(other).await;
    }
    assert_eq!(stage.asked(&Method::PUT), refused, "it is asked for again later, and not at every look");
    stage.azure.pass(SignedDuration::from_mins(61));
    stage.ready(NAME).await;
    stage.until(other, "its pool is made", || stage.says(other, "Launched", "is being made")).await;
    stage.azure.pass(SignedDuration::from_mins(61));
    stage.ready(other).await;
    assert_eq!((stage.azure.made(), stage.nodes()), (2, 2));
}

#[tokio::test]
async fn a_size_that_is_not_given_is_told_and_the_next_one_of_the_claim_is_bought() {
    // What is refused at once is no pool; what is refused later was one, and is given back first.
    let rows: [(&AzureRefusal, usize); 4] =
        [(&STOCK_OUT, 2), (&FAMILY_QUOTA, 2), (&REGIONAL_QUOTA, 1), (&SIZE_NOT_ALLOWED, 1)];
    futures::future::join_all(rows.map(|(refusal, made)| async move {
        let stage = Stage::start(pace(0)).await;
        stage.azure.set_fate(CloudFate::Azure { refusal, size: Some(SIZE.to_owned()) });
        stage.claim(NAME, "0", &[SIZE, OTHER_SIZE]);
        stage.until(NAME, "it is told", || stage.says(NAME, "Launched", refusal.code)).await;
        assert!(stage.says(NAME, "Launched", SIZE), "{:?}", stage.condition(NAME, "Launched"));
        stage.ready(NAME).await;
        let bought = look(&stage.both.pools, NAME).await.unwrap().unwrap();
        assert_eq!((pool(&bought).spec.size.as_str(), stage.azure.made()), (OTHER_SIZE, made), "{}", refusal.word);
        assert_eq!(stage.asked(&Method::PUT), 2, "{}", refusal.word);
    }))
    .await;
}

#[tokio::test]
async fn a_deletion_that_stops_half_way_keeps_the_claim_and_its_node_until_the_pool_is_gone() {
    let stage = Stage::start(pace(0)).await;
    stage.claim(NAME, "0", &[SIZE]);
    stage.ready(NAME).await;
    stage.azure.set_fate(CloudFate::TerminatesPartly);
    stage.delete();
    stage.until(NAME, "its machine is gone", || stage.azure.nodes().is_empty()).await;
    stage.azure.pass(SignedDuration::from_mins(61));
    stage.until(NAME, "it is overdue", || stage.says(NAME, "InstanceTerminating", "; overdue since ")).await;
    assert_eq!((stage.azure.states()[NAME].as_str(), stage.nodes()), ("Deleting", 1), "the pool is paid for");
    assert_eq!(stage.asked(&Method::DELETE), 1, "it goes already");
    stage.azure.set_fate(CloudFate::Well);
    stage.gone(NAME).await;
    assert_eq!(stage.nodes(), 0);
}
