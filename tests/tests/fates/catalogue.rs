//! Every row of the failure catalogue is provoked, and what is read first names the cause.

use super::trainings::fates_of_trainings;
use super::{WORDS, cloud, fates, pods, stage_with};
use kaito_core::failure::{self, CATALOGUE, Class, Reason};
use kaito_core::gates::Gates;
use kaito_core::hub::{HubErrorKind, Repository, RepositoryFile};
use kaito_core::memory::{CloudFate, EXAMPLE_MODEL, Fate, HubFate, PodFate, Right};
use kaito_core::{Kind, NodeProvisioner, Settings};
use kaito_tests::stage::{MemoryStage, Stage, condition};
use kaito_tests::{golden, manifests};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A machine with one GPU of 24 GiB.
const A10: &str = "Standard_NV36ads_A10_v5";

/// Rows that no world provokes, each with its reason; at most one in twenty.
const NOT_PROVOKED: &[(&Reason, &str)] = &[
    (&failure::UPKEEP_REFUSED, "no condition is False because of it; `tests/refused_writes.rs` holds that"),
    (&failure::NODE_POOL_REFUSED, "every class of a world is ready; `tests/node_pools.rs` holds that"),
];

/// Injections whose cause is not named by the condition that is read first, each with its reason; at most one in twenty.
const NOT_FIRST: &[(&Reason, &str)] = &[
    (&failure::BENCHMARK_PENDING, "a benchmark keeps nothing from being ready: its own condition tells"),
    (&failure::BENCHMARK_FAILED, "as above"),
    (&failure::TERMINATING, "what goes is told on the condition of that name"),
];

/// Something wrong, and what must be said of it.
struct Injection {
    row: &'static Reason,
    /// The condition that says it, where it is not the row's: a training has its own.
    on: &'static str,
    /// The condition's reason, where it is not the row's: a provisioner has its own.
    reason: String,
    /// Part of the words.
    words: String,
    fate: Fate,
    settings: Settings,
    /// What is in the cluster first.
    before: Vec<Value>,
    /// The Workspace that suffers.
    workspace: Value,
    /// What is done to the world, before the Workspace is put and after it has come to rest.
    first: fn(&mut MemoryStage),
    then: fn(&mut MemoryStage),
}

impl Injection {
    fn new(row: &'static Reason, workspace: Value, words: &str) -> Self {
        Injection {
            row,
            on: row.condition.as_str(),
            reason: row.name.to_owned(),
            words: words.to_owned(),
            fate: Fate::default(),
            settings: Settings::default(),
            before: Vec::new(),
            workspace,
            first: |_| (),
            then: |_| (),
        }
    }

    fn with(self, before: &[Value]) -> Self {
        Injection { before: before.to_vec(), ..self }
    }

    fn under(self, fate: Fate) -> Self {
        Injection { fate, ..self }
    }

    /// Where nodes are brought along, and parts of their GPUs may be asked for.
    fn where_nodes_are_brought(self) -> Self {
        let gates = Gates::parse("enableMIG=true,enableAccelerator=true").unwrap();
        Injection { settings: Settings { provisioner: NodeProvisioner::Byo, gates, ..Settings::default() }, ..self }
    }

    /// Where Karpenter makes the machines.
    fn where_karpenter_makes_them(self) -> Self {
        Injection { settings: Settings { provisioner: golden::karpenter(), ..Settings::default() }, ..self }
    }

    fn name(&self) -> &str {
        self.workspace["metadata"]["name"].as_str().unwrap()
    }
}

/// The row of a reason. What is none of ours is a provisioner's own.
fn row_of(reason: &str) -> &'static Reason {
    CATALOGUE.iter().copied().find(|row| row.name == reason).unwrap_or(&failure::CLAIM_REFUSED)
}

/// The fates that the other tests tell of.
fn of_fates() -> Vec<Injection> {
    let injection = |workspace: &Value, fate: Fate, on: &'static str, reason: &str, words: &str| Injection {
        on,
        reason: reason.to_owned(),
        ..Injection::new(row_of(reason), workspace.clone(), words).under(fate)
    };
    let (serving, training) = (manifests::two_nodes("llama"), training("tune"));
    let served = fates().into_iter().map(|(fate, on, reason, words)| injection(&serving, fate, on, reason, words));
    let trained = fates_of_trainings()
        .into_iter()
        .map(|(fate, on, reason, words, _)| injection(&training, pods(fate), on, reason, words[1]));
    served.chain(trained).collect()
}

/// A training that needs no Secret.
fn training(name: &str) -> Value {
    manifests::training_on_volume(name)
}

/// A Workspace with one field changed.
fn but(mut manifest: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    manifest.pointer_mut(parent).unwrap()[field] = value;
    manifest
}

/// What is asked for cannot be done.
fn of_wishes() -> Vec<Injection> {
    let phi = || manifests::phi_4_mini("x");
    let preset = "/inference/preset/name";
    let size = "/resource/instanceType";
    vec![
        Injection::new(
            &failure::INVALID_WORKSPACE,
            but(
                phi(),
                "/inference/adapters",
                json!([{"source": {"name": "a", "image": "ACR_REPO_HERE.azurecr.io/a:1"}}]),
            ),
            "ACR_REPO_HERE",
        ),
        Injection::new(&failure::INVALID_WORKSPACE, but(phi(), "/resource/count", json!("one")), "\"one\""),
        Injection::new(&failure::UNKNOWN_PRESET, but(phi(), preset, json!("phi-99-nano")), "phi-99-nano"),
        Injection::new(&failure::UNKNOWN_INSTANCE_TYPE, but(phi(), size, json!("Standard_NV9_B7")), "Standard_NV9_B7"),
        Injection::new(&failure::NO_RUNTIME, but(phi(), size, json!("Standard_NG32ads_V620_v1")), "AMD"),
        Injection::new(
            &failure::MODEL_TOO_LARGE,
            but(manifests::preset("x", "phi-3.5-mini-instruct", A10), "/inference/config", json!("settings")),
            A10,
        )
        .with(&[config_map("settings", "inference_config.yaml", "vllm:\n  max-model-len: 131072\n")]),
        Injection::new(
            &failure::MORE_NODES_THAN_ASKED,
            manifests::preset("x", "deepseek-r1-0528", A10),
            "resource.count asks for 1",
        ),
        Injection::new(&failure::INVALID_WORKSPACE, but(phi(), size, json!("")), "resource.instanceType: missing"),
        Injection::new(
            &failure::NOT_SUPPORTED,
            but(manifests::own_template("x"), size, json!("Standard_NG32ads_V620_v1")),
            "other GPUs than NVIDIA's",
        ),
        Injection::new(&failure::CONFIG_NOT_USABLE, but(phi(), "/inference/config", json!("nowhere")), "nowhere"),
        Injection::new(
            &failure::NOT_TUNABLE,
            but(training("x"), "/tuning/preset/name", json!("gpt-oss-20b")),
            "gpt-oss-20b",
        ),
        Injection::new(&failure::TRAINING_CONFIG, but(training("x"), "/tuning/config", json!("nowhere")), "nowhere"),
    ]
}

fn config_map(name: &str, key: &str, text: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {key: text}})
}

/// What is in the way, missing, or not allowed.
fn of_clusters() -> Vec<Injection> {
    let phi = || manifests::phi_4_mini("x");
    let service = |spec: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": spec});
    let token = but(phi(), "/inference/preset/presetOptions", json!({"modelAccessSecret": "hub"}));
    let mut adapted = manifests::adapters("x");
    adapted["inference"]["adapters"].as_array_mut().unwrap().truncate(1);
    let wrong = |name: &str| manifests::secret(name, "Opaque", &["wrong"]);
    vec![
        Injection::new(&failure::NAME_TAKEN, phi(), "Service default/x")
            .with(&[service(json!({"ports": [{"port": 7}]}))]),
        Injection::new(&failure::MALFORMED_CHILD, phi(), "x cannot be read").with(&[service(json!({"ports": "all"}))]),
        Injection::new(&failure::MALFORMED_OBJECT, phi(), "Node odd cannot be read").with(&[json!({
            "apiVersion": "v1", "kind": "Node", "spec": "none",
            "metadata": {"name": "odd", "labels": {"kaito.sh/workspace": "x", "kaito.sh/workspacenamespace": "default"}},
        })]),
        Injection {
            first: |stage| stage.world().serve(Kind::NodeClaim, false),
            ..Injection::new(&failure::KIND_NOT_INSTALLED, phi(), "nodeclaims.karpenter.sh")
        },
        Injection {
            first: |stage| stage.world().refuse(Kind::StatefulSet, Some(WORDS)),
            ..Injection::new(&failure::WRITE_REFUSED, phi(), WORDS)
        },
        Injection {
            first: |stage| stage.world().withhold(Right::on("list", Kind::NodeClaim)),
            ..Injection::new(&failure::READ_REFUSED, phi(), "cannot list resource \"nodeclaims\"")
        },
        Injection {
            first: |stage| stage.world().refuse(Kind::Service, Some("exceeded quota: team, used: services=5")),
            ..Injection::new(&failure::QUOTA_EXCEEDED, phi(), "exceeded quota: team, used: services=5")
        },
        Injection::new(&failure::MODEL_SECRET, token.clone(), "Secret hub does not exist"),
        Injection::new(&failure::MODEL_SECRET, token, "Secret hub has no key HF_TOKEN").with(&[wrong("hub")]),
        Injection::new(&failure::ADAPTER_SECRET, adapted.clone(), "Secret my-registry does not exist"),
        Injection::new(&failure::ADAPTER_SECRET, adapted, "Secret my-registry").with(&[wrong("my-registry")]),
        Injection::new(&failure::SECRET_NOT_FOUND, manifests::tuning("x"), "my-push-secret"),
        Injection::new(&failure::SECRET_NOT_USABLE, manifests::tuning("x"), "my-push-secret")
            .with(&[wrong("my-push-secret")]),
    ]
}

/// What becomes of machines and pods, beside the fates above.
fn of_machines_and_pods() -> Vec<Injection> {
    let phi = || manifests::phi_4_mini("x");
    let words = || WORDS.to_owned();
    let gives_up = |reason: &str| cloud(CloudFate::GivesUp { reason: reason.to_owned(), message: words() });
    let evicted = |message: String| pods(PodFate::Evicted { message });
    let crash = PodFate::CrashLoop { exit_code: 42, message: words() };
    vec![
        Injection::new(&failure::CLAIM_REFUSED, phi(), WORDS)
            .under(cloud(CloudFate::Refuses { reason: String::new(), message: words() })),
        Injection::new(&failure::CLAIM_GIVEN_UP, phi(), WORDS).under(gives_up("SubscriptionQuotaReached")),
        // Of this one, Karpenter tells an event and nothing else.
        Injection::new(&failure::CLAIM_GIVEN_UP, phi(), "its words, if it had any, are in the events of NodeClaim ws")
            .under(gives_up("InsufficientCapacityError")),
        Injection::new(&failure::CLAIMS_PENDING, phi(), "0 of 1 NodeClaims are ready")
            .under(cloud(CloudFate::NeverLaunches)),
        Injection::new(&failure::NODE_MEMORY_PRESSURE, phi(), WORDS)
            .under(evicted(format!("The node was low on resource: memory. {WORDS}"))),
        Injection::new(&failure::POD_EVICTED, phi(), WORDS).under(evicted(words())),
        Injection::new(&failure::POD_FAILED, phi(), &format!("UnexpectedAdmissionError: {WORDS}"))
            .under(pods(PodFate::Rejected { reason: "UnexpectedAdmissionError".to_owned(), message: words() })),
        Injection::new(&failure::TRAINING_FAILED, training("x"), WORDS).under(pods(crash)),
        Injection {
            then: |stage| stage.remove(Kind::Workspace, "x"),
            ..Injection::new(&failure::TERMINATING, phi(), "NodeClaim").under(cloud(CloudFate::NeverTerminates))
        },
    ]
}

/// What is wrong with nodes that somebody brought along.
fn of_brought_nodes() -> Vec<Injection> {
    let wants = || manifests::on_brought_nodes("x", "a100");
    let nodes = |of: &[Value]| -> Vec<Value> {
        of.iter().enumerate().map(|(index, labels)| manifests::brought_node(&format!("gpu-{index}"), labels)).collect()
    };
    let part = |count: u32| but(wants(), "/resource/partition", json!({"mode": "accelerator", "count": count}));
    let slice = |profile: &str| but(wants(), "/resource/partition", json!({"mode": "mig", "profile": profile}));
    let dividing = json!({"nvidia.com/mig.config": "all-3g.40gb", "nvidia.com/mig.config.state": "pending"});
    let all = [
        Injection::new(&failure::NODES_NOT_BROUGHT, wants(), "no node has the labels gpu=a100"),
        Injection::new(
            &failure::NODES_NOT_BROUGHT,
            but(wants(), "/inference/preset/name", json!("llama-3.3-70b-instruct")),
            "2 of 3 nodes are ready",
        )
        .with(&nodes(&[json!({}), json!({})])),
        Injection::new(&failure::GPU_LABELS_PENDING, wants(), "node gpu-0 has no label nvidia.com/gpu.product")
            .with(&nodes(&[json!({"nvidia.com/gpu.product": null})])),
        Injection::new(&failure::GPUS_BEING_DIVIDED, wants(), "nvidia.com/mig.config.state is pending")
            .with(&nodes(&[dividing])),
        Injection::new(&failure::NODES_DIFFER, wants(), "node gpu-1 has 8 × NVIDIA-A100-SXM4-80GB")
            .with(&nodes(&[json!({}), json!({"nvidia.com/gpu.count": "8"})])),
        Injection::new(&failure::PART_NOT_POSSIBLE, part(9), "partition.count (9) exceeds GPUs available on node (1)")
            .with(&nodes(&[json!({})])),
        Injection::new(&failure::PART_NOT_POSSIBLE, slice("1g.12gb"), "a slice 1g.12gb cannot be had of")
            .with(&nodes(&[json!({})])),
        Injection::new(&failure::PART_NOT_POSSIBLE, slice("3g.40gb"), "node gpu-0 has no slice 3g.40gb, but 1 × whole")
            .with(&nodes(&[json!({})])),
        Injection::new(&failure::MODEL_TOO_LARGE, but(wants(), "/inference/preset/name", json!("phi-4")), "slices do not work together")
            .with(&nodes(&[json!({
                "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB-MIG-1g.20gb", "nvidia.com/gpu.count": "4", "nvidia.com/gpu.memory": "19968",
                "nvidia.com/mig.config": "all-1g.20gb", "nvidia.com/mig.config.state": "success",
            })])),
    ];
    all.into_iter().map(Injection::where_nodes_are_brought).collect()
}

/// What a hub of models says, or does not.
fn of_hubs() -> Vec<Injection> {
    let model = |id: &str| manifests::preset("x", id, A10);
    let refuses = |kind: HubErrorKind| hub(HubFate::Refuses { kind, message: WORDS.to_owned() });
    let refusals = [
        (&failure::MODEL_NOT_FOUND, HubErrorKind::NotFound),
        (&failure::MODEL_NOT_ACCESSIBLE, HubErrorKind::Unauthorized),
        (&failure::MODEL_NOT_ACCESSIBLE, HubErrorKind::Token),
        (&failure::MODEL_HUB_UNAVAILABLE, HubErrorKind::Throttled),
        (&failure::MODEL_NOT_AT_HAND, HubErrorKind::Offline),
    ];
    let refused =
        refusals.into_iter().map(|(row, kind)| Injection::new(row, model(EXAMPLE_MODEL), WORDS).under(refuses(kind)));
    let silent = Injection::new(&failure::MODEL_METADATA_PENDING, model(EXAMPLE_MODEL), EXAMPLE_MODEL)
        .under(hub(HubFate::Silent));
    let not_servable = Injection {
        first: |stage| {
            let files = vec![RepositoryFile { path: "README.md".to_owned(), size: 1 }];
            let commit = "a".repeat(40);
            let empty = Repository { id: "a/empty".to_owned(), commit, gated: false, files, config: None };
            stage.world().publish_model(empty);
        },
        ..Injection::new(&failure::MODEL_NOT_SERVABLE, model("a/empty"), "it has no weights")
    };
    refused.chain([silent, not_servable]).collect()
}

/// What a server prints.
fn of_logs() -> Vec<Injection> {
    let prints = |text: &str| pods(PodFate::Prints { text: text.to_owned() });
    let denied = "huggingface_hub.errors.GatedRepoError: 401 Client Error.";
    let crash = pods(PodFate::CrashLoop { exit_code: 1, message: denied.to_owned() });
    let phi = || manifests::phi_4_mini("x");
    vec![
        Injection::new(&failure::MODEL_ACCESS_DENIED, phi(), "GatedRepoError: 401").under(crash),
        Injection::new(&failure::BENCHMARK_PENDING, phi(), "no result of the benchmark").under(prints("")),
        Injection::new(&failure::BENCHMARK_FAILED, phi(), "no JSON object follows")
            .under(prints("KAITO_BENCHMARK_RESULT: none")),
    ]
}

fn hub(hub: HubFate) -> Fate {
    Fate { hub, ..Fate::default() }
}

/// NodePools of others, and clouds that have nothing for ours.
fn of_pools() -> Vec<Injection> {
    let theirs = json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default-taken"},
        "spec": {"template": {"spec": {"nodeClassRef": {"group": "g", "kind": "k", "name": "n"}, "requirements": []}}},
    });
    let taken = Injection::new(
        &failure::NODE_POOL_TAKEN,
        manifests::two_nodes("taken"),
        "NodePool default-taken exists and carries no label of a Workspace",
    );
    let gives_up = |reason: &str| cloud(CloudFate::GivesUp { reason: reason.to_owned(), message: WORDS.to_owned() });
    let given_up = |words: &str, reason: &str| {
        let injection = Injection::new(&failure::CLAIM_GIVEN_UP, manifests::two_nodes("taken"), words);
        injection.under(gives_up(reason))
    };
    [
        Injection { before: vec![theirs], ..taken },
        given_up(WORDS, "SubscriptionQuotaReached"),
        given_up(
            "its words, if it had any, are in the events of NodeClaim default-taken-",
            "InsufficientCapacityError",
        ),
    ]
    .map(Injection::where_karpenter_makes_them)
    .into()
}

fn injections() -> Vec<Injection> {
    [
        of_fates(),
        of_wishes(),
        of_clusters(),
        of_machines_and_pods(),
        of_brought_nodes(),
        of_pools(),
        of_hubs(),
        of_logs(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Plays an injection until its condition says what is wrong; answers what it says, and what is read first then.
fn told(injection: &Injection) -> Result<(String, String), String> {
    let mut stage = stage_with(&injection.settings, &injection.fate);
    (injection.first)(&mut stage);
    injection.before.iter().for_each(|object| stage.put(object));
    stage.put(&injection.workspace);
    let type_ = injection.on;
    let says = |stage: &MemoryStage| {
        let (_, reason, words) = condition(stage, injection.name(), type_)?;
        (reason == injection.reason && words.contains(&injection.words)).then_some(words)
    };
    let limit = jiff::SignedDuration::from_hours(6);
    if *injection.row == failure::TERMINATING {
        stage.world().run(limit, |_| false);
    }
    (injection.then)(&mut stage);
    let first = |stage: &MemoryStage| condition(stage, injection.name(), "WorkspaceSucceeded").unwrap_or_default().2;
    // A warning is told until all is well in spite of it; what is read first names it when nothing else is waited for.
    let is_elsewhere = NOT_FIRST.iter().any(|(row, _)| *row == injection.row);
    let is_warning = matches!(injection.row.class, Class::Warning { .. }) && !is_elsewhere;
    let is_said =
        |stage: &MemoryStage| says(stage).is_some() && (!is_warning || first(stage).contains(&injection.words));
    while !is_said(&stage) {
        if stage.world().elapsed() > limit || !stage.world().step() {
            let now = condition(&stage, injection.name(), type_);
            return Err(format!("{}, {:?}: never said; {type_} is {now:?}", injection.row.name, injection.words));
        }
    }
    if !is_warning {
        stage.pass_time();
    }
    // At rest it is still said: or, of what comes and goes, it was.
    let words = says(&stage).ok_or_else(|| format!("{}: said, and not any more", injection.row.name))?;
    Ok((words, first(&stage)))
}

#[test]
fn every_row_of_the_catalogue_is_provoked_and_the_condition_that_is_read_first_names_the_cause() {
    let injections = injections();
    let provoked: BTreeSet<&str> = injections.iter().map(|injection| injection.row.name).collect();
    let excused: BTreeSet<&str> = NOT_PROVOKED.iter().map(|(row, _)| row.name).collect();
    let rows: BTreeSet<&str> = CATALOGUE.iter().map(|row| row.name).collect();
    let missing: Vec<&&str> =
        rows.iter().filter(|name| !provoked.contains(*name) && !excused.contains(*name)).collect();
    assert!(missing.is_empty(), "rows of the catalogue that nothing provokes: {missing:?}");
    assert!(excused.is_disjoint(&provoked), "excused, and provoked: {excused:?}");
    assert!(excused.len() * 20 <= rows.len());

    let (mut broken, mut missed) = (Vec::new(), BTreeSet::new());
    let mut count = 0;
    for injection in &injections {
        match told(injection) {
            Err(why) => broken.push(why),
            Ok((words, first)) => {
                for part in ["next: ", injection.row.next] {
                    if !words.contains(part) {
                        broken.push(format!("{}: {part:?} is not in: {words}", injection.row.name));
                    }
                }
                if !first.contains(&injection.words) {
                    missed.insert(injection.row.name);
                    println!("{}: {:?} is not in what is read first: {first}", injection.row.name, injection.words);
                } else {
                    count += 1;
                }
            }
        }
    }
    println!(
        "{} injections of {} rows: {count} are named by what is read first; not: {missed:?}; not provoked: {excused:?}",
        injections.len(),
        provoked.len()
    );
    assert!(broken.is_empty(), "{broken:#?}");
    let expected: BTreeSet<&str> = NOT_FIRST.iter().map(|(row, _)| row.name).collect();
    assert_eq!(missed, expected, "each miss is listed, and nothing else");
    assert!(count * 20 >= injections.len() * 19, "{count} of {} is less than 95 %", injections.len());
}
