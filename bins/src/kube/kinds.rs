//! Kinds as the API server knows them: URLs, and wire forms on their way to becoming [`Seen`](kaito_core::Seen).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_core::object::Malformed;
use kaito_core::{Kind, ObjectKey, Seen};
use kube_core::{ApiResource, DynamicResourceScope, Resource};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

/// An object is read so many levels deep. Beyond 127, the list around it among them, serde_json refuses the whole page: one object would keep all others of its kind from being seen.
const DEEPEST: usize = 100;

/// The kind in kube's words.
pub(super) fn resource(kind: Kind) -> ApiResource {
    ApiResource {
        group: kind.group().to_owned(),
        version: kind.version().to_owned(),
        api_version: kind.api_version(),
        kind: kind.name().to_owned(),
        plural: kind.plural().to_owned(),
    }
}

/// The URL of all objects of a kind, in one namespace or in all.
pub(super) fn collection(kind: Kind, namespace: Option<&str>) -> String {
    <Raw>::url_path(&resource(kind), namespace)
}

/// The URL of one object.
pub(super) fn object(key: &ObjectKey) -> String {
    format!("{}/{}", collection(key.kind, key.namespace.as_deref()), key.name)
}

/// `nodeclaims.karpenter.sh`, the name of the definition of a custom kind.
pub(super) fn definition(kind: Kind) -> String {
    format!("{}.{}", kind.plural(), kind.group())
}

/// An object off a watch, not decoded yet: whatever its fields hold, it never stops the others. `BARE`: its metadata alone is asked for.
#[derive(Debug, Clone)]
pub(super) struct Raw<const BARE: bool = false> {
    /// The version, for the watcher to go on from; and the name of what cannot be decoded.
    meta: ObjectMeta,
    /// The object, down to [`DEEPEST`].
    value: Value,
    /// Whether something lies deeper.
    is_cut: bool,
}

impl<const BARE: bool> Raw<BARE> {
    /// The object as decisions see it.
    pub(super) fn seen(self, kind: Kind) -> Seen {
        let seen = Seen::decode(kind, self.value);
        match (BARE, self.is_cut) {
            (true, _) => seen.bare(),
            (false, true) => cut(seen, self.meta),
            (false, false) => seen,
        }
    }
}

/// An object of which a part was left out. It is not decided from, even if the rest can be read: it would be another object.
fn cut(seen: Seen, known: ObjectMeta) -> Seen {
    let mut malformed = match seen {
        Seen::Malformed(malformed) => malformed,
        Seen::Decoded(object) => {
            let (kind, mut value) = (object.kind(), object.to_value());
            let mut field = |name: &str| value.get_mut(name).map(Value::take).unwrap_or_default();
            let status = field("status");
            // Of every other kind it may be large, and hold secrets.
            let spec = if kind == Kind::NodeClaim { field("spec") } else { Value::Null };
            Malformed { metadata: Box::new(object.metadata().clone()), kind, status, spec, error: String::new() }
        }
    };
    malformed.error = format!("it is nested more than {DEEPEST} levels deep");
    if malformed.metadata.name.is_none() {
        *malformed.metadata = known;
    }
    Seen::Malformed(malformed)
}

impl<'de, const BARE: bool> Deserialize<'de> for Raw<BARE> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_cut = Cell::new(false);
        let value = Part { depth: 0, is_metadata: false, is_cut: &is_cut }.deserialize(deserializer)?;
        let text =
            |field: &str| value.pointer(&format!("/metadata/{field}")).and_then(Value::as_str).map(str::to_owned);
        let meta = ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        };
        Ok(Raw { meta, value, is_cut: is_cut.get() })
    }
}

/// One value of an object, which is read no deeper than [`DEEPEST`].
#[derive(Clone, Copy)]
struct Part<'a> {
    /// How many values stand around it.
    depth: usize,
    /// Whether it is the metadata of the object.
    is_metadata: bool,
    /// Set where something is left out.
    is_cut: &'a Cell<bool>,
}

impl<'a> Part<'a> {
    fn inner(self, is_metadata: bool) -> Part<'a> {
        Part { depth: self.depth + 1, is_metadata, is_cut: self.is_cut }
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth < DEEPEST {
            return deserializer.deserialize_any(self);
        }
        // serde_json passes over a value without recursion, however deep that goes.
        IgnoredAny::deserialize(deserializer)?;
        self.is_cut.set(true);
        Ok(Value::Null)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner(false))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if self.is_metadata && name == "managedFields" {
                // As deep as the object, and nobody here reads it.
                fields.next_value::<IgnoredAny>()?;
                continue;
            }
            let is_metadata = self.depth == 0 && name == "metadata";
            let value = fields.next_value_seed(self.inner(is_metadata))?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

impl<const BARE: bool> Resource for Raw<BARE> {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;
    fn kind(of: &ApiResource) -> Cow<'_, str> {
        of.kind.as_str().into()
    }
    fn group(of: &ApiResource) -> Cow<'_, str> {
        of.group.as_str().into()
    }
    fn version(of: &ApiResource) -> Cow<'_, str> {
        of.version.as_str().into()
    }
    fn plural(of: &ApiResource) -> Cow<'_, str> {
        of.plural.as_str().into()
    }
    fn metadata_api() -> bool {
        BARE
    }
    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube_core::{ObjectList, WatchEvent};
    use serde_json::json;

    #[test]
    fn urls_are_those_of_the_api() {
        assert_eq!(object(&ObjectKey::cluster(Kind::NodeClaim, "ws1")), "/apis/karpenter.sh/v1/nodeclaims/ws1");
        assert_eq!(object(&ObjectKey::new(Kind::Service, "a", "web")), "/api/v1/namespaces/a/services/web");
        assert_eq!(collection(Kind::Service, None), "/api/v1/services");
        assert_eq!(definition(Kind::NodeClaim), "nodeclaims.karpenter.sh");
    }

    #[test]
    fn an_object_with_strange_metadata_still_comes_off_the_watch() {
        let raw: Raw =
            serde_json::from_value(json!({"metadata": {"name": "a", "resourceVersion": "7", "labels": 5}})).unwrap();
        assert_eq!(raw.meta().resource_version.as_deref(), Some("7"));
    }

    /// So many levels around a number.
    fn nested(levels: usize) -> String {
        format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
    }

    /// A page of two NodeClaims: one is nested too deeply, and of the other only what is recorded of its fields.
    fn page() -> String {
        let (deep, labels) = (nested(200), r#"{"kaito.sh/workspace": "ws"}"#);
        let first = format!(
            r#"{{"metadata": {{"name": "deep", "resourceVersion": "7", "labels": {labels}}}, "spec": {{"x": {deep}}}, "status": {{"nodeName": "n"}}}}"#
        );
        let second = format!(
            r#"{{"metadata": {{"name": "plain", "managedFields": [{{"fieldsV1": {deep}}}], "resourceVersion": "8"}}, "spec": {{}}}}"#
        );
        format!(
            r#"{{"kind": "NodeClaimList", "apiVersion": "karpenter.sh/v1", "metadata": {{"resourceVersion": "9"}}, "items": [{first}, {second}]}}"#
        )
    }

    #[test]
    fn an_object_that_is_nested_too_deeply_does_not_stop_the_others() {
        let list: ObjectList<Raw> = serde_json::from_str(&page()).unwrap();
        let seen: Vec<Seen> = list.into_iter().map(|raw| raw.seen(Kind::NodeClaim)).collect();
        let [Seen::Malformed(deep), Seen::Decoded(plain)] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!(deep.error, "it is nested more than 100 levels deep");
        let known = (deep.metadata.name.as_deref(), deep.metadata.resource_version.as_deref());
        assert_eq!(known, (Some("deep"), Some("7")));
        assert_eq!(deep.metadata.labels.as_ref().unwrap()["kaito.sh/workspace"], "ws");
        assert_eq!((&deep.status["nodeName"], deep.spec.is_object()), (&json!("n"), true));
        assert_eq!(plain.metadata().name.as_deref(), Some("plain"));
    }

    #[test]
    fn of_an_object_whose_metadata_alone_is_watched_nothing_else_matters() {
        let list: ObjectList<Raw<true>> = serde_json::from_str(&page()).unwrap();
        let seen: Vec<Seen> = list.into_iter().map(|raw| raw.seen(Kind::ConfigMap)).collect();
        assert!(seen.iter().all(|seen| matches!(seen, Seen::Decoded(_))), "{seen:?}");
        assert_eq!(seen[0].labels()["kaito.sh/workspace"], "ws");
        assert!(<Raw<true>>::metadata_api() && !<Raw>::metadata_api());
    }

    #[test]
    fn an_object_is_read_as_it_was_written() {
        let object = json!({"a": [null, true, -1, u64::MAX, 0.1, "text", {"b": {}}], "metadata": {"name": "x"}});
        for text in [r#"{"type": "ADDED", "object": OBJECT}"#, r#"{"object": OBJECT, "type": "ADDED"}"#] {
            let event: WatchEvent<Raw> = serde_json::from_str(&text.replace("OBJECT", &object.to_string())).unwrap();
            let WatchEvent::Added(raw) = event else { panic!("{text}") };
            assert_eq!((raw.value, raw.is_cut), (object.clone(), false));
        }
    }

    #[test]
    fn only_what_lies_too_deep_is_left_out() {
        let whole: Raw = serde_json::from_str(&nested(DEEPEST - 1)).unwrap();
        assert_eq!((whole.is_cut, whole.value.to_string()), (false, nested(DEEPEST - 1)));
        let most: Raw = serde_json::from_str(&nested(DEEPEST)).unwrap();
        assert!(most.is_cut && most.value.to_string().contains("null"));
    }
}
