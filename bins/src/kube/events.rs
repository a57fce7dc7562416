//! Events about objects, at best effort.
//!
//! Not kube-runtime's recorder: it takes two notes for one when only their text differs, and repeats the first. Planners publish on edges only, so that there is nothing to fold.

use super::requests::Requests;
use jiff::Timestamp;
use kaito_api::vocabulary::events::COMPONENT_WORKSPACE;
use kaito_core::ObjectKey;
use kaito_core::plan::Notice;
use serde_json::{Value, json};

/// The API's limit of a note, in bytes.
const NOTE: usize = 1024;

/// Publishes a notice as an event about an object. A failure is logged, never told: an event must not stop a plan.
pub(super) async fn publish(requests: &Requests, manager: &str, about: &ObjectKey, uid: &str, notice: &Notice) {
    let namespace = about.namespace.as_deref().unwrap_or("default");
    let url = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
    let event = event(component(manager), (about, uid), notice, namespace, Timestamp::now());
    if let Err(error) = requests.post("Event", url, &event).await {
        tracing::warn!(about = %about, reason = notice.reason, %error, "event not published");
    }
}

/// Who signs: the controller of Workspaces as the reference's does, which people filter by, and every other program with its own name.
fn component(manager: &str) -> &str {
    if manager == super::WORKSPACE_MANAGER { COMPONENT_WORKSPACE } else { manager }
}

fn event(component: &str, (about, uid): (&ObjectKey, &str), notice: &Notice, namespace: &str, now: Timestamp) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"namespace": namespace, "name": name(&about.name, now)},
        "type": if notice.warning { "Warning" } else { "Normal" },
        "reason": notice.reason,
        "action": notice.reason,
        "note": shortened(&notice.note),
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
        "reportingController": component,
        "reportingInstance": std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| component.to_owned()),
        "regarding": {
            "apiVersion": about.kind.api_version(), "kind": about.kind.name(),
            "namespace": about.namespace, "name": about.name, "uid": uid,
        },
    })
}

/// As client-go names them: the object, then the time. A name has at most 253 characters.
fn name(about: &str, now: Timestamp) -> String {
    let about: String = about.chars().take(220).collect();
    format!("{}.{:x}", about.trim_end_matches(['.', '-']), now.as_nanosecond())
}

/// Cut at a character, with a sign that something is missing.
fn shortened(note: &str) -> String {
    if note.len() <= NOTE {
        return note.to_owned();
    }
    let end = (0..=NOTE - 3).rev().find(|end| note.is_char_boundary(*end)).unwrap_or(0);
    format!("{}...", &note[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use kaito_core::Kind;

    #[test]
    fn an_event_is_about_one_object_and_fits() {
        let about = ObjectKey::new(Kind::Workspace, "a", "phi");
        let notice = Notice { warning: true, reason: "NoMachine", note: "é".repeat(2000), after: None };
        let event = event(component("kaito-workspace"), (&about, "u"), &notice, "a", Timestamp::UNIX_EPOCH);
        assert_eq!(event["reportingController"], "KAITO-Workspace-controller");
        assert_eq!(component("kaito-gpu-provisioner"), "kaito-gpu-provisioner");
        assert_eq!(
            event["regarding"],
            json!({"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "namespace": "a", "name": "phi", "uid": "u"})
        );
        assert_eq!(event["eventTime"], "1970-01-01T00:00:00.000000Z");
        assert!(event["note"].as_str().is_some_and(|note| note.len() <= NOTE && note.ends_with("é...")));
        assert_eq!(event["metadata"]["name"], "phi.0");
    }
}
