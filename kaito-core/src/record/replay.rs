//! Planning again what was planned, and the first difference.

use super::delta;
use super::recording::{Look, Recorded, Recording};
use crate::driver::Planner;
use crate::object::ObjectKey;
use crate::read::Read;
use crate::snapshot::{Snapshot, Unread};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// One reconcile, planned again.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// Its number in the recording.
    pub number: u64,
    /// The planner's name.
    pub planner: String,
    /// What was looked at.
    pub root: ObjectKey,
    /// When it was recorded.
    pub now: Timestamp,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of planning again.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The same, bit for bit.
    Same,
    /// Something else was planned. The first difference:
    Differs {
        /// Whether it is in the second plan, the one that was told what was refused.
        told: bool,
        /// Where in the plan, as a JSON pointer; empty where one plans and the other asks.
        at: String,
        /// What was planned there then; `None` for nothing.
        recorded: Option<Value>,
        /// What is planned there now; `None` for nothing.
        now: Option<Value>,
    },
    /// The planner asks for what was not recorded: it is another one than then.
    Unanswered {
        /// Whether the second plan does, the one that was told what was refused.
        told: bool,
        /// What it asks for.
        reads: Vec<Read>,
    },
    /// No such planner was given.
    NoSuchPlanner,
}

/// Plans each reconcile again with the planner of the recorded name.
pub fn replay(recording: &Recording, planners: &[&dyn Planner]) -> Vec<Replayed> {
    let replayed = |recorded: &Recorded| {
        let planner =
            planners.iter().find(|planner| planner.name() == recorded.planner && planner.roots() == recorded.root.kind);
        Replayed {
            number: recorded.number,
            planner: recorded.planner.clone(),
            root: recorded.root.clone(),
            now: recorded.now,
            verdict: planner.map_or(Verdict::NoSuchPlanner, |planner| again(recorded, *planner)),
        }
    };
    recording.reconciles.iter().map(replayed).collect()
}

fn again(recorded: &Recorded, planner: &dyn Planner) -> Verdict {
    let mut snapshot = Snapshot::new(recorded.now);
    for (read, answer) in &recorded.answers {
        snapshot.answer(read.clone(), answer.clone());
    }
    let first = look(recorded, planner, &snapshot, &recorded.first, false);
    let (Verdict::Same, Some(told)) = (&first, &recorded.told) else { return first };
    recorded.mishaps.iter().for_each(|mishap| snapshot.mishap(mishap.clone()));
    look(recorded, planner, &snapshot, told, true)
}

fn look(recorded: &Recorded, planner: &dyn Planner, snapshot: &Snapshot, then: &Look, told: bool) -> Verdict {
    let now = match planner.plan(&recorded.root, snapshot, &recorded.settings) {
        Ok(plan) => serde_json::to_value(plan).unwrap_or_default(),
        Err(Unread(reads)) => match then {
            Look::Unread(before) if *before == reads => return Verdict::Same,
            Look::Unread(_) => asks(&reads),
            Look::Plan(_) => {
                let answered: BTreeSet<&Read> = recorded.answers.iter().map(|(read, _)| read).collect();
                let reads = reads.into_iter().filter(|read| !answered.contains(read)).collect();
                return Verdict::Unanswered { told, reads };
            }
        },
    };
    let asked;
    let then = match then {
        Look::Plan(plan) => plan.as_ref(),
        Look::Unread(reads) => {
            asked = asks(reads);
            &asked
        }
    };
    let Some(first) = delta::changes(then, &now).into_iter().next() else { return Verdict::Same };
    Verdict::Differs { told, recorded: then.pointer(&first.at).cloned(), now: first.put, at: first.at }
}

fn asks(reads: &[Read]) -> Value {
    json!({ "unread": reads })
}
