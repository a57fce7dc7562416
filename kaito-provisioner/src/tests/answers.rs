//! What becomes of answers, well-formed and not.

use crate::arm::{Arm, ClusterId, Endpoint, Pages, Progress, Removal, Started};
use crate::pool::PoolState;
use crate::{ArmError, ErrorClass, PoolName};
use bytes::Bytes;
use http::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

const AZURE: &str = "https://management.azure.com";

fn arm() -> Arm {
    let cluster = ClusterId::new("00000000-0000-0000-0000-000000000000", "rg", "aks").unwrap();
    Arm::new(Endpoint::parse(AZURE).unwrap(), cluster)
}

fn name() -> PoolName {
    PoolName::parse("ws0123456ab").unwrap()
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

fn pool(state: &str) -> Value {
    json!({"name": "ws0123456ab", "properties": {"provisioningState": state, "vmSize": "A", "eTag": "e1"}})
}

fn created(headers: &[(&str, &str)]) -> Started {
    arm().read_create(&name(), &answer(201, headers, pool("Creating").to_string()), now()).unwrap()
}

/// The operation of a creation that named this address.
fn operation(header: &str) -> crate::arm::OperationLink {
    created(&[(header, "https://eastus.management.azure.com/operations/op1?sig=secret12345")]).operation.unwrap()
}

/// What AKS answers where there is no such pool: the words of the service behind it are a detail of their own.
fn of_aks(message: &str, detail: &str) -> String {
    let details = json!([{"code": "Unspecified", "message": detail}]);
    json!({"code": "NotFound", "details": details, "message": message, "subcode": "GetAgentPool_NotFound"}).to_string()
}

#[test]
fn the_pool_is_gone_only_where_azure_says_so_of_the_pool() {
    let get = |status, body: String| arm().read_get(&name(), &answer(status, &[], body), now());
    let refused = |code: &str, message: &str| json!({"error": {"code": code, "message": message}}).to_string();
    for body in [
        refused("NotFound", "Agent Pool not found."),
        refused("notfound", "Agent pool not found."),
        refused("NotFound", "The agent pool ws0123456ab was not found"),
        refused("AgentPoolNotFound", "Agent pool ws0123456ab of managed cluster aks was not found"),
        json!({"code": "NotFound", "message": "Could not find the agentpool: Agent Pool not found.", "details": null})
            .to_string(),
        of_aks("Could not find the agentpool", "rpc error: code = NotFound desc = Agent Pool not found"),
        of_aks("Could not find the agentpool", "rpc error"),
        of_aks(
            "Could not find the agentpool: ws0123456ab in subscription: s, resourceGroup: rg, managed cluster resource: aks.",
            "rpc error: code = NotFound desc = Agent Pool not found",
        ),
    ] {
        assert_eq!(get(404, body.clone()), Ok(None), "{body}");
    }
    for (body, class) in [
        (
            refused(
                "ResourceNotFound",
                "The Resource 'Microsoft.ContainerService/managedClusters/aks' under resource group 'rg' was not found.",
            ),
            ErrorClass::NoCluster,
        ),
        (
            refused(
                "ParentResourceNotFound",
                "Failed to perform 'read' on resource(s) of type 'managedClusters/agentPools'",
            ),
            ErrorClass::NoCluster,
        ),
        (refused("ResourceGroupNotFound", "Resource group 'rg' could not be found."), ErrorClass::NoCluster),
        (refused("NotFound", "gone"), ErrorClass::NoCluster),
        (refused("NotFound", "Could not find managed cluster aks"), ErrorClass::NoCluster),
        (refused("NotFound", "Could not find ws0123456ab"), ErrorClass::NoCluster),
        (refused("NotFound", "No agent pool: managed cluster aks not found"), ErrorClass::NoCluster),
        (
            json!({"error": {"code": "NotFound", "message": "No agent pool", "details": [{"code": "ParentResourceNotFound", "message": "x"}]}})
                .to_string(),
            ErrorClass::NoCluster,
        ),
        (
            json!({"code": "NotFound", "subcode": "GetManagedCluster_NotFound", "message": "Could not find managed cluster resource: agentpool in subscription: s", "details": [{"code": "Unspecified", "message": "rpc error: code = NotFound desc = Agent Pool not found"}]})
                .to_string(),
            ErrorClass::NoCluster,
        ),
        (refused("NotFound", "The agent pool is not known in subscription s"), ErrorClass::NoCluster),
        (refused("SubscriptionNotFound", "Agent Pool not found"), ErrorClass::NoCluster),
        ("<html>agent pool not found</html>".to_owned(), ErrorClass::Unreadable),
        (r#"{"error": {"code": "NotFo"#.to_owned(), ErrorClass::Unreadable),
        (String::new(), ErrorClass::NoCluster),
    ] {
        assert_eq!(get(404, body.clone()).unwrap_err().class(), class, "{body}");
    }
    // Names prove nothing: a pool may be called as its cluster, or as any word.
    for name in ["aks", "a", "found"] {
        let pool = PoolName::parse(name).unwrap();
        let gone = answer(404, &[], refused("NotFound", "Managed cluster aks not found"));
        assert_eq!(arm().read_get(&pool, &gone, now()).unwrap_err().class(), ErrorClass::NoCluster, "{name}");
        let gone = answer(404, &[], refused("NotFound", "Could not find a resource: aks"));
        assert_eq!(arm().read_get(&pool, &gone, now()).unwrap_err().class(), ErrorClass::NoCluster, "{name}");
    }
    let delete = |status, body: String| arm().read_delete(&answer(status, &[], body), now());
    assert_eq!(delete(404, refused("NotFound", "gone")), Ok(Removal::Gone));
    assert_eq!(delete(204, String::new()), Ok(Removal::Gone));
    assert_eq!(delete(404, of_aks("Could not find the agentpool", "rpc error")), Ok(Removal::Gone));
    for body in [refused("ResourceNotFound", "x"), refused("NotFound", "managed cluster aks not found"), String::new()]
    {
        assert_eq!(delete(404, body).unwrap_err().class(), ErrorClass::NoCluster);
    }
}

#[test]
fn answers_that_are_none_are_unreadable_and_never_a_pool() {
    for body in [
        "",
        "<html>please log in</html>",
        "{\"name\":\"ws0123456ab\",\"prop",
        "null",
        "[]",
        "7",
        "{}",
        "{\"name\":\"../x\"}",
        "{\"name\":\"other\"}",
        "\u{0}\u{1}",
    ] {
        for error in [
            arm().read_get(&name(), &answer(200, &[], body), now()).unwrap_err(),
            arm().read_create(&name(), &answer(200, &[], body), now()).unwrap_err(),
        ] {
            assert_eq!(error.class(), ErrorClass::Unreadable, "{body}");
            assert!(error.to_string().starts_with("the answer cannot be used: "), "{error}");
        }
        assert!(arm().read_list(&answer(200, &[], body), now()).is_err(), "{body}");
    }
    let large = vec![b' '; (32 << 20) + 1];
    assert_eq!(arm().read_get(&name(), &answer(200, &[], large), now()).unwrap_err().class(), ErrorClass::Unreadable);
    let moved = answer(302, &[("location", "https://evil.example/")], "");
    assert_eq!(arm().read_get(&name(), &moved, now()).unwrap_err().class(), ErrorClass::Unreadable);
    let refused = answer(200, &[], json!({"error": {"code": "AuthorizationFailed", "message": "m"}}).to_string());
    assert_eq!(arm().read_get(&name(), &refused, now()).unwrap_err().class(), ErrorClass::Auth);
}

#[test]
fn a_pool_is_read_whatever_its_fields_hold() {
    let odd = json!({"name": "ws0123456ab", "properties": {
        "provisioningState": 7, "vmSize": null, "count": "one", "nodeLabels": {"a": 1, "b": "c"}, "tags": [], "status": "x", "eTag": {}
    }});
    let seen = arm().read_get(&name(), &answer(200, &[], odd.to_string()), now()).unwrap().unwrap();
    assert_eq!((seen.state, seen.size.as_str(), seen.labels.len(), seen.etag), (PoolState::Succeeded, "", 1, None));
    let failed = json!({"name": "ws0123456ab", "properties": {
        "provisioningState": "Failed", "status": {"provisioningError": {"code": "ReconcileFailed", "message": "m", "details": [{"code": "AllocationFailed", "message": "none free"}]}}
    }});
    let body = format!("\u{feff}{failed}");
    let seen = arm().read_get(&name(), &answer(200, &[], body), now()).unwrap().unwrap();
    let failure = seen.failure.unwrap();
    assert_eq!(
        (failure.class, failure.message.as_str()),
        (ErrorClass::StockOut, "AllocationFailed: none free; ReconcileFailed: m")
    );
}

#[test]
fn a_list_goes_on_at_home_and_comes_to_an_end() {
    let page = |pools: &[&str], next: Value| {
        let pools: Vec<Value> = pools.iter().map(|name| json!({"name": name})).collect();
        arm().read_list(&answer(200, &[], json!({"value": pools, "nextLink": next}).to_string()), now())
    };
    let mut pages = Pages::default();
    let next =
        pages.take(page(&["a", "B!"], json!("https://management.azure.com/next?page=2")).unwrap()).unwrap().unwrap();
    assert_eq!(arm().next_page(&next).unwrap().uri(), "https://management.azure.com/next?page=2");
    assert_eq!(pages.take(page(&["b"], json!("")).unwrap()), Ok(None));
    let (pools, unreadable) = pages.finish();
    assert_eq!((pools.len(), unreadable.len()), (2, 1), "a pool that cannot be read hides no other");
    for link in [json!("https://evil.example/next"), json!("http://management.azure.com/next"), json!(7)] {
        let error = page(&["a"], link.clone()).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unreadable, "{link}");
    }
    let mut pages = Pages::default();
    let same = || page(&[], json!("/next")).unwrap();
    assert!(pages.take(same()).unwrap().is_some());
    assert!(pages.take(same()).is_err(), "a circle");
    let mut pages = Pages::default();
    let end = (0..1000).find_map(|n| pages.take(page(&[], json!(format!("/next?{n}"))).unwrap()).err());
    assert!(end.unwrap().contains("more than 100 pages"));
}

#[test]
fn an_operation_elsewhere_is_not_followed_and_the_pool_is_asked_instead() {
    for header in ["azure-asyncoperation", "location"] {
        let started = created(&[(header, "https://evil.example/op"), ("retry-after", "7")]);
        assert_eq!((started.operation, started.poll_after), (None, Duration::from_secs(7)));
        let remark = started.remark.unwrap();
        assert!(
            remark.starts_with(header) && remark.contains("evil.example") && remark.contains("not followed"),
            "{remark}"
        );
    }
    let both = created(&[("azure-asyncoperation", "https://evil.example/op"), ("location", "/home/op")]);
    assert_eq!(arm().poll(&both.operation.unwrap()).unwrap().uri(), "https://management.azure.com/home/op");
    assert!(created(&[]).operation.is_none());
}

#[test]
fn the_address_of_an_operation_is_told_to_nobody() {
    let started = created(&[("azure-asyncoperation", "https://management.azure.com/op?sig=secret12345")]);
    assert!(!format!("{started:?}").contains("secret12345"));
}

#[test]
fn an_operation_is_read_in_both_of_its_forms() {
    let status = |word: &str| json!({"status": word, "error": {"code": "QuotaExceeded", "message": "m"}}).to_string();
    let poll = |header, code, headers: &[(&str, &str)], body: String| {
        arm().read_poll(&operation(header), &answer(code, headers, body), now())
    };
    let later = |seconds| Ok(Progress::Running(Duration::from_secs(seconds)));
    let is_quota = |answer: &Result<Progress, ArmError>| matches!(answer, Ok(Progress::Failed(error)) if error.class() == ErrorClass::Quota);
    let by_status = "azure-asyncoperation";
    for header in [by_status, "location"] {
        assert_eq!(poll(header, 202, &[("retry-after", "3")], String::new()), later(3));
        assert_eq!(poll(header, 204, &[], String::new()), Ok(Progress::Succeeded));
        assert_eq!(poll(header, 200, &[], String::new()), Ok(Progress::Succeeded));
        assert_eq!(poll(header, 200, &[], json!({"status": "SUCCEEDED"}).to_string()), Ok(Progress::Succeeded));
        assert_eq!(poll(header, 200, &[("retry-after", "0")], json!({"status": "InProgress"}).to_string()), later(1));
        assert!(is_quota(&poll(header, 200, &[], status("Failed"))));
        assert!(is_quota(&poll(header, 200, &[], status("canceled"))));
        assert_eq!(poll(header, 404, &[], status("Failed")), Ok(Progress::Forgotten));
        assert_eq!(poll(header, 410, &[], String::new()), Ok(Progress::Forgotten));
        assert_eq!(poll(header, 503, &[], String::new()).unwrap_err().class(), ErrorClass::Unavailable);
        assert_eq!(
            poll(header, 429, &[("retry-after", "9")], String::new()).unwrap_err().retry_after,
            Some(Duration::from_secs(9))
        );
        assert_eq!(poll(header, 200, &[], "<html>".to_owned()).unwrap_err().class(), ErrorClass::Unreadable);
        assert_eq!(poll(header, 200, &[], "[]".to_owned()).unwrap_err().class(), ErrorClass::Unreadable);
    }
    // The end of an operation by its place is the resource itself.
    assert_eq!(poll("location", 200, &[], pool("Creating").to_string()), later(10));
    assert_eq!(poll("location", 200, &[], pool("Succeeded").to_string()), Ok(Progress::Succeeded));
    let silent = poll(by_status, 200, &[], json!({"status": "Failed", "error": null}).to_string());
    assert!(matches!(&silent, Ok(Progress::Failed(error)) if error.to_string().starts_with("Failed: ")), "{silent:?}");
}

#[test]
fn requests_say_what_they_mean() {
    let delete = arm().delete(&name(), Some("e1"), true).unwrap();
    assert_eq!(
        delete.uri().to_string(),
        "https://management.azure.com/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks/agentPools/ws0123456ab?api-version=2026-03-01&ignore-pod-disruption-budget=true"
    );
    assert_eq!((delete.method().as_str(), delete.headers()["if-match"].to_str().unwrap()), ("DELETE", "e1"));
    assert_eq!(delete.headers()["user-agent"], concat!("kaito-gpu-provisioner/", env!("CARGO_PKG_VERSION")));
    let bare = arm().delete(&name(), None, false).unwrap();
    assert!(!bare.headers().contains_key("if-match") && !bare.uri().to_string().contains("budget"));
    assert!(arm().list().unwrap().uri().path().ends_with("/managedClusters/aks/agentPools"));
    assert!(arm().in_version("2024-09-01").is_ok());
    let refused = arm().in_version("2024-08-01").unwrap_err().to_string();
    assert!(refused.contains("2024-09-01 or newer"), "{refused}");
    let older = arm().in_version("2025-10-01").unwrap();
    assert_eq!(older.get(&name()).unwrap().uri().query(), Some("api-version=2025-10-01"));
    for version in [
        "",
        "latest",
        "2025-10-1",
        "2025-10-01&x=y",
        "2025-10-01-previews",
        "2025é10-01",
        "2024-01-01",
        "2024-05-02-preview",
    ] {
        assert!(arm().in_version(version).is_err(), "{version}");
    }
    // Whatever an etag holds, it stays in its header.
    assert!(arm().delete(&name(), Some("e\r\nx: y"), false).is_err());
}

#[test]
fn a_pool_that_somebody_has_stopped_is_not_as_it_was_asked_for() {
    for (state, power, is_stopped) in [
        ("Succeeded", json!({"code": "Stopped"}), true),
        ("Succeeded", json!({"code": "Running"}), false),
        ("Succeeded", json!("Stopped"), false),
        ("Succeeded", json!(null), false),
        ("Failed", json!({"code": "Stopped"}), false),
    ] {
        let mut document = pool(state);
        document["properties"]["powerState"] = power.clone();
        let found = arm().read_get(&name(), &answer(200, &[], document.to_string()), now()).unwrap().unwrap();
        assert_eq!(found.state == PoolState::Busy("Stopped".to_owned()), is_stopped, "{state} {power}");
        assert_eq!(found.state == PoolState::parse(state), !is_stopped, "{state} {power}");
    }
}
