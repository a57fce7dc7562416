//! Between the older version and the hub.
//!
//! To the hub nothing is lost. Back, what v1alpha1 has no field for is dropped, as the API server does: `resource.partition`,
//! `presetOptions.modelAccessSecret`, and the newer part of the status.

use super::{status as hub_status, v1alpha1 as old, v1beta1 as hub};

impl From<old::Workspace> for hub::Workspace {
    fn from(o: old::Workspace) -> Self {
        Self { metadata: o.metadata, spec: o.spec.into(), status: o.status.map(Into::into) }
    }
}

impl From<old::WorkspaceSpec> for hub::WorkspaceSpec {
    fn from(o: old::WorkspaceSpec) -> Self {
        Self { resource: o.resource.into(), inference: o.inference.map(Into::into), tuning: o.tuning.map(Into::into) }
    }
}

impl From<old::ResourceSpec> for hub::ResourceSpec {
    fn from(o: old::ResourceSpec) -> Self {
        Self {
            count: o.count,
            instance_type: o.instance_type,
            label_selector: o.label_selector,
            preferred_nodes: o.preferred_nodes,
            partition: None,
        }
    }
}

impl From<old::InferenceSpec> for hub::InferenceSpec {
    fn from(o: old::InferenceSpec) -> Self {
        Self { preset: o.preset.map(Into::into), template: o.template, config: o.config, adapters: o.adapters }
    }
}

impl From<old::PresetSpec> for hub::PresetSpec {
    fn from(o: old::PresetSpec) -> Self {
        let options = o.preset_options;
        Self {
            name: o.name,
            access_mode: o.access_mode,
            preset_options: hub::PresetOptions {
                image: options.image,
                image_pull_secrets: options.image_pull_secrets,
                model_access_secret: String::new(),
            },
        }
    }
}

impl From<old::TuningSpec> for hub::TuningSpec {
    fn from(o: old::TuningSpec) -> Self {
        Self { preset: o.preset.map(Into::into), method: o.method, config: o.config, input: o.input, output: o.output }
    }
}

impl From<old::WorkspaceStatus> for hub_status::WorkspaceStatus {
    fn from(o: old::WorkspaceStatus) -> Self {
        Self { worker_nodes: o.worker_nodes, conditions: o.conditions, ..Self::default() }
    }
}

impl From<hub::Workspace> for old::Workspace {
    fn from(h: hub::Workspace) -> Self {
        let spec = h.spec;
        Self {
            metadata: h.metadata,
            spec: old::WorkspaceSpec {
                resource: old::ResourceSpec {
                    count: spec.resource.count,
                    instance_type: spec.resource.instance_type,
                    label_selector: spec.resource.label_selector,
                    preferred_nodes: spec.resource.preferred_nodes,
                },
                inference: spec.inference.map(|i| old::InferenceSpec {
                    preset: i.preset.map(Into::into),
                    template: i.template,
                    config: i.config,
                    adapters: i.adapters,
                }),
                tuning: spec.tuning.map(|t| old::TuningSpec {
                    preset: t.preset.map(Into::into),
                    method: t.method,
                    config: t.config,
                    input: t.input,
                    output: t.output,
                }),
            },
            status: h.status.map(|s| old::WorkspaceStatus { worker_nodes: s.worker_nodes, conditions: s.conditions }),
        }
    }
}

impl From<hub::PresetSpec> for old::PresetSpec {
    fn from(h: hub::PresetSpec) -> Self {
        let options = h.preset_options;
        Self {
            name: h.name,
            access_mode: h.access_mode,
            preset_options: old::PresetOptions { image: options.image, image_pull_secrets: options.image_pull_secrets },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hub_loses_nothing_of_the_old_version() {
        let wire = json!({
            "apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace", "metadata": { "name": "a" },
            "resource": { "count": 2, "instanceType": "t", "labelSelector": { "matchLabels": { "a": "b" } }, "preferredNodes": ["n"] },
            "inference": {
                "preset": { "name": "p", "accessMode": "private", "presetOptions": { "image": "i", "imagePullSecrets": ["s"] } },
                "template": { "spec": {} }, "config": "c",
                "adapters": [{ "source": { "name": "a", "image": "i" }, "strength": "0.5" }]
            },
            "tuning": {
                "preset": { "name": "p" }, "method": "qlora", "config": "c",
                "input": { "urls": ["https://x"] }, "output": { "image": "o", "imagePushSecret": "s" }
            },
            "status": { "workerNodes": ["n"] }
        });
        let old: old::Workspace = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(serde_json::to_value(&old).unwrap(), wire);
        let hub = hub::Workspace::from(old.clone());
        assert_eq!(old::Workspace::from(hub.clone()), old);
        let mut expected = wire;
        expected["apiVersion"] = json!("kaito.sh/v1beta1");
        assert_eq!(serde_json::to_value(&hub).unwrap(), expected);
    }
}
