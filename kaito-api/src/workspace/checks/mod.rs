//! Rules that need nothing but the object.
//!
//! They are `validator` functions, attached to the types by derive, and stay out of the schema: the published schema is contract, and an object
//! that an older operator stored must still be readable. `report` is the bridge to `validator`; the rules are in `nodes`, `task`, `adapters`, `source` and `template`.
//!
//! Ids are those of the admission rules; `N-` marks rules that the Go operator has not, for objects that could never have worked.
//! Which of them block and which only warn is decided by admission in `kaito-core`, not here.
//!
//! Not here: known presets, sizes and profiles; anything about an older object. The grammars themselves are in [`crate::syntax`].

mod adapters;
mod nodes;
mod report;
mod source;
mod task;
mod template;

pub(super) use adapters::adapter;
pub use nodes::MOST_NODES;
pub(super) use nodes::{count, label_selector, partition};
pub(super) use task::{inference, preset_name, preset_options, tuning, workspace};

use super::Workspace;
use crate::field_error::{FieldError, FieldErrorKind, FieldPath};
use crate::syntax;
use crate::vocabulary::containers::{ADAPTER_PULLER_PREFIX, BESIDE_SERVER, BESIDE_TRAINER};
use crate::vocabulary::names::HEADLESS_SUFFIX;
use validator::Validate;

/// The longest name of what is served. Kubernetes labels each pod of a StatefulSet with `controller-revision-hash: <name>-<ten digits>`, and a label has at most 63 characters; it cuts no name,
/// and makes no pod (kubernetes/kubernetes#64023). The Service `<name>-headless` would allow two more.
const LONGEST_SERVED: usize = 63 - 1 - 10;
const _: () = assert!(LONGEST_SERVED + HEADLESS_SUFFIX.len() <= 63);

impl Workspace {
    /// What is wrong with the object by itself, sorted by path; empty when nothing is.
    ///
    /// ```
    /// use kaito_api::workspace;
    /// use serde_json::json;
    ///
    /// let (_, ws) = workspace::decode(json!({
    ///     "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": { "name": "phi-4" },
    ///     "resource": { "labelSelector": { "matchLabels": { "apps": "phi-4" } } }
    /// }))?;
    /// let errors = ws.shape_errors();
    /// assert_eq!(errors.len(), 1);
    /// assert_eq!(errors[0].rule.as_deref(), Some("W-2"));
    /// # Ok::<(), workspace::DecodeError>(())
    /// ```
    pub fn shape_errors(&self) -> Vec<FieldError> {
        let mut errors = self.name_errors();
        if let Err(found) = self.spec.validate() {
            report::flatten(&found, &FieldPath::root(), &mut errors);
        }
        errors.sort();
        errors
    }

    fn name_errors(&self) -> Vec<FieldError> {
        let path = FieldPath::from("metadata.name");
        let name = self.name();
        let wrong =
            |rule, detail: String| vec![FieldError::new(path.clone(), FieldErrorKind::Value, detail).rule(rule)];
        if name.is_empty() {
            // With generateName the API server gives the name later.
            let generated = self.metadata.generate_name.as_ref().is_some_and(|prefix| !prefix.is_empty());
            return if generated {
                Vec::new()
            } else {
                vec![FieldError::new(path, FieldErrorKind::Missing, "a name is needed, such as my-model").rule("W-1")]
            };
        }
        if let Err(expected) = syntax::dns_label(name) {
            return wrong("W-1", format!("{name:?} {expected}"));
        }
        if let Some(beside) = self.namesake_in_pod() {
            return wrong(
                "N-9",
                format!(
                    "{name:?} is the name of {beside} in the pods of this Workspace, whose main container is called as the Workspace; choose another, such as my-{name}"
                ),
            );
        }
        if self.inference().is_none() {
            return Vec::new();
        }
        if let Err(expected) = syntax::service_name(name) {
            wrong("N-1", format!("{name:?} {expected}"))
        } else if name.len() > LONGEST_SERVED {
            wrong(
                "N-2",
                format!(
                    "must be at most {LONGEST_SERVED} characters, because Kubernetes labels the pods with this name, '-' and a hash of ten digits, in at most 63 characters"
                ),
            )
        } else {
            Vec::new()
        }
    }
}

impl Workspace {
    /// The container in its own pods that has its name, in words. Long names of adapters are cut in those of their pullers, which are longer then than a Workspace's can be.
    fn namesake_in_pod(&self) -> Option<String> {
        // In pods of the user's own making, nothing is called as the Workspace, and nothing of ours is beside it.
        if self.inference().is_some_and(|served| served.preset.is_none()) {
            return None;
        }
        let (name, mut adapters) = (self.name(), self.inference().into_iter().flat_map(|served| &served.adapters));
        let beside: &[&str] = if self.inference().is_some() { &BESIDE_SERVER } else { &BESIDE_TRAINER };
        let pulled =
            name.strip_prefix(ADAPTER_PULLER_PREFIX).filter(|pulled| adapters.any(|adapter| adapter.name() == *pulled));
        let pulls = pulled.map(|adapter| format!("the container that pulls the adapter {adapter}"));
        pulls.or_else(|| beside.contains(&name).then(|| "a container of the operator".to_owned()))
    }
}

/// How a choice is wrong of which exactly one must be made.
fn kind_for(given: usize) -> FieldErrorKind {
    if given == 0 { FieldErrorKind::Missing } else { FieldErrorKind::Forbidden }
}

#[cfg(test)]
mod tests {
    use crate::vocabulary::containers::{BESIDE_SERVER, BESIDE_TRAINER};
    use serde_json::{Value, json};

    /// What is found in a good Workspace after `change`, as `rule path`.
    fn found(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut object = json!({
            "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": { "name": "a" },
            "resource": { "labelSelector": { "matchLabels": { "apps": "a" } } },
            "inference": { "preset": { "name": "phi-4" } }
        });
        change(&mut object);
        let (_, ws) = super::super::decode(object).unwrap();
        ws.shape_errors().into_iter().map(|e| format!("{} {}", e.rule.unwrap_or_default(), e.path)).collect()
    }

    fn set(pointer: &'static str, value: Value) -> impl FnOnce(&mut Value) {
        move |object| {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            object.pointer_mut(parent).unwrap()[key] = value;
        }
    }

    #[test]
    fn a_good_workspace_has_no_errors() {
        assert!(found(|_| ()).is_empty());
        let adapter =
            |name: &str, strength: &str| json!({ "source": { "name": name, "image": "i" }, "strength": strength });
        assert!(found(set("/inference/adapters", json!([adapter("a", "1.0"), adapter("b", "0")]))).is_empty());
        let tuning = json!({
            "preset": { "name": "p" }, "method": "QLoRA", "input": { "urls": ["https://x"] },
            "output": { "image": "i", "imagePushSecret": "s" }
        });
        assert!(
            found(|o| {
                o["inference"] = Value::Null;
                o["tuning"] = tuning;
            })
            .is_empty()
        );
    }

    #[test]
    fn names() {
        for (name, rule) in
            [("phi-3.5-mini", "W-1"), ("-mini", "W-1"), ("3-mini", "N-1"), (&*"x".repeat(53), "N-2"), ("", "W-1")]
        {
            let name = name.to_owned();
            assert_eq!(found(move |o| o["metadata"]["name"] = json!(name)), [format!("{rule} metadata.name")]);
        }
        assert!(found(|o| o["metadata"] = json!({ "generateName": "a-" })).is_empty());
    }

    #[test]
    fn a_name_that_another_container_of_its_pods_has_is_refused_and_no_other() {
        let served = |name: &str, adapter: &str| {
            let name = name.to_owned();
            let adapters = json!([{ "source": { "name": adapter, "image": "i" } }]);
            found(move |o| {
                o["metadata"]["name"] = json!(name);
                o["inference"]["adapters"] = adapters;
            })
        };
        let tuned = |name: &str| {
            let name = name.to_owned();
            found(move |o| {
                o["metadata"]["name"] = json!(name);
                o["inference"] = Value::Null;
                o["tuning"] = json!({
                    "preset": { "name": "p" }, "method": "lora", "input": { "urls": ["https://x"] },
                    "output": { "image": "i", "imagePushSecret": "s" }
                });
            })
        };
        for name in BESIDE_TRAINER {
            assert_eq!(tuned(name), ["N-9 metadata.name"], "{name}");
        }
        for name in BESIDE_SERVER {
            assert_eq!(served(name, "tone"), ["N-9 metadata.name"], "{name}");
        }
        assert_eq!(served("puller-tone", "tone"), ["N-9 metadata.name"]);
        for fine in [served("puller-tone", "law"), served("pusher", "tone"), tuned("puller-tone"), tuned("my-pusher")] {
            assert!(fine.is_empty(), "{fine:?}");
        }
    }

    #[test]
    fn tasks() {
        assert_eq!(found(|o| o["inference"] = Value::Null), ["W-2 "]);
        assert_eq!(found(set("/inference/preset", Value::Null)), ["W-33 inference"]);
        assert_eq!(found(set("/inference/template", json!({}))), ["W-34 inference.template"]);
        assert_eq!(found(set("/inference/preset/name", json!(""))), ["W-35 inference.preset.name"]);
        let errors = found(set("/tuning", json!({})));
        assert!(errors.contains(&"W-3 tuning".to_owned()), "{errors:?}");
    }

    #[test]
    fn nodes() {
        for count in [0, super::MOST_NODES.into(), i64::from(super::MOST_NODES) + 1, i64::MAX] {
            let errors = found(set("/resource/count", json!(count)));
            assert_eq!(errors.is_empty(), count == i64::from(super::MOST_NODES), "{count}: {errors:?}");
            assert!(errors.is_empty() || errors == ["N-3 resource.count"], "{count}: {errors:?}");
        }
        let selector = "/resource/labelSelector";
        assert_eq!(
            found(set(selector, json!({ "matchLabels": { "a b": "x", "c.d/e": "-" } }))),
            [r#"N-4 resource.labelSelector.matchLabels["a b"]"#, r#"N-4 resource.labelSelector.matchLabels["c.d/e"]"#]
        );
        assert_eq!(
            found(set(
                selector,
                json!({ "matchExpressions": [{ "key": "a", "operator": "Exists" }, { "key": "a", "operator": "In", "values": ["x", "y"] }] })
            )),
            [
                "W-12 resource.labelSelector.matchExpressions[0].operator",
                "W-12 resource.labelSelector.matchExpressions[1].values"
            ]
        );
        assert_eq!(
            found(set(selector, json!({ "matchLabels": { "kaito.sh/workspace": "a" } }))),
            ["W-13 resource.labelSelector.matchLabels"]
        );
        assert_eq!(
            found(set(
                selector,
                json!({ "matchLabels": { "apps": "a", "karpenter.sh/nodepool": "gpu", "kaito.sh/node-slot": "0" } })
            )),
            [
                r#"W-13 resource.labelSelector.matchLabels["kaito.sh/node-slot"]"#,
                r#"W-13 resource.labelSelector.matchLabels["karpenter.sh/nodepool"]"#
            ]
        );
        let pool = json!({ "matchLabels": { "karpenter.sh/nodepool": "kaito" } });
        assert!(found(set(selector, pool)).is_empty());
        let partition = |value| found(set("/resource/partition", value));
        assert_eq!(partition(json!({ "mode": "half" })), ["W-14 resource.partition.mode"]);
        assert_eq!(
            partition(json!({ "mode": "mig", "count": 1, "profile": "1g" })),
            ["W-16 resource.partition.count", "W-17 resource.partition.profile"]
        );
        assert_eq!(
            partition(json!({ "mode": "accelerator", "profile": "1g.10gb" })),
            ["W-19 resource.partition.count", "W-19 resource.partition.profile"]
        );
        assert_eq!(partition(json!({ "mode": "accelerator", "count": 0 })), ["W-19 resource.partition.count"]);
    }

    #[test]
    fn adapters() {
        let one = |adapter: Value| found(set("/inference/adapters", json!([adapter])));
        let with = |key: &'static str, value: Value| {
            let mut adapter = json!({ "source": { "name": "a", "image": "i" } });
            if key == "strength" {
                adapter[key] = value;
            } else {
                adapter["source"][key] = value;
            }
            one(adapter)
        };
        assert_eq!(one(json!({})), ["W-U12a inference.adapters[0].source"]);
        assert_eq!(with("image", json!("")), ["W-U12b inference.adapters[0].source"]);
        assert_eq!(with("volumeSource", json!({})), ["W-U12b inference.adapters[0].source"]);
        assert_eq!(with("name", json!("")), ["W-U12c inference.adapters[0].source.name"]);
        assert_eq!(with("name", json!("Adapter")), ["W-U12d inference.adapters[0].source.name"]);
        assert_eq!(
            one(json!({ "source": { "name": "a", "urls": ["https://x"] } })),
            ["W-U12f inference.adapters[0].source.urls"]
        );
        for bad in ["strong", "", "NaN", "1e-1", "+1", "."] {
            assert_eq!(with("strength", json!(bad)), ["W-U12g inference.adapters[0].strength"], "{bad}");
        }
        assert_eq!(with("strength", json!("1.5")), ["W-U12h inference.adapters[0].strength"]);
        assert_eq!(with("strength", json!("-0.5")), ["W-U12h inference.adapters[0].strength"]);

        let adapter = json!({ "source": { "name": "a", "image": "i" } });
        assert_eq!(
            found(set("/inference/adapters", json!([adapter, adapter]))),
            ["W-43 inference.adapters[1].source.name"]
        );
        let many: Vec<Value> =
            (0..11).map(|n| json!({ "source": { "name": format!("a{n}"), "image": "i" } })).collect();
        assert_eq!(found(set("/inference/adapters", json!(many))), ["W-42 inference.adapters"]);
    }

    #[test]
    fn tunings() {
        let tuning = |tuning: Value| {
            found(|o| {
                o["inference"] = Value::Null;
                o["tuning"] = tuning;
            })
        };
        assert_eq!(
            tuning(json!({})),
            ["W-52 tuning.input", "W-49 tuning.method", "W-56 tuning.output", "W-60 tuning.preset"]
        );
        assert_eq!(
            tuning(json!({ "preset": { "name": "p" }, "method": "full", "input": {}, "output": { "image": "i" } })),
            ["W-55 tuning.input", "W-49 tuning.method", "W-58 tuning.output.imagePushSecret"]
        );
        assert_eq!(
            found(|o| {
                o["inference"] = Value::Null;
                o["resource"]["count"] = json!(2);
                o["resource"]["partition"] = json!({ "mode": "mig", "profile": "1g.10gb" });
                o["tuning"] = json!({
                    "preset": { "name": "p" }, "method": "lora", "input": { "image": "i" }, "output": { "volumeSource": { "emptyDir": {} } }
                });
            }),
            ["W-47 resource.count", "W-48 resource.partition"]
        );
    }

    #[test]
    fn what_cannot_be_pulled_pushed_mounted_or_downloaded() {
        let adapter = |source: Value| found(set("/inference/adapters", json!([{ "source": source }])));
        assert_eq!(
            adapter(json!({ "name": "a", "image": "r.io/UP:1", "imagePullSecrets": ["good", "BAD"] })),
            ["W-U12b inference.adapters[0].source.image", "N-6 inference.adapters[0].source.imagePullSecrets[1]"]
        );
        assert_eq!(adapter(json!({ "name": "a.b", "image": "i" })), ["W-U12d inference.adapters[0].source.name"]);
        for volume in
            [json!({}), json!({ "persistentVolumeClaims": {} }), json!({ "emptyDir": {}, "hostPath": { "path": "/" } })]
        {
            assert_eq!(
                adapter(json!({ "name": "a", "volumeSource": volume })),
                ["N-7 inference.adapters[0].source.volumeSource"]
            );
        }
        assert_eq!(
            adapter(json!({ "name": "a", "volumeSource": { "persistentVolumeClaim": { "claimName": 7 } } })),
            ["N-7 inference.adapters[0].source.volumeSource.persistentVolumeClaim.claimName"]
        );
        let options = "/inference/preset/presetOptions";
        assert_eq!(
            found(set(options, json!({ "modelAccessSecret": "TOKEN_HERE", "image": "!!" }))),
            ["N-6 inference.preset.presetOptions.modelAccessSecret"]
        );
        let tuning = |input: Value, output: Value| {
            found(|o| {
                o["inference"] = Value::Null;
                o["tuning"] = json!({ "preset": { "name": "p" }, "method": "lora", "input": input, "output": output });
            })
        };
        assert_eq!(
            tuning(
                json!({ "urls": ["https://example.com/a", "http://10.0.0.1/", "https://example.com/FILE_HERE"] }),
                json!({ "image": "r.io/X:1", "imagePushSecret": "S" })
            ),
            [
                "W-53 tuning.input.urls[1]",
                "W-53 tuning.input.urls[2]",
                "W-57 tuning.output.image",
                "N-6 tuning.output.imagePushSecret"
            ]
        );
        assert_eq!(
            tuning(json!({ "image": "!x" }), json!({ "volumeSource": { "claim": {} } })),
            ["W-54 tuning.input.image", "N-7 tuning.output.volumeSource"]
        );
    }

    #[test]
    fn a_placeholder_is_told_as_such_with_what_belongs_there() {
        let mut object = json!({
            "apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace", "metadata": { "name": "a" },
            "resource": { "labelSelector": { "matchLabels": { "apps": "a" } } },
            "inference": { "preset": { "name": "phi-4" }, "adapters": [{ "source": { "name": "a", "image": "ACR_REPO_HERE.azurecr.io/ADAPTER_HERE:0.0.1" } }] }
        });
        let said = |object: &Value| {
            let (_, ws) = super::super::decode(object.clone()).unwrap();
            ws.shape_errors().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        for words in [
            "holds '_'",
            "must be lower case",
            "ACR_REPO_HERE and ADAPTER_HERE are placeholders",
            "such as registry.example.com/",
        ] {
            assert!(said(&object).contains(words), "{}", said(&object));
        }
        object["inference"]["adapters"][0]["source"]["image"] = json!("registry.example.com/adapter:TAG_HERE");
        assert!(said(&object).contains("TAG_HERE is a placeholder"), "{}", said(&object));
    }
}
