//! Command lines of existing installs, and mistakes.

use super::*;

fn parse(line: &str) -> Result<Command, FlagError> {
    parse_with(line, &[("CLOUD_PROVIDER", "azure")])
}

fn parse_with(line: &str, variables: &[(&str, &str)]) -> Result<Command, FlagError> {
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Options::parse(&arguments, &Environment { variable: &variable, namespace: None })
}

fn options(line: &str) -> Options {
    match parse(line) {
        Ok(Command::Run(options)) => *options,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(line: &str) -> String {
    parse(line).expect_err(line).to_string()
}

#[test]
fn the_spellings_of_go_are_read() {
    for line in [
        "--metrics-bind-address=:9",
        "-metrics-bind-address=:9",
        "--metrics-bind-address :9",
        "-metrics-bind-address :9",
    ] {
        assert_eq!(options(line).metrics, BindAddress::Everywhere(9), "{line}");
    }
    let sizes = ["", "--recorder-size=0", "--recorder-size=512Ki"].map(|line| options(line).recorder_bytes);
    assert_eq!(sizes, [8 << 20, 0, 512 << 10]);
    assert_eq!(options("--debug-token-file=/t").debug_token_file.as_deref(), Some(std::path::Path::new("/t")));
    assert_eq!(options("--health-probe-bind-address=0").health, BindAddress::Off);
    assert_eq!(
        ["-v=4", "-v 2", "--zap-log-level=debug", "--zap-log-level=error"].map(|line| options(line).verbosity),
        [Verbosity::Plans, Verbosity::Changes, Verbosity::Plans, Verbosity::Errors]
    );
    assert_eq!(options("--default-node-image-family=AzureLinux").settings.image_family, ImageFamily::AzureLinux);
    assert!(!options("--feature-gates=vLLM=false,disableNodeAutoProvisioning=false").settings.gates.vllm());
    assert_eq!(parse("--version"), Ok(Command::Print(format!("{}\n", crate::VERSION))));
    assert_eq!(
        parse("-version=true --nothing-after-it=x").err().map(|error| error.to_string().contains("nothing-after-it")),
        Some(true)
    );
    assert!(matches!(parse("--help"), Ok(Command::Print(text)) if text.contains("--concurrency")));
}

#[test]
fn what_has_no_effect_is_said() {
    let line = "--kube-client-qps=30 --kube-client-burst 50 --webhook=true -logtostderr --zap-devel=false --leader-elect=false --node-provisioner=azure-gpu-provisioner";
    let warned: Vec<String> =
        options(line).warnings.iter().filter_map(|text| text.split(' ').next().map(str::to_owned)).collect();
    assert_eq!(warned, ["--kube-client-qps", "--kube-client-burst", "--webhook", "--logtostderr"]);
    assert!(options("--webhook=false --karpenter-node-classes=").warnings.is_empty());
}

#[test]
fn mistakes_are_answered_in_words() {
    for (line, words) in [
        ("--leader-elect", "several replicas are safe without one"),
        ("--leader-elect=maybe", "neither true nor false"),
        ("--node-provisioner=karpenter", "--karpenter-node-classes: there is no list of NodeClasses"),
        ("--node-provisioner=karpenter --karpenter-node-classes=[{", "--karpenter-node-classes: EOF while parsing"),
        ("--node-provisioner=karpenter --karpenter-node-classes=[]", "names no NodeClass"),
        (r#"--node-provisioner=karpenter --karpenter-node-classes=[{"name":"a"}]"#, "exactly one must"),
        ("--node-provisioner=azure-gpu-provisioner --feature-gates=disableNodeAutoProvisioning=true", "contradicts"),
        ("--node-provisioner=magic", "known: azure-gpu-provisioner"),
        ("--concurency=2", "did you mean --concurrency?"),
        ("--xyzzy", "known flags: --metrics-bind-address"),
        ("--recorder-size=65Mi", "no size from 0 to 64Mi"),
        ("--recorder-size=-1", "such as 8Mi"),
        ("--recorder-size=much", "such as 8Mi"),
        ("--concurrency=0", "no whole number above 0"),
        ("--metrics-bind-address", "needs a value"),
        ("--metrics-bind-address=80", "expected :PORT"),
        ("run", "unexpected argument \"run\""),
        ("--feature-gates=ModelMirror=true", "leave the gate off"),
        ("--feature-gates=vllm=true", "known gates: vLLM"),
        ("--default-node-image-family=debian", "ubuntu, azurelinux"),
        ("--model-hub-endpoint=huggingface.co", "--model-hub-endpoint: no address"),
    ] {
        assert!(refusal(line).contains(words), "{line}: {}", refusal(line));
    }
}

#[test]
fn the_environment_names_cloud_registry_and_namespace() {
    assert!(parse_with("", &[]).is_err_and(|error| error.to_string().contains("azure, aws, arc")));
    assert!(
        parse_with("", &[("CLOUD_PROVIDER", "gcp")])
            .is_err_and(|error| error.to_string().contains("known: azure, aws, arc"))
    );
    let variables =
        [("CLOUD_PROVIDER", "AWS"), ("PRESET_REGISTRY_NAME", "mcr.example/kaito/"), ("RELEASE_NAMESPACE", "kaito")];
    let Ok(Command::Run(options)) = parse_with("", &variables) else { panic!("runs") };
    assert_eq!((options.settings.cloud, options.settings.registry.as_str()), (Cloud::Aws, "mcr.example/kaito"));
    assert_eq!(options.settings.release_namespace, "kaito");
    let variable = |name: &str| (name == "CLOUD_PROVIDER").then(|| "azure".to_owned());
    let environment = Environment { variable: &variable, namespace: Some("from-file\n".to_owned()) };
    let Ok(Command::Run(options)) = Options::parse(&[], &environment) else { panic!("runs") };
    assert_eq!(options.settings.release_namespace, "from-file");
}

#[test]
fn the_classes_of_karpenter_are_read_where_it_makes_the_machines() {
    let list = r#"--karpenter-node-classes=[{"name":"b","spec":{"x":1}},{"name":"a","default":true}]"#;
    let kind = "--karpenter-node-class-group=g.example --karpenter-node-class-kind=K --karpenter-node-class-version=v1 --karpenter-node-class-resource-name=ks";
    let read = options(&format!("--node-provisioner=karpenter {list} {kind}"));
    let classes = read.settings.provisioner.node_classes().expect("Karpenter");
    assert_eq!((classes.names.join(","), classes.default.as_str()), ("a,b".to_owned(), "a"));
    assert_eq!((classes.kind.definition(), classes.reference("b").kind), ("ks.g.example".to_owned(), "K".to_owned()));
    assert_eq!((read.node_classes.len(), read.class_kind.version.as_str()), (2, "v1"));
    let azure = options(&format!("--node-provisioner=karpenter {list}")).class_kind;
    assert_eq!(azure.definition(), "aksnodeclasses.karpenter.azure.com");
    let without = options(&format!("{list} {kind}"));
    assert!(without.node_classes.is_empty() && without.warnings.len() == 5, "{:?}", without.warnings);
    assert!(without.warnings.iter().all(|warning| warning.contains("belongs to --node-provisioner=karpenter")));
    assert_eq!(options("--karpenter-node-class-kind=AKSNodeClass").warnings, [""; 0], "it says what holds anyway");
}

#[test]
fn the_hub_is_named_by_flag_or_environment() {
    let with = |line: &str, variables: &[(&str, &str)]| {
        let variables = [&[("CLOUD_PROVIDER", "azure")], variables].concat();
        match parse_with(line, &variables) {
            Ok(Command::Run(options)) => {
                assert_eq!(options.settings.hub, options.hub.endpoint.as_ref().map(ToString::to_string));
                Ok((options.hub, options.warnings))
            }
            other => Err(format!("{other:?}")),
        }
    };
    let endpoint = |line: &str, variables: &[(&str, &str)]| {
        with(line, variables).unwrap().0.endpoint.unwrap_or_default().to_string()
    };
    let mirror = [("HF_ENDPOINT", " https://mirror.example/ ")];
    assert_eq!(endpoint("", &[]), "https://huggingface.co");
    assert_eq!(endpoint("--model-hub-endpoint=", &[("HF_ENDPOINT", " ")]), "https://huggingface.co");
    assert_eq!(endpoint("", &mirror), "https://mirror.example");
    assert_eq!(endpoint("--model-hub-endpoint=http://hub.svc/hf/", &mirror), "http://hub.svc/hf");

    let (hub, warnings) = with("--model-folder=/models", &mirror).unwrap();
    assert_eq!((hub.folder, warnings), (Some(PathBuf::from("/models")), Vec::new()));
    let (_, warnings) = with("--model-folder=/models --model-hub-endpoint=https://mirror.example", &[]).unwrap();
    assert!(warnings.iter().any(|warning| warning.contains("--model-hub-endpoint has no effect")), "{warnings:?}");

    let (hub, _) = with("", &[("HF_TOKEN", "s3same\n")]).unwrap();
    assert!(hub.token.is_some() && !format!("{hub:?}").contains("s3same"), "{hub:?}");
    let refused = with("", &[("HF_ENDPOINT", "azure")]).unwrap_err();
    assert!(refused.contains("HF_ENDPOINT: no address; expected one such as https://huggingface.co"), "{refused}");
    let refused = with("", &[("HF_TOKEN", "s3 same")]).unwrap_err();
    assert!(refused.contains("HF_TOKEN holds blanks") && !refused.contains("s3 same"), "{refused}");
}
