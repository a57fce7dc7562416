//! A claim that the cluster holds and no decoder reads. What of it can be read, field by field, says whose it is and how its machine goes: one that is being deleted goes as any other; one that stands
//! keeps what it has, gets nothing more, and is told once.

use super::draft::Draft;
use super::view::View;
use super::{status, terminate};
use jiff::SignedDuration;
use kaito_api::NodeClaim;
use kaito_api::karpenter::NodeClaimCondition;
use kaito_api::vocabulary::annotations;
use kaito_core::effect::is_dying;
use kaito_core::object::Malformed;
use kaito_core::plan::{Notice, Outcome, Wake};
use kaito_core::snapshot::Unread;
use kaito_core::{Plan, words};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Warning, on a NodeClaim, and the outcome of a look at one.
const MALFORMED: &str = "MalformedObject";
/// Between two looks at one that nobody corrects.
const PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// A claim as far as it can be read, and what of it cannot, in the decoder's words.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) claim: NodeClaim,
    trouble: String,
}

impl Part {
    pub(super) fn of(malformed: &Malformed) -> Self {
        let mut trouble = Vec::new();
        let spec = fields("spec", &malformed.spec, &mut trouble);
        let status = status_of(&malformed.status, &mut trouble);
        // A whole that is no object has no fields to blame.
        let trouble = if trouble.is_empty() { malformed.error.clone() } else { words::quoted(&trouble.join("; ")) };
        Self { claim: NodeClaim { metadata: (*malformed.metadata).clone(), spec, status }, trouble }
    }
}

/// What can be read of an object of fields, each by itself.
fn fields<T: DeserializeOwned + Default>(place: &str, value: &Value, trouble: &mut Vec<String>) -> T {
    let mut kept = Map::new();
    for (field, value) in value.as_object().into_iter().flatten() {
        let alone = Map::from_iter([(field.clone(), value.clone())]);
        match serde_json::from_value::<T>(Value::Object(alone)) {
            Ok(_) => drop(kept.insert(field.clone(), value.clone())),
            Err(error) => trouble.push(format!("{place}.{field}: {error}")),
        }
    }
    serde_json::from_value(Value::Object(kept)).unwrap_or_default()
}

/// The same of a status, and of each of its conditions: whether there is a machine stands in one, beside what others have written.
fn status_of<T: DeserializeOwned + Default>(value: &Value, trouble: &mut Vec<String>) -> Option<T> {
    let mut value = value.as_object().cloned().map(Value::Object)?;
    if let Some(conditions) = value.get_mut("conditions").and_then(Value::as_array_mut) {
        conditions.retain(|condition| match serde_json::from_value::<NodeClaimCondition>(condition.clone()) {
            Ok(_) => true,
            Err(error) => {
                trouble.push(format!("status.conditions: {error}"));
                false
            }
        });
    }
    Some(fields("status", &value, trouble))
}

/// What one that is ours needs next; the view is of the part that can be read.
pub(super) fn plan(view: &View<'_>, part: &Part) -> Result<Plan, Unread> {
    let mut draft = Draft::new(view);
    if is_dying(&view.claim.metadata) {
        terminate::step(view, &mut draft)?;
        return Ok(status::finish(view, draft));
    }
    let is_told = view.annotation(annotations::UNREADABLE) == Some(part.trouble.as_str());
    draft.annotate(view, annotations::UNREADABLE, Some(part.trouble.clone()));
    let written = draft.send_claim(view, None);
    if !is_told {
        let note = format!(
            "this claim cannot be read: {}; next: its machine is kept, and none is asked for or given back, until it is corrected or deleted; remedy: give what is named the form that is expected (kubectl edit nodeclaim {}), or delete the claim, which gives the machine back",
            part.trouble,
            view.name()
        );
        // Told when it is remembered, so that it is told once.
        draft.plan.notices.push(Notice { warning: true, reason: MALFORMED, note, after: written });
    }
    draft.plan.outcome = Outcome::Failed { reason: MALFORMED };
    draft.plan.wake = Wake::After(PAUSE);
    Ok(draft.plan)
}

/// A claim that can be read again: when it cannot the next time, that is told anew.
pub(super) fn forget(view: &View<'_>, draft: &mut Draft) {
    draft.annotate(view, annotations::UNREADABLE, None);
}
