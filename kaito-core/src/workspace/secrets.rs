//! Secrets that the pods of a Workspace need: read by name, of which only type and keys are known.

use super::draft::Draft;
use super::view::View;
use crate::failure::{Failure, Reason};
use crate::kinds::Kind;
use crate::object::{ObjectKey, SecretFacts};
use crate::read::Read;
use crate::snapshot::{Lookup, Unread};
use crate::words::quoted;
use kaito_api::syntax;
use kaito_api::vocabulary::names;
use kaito_api::workspace::DataSource;

/// A Secret that something names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need<'a> {
    /// The field that names it.
    pub(super) field: String,
    /// Its name, in the namespace of the Workspace.
    pub(super) name: &'a str,
    /// The key that it must have.
    pub(super) key: &'static str,
    /// What its absence is called.
    pub(super) absent: &'static Reason,
    /// What it is called when it is there without the key.
    pub(super) unusable: &'static Reason,
}

/// The Secrets that an image is pulled with.
pub(super) fn for_pulling<'a>(
    field: String,
    source: &'a DataSource,
    (absent, unusable): (&'static Reason, &'static Reason),
) -> impl Iterator<Item = Need<'a>> {
    source.image_pull_secrets.iter().enumerate().map(move |(index, name)| Need {
        field: format!("{field}.imagePullSecrets[{index}]"),
        name,
        key: names::DOCKER_CONFIG_KEY,
        absent,
        unusable,
    })
}

/// Says which of them are missing or without their key, all at once. `true` when none is.
pub(super) fn check<'a>(
    view: &View<'_>,
    draft: &mut Draft,
    needs: impl IntoIterator<Item = Need<'a>>,
) -> Result<bool, Unread> {
    let before = draft.failures.len();
    // What cannot be a name is never asked for: the API server would take it for a path.
    let (needs, impossible): (Vec<Need<'_>>, Vec<Need<'_>>) =
        needs.into_iter().partition(|need| syntax::dns_subdomain(need.name).is_ok());
    for Need { field, name, unusable, .. } in impossible {
        let problem = format!("{field}: Secret {} cannot exist: that is no name", quoted(name));
        draft.failures.push(Failure::new(unusable, problem));
    }
    let reads = needs.iter().map(|need| Read::object(ObjectKey::new(Kind::Secret, view.namespace(), need.name)));
    view.snapshot.need(reads)?;
    for Need { field, name, key, absent, unusable } in needs {
        let (reason, problem) = match view.snapshot.get::<SecretFacts>(view.namespace(), name)? {
            Lookup::Absent => (absent, format!("does not exist in namespace {}", view.namespace())),
            Lookup::Malformed(malformed) => (unusable, format!("cannot be read: {}", malformed.error)),
            Lookup::Found(secret) if !secret.keys.contains(key) => match secret.type_.as_str() {
                "" | "Opaque" => (unusable, format!("has no key {key}")),
                type_ => (unusable, format!("has no key {key}; it is of type {type_}")),
            },
            Lookup::Found(_) => continue,
        };
        draft.failures.push(Failure::new(reason, format!("{field}: Secret {name} {problem}")));
    }
    Ok(draft.failures.len() == before)
}
