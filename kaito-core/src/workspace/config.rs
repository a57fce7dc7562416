//! The user's ConfigMap with settings of the runtime: what a plan takes from it, and why it cannot be used.

use super::view::View;
use crate::failure::{self, Failure};
use crate::sizing;
use crate::snapshot::{Lookup, Unread};
use crate::words::quoted;
use k8s_openapi::api::core::v1::ConfigMap;
use kaito_api::syntax;
use kaito_api::vocabulary::names;

/// The context length that it names, in tokens; at most `limit`, where the model has one.
pub(super) fn context(view: &View<'_>, limit: Option<u64>) -> Result<Result<Option<u32>, Failure>, Unread> {
    let Some(name) = view
        .workspace
        .ok()
        .and_then(|workspace| Some(workspace.inference()?.config.as_str()))
        .filter(|name| !name.is_empty())
    else {
        return Ok(Ok(None));
    };
    let fail = |cause: String| {
        Ok(Err(Failure::new(
            &failure::CONFIG_NOT_USABLE,
            format!("inference.config: ConfigMap {} {cause}", quoted(name)),
        )))
    };
    // What cannot be a name is never asked for: the API server would take it for a path.
    if let Err(expected) = syntax::dns_subdomain(name) {
        return fail(format!("cannot exist: its name {expected}"));
    }
    match view.snapshot.get_surely::<ConfigMap>(view.namespace(), name)? {
        Lookup::Absent => fail(format!("does not exist in namespace {}", view.namespace())),
        Lookup::Malformed(malformed) => fail(format!("cannot be read: {}", malformed.error)),
        Lookup::Found(config) => match config.data.as_ref().and_then(|data| data.get(names::INFERENCE_CONFIG_KEY)) {
            None => fail(format!("has no key {}", names::INFERENCE_CONFIG_KEY)),
            Some(yaml) => match sizing::user_context(yaml) {
                Ok(Some(tokens)) if limit.is_some_and(|limit| u64::from(tokens) > limit) => fail(format!(
                    "asks for a context of {tokens} tokens; the model ends at {}",
                    limit.unwrap_or_default()
                )),
                Ok(context) => Ok(Ok(context)),
                Err(error) => fail(error.to_string()),
            },
        },
    }
}
