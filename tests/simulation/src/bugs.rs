//! Bugs of the field, put back: each takes the product's own plan and does to it what an operator with that bug does.
//!
//! The product has no switch for them. A mutant stands where the planner stands, and changes what the planner sees, what it is woken by, or what it wants.

use kaito_core::driver::Planner;
use kaito_core::effect::{Effect, Step};
use kaito_core::object::Seen;
use kaito_core::plan::{Outcome, Plan, Wake};
use kaito_core::read::{Freshness, Read, Selector};
use kaito_core::snapshot::{Answer, Snapshot, Unread};
use kaito_core::{Kind, ObjectKey, Settings, WorkspacePlanner, hash};
use serde_json::{Value, json};
use std::sync::Arc;

/// One bug.
#[derive(Clone, Copy)]
pub struct Bug {
    /// Where it was reported.
    pub upstream: &'static str,
    /// What an operator with it does.
    pub what: &'static str,
    /// The invariants that it breaks. What another one finds says nothing of this bug: it may be an accident of how it was put back.
    pub expected: &'static [&'static str],
    /// The scenario in which it shows; empty where it may show in each.
    pub only: &'static str,
    /// What it sees instead of what it asks for.
    sees: fn(&Read) -> Read,
    /// Whether a change of what was read wakes it.
    hears: fn(&Read) -> bool,
    /// What becomes of the plan.
    plan: fn(&Context<'_>, Plan) -> Plan,
    /// Whether it finds what is left of a Workspace that is gone.
    finds_orphans: bool,
}

/// What a bug can look at.
struct Context<'a> {
    root: &'a ObjectKey,
    snapshot: &'a Snapshot,
    settings: &'a Settings,
}

/// No bug at all: the product behind the same wrapper, to show that it is never the wrapper that is found.
pub const SOUND: Bug = Bug {
    upstream: "",
    what: "",
    expected: &[],
    only: "",
    sees: Clone::clone,
    hears: |_| true,
    plan: |_, plan| plan,
    finds_orphans: true,
};

/// The bugs of the field that can exist at this stage.
pub const BUGS: &[Bug] = &[
    Bug {
        upstream: "kaito#1300",
        what: "claims have random names and are counted in a cache that lags",
        expected: &["I7"],
        sees: cached,
        plan: random_names,
        ..SOUND
    },
    Bug {
        upstream: "kaito#2177",
        what: "two reconciles that overlap each make a child",
        expected: &["I7"],
        plan: random_names,
        ..SOUND
    },
    Bug {
        upstream: "gpu-provisioner#181 (the operator's half)",
        what: "what is carried out after everything was given back belongs to nobody",
        expected: &["I7"],
        plan: no_orphans,
        finds_orphans: false,
        ..SOUND
    },
    Bug {
        upstream: "kaito#1899, #1723",
        what: "without the definition of a child a deletion never ends",
        expected: &["I8"],
        plan: needs_every_kind,
        ..SOUND
    },
    Bug {
        upstream: "gpu-provisioner#280",
        what: "an object that a newer schema refuses cannot be deleted",
        expected: &["I5", "I8"],
        plan: needs_sound_root,
        ..SOUND
    },
    Bug {
        upstream: "kaito#2201, #2032, #1999",
        what: "machines are found by the user's label",
        expected: &["I5", "I7", "I8", "I9", "I10"],
        only: "siblings",
        sees: by_user_label,
        ..SOUND
    },
    Bug {
        upstream: "kaito#2259",
        what: "a generated label is longer than labels can be",
        expected: &["I5", "I8"],
        plan: long_labels,
        ..SOUND
    },
    Bug {
        upstream: "kaito#2270",
        what: "a status that says the same is not written, and stays at an old generation",
        expected: &["I10"],
        plan: forgets_generation,
        ..SOUND
    },
    Bug {
        upstream: "kaito#2134",
        what: "a new version of the operator restarts what runs",
        expected: &["I5"],
        plan: follows_the_program,
        ..SOUND
    },
    Bug {
        upstream: "kaito#1070",
        what: "nodes are looked at once, and a device plugin that comes late is never seen",
        expected: &["I5", "I8", "I9", "I10"],
        hears: |read| read.kind() != Some(Kind::Node),
        ..SOUND
    },
    Bug {
        upstream: "kaito#2182, #2274",
        what: "a Workspace is admitted that makes a child which is refused later",
        expected: &["I5"],
        only: "the longest name",
        plan: long_service,
        ..SOUND
    },
    Bug {
        upstream: "kaito#1838",
        what: "a machine for each GPU",
        expected: &["I7"],
        plan: machine_for_each_gpu,
        ..SOUND
    },
    Bug {
        upstream: "KServe#6043 (analogue)",
        what: "a change of the child wakes nobody",
        expected: &["I5", "I8", "I9", "I10"],
        hears: |read| read.kind() != Some(Kind::StatefulSet),
        ..SOUND
    },
    Bug {
        upstream: "karpenter-provider-azure#1790 (analogue)",
        what: "a wait without a deadline, a reason or a next action",
        expected: &["I5", "I8", "I9"],
        plan: waits_for_ever,
        ..SOUND
    },
    Bug {
        upstream: "grove#671 (analogue)",
        what: "the status holds a hash of something that moves",
        expected: &["I5"],
        plan: moving_hash,
        ..SOUND
    },
];

/// A planner with a bug.
struct Mutant(Bug);

impl Bug {
    /// The product with this bug.
    pub fn planner(&self) -> Arc<dyn Planner> {
        Arc::new(Mutant(*self))
    }
}

impl Planner for Mutant {
    fn name(&self) -> &'static str {
        "mutant"
    }

    fn roots(&self) -> Kind {
        Kind::Workspace
    }

    fn plan(&self, root: &ObjectKey, snapshot: &Snapshot, settings: &Settings) -> Result<Plan, Unread> {
        let bug = &self.0;
        let mut seen = Snapshot::new(snapshot.now());
        snapshot.mishaps().iter().for_each(|error| seen.mishap(error.clone()));
        loop {
            match WorkspacePlanner.plan(root, &seen, settings) {
                Ok(plan) => {
                    snapshot.need(seen.reads().iter().filter(|read| (bug.hears)(read)).map(bug.sees))?;
                    return Ok((bug.plan)(&Context { root, snapshot, settings }, plan));
                }
                Err(Unread(reads)) => {
                    let known = |read: &Read| {
                        snapshot
                            .answers()
                            .find(|(known, _)| **known == (bug.sees)(read))
                            .map(|(_, answer)| answer.clone())
                    };
                    let unread: Vec<Read> = reads.iter().filter(|read| known(read).is_none()).map(bug.sees).collect();
                    if !unread.is_empty() {
                        return Err(Unread(unread));
                    }
                    for read in reads {
                        if let Some(answer) = known(&read) {
                            seen.answer(read, answer);
                        }
                    }
                }
            }
        }
    }

    fn root_of(&self, object: &Seen) -> Option<ObjectKey> {
        if self.0.finds_orphans { WorkspacePlanner.root_of(object) } else { None }
    }
}

/// From the cache, whatever is asked for.
fn cached(read: &Read) -> Read {
    match read.clone() {
        Read::Object { key, .. } => Read::Object { key, freshness: Freshness::Cached },
        Read::List { kind, namespace, selector, .. } => {
            Read::List { kind, namespace, selector, freshness: Freshness::Cached }
        }
        other @ (Read::PodsOn { .. } | Read::Log(_) | Read::Model(_)) => other,
    }
}

/// All machines with the label that some Workspace asks for.
fn by_user_label(read: &Read) -> Read {
    match read.clone() {
        Read::List { kind: kind @ (Kind::NodeClaim | Kind::Node), namespace, freshness, .. } => {
            Read::List { kind, namespace, selector: Selector::of([("apps", "shared")]), freshness }
        }
        other => other,
    }
}

/// The bodies that a plan would create, of one kind.
fn created(plan: &mut Plan, of: Kind) -> impl Iterator<Item = (&mut ObjectKey, &mut Value)> {
    plan.steps.iter_mut().filter_map(move |step| match &mut step.effect {
        Effect::Ensure { key, body, uid: None, .. } if key.kind == of => Some((key, body)),
        _ => None,
    })
}

/// A name that is never the same twice.
fn random_names(context: &Context<'_>, mut plan: Plan) -> Plan {
    let moment = context.snapshot.now().to_string();
    for (key, body) in created(&mut plan, Kind::NodeClaim) {
        key.name = format!("ws{}", hash::short(&[&key.name, &moment], 9));
        body["metadata"]["name"] = json!(key.name);
    }
    plan
}

fn no_orphans(context: &Context<'_>, plan: Plan) -> Plan {
    let uid = plan.root_uid.clone();
    let is_own = |step: &Step| match &step.effect {
        Effect::Delete { target } if target.key().kind == Kind::NodeClaim => {
            uid.is_some() && labelled(context, target.key()) == uid
        }
        _ => true,
    };
    let kept = plan.steps.iter().filter(|step| is_own(step)).cloned().collect();
    Plan { steps: kept, ..plan }
}

/// The uid that a claim names.
fn labelled(context: &Context<'_>, key: &ObjectKey) -> Option<String> {
    let lists = context.snapshot.answers().filter_map(|(_, answer)| match answer {
        Answer::List(list) => Some(list),
        _ => None,
    });
    let claim = lists.flatten().find(|seen| seen.key() == *key)?;
    claim.labels().get("kaito.sh/workspace-uid").cloned()
}

fn root<'a>(context: &Context<'a>) -> Option<&'a Seen> {
    let read = Read::object(context.root.clone());
    context.snapshot.answers().find_map(|(known, answer)| match answer {
        Answer::Object(seen) if *known == read => seen.as_ref(),
        _ => None,
    })
}

fn is_going(context: &Context<'_>) -> bool {
    root(context).is_some_and(|seen| seen.metadata().deletion_timestamp.is_some())
}

fn needs_every_kind(context: &Context<'_>, plan: Plan) -> Plan {
    let missing = context.snapshot.answers().any(|(_, answer)| *answer == Answer::NoSuchKind);
    if missing && is_going(context) { Plan::nothing(Outcome::Failed { reason: "NoMatch" }) } else { plan }
}

fn needs_sound_root(context: &Context<'_>, plan: Plan) -> Plan {
    let unreadable = matches!(root(context), Some(Seen::Malformed(_)));
    if unreadable && is_going(context) { Plan::nothing(Outcome::Failed { reason: "Invalid" }) } else { plan }
}

fn long_labels(context: &Context<'_>, mut plan: Plan) -> Plan {
    for (_, body) in created(&mut plan, Kind::NodeClaim) {
        body["metadata"]["labels"]["kaito.sh/workspace-id"] =
            json!(format!("{}-{}-nodes", context.root.namespace(), context.root.name));
    }
    plan
}

fn long_service(_: &Context<'_>, mut plan: Plan) -> Plan {
    for (key, body) in created(&mut plan, Kind::Service) {
        key.name = key.name.replace("-headless", "-headless-endpoint");
        body["metadata"]["name"] = json!(key.name);
    }
    plan
}

fn forgets_generation(context: &Context<'_>, plan: Plan) -> Plan {
    let said = |status: &Value| -> Vec<Value> {
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        conditions
            .iter()
            .map(|condition| json!([condition["type"], condition["status"], condition["reason"], condition["message"]]))
            .collect()
    };
    let old = root(context).map(|seen| match seen {
        Seen::Decoded(object) => object.to_value()["status"].clone(),
        Seen::Malformed(malformed) => malformed.status.clone(),
    });
    let same = plan.status.as_ref().zip(old.as_ref()).is_some_and(|(new, old)| said(&new.status) == said(old));
    if same { Plan { status: None, ..plan } } else { plan }
}

fn follows_the_program(context: &Context<'_>, mut plan: Plan) -> Plan {
    let sets = context.snapshot.answers().filter_map(|(_, answer)| match answer {
        Answer::Object(Some(Seen::Decoded(object))) if object.kind() == Kind::StatefulSet => Some(object),
        _ => None,
    });
    for set in sets {
        let mut body = set.to_value();
        let image = body.pointer_mut("/spec/template/spec/containers/0/image");
        let Some(image) = image else { continue };
        let name = image.as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
        let wanted = format!("{}/{name}", context.settings.registry);
        if *image != json!(wanted) && set.metadata().deletion_timestamp.is_none() {
            *image = json!(wanted);
            let uid = set.metadata().uid.clone();
            plan.push(Effect::Ensure { key: set.key(), body, mode: kaito_core::effect::WriteMode::Apply, uid }, None);
        }
    }
    plan
}

fn machine_for_each_gpu(_: &Context<'_>, mut plan: Plan) -> Plan {
    let more: Vec<Effect> = created(&mut plan, Kind::NodeClaim)
        .filter(|(_, body)| body.to_string().contains("NV72ads"))
        .map(|(key, body)| {
            let (mut key, mut body) = (key.clone(), body.clone());
            key.name.push('b');
            body["metadata"]["name"] = json!(key.name);
            body["metadata"]["labels"]["kaito.sh/node-slot"] = json!("7");
            Effect::Ensure { key, body, mode: kaito_core::effect::WriteMode::CreateOnly, uid: None }
        })
        .collect();
    for effect in more {
        plan.push(effect, None);
    }
    plan
}

fn waits_for_ever(_: &Context<'_>, mut plan: Plan) -> Plan {
    if let Some(status) = &mut plan.status {
        for condition in status.status["conditions"].as_array_mut().into_iter().flatten() {
            if condition["message"]
                .as_str()
                .is_some_and(|message| message.contains("GPUs") || message.contains("nodes are ready"))
            {
                condition["message"] = json!("waiting for nodes");
            }
        }
    }
    plan.wake = Wake::OnChange;
    plan
}

fn moving_hash(context: &Context<'_>, mut plan: Plan) -> Plan {
    if let Some(seen) =
        root(context).filter(|seen| plan.status.is_none() && seen.metadata().deletion_timestamp.is_none())
        && let Seen::Decoded(object) = seen
    {
        let mut status = object.to_value()["status"].clone();
        // Beside what the product measures, which would be measured again and again without it.
        status["performance"]["metrics"]["hash"] = json!({"value": context.snapshot.now().as_second().to_string()});
        let metadata = seen.metadata();
        plan.status = Some(kaito_core::plan::StatusWrite {
            key: context.root.clone(),
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            status,
        });
    }
    plan
}
