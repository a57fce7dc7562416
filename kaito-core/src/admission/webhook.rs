//! The words of an admission webhook: an `AdmissionReview` of `admission.k8s.io/v1` in, one out.

use super::known::Known;
use super::verdict::{Verdict, review_with};
use crate::settings::Settings;
use kaito_api::{FieldError, FieldErrorKind};
use serde_json::{Value, json};

/// What a review says of itself.
const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";
/// The code of a refusal; clients of the reference see the same.
const REFUSED: u16 = 400;

/// A value that cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an AdmissionReview of {API_VERSION}: {0}")]
pub struct NotAReview(String);

/// Answers a request: creations and updates are judged, everything else (deletion, connection, a write of the status alone) is allowed.
///
/// ```
/// use kaito_core::{Settings, admission};
/// use serde_json::json;
///
/// let asked = json!({
///     "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
///     "request": {"uid": "7", "operation": "CREATE", "object": {
///         "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "phi"},
///         "resource": {"labelSelector": {}},
///     }},
/// });
/// let answer = admission::answer(&asked, &Settings::default())?;
/// assert_eq!((&answer["response"]["uid"], &answer["response"]["allowed"]), (&json!("7"), &json!(false)));
/// # Ok::<(), admission::NotAReview>(())
/// ```
pub fn answer(asked: &Value, settings: &Settings) -> Result<Value, NotAReview> {
    answer_with(asked, settings, &Known::default())
}

/// The same where more is known than the object.
pub fn answer_with(asked: &Value, settings: &Settings, known: &Known<'_>) -> Result<Value, NotAReview> {
    let refuse = |why: &str| Err(NotAReview(why.to_owned()));
    if asked["apiVersion"] != API_VERSION || asked["kind"] != KIND {
        return refuse("apiVersion or kind is another");
    }
    let request = &asked["request"];
    let Some(uid) = request["uid"].as_str().filter(|uid| !uid.is_empty()) else {
        return refuse("request.uid is missing");
    };
    let objects = [&request["object"], &request["oldObject"]].map(|object| object.is_object().then_some(object));
    let is_part = request["subResource"].as_str().is_some_and(|part| !part.is_empty());
    let verdict = match (request["operation"].as_str(), objects) {
        (None, _) => return refuse("request.operation is missing"),
        (Some("CREATE" | "UPDATE"), [None, _]) => return refuse("request.object is missing"),
        (Some("CREATE" | "UPDATE"), _) if is_part => Verdict::yes(),
        (Some("CREATE"), [Some(new), _]) => review_with(new, None, settings, known),
        (Some("UPDATE"), [Some(new), old]) => review_with(new, old, settings, known),
        (Some(_), _) => Verdict::yes(),
    };
    Ok(json!({"apiVersion": API_VERSION, "kind": KIND, "response": response(uid, &verdict)}))
}

fn response(uid: &str, verdict: &Verdict) -> Value {
    let mut response = json!({"uid": uid, "allowed": verdict.allowed});
    if !verdict.warnings.is_empty() {
        response["warnings"] = json!(verdict.warnings);
    }
    if !verdict.allowed {
        response["status"] = json!({
            "status": "Failure", "code": REFUSED, "reason": "BadRequest", "message": verdict.message,
            "details": {"causes": verdict.errors.iter().map(cause).collect::<Vec<_>>()},
        });
    }
    response
}

fn cause(error: &FieldError) -> Value {
    let suggestion = error.suggestion.as_ref().map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
    json!({"field": error.path.to_string(), "reason": cause_type(error.kind), "message": format!("{}{suggestion}", error.detail)})
}

/// The word that Kubernetes has for it.
fn cause_type(kind: FieldErrorKind) -> &'static str {
    match kind {
        FieldErrorKind::Missing => "FieldValueRequired",
        FieldErrorKind::Type => "FieldValueTypeInvalid",
        FieldErrorKind::Forbidden => "FieldValueForbidden",
        FieldErrorKind::Duplicate => "FieldValueDuplicate",
        FieldErrorKind::TooMany => "FieldValueTooMany",
        // An unknown field and one that cannot change have no word of their own; nor has what a later version may add.
        _ => "FieldValueInvalid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(change: impl FnOnce(&mut Value)) -> Result<Value, NotAReview> {
        let object = json!({"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "3"}});
        let request = json!({"uid": "u", "operation": "CREATE", "object": object, "oldObject": null});
        let mut review = json!({"apiVersion": API_VERSION, "kind": KIND, "request": request});
        change(&mut review["request"]);
        answer(&review, &Settings::default())
    }

    #[test]
    fn only_what_is_created_or_changed_is_judged() {
        let refused = asked(|_| ()).unwrap();
        assert_eq!(refused["response"]["allowed"], false);
        assert_eq!(refused["response"]["status"]["code"], 400);
        assert_eq!(refused["response"]["status"]["details"]["causes"][0]["reason"], "FieldValueRequired");
        for (field, value) in
            [("operation", json!("DELETE")), ("operation", json!("CONNECT")), ("subResource", json!("status"))]
        {
            let allowed = asked(|request| request[field] = value.clone()).unwrap();
            assert_eq!(allowed["response"], json!({"uid": "u", "allowed": true}), "{field} {value}");
        }
        let dying = asked(|request| {
            request["operation"] = json!("UPDATE");
            request["object"]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            request["oldObject"] = request["object"].clone();
        });
        assert_eq!(dying.unwrap()["response"]["allowed"], true, "a finalizer can always be taken off");
    }

    #[test]
    fn what_is_no_review_is_said_to_be_none() {
        assert!(answer(&json!([]), &Settings::default()).is_err());
        assert!(asked(|request| request["uid"] = json!("")).is_err());
        assert!(asked(|request| request["object"] = Value::Null).is_err());
        assert!(asked(|request| request["operation"] = Value::Null).is_err());
    }
}
