//! Agent pools in JSON. Every field but the name may be absent, null or of another type: it is then as good as absent.

use super::error::ArmError;
use crate::pool::{PoolName, PoolSeen, PoolState};
use http::HeaderMap;
use jiff::Timestamp;
use kaito_core::words;
use serde_json::Value;
use std::collections::BTreeMap;

/// A pool, or why the document is none.
pub(super) fn pool(document: &Value, headers: &HeaderMap, now: Timestamp) -> Result<PoolSeen, String> {
    let name = document.get("name").and_then(Value::as_str).ok_or("it names no agent pool")?;
    let name = PoolName::parse(name).map_err(|_| format!("{:?} is the name of no agent pool", words::quoted(name)))?;
    let properties = document.get("properties").unwrap_or(&Value::Null);
    let text = |field: &str| properties.get(field).and_then(Value::as_str).unwrap_or_default();
    let state = match PoolState::parse(text("provisioningState")) {
        // Nobody works on it, and nobody of its machines can be there before somebody starts it again.
        PoolState::Succeeded if is_stopped(properties) => PoolState::Busy(STOPPED.to_owned()),
        state => state,
    };
    let told = properties.get("status").and_then(|status| status.get("provisioningError"));
    let failure = told.filter(|error| error.is_object()).and_then(|error| ArmError::of_error(error, headers, now));
    let etag = [text("eTag"), text("etag")].into_iter().find(|etag| !etag.is_empty());
    Ok(PoolSeen {
        name,
        state,
        failure: failure.map(|error| error.failure),
        size: text("vmSize").to_owned(),
        count: properties.get("count").and_then(Value::as_i64).unwrap_or_default(),
        labels: texts(properties.get("nodeLabels")),
        tags: texts(properties.get("tags")),
        image: text("nodeImageVersion").to_owned(),
        etag: etag.map(str::to_owned),
        is_spot: text("scaleSetPriority").eq_ignore_ascii_case("Spot"),
    })
}

/// Azure's word for a pool that somebody has stopped (`az aks nodepool stop`), in `powerState.code` beside a provisioning state that says that all went well.
const STOPPED: &str = "Stopped";

fn is_stopped(properties: &Value) -> bool {
    let code = properties.get("powerState").and_then(|power| power.get("code")?.as_str());
    code.is_some_and(|code| code.eq_ignore_ascii_case(STOPPED))
}

fn texts(map: Option<&Value>) -> BTreeMap<String, String> {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}
