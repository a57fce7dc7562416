use super::*;
use crate::NodeProvisioner;
use crate::cloud::Cloud;
use crate::gates::Gates;
use serde_json::json;

/// What is said of a good Workspace after one change.
fn said(version: &str, pointer: &str, value: Value) -> Vec<String> {
    let mut object = json!({
        "apiVersion": format!("kaito.sh/{version}"), "kind": "Workspace", "metadata": {"name": "phi"},
        "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": {"matchLabels": {"apps": "phi"}}},
        "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
    });
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[key] = value;
    check(&object, &Settings::default()).iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_expected_is_said_for_every_kind_of_error() {
    let table = [
        ("/resource/instancetype", json!("x"), "resource.instancetype: no such field (did you mean instanceType?)"),
        ("/resource/count", json!("two"), "resource.count: expected a whole number, found text \"two\""),
        ("/resource/count", json!(1.5), "resource.count: expected a whole number, found the number 1.5"),
        ("/resource/count", json!(0), "resource.count: 0 nodes cannot run a model; must be at least 1"),
        (
            "/resource/labelSelector/matchLabels/apps",
            json!(true),
            "resource.labelSelector.matchLabels.apps: expected text, found true; write it in quotes to make it text",
        ),
        ("/resource/labelSelector", json!([]), "resource.labelSelector: expected an object, found a list"),
        ("/resource/preferredNodes", json!("a"), "resource.preferredNodes: expected a list, found text \"a\""),
        ("/inference", json!(null), "inference: expected an object, found nothing"),
        (
            "/inference/preset/name",
            json!(4),
            "inference.preset.name: expected text, found the number 4; write it in quotes to make it text",
        ),
        ("/inference/preset", json!({"nmae": "phi-4"}), "inference.preset.name: missing; expected text"),
        ("/inference/presets", json!({}), "inference.presets: no such field (did you mean preset?)"),
        (
            "/inference/banana",
            json!(1),
            "inference.banana: no such field; known here: adapters, config, preset, template",
        ),
        (
            "/spec",
            json!({}),
            "spec: no such field: a Workspace has no spec; resource, inference and tuning stand beside metadata",
        ),
        ("/metadata/lables", json!({}), "metadata.lables: no such field (did you mean labels?)"),
        (
            "/metadata/labels",
            json!({"a": 1}),
            "metadata.labels.a: expected text, found the number 1; write it in quotes to make it text",
        ),
        (
            "/metadata/name",
            json!(1),
            "metadata.name: expected text, found the number 1; write it in quotes to make it text",
        ),
        (
            "/inference/preset/accessMode",
            json!("secret"),
            "inference.preset.accessMode: expected one of public, private, found text \"secret\"",
        ),
    ];
    for (pointer, value, wanted) in table {
        let said = said("v1alpha1", pointer, value);
        assert!(said.iter().any(|line| line == wanted), "{pointer}: wanted {wanted}\n  got {said:#?}");
    }
}

#[test]
fn what_cannot_be_served_is_said_at_its_field() {
    let table = [
        ("/inference/preset/name", json!("phi-3-mini-4k-instrct"), "inference.preset.name: no model preset is called"),
        (
            "/resource/instanceType",
            json!("Standard_NC24ads_A10_v4"),
            "resource.instanceType: Standard_NC24ads_A10_v4 is not a known size",
        ),
        (
            "/resource/instanceType",
            json!("NC24ads_A100_v4"),
            "resource.instanceType: NC24ads_A100_v4 is not a known size with GPUs of cloud azure; did you mean Standard_NC24ads_A100_v4",
        ),
        (
            "/resource/instanceType",
            json!("Standard_NC24ads_A100_v4 "),
            "resource.instanceType: \"Standard_NC24ads_A100_v4 \" is not a known size",
        ),
        ("/resource/instanceType", json!(""), "resource.instanceType: missing"),
        (
            "/tuning",
            json!({"preset": {"name": "x"}, "method": "lora", "input": {"urls": ["https://x"]}, "output": {"volumeSource": {}}}),
            "tuning: cannot be set beside inference",
        ),
    ];
    for (pointer, value, wanted) in table {
        let said = said("v1beta1", pointer, value);
        assert!(said.iter().any(|line| line.starts_with(wanted)), "{pointer}: wanted {wanted}\n  got {said:#?}");
    }
}

#[test]
fn a_label_that_no_machine_to_be_made_can_carry_is_refused_before_one_is_paid_for() {
    let said_of = |size: &str, key: &str, value: &str, settings: &Settings| {
        let object = json!({
            "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "phi"},
            "resource": {"instanceType": size, "labelSelector": {"matchLabels": {key: value}}},
            "inference": {"preset": {"name": "phi-4-mini-instruct"}},
        });
        check(&object, settings).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let said = |key: &str, value: &str, settings: &Settings| said_of("Standard_NC24ads_A100_v4", key, value, settings);
    let by = |name: &str| Settings {
        provisioner: NodeProvisioner::choose(Some(name), &Gates::default()).unwrap(),
        ..Settings::default()
    };
    let aws = Settings { cloud: Cloud::Aws, ..Settings::default() };
    let (azure, karpenter, byo) = (Settings::default(), by("karpenter"), by("byo"));
    let never: &[(&str, &str, &[&Settings], &str)] = &[
        ("kubernetes.io/hostname", "node-1", &[&azure, &aws], "is the name of one node"),
        (
            "kubernetes.io/os",
            "windows",
            &[&azure, &karpenter],
            "is linux on every machine that is made here, not windows",
        ),
        (
            "kubernetes.io/arch",
            "arm64",
            &[&azure, &karpenter],
            "is amd64 on every machine that is made here, not arm64",
        ),
        (
            "node.kubernetes.io/instance-type",
            "Standard_NC6s_v3",
            &[&azure, &karpenter],
            "is Standard_NC24ads_A100_v4 on every machine",
        ),
        ("accelerator", "amd", &[&azure], "is nvidia on every machine"),
        ("agentpool", "gpu", &[&azure], "is written by AKS"),
        ("kubernetes.azure.com/agentpool", "gpu", &[&azure], "is written by AKS"),
        ("kubernetes.azure.com/mode", "user", &[&azure], "is refused by AKS, which keeps kubernetes.azure.com"),
        ("a.k8s.io/b", "c", &[&azure], "is refused by AKS: below"),
    ];
    for (key, value, settings, words) in never {
        for settings in *settings {
            let said = said(key, value, settings);
            assert!(said.contains(&format!("resource.labelSelector: {key} {words}")), "{key}: {said}");
        }
        assert!(
            !said(key, value, &byo).contains("resource.labelSelector: "),
            "{key}: a node that is there may carry it"
        );
    }
    let (label, other) = ("node.kubernetes.io/instance-type", "standard_nc24ads_a100_v4");
    assert_eq!(said_of(other, label, "Standard_NC24ads_A100_v4", &azure), "", "machines carry the catalogue's name");
    assert!(said_of(other, label, other, &azure).contains("is Standard_NC24ads_A100_v4 on every machine"));
    assert_eq!(said("kubernetes.io/hostname", "node-1", &karpenter), "", "nodes that are there count");
    for (key, value) in [
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", "amd64"),
        ("node.kubernetes.io/instance-type", "Standard_NC24ads_A100_v4"),
        ("accelerator", "nvidia"),
        ("apps", "phi"),
    ] {
        assert_eq!(said(key, value, &azure), "", "{key}");
    }
}

#[test]
fn a_template_names_no_node_where_the_machine_is_yet_to_be_made() {
    let object = json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "own"},
        "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": "own"}}},
        "inference": {"template": {"spec": {"nodeName": "aks-1", "containers": [{"name": "m", "image": "i"}]}}},
    });
    let by = |name: &str| Settings {
        provisioner: NodeProvisioner::choose(Some(name), &Gates::default()).unwrap(),
        ..Settings::default()
    };
    let said = |settings| check(&object, &settings).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    for maker in ["azure-gpu-provisioner", "karpenter"] {
        let said = said(by(maker));
        assert!(said.starts_with("inference.template.spec.nodeName: names aks-1, and the machine is yet"), "{said}");
    }
    assert!(!said(by("byo")).contains("nodeName"), "a node that is there has a name");
}

#[test]
fn who_asks_for_the_other_runtime_is_named_where_the_model_cannot_be_served_by_it() {
    let mut object = json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "w"},
        "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": "w"}}},
        "inference": {"preset": {"name": "phi-4-mini-instruct"}},
    });
    let said = |object: &Value, settings: &Settings| {
        check(object, settings).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let gate = Settings { gates: Gates::parse("vLLM=false").unwrap(), ..Settings::default() };
    let told = said(&object, &gate);
    assert!(told.contains("the feature gate vLLM of the operator is off") && !told.contains("annotation"), "{told}");
    object["metadata"]["annotations"] = json!({"kaito.sh/runtime": "transformers"});
    let told = said(&object, &Settings::default());
    assert!(told.contains("leave out the annotation kaito.sh/runtime"), "{told}");
}

#[test]
fn expressions_that_contradict_are_refused_and_those_that_no_machine_gets_are_told() {
    let all = |more: Value| {
        let mut object = json!({
            "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "phi"},
            "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"gpu": "b"}}},
            "inference": {"preset": {"name": "phi-4-mini-instruct"}},
        });
        object["resource"]["labelSelector"]["matchExpressions"] = more;
        review(&object, None, &Settings::default())
    };
    let expressions = |one: Value| all(json!([one]));
    let is = |value: &str| json!({"key": "tier", "operator": "In", "values": [value]});
    let both = all(json!([is("a"), is("b")]));
    assert!(
        both.message.contains("matchExpressions[1].values[0]: asks for \"b\", and another value of tier is asked for"),
        "{}",
        both.message
    );
    assert!(all(json!([is("a"), is("a")])).allowed);
    let twice = expressions(json!({"key": "gpu", "operator": "In", "values": ["a"]}));
    assert!(twice.message.contains("asks for \"a\", and another value of gpu is asked for"), "{}", twice.message);
    let ours = expressions(json!({"key": "karpenter.sh/nodepool", "operator": "In", "values": ["gpu"]}));
    assert!(ours.allowed, "a node that is brought along may be one of a pool: {}", ours.message);
    let idle = expressions(json!({"key": "tier", "operator": "In", "values": ["a"]}));
    assert!(idle.allowed, "{}", idle.message);
    assert!(
        idle.warnings.iter().any(|warning| warning.starts_with("not used: resource.labelSelector.matchExpressions")),
        "{:?}",
        idle.warnings
    );
}

#[test]
fn what_blocks_a_workspace_that_v1alpha1_lets_in_is_not_called_unused() {
    let object = json!({
        "apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace",
        "metadata": {"name": "phi", "annotations": {"kaito.sh/node-class-name": "gpu"}},
        "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": "phi"}}},
        "inference": {"preset": {"name": "phi-4-mini-instruct"}},
    });
    let provisioner = NodeProvisioner::choose(Some("karpenter"), &Gates::default()).unwrap();
    let verdict = review(&object, None, &Settings { provisioner, ..Settings::default() });
    assert!(verdict.allowed, "as the reference: {}", verdict.message);
    let told =
        |warning: &String| warning.starts_with("v1alpha1 takes it, but nothing is made of it: metadata.annotations");
    assert!(verdict.warnings.iter().any(told), "{:?}", verdict.warnings);
}

#[test]
fn opaque_parts_and_the_status_are_not_judged() {
    assert!(said("v1beta1", "/status", json!({"anything": {"at": "all"}})).is_empty());
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"whatever": 1}]}});
    let object = json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "own"},
        "resource": {"labelSelector": {"matchLabels": {"apps": "own"}}}, "inference": {"template": template},
    });
    assert!(read(&object).is_ok(), "{:?}", read(&object));
}

#[test]
fn a_field_of_another_version_is_named_as_such() {
    let elsewhere = said("v1alpha1", "/resource/partition", json!({"mode": "mig"}));
    assert_eq!(elsewhere, ["resource.partition: no such field in kaito.sh/v1alpha1; kaito.sh/v1beta1 has it"]);
}

#[test]
fn a_token_that_is_missing_is_a_warning_and_none_where_nobody_asks_the_hub_for_it() {
    let warned = |model: &str, secret: &str, annotation: Option<&str>, mirror: Option<&str>| {
        let object = json!({
            "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
            "metadata": {"name": "a", "annotations": {"kaito.sh/use-local-weights": annotation.unwrap_or("false")}},
            "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": "a"}}},
            "inference": {"preset": {"name": model, "presetOptions": {"modelAccessSecret": secret}}},
        });
        let settings = Settings { hub: mirror.map(str::to_owned), ..Settings::default() };
        let verdict = review(&object, None, &settings);
        assert!(verdict.allowed, "as the reference: {}", verdict.message);
        assert!(!verdict.warnings.iter().any(|warning| warning.starts_with("not used: no ")), "{:?}", verdict.warnings);
        let words = "inference.preset.presetOptions.modelAccessSecret: is not set, and the hub gives meta-llama/Llama-3.1-8B-Instruct to nobody without a token";
        verdict.warnings.iter().any(|warning| warning.starts_with(words))
    };
    assert!(warned("llama-3.1-8b-instruct", "", None, None));
    assert!(!warned("llama-3.1-8b-instruct", "hub", None, None));
    assert!(!warned("llama-3.1-8b-instruct", "", Some("true"), None));
    assert!(!warned("llama-3.1-8b-instruct", "", None, Some("https://mirror.example.com")));
    assert!(!warned("phi-4", "", None, None));
}
