//! Bugs of the field, put back: each takes the product's own plan and does to it what an operator with that bug does.
//!
//! The product has no switch for them. A mutant stands where the planner stands, and changes what the planner sees, what it is woken by, or what it wants.

mod planted; // what each of them does

use crate::scenarios;
use kaito_core::driver::Planner;
use kaito_core::object::Seen;
use kaito_core::plan::Plan;
use kaito_core::read::Read;
use kaito_core::snapshot::{Snapshot, Unread};
use kaito_core::{Kind, NodeProvisioner, ObjectKey, Settings, WorkspacePlanner};
use planted::{
    by_user_label, cached, follows_the_program, forgets_generation, leaves_pools, long_labels, long_service,
    machine_for_each_gpu, moving_hash, needs_every_kind, needs_sound_root, no_orphans, random_names,
    replica_for_each_gpu, waits_for_ever,
};
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
    /// Who makes the machines where it shows.
    pub provisioner: fn() -> NodeProvisioner,
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
    provisioner: NodeProvisioner::default,
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
        upstream: "kaito#1838 (analogue, of NodePools)",
        what: "a machine of a pool for each GPU",
        expected: &["I7"],
        provisioner: scenarios::karpenter,
        plan: replica_for_each_gpu,
        ..SOUND
    },
    Bug {
        upstream: "gpu-provisioner#181 (analogue, of NodePools)",
        what: "a pool that is made after everything was given back belongs to nobody",
        expected: &["I7"],
        provisioner: scenarios::karpenter,
        plan: no_orphans,
        finds_orphans: false,
        ..SOUND
    },
    Bug {
        upstream: "the reference (analogue: Services are never repaired)",
        what: "the number of machines that somebody has written into a pool stays",
        expected: &["I5", "I13"],
        provisioner: scenarios::karpenter,
        plan: leaves_pools,
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
