//! The kit's control plane is a real one: it serves, its nodes become ready, its users have the rights given to them, and it goes.

use std::fs;
use std::time::Duration;

use kaito_tests::control_plane::{ControlPlane, Error, Options};
use serde_json::Value;

const NODE: &str = "
apiVersion: v1
kind: Node
metadata: {name: gpu-1, annotations: {kwok.x-k8s.io/node: fake}}
";

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default}
spec: {containers: [{name: web, image: web}]}
";

#[test]
fn a_control_plane_runs_nodes_and_pods_and_tells_what_was_asked() -> Result<(), Error> {
    let options = Options { controller_manager: true, kwok: true, audit: true, ..Options::default() };
    let Some(plane) = ControlPlane::start_or_skip(options)? else { return Ok(()) };
    let folder = plane.folder().to_owned();

    plane.apply(&plane.assets().node_claim_crd()?)?;
    plane.run(&["wait", "--for=condition=Established", "crd/nodeclaims.karpenter.sh", "--timeout=30s"])?;
    assert_eq!(plane.run(&["get", "nodeclaims", "-o", "name"])?, "");

    plane.apply_text(NODE)?;
    plane.run(&["wait", "--for=condition=Ready", "node/gpu-1", "--timeout=60s"])?;

    plane.apply_text(POD)?;
    plane.run(&["wait", "--for=condition=Ready", "pod/web", "--timeout=60s"])?;
    plane.set_pod_log(&["hello from the pod"])?;
    assert_eq!(plane.run(&["logs", "web"])?, "hello from the pod\n");

    let audit = plane.audit_log().unwrap();
    let requests: Vec<Value> =
        fs::read_to_string(&audit).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let node_written = requests.iter().any(|request| {
        request["user"]["username"] == "admin"
            && request["objectRef"]["resource"] == "nodes"
            && request["objectRef"]["name"] == "gpu-1"
            && request["verb"] == "patch"
    });
    assert!(node_written, "no patch of the node among {} requests", requests.len());

    plane.stop()?;
    assert!(!folder.exists(), "{} is still there", folder.display());
    Ok(())
}

#[test]
fn an_identity_may_do_what_its_cluster_role_says_and_nothing_else() -> Result<(), Error> {
    let Some(plane) = ControlPlane::shared().unwrap() else { return Ok(()) };
    let groups = ["system:serviceaccounts", "system:serviceaccounts:kaito"];
    let user = plane.identity("system:serviceaccount:kaito:controller", &groups)?;

    let refused = plane.kubectl_as(&user, &["get", "configmaps"])?;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Forbidden"), "{refused:?}");

    plane.run(&["create", "clusterrole", "reader", "--verb=list", "--resource=configmaps"])?;
    plane.run(&[
        "create",
        "clusterrolebinding",
        "reader",
        "--clusterrole=reader",
        "--group=system:serviceaccounts:kaito",
    ])?;
    let allowed = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50)); // the authorizer reads a cache
        plane.kubectl_as(&user, &["get", "configmaps"]).is_ok_and(|output| output.status.success())
    });
    assert!(allowed, "still refused");

    let who: Value = serde_json::from_str(&String::from_utf8_lossy(
        &plane.kubectl_as(&user, &["auth", "whoami", "-o", "json"])?.stdout,
    ))
    .unwrap();
    assert_eq!(who["status"]["userInfo"]["username"], "system:serviceaccount:kaito:controller");
    for group in groups {
        assert!(who["status"]["userInfo"]["groups"].as_array().unwrap().iter().any(|value| value == group), "{who}");
    }

    let error = plane.identity("somebody", &["a", "b", "c"]).unwrap_err();
    assert_eq!(error.to_string(), "3 groups: a client certificate made here has room for two");
    Ok(())
}
