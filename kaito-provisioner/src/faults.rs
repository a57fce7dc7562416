//! What a Workspace tells when something is wrong with its machines and stays so: a table of faults, and a simulated world that shows what becomes of each.
//!
//! The page of the docs ([`table`]) and the tests that hold it are made of the same runs, with both controllers and AKS in one world.

use crate::claim::ClaimPlanner;
use jiff::SignedDuration;
use kaito_api::Workspace;
use kaito_api::vocabulary::ConditionType;
use kaito_core::kinds::Typed;
use kaito_core::memory::actors::Machines;
use kaito_core::memory::azure::{
    AzureRefusal, CREDENTIAL_EXPIRED, FAMILY_QUOTA, INVALID_PARAMETER, NO_CLUSTER, NO_TOKEN, NODES_NOT_READY,
    NOT_AUTHORIZED, OTHER_OPERATION, REGIONAL_QUOTA, SIZE_NOT_ALLOWED, STOCK_OUT, THROTTLED, THROTTLED_BELOW,
    ZONAL_STOCK_OUT,
};
use kaito_core::memory::{CloudFate, Fate, Pace, Right, World};
use kaito_core::{Kind, ObjectKey, Seen, Settings};
use serde_json::{Value, json};
use std::sync::Arc;

/// What is wrong.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    /// Azure refuses each machine in its own words.
    Refused(&'static AzureRefusal),
    /// Something becomes of each machine; these words are somebody's who knows.
    Machines(fn() -> CloudFate, &'static str),
    /// The same for machines that are to go, after all was well.
    Deletion(fn() -> CloudFate, &'static str),
    /// The definition of NodeClaims is not there.
    Undefined,
    /// The role of the provisioner lacks a right.
    Withheld(fn() -> Right),
    /// The API server takes no NodeClaim, and says this.
    Rejected(&'static str),
}

/// One fault that stays.
#[derive(Debug)]
pub struct Fault {
    /// What is wrong, in a few words.
    pub name: &'static str,
    /// So many minutes after a person asked for something, it is told.
    pub deadline_minutes: i64,
    wrong: Wrong,
}

const fn fault(name: &'static str, deadline_minutes: i64, wrong: Wrong) -> Fault {
    Fault { name, deadline_minutes, wrong }
}

const SCHEMA: &str =
    "spec.nodeClassRef.group: Invalid value: \"kaito.sh\": should be one of the groups of this cluster";
const LOCKED: &str = "ScopeLocked: the resource group is locked against deletion";

/// Every row.
#[rustfmt::skip] // one a line
pub static FAULTS: &[Fault] = &[
    fault("no cores of the region are left in the quota", 1, Wrong::Refused(&REGIONAL_QUOTA)),
    fault("no cores of the family are left in the quota", 5, Wrong::Refused(&FAMILY_QUOTA)),
    fault("no such machine is free", 5, Wrong::Refused(&STOCK_OUT)),
    fault("no such machine is free in the zone", 5, Wrong::Refused(&ZONAL_STOCK_OUT)),
    fault("the size is not offered to the subscription", 1, Wrong::Refused(&SIZE_NOT_ALLOWED)),
    fault("the identity may not make agent pools", 1, Wrong::Refused(&NOT_AUTHORIZED)),
    fault("a request that AKS calls invalid", 1, Wrong::Refused(&INVALID_PARAMETER)),
    fault("the credential is expired, and Azure answers 401 to everything", 1, Wrong::Refused(&CREDENTIAL_EXPIRED)),
    fault("the identity is given no token", 1, Wrong::Refused(&NO_TOKEN)),
    fault("the managed cluster is not there, and Azure answers 404 to everything", 1, Wrong::Refused(&NO_CLUSTER)),
    fault("another operation on the cluster never ends", 31, Wrong::Refused(&OTHER_OPERATION)),
    fault("too many requests, for ever", 31, Wrong::Refused(&THROTTLED)),
    fault("too many requests of AKS to Compute, for ever", 31, Wrong::Refused(&THROTTLED_BELOW)),
    fault("the node of the pool does not become ready, and AKS says so", 5, Wrong::Refused(&NODES_NOT_READY)),
    fault("the pool is being made for ever", 31, Wrong::Machines(|| CloudFate::NeverLaunches, "is being made")),
    fault("the node never registers", 31, Wrong::Machines(|| CloudFate::NeverRegisters, "its node has not joined the cluster")),
    fault("the node registers and is never ready", 31, Wrong::Machines(not_ready, "Node status is NotReady")),
    fault("the GPUs are never advertised", 31, Wrong::Machines(|| CloudFate::GpusNeverAppear, "nvidia.com/gpu")),
    fault("NodeClaims are not defined in the cluster", 1, Wrong::Undefined),
    fault("the provisioner may not read Workspaces", 5, Wrong::Withheld(|| Right::on("get", Kind::Workspace))),
    fault("the schema of NodeClaims refuses ours", 1, Wrong::Rejected(SCHEMA)),
    fault("the pool is deleted for ever", 31, Wrong::Deletion(|| CloudFate::NeverTerminates, "InstanceTerminating: agent pool")),
    fault("the deletion of the pool fails", 31, Wrong::Deletion(locked, LOCKED)),
    fault("the credential expires before the machine is to go", 31, Wrong::Deletion(expired, "ExpiredAuthenticationToken: The access token")),
];

const UNREADY: &str = "container runtime network not ready: cni plugin not initialized";

fn not_ready() -> CloudFate {
    CloudFate::NodeNeverReady { message: UNREADY.to_owned() }
}

fn expired() -> CloudFate {
    CloudFate::Azure { refusal: &CREDENTIAL_EXPIRED, size: None }
}

fn locked() -> CloudFate {
    let (reason, message) = LOCKED.split_once(": ").unwrap_or_default();
    CloudFate::FailsToTerminate { reason: reason.to_owned(), message: message.to_owned() }
}

/// The table in Markdown, for the docs: every fault, let happen. A fault of which nothing is told in time is an error, with its name.
pub fn table() -> Result<String, String> {
    let mut table =
        String::from("| fault | condition | reason | cause | told within | next action |\n|---|---|---|---|---|---|\n");
    for fault in FAULTS {
        let told = fault
            .told()
            .ok_or_else(|| format!("{}: nothing is told within {} minutes", fault.name, fault.deadline_minutes))?;
        let minutes = match fault.deadline_minutes {
            1 => "a minute".to_owned(),
            minutes => format!("{minutes} minutes"),
        };
        let named = told.cause().replace('|', "\\|");
        table += &format!(
            "| {} | {} | `{}` | {named} | {minutes} | {} |\n",
            fault.name,
            told.condition,
            told.reason,
            told.next()
        );
    }
    Ok(table)
}

/// What is told of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The condition of the Workspace that tells it.
    pub condition: String,
    /// Its reason.
    pub reason: String,
    /// Its message, whole.
    pub message: String,
    /// After how many minutes this, and the condition that a person looks at first, had said so.
    pub minutes: i64,
}

impl Told {
    /// What is wrong, in the words of whoever knows.
    pub fn cause(&self) -> &str {
        let end = ["; overdue since ", "; next: "].iter().filter_map(|mark| self.message.find(mark)).min();
        &self.message[..end.unwrap_or(self.message.len())]
    }

    /// What happens next; empty where that is not told.
    pub fn next(&self) -> &str {
        let rest = self.message.rsplit_once("; next: ").map_or("", |(_, rest)| rest);
        rest.split_once("; remedy: ").map_or(rest, |(next, _)| next)
    }
}

impl Fault {
    /// What must be told, besides what happens next: code and words of whoever refuses.
    pub fn words(&self) -> Vec<&'static str> {
        match self.wrong {
            Wrong::Refused(refusal) => vec![refusal.code, refusal.message],
            Wrong::Machines(_, words) | Wrong::Deletion(_, words) | Wrong::Rejected(words) => vec![words],
            Wrong::Withheld(_) => vec!["is forbidden: User ", "cannot get resource \"workspaces\""],
            Wrong::Undefined => vec!["nodeclaims.karpenter.sh is not installed"],
        }
    }

    /// Lets it happen, and waits until it is told. `None` where it is not within the deadline.
    pub fn told(&self) -> Option<Told> {
        let mut world = self.world();
        (1..=self.deadline_minutes).find_map(|minutes| {
            world.advance(SignedDuration::from_mins(1));
            self.found(&world, minutes)
        })
    }

    /// How the Workspace stands at the deadline: its status, for whoever wonders why nothing was told.
    pub fn standing(&self) -> Value {
        let mut world = self.world();
        world.advance(SignedDuration::from_mins(self.deadline_minutes));
        world.cluster().with_store(|store| store.value(&key()).map(|value| value["status"].clone())).unwrap_or_default()
    }

    /// A world with the fault in it, just when a person has asked for something.
    fn world(&self) -> World {
        let mut world = World::with_pace(&Settings::default(), Pace::default());
        world.set_machines(Machines::OfPools);
        world.add_process(Arc::new(ClaimPlanner));
        let fated = |cloud: CloudFate| Fate { cloud, ..Fate::default() };
        match self.wrong {
            Wrong::Refused(refusal) => world.set_fate(&fated(CloudFate::Azure { refusal, size: None })),
            Wrong::Machines(fate, _) => world.set_fate(&fated(fate())),
            Wrong::Undefined => world.serve(Kind::NodeClaim, false),
            Wrong::Withheld(right) => world.withhold_from(&ClaimPlanner, right()),
            Wrong::Rejected(words) => world.reject(Kind::NodeClaim, Some(words)),
            Wrong::Deletion(..) => {}
        }
        // A fresh world takes any Workspace.
        let _ = world.put(&key(), &workspace());
        if let Wrong::Deletion(fate, _) = self.wrong {
            world.advance(SignedDuration::from_hours(1));
            world.set_fate(&fated(fate()));
            let _ = world.delete(&key());
        }
        world
    }

    /// The first condition that does not hold and says it, and what happens next.
    fn found(&self, world: &World, minutes: i64) -> Option<Told> {
        let Some(Seen::Decoded(object)) = world.get(&key()) else { return None };
        let workspace = Workspace::of(&object)?;
        let says =
            |message: &str| message.contains("; next: ") && self.words().iter().all(|words| message.contains(words));
        let first = match self.wrong {
            Wrong::Deletion(..) => ConditionType::WorkspaceDeleting,
            _ => ConditionType::WorkspaceSucceeded,
        };
        workspace.condition(first).filter(|condition| says(&condition.message))?;
        let told = [
            ConditionType::NodeClaimReady,
            ConditionType::NodesReady,
            ConditionType::ResourceReady,
            ConditionType::WorkspaceDeleting,
        ];
        let mut told = told.iter().filter_map(|type_| workspace.condition(*type_));
        let found = told.find(|condition| !condition.reason.is_empty() && says(&condition.message))?;
        Some(Told {
            condition: found.type_.clone(),
            reason: found.reason.clone(),
            message: found.message.clone(),
            minutes,
        })
    }
}

fn key() -> ObjectKey {
    ObjectKey::new(Kind::Workspace, "default", "phi")
}

fn workspace() -> Value {
    json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "phi", "namespace": "default"},
        "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": "phi"}}},
        "inference": {"preset": {"name": "phi-4-mini-instruct"}},
    })
}
