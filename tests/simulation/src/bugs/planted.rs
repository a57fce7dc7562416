//! What each bug sees, and what it makes of a plan.

use super::Context;
use kaito_core::effect::{Effect, Step};
use kaito_core::object::Seen;
use kaito_core::plan::{Outcome, Plan, Wake};
use kaito_core::read::{Freshness, Read, Selector};
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, ObjectKey, hash};
use serde_json::{Value, json};

/// From the cache, whatever is asked for.
pub(super) fn cached(read: &Read) -> Read {
    match read.clone() {
        Read::Object { key, .. } => Read::Object { key, freshness: Freshness::Cached },
        Read::List { kind, namespace, selector, .. } => {
            Read::List { kind, namespace, selector, freshness: Freshness::Cached }
        }
        other @ (Read::PodsOn { .. } | Read::Log(_) | Read::Model(_)) => other,
    }
}

/// All machines with the label that some Workspace asks for.
pub(super) fn by_user_label(read: &Read) -> Read {
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
pub(super) fn random_names(context: &Context<'_>, mut plan: Plan) -> Plan {
    let moment = context.snapshot.now().to_string();
    for (key, body) in created(&mut plan, Kind::NodeClaim) {
        key.name = format!("ws{}", hash::short(&[&key.name, &moment], 9));
        body["metadata"]["name"] = json!(key.name);
    }
    plan
}

pub(super) fn no_orphans(context: &Context<'_>, plan: Plan) -> Plan {
    let uid = plan.root_uid.clone();
    let is_own = |step: &Step| match &step.effect {
        Effect::Delete { target } if matches!(target.key().kind, Kind::NodeClaim | Kind::NodePool) => {
            uid.is_some() && labelled(context, target.key()) == uid
        }
        _ => true,
    };
    let kept = plan.steps.iter().filter(|step| is_own(step)).cloned().collect();
    Plan { steps: kept, ..plan }
}

/// The uid that a claim or a pool names.
fn labelled(context: &Context<'_>, key: &ObjectKey) -> Option<String> {
    let lists = context.snapshot.answers().filter_map(|(_, answer)| match answer {
        Answer::List(list) => Some(list),
        _ => None,
    });
    let asking = lists.flatten().find(|seen| seen.key() == *key)?;
    asking.labels().get("kaito.sh/workspace-uid").cloned()
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

pub(super) fn needs_every_kind(context: &Context<'_>, plan: Plan) -> Plan {
    let missing = context.snapshot.answers().any(|(_, answer)| *answer == Answer::NoSuchKind);
    if missing && is_going(context) { Plan::nothing(Outcome::Failed { reason: "NoMatch" }) } else { plan }
}

pub(super) fn needs_sound_root(context: &Context<'_>, plan: Plan) -> Plan {
    let unreadable = matches!(root(context), Some(Seen::Malformed(_)));
    if unreadable && is_going(context) { Plan::nothing(Outcome::Failed { reason: "Invalid" }) } else { plan }
}

pub(super) fn long_labels(context: &Context<'_>, mut plan: Plan) -> Plan {
    for (_, body) in created(&mut plan, Kind::NodeClaim) {
        body["metadata"]["labels"]["kaito.sh/workspace-id"] =
            json!(format!("{}-{}-nodes", context.root.namespace(), context.root.name));
    }
    plan
}

pub(super) fn long_service(_: &Context<'_>, mut plan: Plan) -> Plan {
    for (key, body) in created(&mut plan, Kind::Service) {
        key.name = key.name.replace("-headless", "-headless-endpoint");
        body["metadata"]["name"] = json!(key.name);
    }
    plan
}

pub(super) fn forgets_generation(context: &Context<'_>, plan: Plan) -> Plan {
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

pub(super) fn follows_the_program(context: &Context<'_>, mut plan: Plan) -> Plan {
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

pub(super) fn machine_for_each_gpu(_: &Context<'_>, mut plan: Plan) -> Plan {
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

pub(super) fn replica_for_each_gpu(_: &Context<'_>, mut plan: Plan) -> Plan {
    for step in &mut plan.steps {
        if let Effect::Ensure { key, body, .. } = &mut step.effect
            && key.kind == Kind::NodePool
            && body.to_string().contains("NV72ads")
        {
            body["spec"]["replicas"] = json!(body["spec"]["replicas"].as_u64().unwrap_or_default() * 2);
        }
    }
    plan
}

pub(super) fn leaves_pools(_: &Context<'_>, mut plan: Plan) -> Plan {
    let repairs =
        |step: &Step| matches!(&step.effect, Effect::Ensure { key, uid: Some(_), .. } if key.kind == Kind::NodePool);
    plan.steps.retain(|step| !repairs(step));
    plan
}

pub(super) fn waits_for_ever(_: &Context<'_>, mut plan: Plan) -> Plan {
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

pub(super) fn moving_hash(context: &Context<'_>, mut plan: Plan) -> Plan {
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
