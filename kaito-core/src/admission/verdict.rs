//! The verdict on an object: what the webhook answers and `kaito validate` prints.

use super::judge::{self, Judgement};
use super::known::Known;
use super::rules::{Case, On};
use super::{metadata, read};
use crate::kinds::Kind;
use crate::object::Object;
use crate::settings::Settings;
use crate::workspace::{self, Looked};
use kaito_api::workspace::Version;
use kaito_api::{FieldError, FieldErrorKind, FieldPath, Workspace};
use serde_json::Value;

/// Whether an object would be admitted, and what there is to say of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may be created or changed like this.
    pub allowed: bool,
    /// All errors in one line; empty when it is allowed.
    pub message: String,
    /// What is worth knowing and refuses nothing.
    pub warnings: Vec<String>,
    /// What it is refused for, sorted by path.
    pub errors: Vec<FieldError>,
}

impl Verdict {
    /// A "no" for these errors, a "yes" without any.
    pub fn new(errors: Vec<FieldError>, warnings: Vec<String>) -> Self {
        let message = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Self { allowed: errors.is_empty(), message, warnings, errors }
    }

    /// A "yes" with nothing to say.
    pub fn yes() -> Self {
        Self::new(Vec::new(), Vec::new())
    }
}

/// Judges an object as it is to be, and on an update against what it was.
///
/// A Workspace is held to its schema, its rules, the registry, and the memory of the machines, as far as that needs no cluster. An update is refused for what it makes
/// wrong and for what cannot change, never for what was wrong before; and an object that is being deleted is let go. Other known kinds are held to their types.
///
/// ```
/// use kaito_core::{Settings, admission};
/// use serde_json::json;
///
/// let mut phi = json!({
///     "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "phi"},
///     "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": "phi"}}},
///     "inference": {"preset": {"name": "phi-4-mini-instruct"}},
/// });
/// let settings = Settings::default();
/// assert!(admission::review(&phi, None, &settings).allowed);
///
/// let old = phi.clone();
/// phi["resource"]["count"] = json!(3);
/// let verdict = admission::review(&phi, Some(&old), &settings);
/// assert!(verdict.message.starts_with("resource.count: cannot change after creation and was 1"));
/// ```
pub fn review(new: &Value, old: Option<&Value>, settings: &Settings) -> Verdict {
    review_with(new, old, settings, &Known::default())
}

/// The same where more is known than the object: models that are in no catalogue, the Nodes of a cluster.
pub fn review_with(new: &Value, old: Option<&Value>, settings: &Settings, known: &Known<'_>) -> Verdict {
    let text = |field: &str| new.get(field).and_then(Value::as_str).unwrap_or_default();
    let deleting = new.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
    match Kind::named(text("apiVersion"), text("kind")) {
        _ if deleting && old.is_some() => Verdict::yes(),
        Some(Kind::Workspace) | None => workspace(new, old, settings, known),
        Some(kind) => Verdict::new(typed(kind, new), Vec::new()),
    }
}

fn workspace(new: &Value, old: Option<&Value>, settings: &Settings, known: &Known<'_>) -> Verdict {
    let (version, read_new) = match read(new) {
        Ok(read) => read,
        Err(errors) => return Verdict::new(errors, Vec::new()),
    };
    // An older object that cannot be read tells nothing: the new one is judged as if it were the first.
    let read_old = old.and_then(|old| read(old).ok());
    let mut found = Findings::of(&read_new, version, settings, known);
    if let (Some(old), Some((old_version, read_old))) = (old, &read_old) {
        let before = Findings::of(read_old, *old_version, settings, known);
        found.forgive(&before, |path| new.pointer(path) == old.pointer(path));
        let case =
            Case { new: &read_new, version: Some(version), old: Some(read_old), settings, looked: &Looked::default() };
        found.errors.extend(judge::ask(&case, On::Update).map(|broken| broken.error));
        found.errors.sort();
    }
    Verdict::new(found.errors, found.warnings)
}

/// What is said of one Workspace by itself.
struct Findings {
    errors: Vec<FieldError>,
    warnings: Vec<String>,
}

impl Findings {
    fn of(workspace: &Workspace, version: Version, settings: &Settings, known: &Known<'_>) -> Self {
        let looked = known.of(workspace, settings);
        let case = Case { new: workspace, version: Some(version), old: None, settings, looked: &looked };
        let Judgement { broken, subject, unused, warnings: doubts } = judge::judge(&case);
        let mut errors: Vec<FieldError> = broken.into_iter().map(|broken| broken.error).collect();
        let mut warnings: Vec<String> = unused.iter().map(|text| format!("not used: {text}")).collect();
        warnings.extend(doubts);
        let (of_nodes, told) = known.complaints(&case, subject.as_ref().ok());
        errors.extend(of_nodes);
        warnings.extend(told);
        let objections = match &subject {
            Ok(subject) => workspace::forecast(workspace, subject).err().into_iter().collect(),
            Err(failures) => failures.clone(),
        };
        for failure in objections {
            let error = judge::field_error(&failure);
            // A field that is missing or misspelt has been named; that nothing can be looked up by it is no news.
            if !errors.iter().any(|named| is_about(&named.path, &error.path)) {
                errors.push(error);
            }
        }
        errors.sort();
        Self { errors, warnings }
    }

    /// What was wrong in the same way before, in a part that does not change, is only told.
    fn forgive(&mut self, before: &Self, unchanged: impl Fn(&str) -> bool) {
        let errors = std::mem::take(&mut self.errors);
        let (old, new): (Vec<_>, Vec<_>) = errors.into_iter().partition(|error| {
            before.errors.contains(error) && (error.path.is_root() || unchanged(&error.path.to_pointer()))
        });
        self.warnings.extend(old.iter().map(|error| format!("was so before this update: {error}")));
        self.errors = new;
    }
}

/// Whether one path leads to the other.
fn is_about(one: &FieldPath, other: &FieldPath) -> bool {
    one.segments().starts_with(other.segments()) || other.segments().starts_with(one.segments())
}

/// What is wrong with the form of another kind.
fn typed(kind: Kind, value: &Value) -> Vec<FieldError> {
    let errors = value.get("metadata").map(metadata::check).unwrap_or_default();
    if !errors.is_empty() {
        return errors;
    }
    // The words of a decoder may repeat what it read; of a Secret nothing is repeated (I11).
    let words = |said: String| if kind == Kind::Secret { "cannot be read".to_owned() } else { said };
    let decoded = Object::decode_as(kind, value);
    decoded
        .err()
        .map(|said| FieldError::new(FieldPath::root(), FieldErrorKind::Type, words(said)))
        .into_iter()
        .collect()
}
