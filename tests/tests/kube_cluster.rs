//! The cluster layer on a real API server: what each write does when things stand otherwise than planned, and planners run by an operator.

use kaito_core::backend::{BackendError, ClusterBackend, ErrorKind, Written};
use kaito_core::effect::{Effect, MetadataPatch, Owned, WriteMode};
use kaito_core::memory::{Pace, actors::Cloud};
use kaito_core::plan::StatusWrite;
use kaito_core::read::{LogQuery, Read, Selector};
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, NodeProvisioner, ObjectKey, Planner, Seen, Settings, WorkspacePlanner};
use kaito_operator::kube::{self, KubeCluster, Operator, OperatorBuilder};
use kaito_tests::control_plane::{ControlPlane, Options};
use serde_json::{Value, json};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn repository(file: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(file)
}

type Outcome = Result<(), Box<dyn Error>>;

fn block_on(test: impl Future<Output = Outcome>) -> Outcome {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // kubectl blocks its thread; the operator has one of its own.
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(test)
}

/// The product, or the cloud beside it, under an identity of its own.
async fn operator(kubeconfig: &Path, planner: Box<dyn Planner>) -> Result<OperatorBuilder, Box<dyn Error>> {
    let client = kube::client(kube::config(Some(kubeconfig)).await?, "kaito-tests")?;
    Ok(Operator::builder(client, Settings::default()).planner(planner))
}

/// Reads and writes without any watch.
async fn unwatched(plane: &ControlPlane) -> Result<KubeCluster, Box<dyn Error>> {
    Ok(operator(&plane.kubeconfig(), Box::new(WorkspacePlanner)).await?.build().cluster())
}

fn service(extra: &Value) -> (ObjectKey, Value) {
    let mut body = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default", "labels": {"a": "1"}},
        "spec": {"ports": [{"name": "http", "port": 80}], "selector": {"app": "web"}},
    });
    body["metadata"]["annotations"] = extra.clone();
    (ObjectKey::new(Kind::Service, "default", "web"), body)
}

fn ensure(body: &(ObjectKey, Value), mode: WriteMode, uid: Option<String>) -> Effect {
    Effect::Ensure { key: body.0.clone(), body: body.1.clone(), mode, uid }
}

fn now(written: Result<Written, BackendError>) -> Result<Box<Seen>, Box<dyn Error>> {
    match written? {
        Written::Now(seen) => Ok(seen),
        Written::Gone => Err("gone".into()),
    }
}

fn refusal(written: Result<Written, BackendError>) -> Option<ErrorKind> {
    written.err().map(|error| error.kind)
}

fn version(seen: &Seen) -> String {
    seen.metadata().resource_version.clone().unwrap_or_default()
}

/// Writes without any watch: every answer is the API server's own.
#[test]
fn writes_are_refused_in_classes_and_never_hit_a_namesake() -> Outcome {
    let Some(plane) = ControlPlane::start_or_skip(Options::default())? else { return Ok(()) };
    block_on(async {
        let cluster = unwatched(&plane).await?;
        let first =
            now(cluster.perform(&ensure(&service(&json!({"old": "1", "kept": "1"})), WriteMode::Apply, None)).await)?;
        let uid = first.metadata().uid.clone().unwrap_or_default();

        let again = cluster.perform(&ensure(&service(&json!({})), WriteMode::Apply, None)).await;
        assert_eq!(refusal(again), Some(ErrorKind::AlreadyExists));

        // What was created and is no longer wished for goes with the first apply; what somebody else wrote stays.
        plane.run(&["annotate", "service", "web", "theirs=1"])?;
        let applied =
            now(cluster.perform(&ensure(&service(&json!({"kept": "2"})), WriteMode::Apply, Some(uid.clone()))).await)?;
        let annotations = applied.metadata().annotations.clone().unwrap_or_default();
        assert_eq!(
            annotations.into_iter().collect::<Vec<_>>(),
            [("kept".into(), "2".into()), ("theirs".into(), "1".into())]
        );
        let quiet =
            now(cluster.perform(&ensure(&service(&json!({"kept": "2"})), WriteMode::Apply, Some(uid.clone()))).await)?;
        assert_eq!(version(&quiet), version(&applied), "applying the same changes nothing");

        let metadata = |version: &str| Effect::Metadata {
            key: service(&json!({})).0,
            uid: uid.clone(),
            resource_version: Some(version.to_owned()),
            patch: MetadataPatch {
                annotations: [("mark".to_owned(), Some("x".to_owned()))].into(),
                ..MetadataPatch::default()
            },
        };
        assert_eq!(refusal(cluster.perform(&metadata(&version(&first))).await), Some(ErrorKind::Conflict));
        now(cluster.perform(&metadata(&version(&quiet))).await)?;

        let mut invalid = service(&json!({}));
        invalid.1["spec"]["ports"] = json!([{"port": 99999}]);
        assert_eq!(
            refusal(cluster.perform(&ensure(&invalid, WriteMode::Apply, Some(uid.clone()))).await),
            Some(ErrorKind::Invalid)
        );

        let target = Owned::by_names(&first, &[("a", "1")]).ok_or("ours")?;
        let delete = Effect::Delete { target };
        assert_eq!(cluster.perform(&delete).await?, Written::Gone);
        assert_eq!(refusal(cluster.perform(&delete).await), Some(ErrorKind::NotFound));
        let revived = cluster.perform(&ensure(&service(&json!({})), WriteMode::Apply, Some(uid.clone()))).await;
        assert_eq!(refusal(revived), Some(ErrorKind::Conflict), "an apply does not bring a deleted object back");
        now(cluster.perform(&ensure(&service(&json!({})), WriteMode::CreateOnly, None)).await)?;
        assert_eq!(refusal(cluster.perform(&delete).await), Some(ErrorKind::Conflict), "a namesake is left alone");

        let claims = Read::list(Kind::NodeClaim, None, Selector::default());
        assert_eq!(cluster.read(&claims).await?, Answer::NoSuchKind);
        let absent = Read::object(ObjectKey::new(Kind::Service, "default", "absent"));
        assert_eq!(cluster.read(&absent).await?, Answer::Object(None));
        let [namespace, pod, container] = ["default", "absent-0", "absent"].map(str::to_owned);
        let log = LogQuery { namespace, pod, container, previous: false, lines: 5, holding: None, bytes: 100 };
        let refused = cluster.read(&Read::Log(log)).await.expect_err("there is no such pod");
        assert_eq!((refused.kind, refused.message.as_str()), (ErrorKind::NotFound, "pods \"absent-0\" not found"));
        plane.run(&["create", "secret", "generic", "hub", "--from-literal=TOKEN=hunter2"])?;
        let secret = cluster.read(&Read::object(ObjectKey::new(Kind::Secret, "default", "hub"))).await?;
        let text = format!("{secret:?}");
        assert!(text.contains("TOKEN") && !text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
        Ok(())
    })
}

#[test]
fn a_status_is_replaced_as_a_whole_and_only_at_the_version_it_was_planned_from() -> Outcome {
    let Some(plane) = ControlPlane::start_or_skip(Options::default())? else { return Ok(()) };
    plane.apply(&repository("crds/kaito.sh_workspaces.yaml"))?;
    plane.run(&["wait", "--for=condition=Established", "crd/workspaces.kaito.sh", "--timeout=30s"])?;
    let workspace = json!({"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "w"}, "resource": {"labelSelector": {}}});
    plane.apply_text(&workspace.to_string())?;
    block_on(async {
        let cluster = unwatched(&plane).await?;
        let key = ObjectKey::new(Kind::Workspace, "default", "w");
        let Answer::Object(Some(seen)) = cluster.read(&Read::object(key.clone())).await? else {
            return Err("no workspace".into());
        };
        let uid = seen.metadata().uid.clone().unwrap_or_default();
        let write = |resource_version: String, status: Value| StatusWrite {
            key: key.clone(),
            uid: uid.clone(),
            resource_version,
            status,
        };

        let first = now(cluster
            .write_status(&write(version(&seen), json!({"workerNodes": ["a"], "targetNodeCount": 1})))
            .await)?;
        let stale = cluster.write_status(&write(version(&seen), json!({}))).await;
        assert_eq!(refusal(stale), Some(ErrorKind::Conflict));
        now(cluster.write_status(&write(version(&first), json!({"targetNodeCount": 2}))).await)?;
        let status: Value =
            serde_json::from_str(&plane.run(&["get", "workspace", "w", "-o", "jsonpath={.status}"])?)?;
        assert_eq!(status, json!({"targetNodeCount": 2}));
        let namesake = StatusWrite { uid: "other".into(), ..write(version(&first), json!({})) };
        assert_eq!(refusal(cluster.write_status(&namesake).await), Some(ErrorKind::Conflict));
        Ok(())
    })
}

#[test]
fn an_operator_needs_no_more_than_its_role_waits_for_its_definitions_and_gives_all_nodes_back() -> Outcome {
    let Some(plane) = ControlPlane::start_or_skip(Options::default())? else { return Ok(()) };
    let product = plane.identity("system:serviceaccount:kaito:controller", &["system:serviceaccounts"])?;
    plane.apply_text(&serde_json::to_string(&kaito_operator::rbac::cluster_role(&NodeProvisioner::default()))?)?;
    let role = format!("--clusterrole={}", kaito_operator::rbac::NAME);
    plane.run(&["create", "clusterrolebinding", "kaito", &role, "--user=system:serviceaccount:kaito:controller"])?;
    block_on(async {
        let product = operator(&product, Box::new(WorkspacePlanner)).await?.build();
        let cloud =
            operator(&plane.kubeconfig(), Box::new(Cloud::new(Pace::instant()))).await?.kinds([Kind::Node]).build();
        let (readiness, stop) = (product.readiness(), CancellationToken::new());
        let running = [product, cloud].map(|operator| tokio::spawn(operator.run(stop.clone().cancelled_owned())));
        let missing: Vec<String> = ["workspaces.kaito.sh", "nodeclaims.karpenter.sh"]
            .map(|name| format!("waiting for customresourcedefinition {name}"))
            .into();
        until("both definitions are waited for", || Ok(readiness.missing() == missing)).await?;

        plane.apply(&repository("crds/kaito.sh_workspaces.yaml"))?;
        plane.apply(&plane.assets().node_claim_crd()?)?;
        until("ready", || Ok(readiness.missing().is_empty())).await?;

        plane.apply(&repository("examples/phi-3-mini.yaml"))?;
        until("a set", || Ok(!plane.run(&["get", "statefulsets", "-o", "name"])?.is_empty())).await?;
        assert!(!plane.run(&["get", "nodes", "-o", "name"])?.is_empty());
        until("an event", || Ok(plane.run(&["get", "events", "-o", "name"])?.contains("workspace-phi-3-mini"))).await?;

        plane.run(&["delete", "workspaces", "--all", "--timeout=30s"])?;
        until("nothing is left", || Ok(plane.run(&["get", "nodeclaims,nodes", "-o", "name"])?.is_empty())).await?;
        stop.cancel();
        for operator in running {
            tokio::time::timeout(Duration::from_secs(5), operator).await???;
        }
        Ok(())
    })
}

async fn until(what: &str, mut reached: impl FnMut() -> Result<bool, Box<dyn Error>>) -> Outcome {
    for _ in 0..150 {
        if reached()? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Err(format!("never: {what}").into())
}
