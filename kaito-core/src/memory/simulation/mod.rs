//! One run: a few objects, one seed, things that go wrong, and a judge.
//!
//! A run has two parts. In the first, at most [`CHAOS_STEPS`] long, the faults play. In the second nothing goes wrong any more, and everything must end as if nothing ever had: the same
//! states and the same objects as in a calm world with the same wishes. The judge looks after every step.

pub(super) mod calm; // how it would have ended without faults
mod given; // what is the user's
pub(super) mod judge; // what must hold after every step, at rest, and at the end
mod machines; // what goes wrong with machines of agent pools
mod node_pools; // what goes wrong with NodePools of Karpenter, and whose machines are
mod pools; // what must hold of agent pools
mod script; // what goes wrong when
mod upset; // how one of those things is done

pub use judge::Violation;
pub use pools::PROMISES;

use super::actors::Machines;
use super::faults::{Dice, Fault, Faults};
use super::ledger::Ledger;
use super::{Fate, Halt, Pace, World};
use crate::driver::Planner;
use crate::hub::Repository;
use crate::kinds::Kind;
use crate::object::ObjectKey;
use crate::record::Recorder;
use crate::settings::Settings;
use crate::workspace::WorkspacePlanner;
use calm::Calm;
use jiff::SignedDuration;
use judge::Judge;
use pools::Pools;
use script::Script;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Steps in which faults may play.
pub const CHAOS_STEPS: u64 = 300;
/// The same where a provisioner of ours runs, too: a machine takes it some hundred requests.
pub const CHAOS_STEPS_OF_POOLS: u64 = 1000;
/// Steps after the last fault, by far more than any way to rest takes: a world that takes more never comes to rest, and need not be watched for ever to know it.
const MOST_STEPS: u64 = 20_000;
/// After the last fault everything is as wished within this time, or it never is: a lost wake-up is made good by a look after an hour at most.
const RECOVERY: SignedDuration = SignedDuration::from_hours(30);

/// What is simulated, as often as wanted.
pub struct Simulation {
    objects: Vec<(ObjectKey, Value)>,
    settings: Settings,
    planner: Arc<dyn Planner>,
    /// Who makes agent pools of NodeClaims, where the world does not make machines of them by itself.
    provisioner: Option<Arc<dyn Planner>>,
    faults: Faults,
    /// What is on the hub, beside what is always there.
    models: Vec<Repository>,
    calm: Calm,
    /// Calm ends of other wishes that runs came to; most come to few.
    ends: Mutex<BTreeMap<String, Arc<Calm>>>,
}

/// How one run went.
pub struct Run {
    /// Decides everything; the same seed, faults and objects are the same run.
    pub seed: u64,
    /// Steps until all was at rest.
    pub steps: u64,
    /// The faults that played.
    pub played: Vec<Fault>,
    /// What was done to the world, in words, in order.
    pub upsets: Vec<String>,
    /// What must never be and was.
    pub violations: Vec<Violation>,
    /// How often each of [`PROMISES`] was tried, where there is a provisioner of ours.
    pub judged: BTreeMap<&'static str, u64>,
    /// Whether every Workspace ended in the very state that it has in a calm world.
    pub ends_as_calm: bool,
    /// The world after the judge tried on it what a newer program and the passing of time do.
    pub world: World,
}

impl Simulation {
    /// A simulation of these objects. Runs them once in a calm world, to know how they should end.
    ///
    /// They are put in an order of their own, what Workspaces may refer to before them: a seed means the same run in whatever order they come.
    pub fn new(mut objects: Vec<(ObjectKey, Value)>, settings: &Settings, faults: Faults) -> Self {
        objects.sort_by_cached_key(|(key, _)| (key.kind == Kind::Workspace, key.clone()));
        let calm = Calm::of(&objects, &[], settings);
        Self {
            objects,
            settings: settings.clone(),
            planner: Arc::new(WorkspacePlanner),
            provisioner: None,
            faults,
            models: Vec::new(),
            calm,
            ends: Mutex::default(),
        }
    }

    /// The same with another planner in the place of the product's. How it should end is still what the product makes of it.
    #[must_use]
    pub fn with_planner(self, planner: Arc<dyn Planner>) -> Self {
        Self { planner, ..self }
    }

    /// The same with these models on the hub.
    #[must_use]
    pub fn with_models(self, models: Vec<Repository>) -> Self {
        Self { models, ..self }.with_calm()
    }

    /// The same where nobody but this planner does anything about a NodeClaim: it asks AKS for agent pools. What it asks for is judged, too ([`PROMISES`]), and at the end every Workspace is
    /// deleted, and nothing may be left that is paid for.
    #[must_use]
    pub fn with_provisioner(self, provisioner: Arc<dyn Planner>) -> Self {
        Self { provisioner: Some(provisioner), ..self }.with_calm()
    }

    fn with_calm(self) -> Self {
        let calm = self.calm_end(&self.objects);
        Self { calm, ..self }
    }

    fn calm_end(&self, wished: &[(ObjectKey, Value)]) -> Calm {
        let mut world = World::with_pace(&self.settings, Pace::instant());
        self.furnish(&mut world);
        Calm::reached_in(world, wished)
    }

    /// What there is beside the controller.
    fn furnish(&self, world: &mut World) {
        self.models.iter().for_each(|model| world.publish_model(model.clone()));
        if let Some(provisioner) = &self.provisioner {
            world.set_machines(Machines::OfPools);
            world.add_process(Arc::clone(provisioner));
        }
    }

    /// Who makes machines.
    fn machines(&self) -> Machines {
        if self.provisioner.is_some() { Machines::OfPools } else { Machines::of(&self.settings) }
    }

    /// How these wishes end in a calm world.
    fn end_of(&self, wished: &[(ObjectKey, Value)]) -> Arc<Calm> {
        let name: String = wished.iter().map(|(key, body)| format!("{key} {body}")).collect();
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(ends.entry(name).or_insert_with(|| Arc::new(self.calm_end(wished))))
    }

    /// One run.
    pub fn run(&self, seed: u64) -> Run {
        self.run_told(seed, None, |_| ()).0
    }

    /// One run, of which every reconcile is taken down where there is a recorder, and what `tell` makes of the world when it has come to rest: before the judge goes on with it.
    pub fn run_told<T>(&self, seed: u64, recorder: Option<Recorder>, tell: impl FnOnce(&World) -> T) -> (Run, T) {
        let mut dice = Dice::new(seed, &self.faults);
        if self.provisioner.is_some() {
            dice = dice.with_pools();
        }
        let pace = pace(&mut dice);
        let mut script = Script::write(&mut dice, &self.objects, self.machines());
        let played: Vec<Fault> = dice.played().collect();
        let mut world = World::with_planner(&self.settings, pace, &Fate::default(), Arc::clone(&self.planner));
        world.dice = Some(dice);
        world.recorder = recorder;
        world.start_process(0);
        self.furnish(&mut world);
        world.ledger = self.provisioner.is_some().then(Ledger::default);
        let chaos = if self.provisioner.is_some() { CHAOS_STEPS_OF_POOLS } else { CHAOS_STEPS };
        // A wake-up that was lost is made good when roots are looked for that nobody waits for, and then looked at.
        let patience = if world.plays(Fault::Triggers) { SignedDuration::from_mins(90) } else { SignedDuration::ZERO };
        let mut judge = Judge::of_faults(&self.calm, &played);
        judge.pools = self.provisioner.is_some().then(Pools::default);
        upset(&mut world, &mut script, &mut judge, chaos);
        for touched in script.end(&mut world) {
            judge.blame(&world, "I6", format!("{touched} is somebody else's, and was changed or deleted"));
        }
        let rests = recover(&mut world, &mut judge, patience);
        let (told, steps) = (tell(&world), world.steps());
        let calm = self.end_of(&script::wished(&world));
        let ends_as_calm = calm::states(&world) == calm.states;
        if rests {
            judge.conclude(&mut world, &calm);
            if played.contains(&Fault::Upgrade) {
                judge.upgrade(&mut world);
            }
            judge.stays_quiet(&mut world);
            judge.says_farewell(&mut world);
        } else {
            judge.blame(&world, "I5", format!("nothing comes to rest within {MOST_STEPS} steps"));
        }
        let (upsets, violations, judged) = (script.told(), judge.violations(), judge.judged());
        (Run { seed, steps, played, upsets, violations, judged, ends_as_calm, world }, told)
    }
}

/// The part in which faults play.
fn upset(world: &mut World, script: &mut Script, judge: &mut Judge<'_>, most: u64) {
    while world.steps() < most {
        let next = script.next();
        // What a script says happens at its time, whether or not anything else does.
        if !world.step_before(next.unwrap_or(Duration::MAX)) {
            let Some(time) = next else { break };
            world.move_clock(time.max(world.now));
            script.act(world);
        }
        judge.watch(world);
        if script.is_over() && world.is_settled() {
            break;
        }
    }
}

/// Until everything is at rest. `false` for a world that never is.
fn recover(world: &mut World, judge: &mut Judge<'_>, patience: SignedDuration) -> bool {
    let (soonest, end) = (world.elapsed() + patience, world.elapsed() + RECOVERY);
    let most = world.steps() + MOST_STEPS;
    while world.elapsed() < end {
        let left = end - world.elapsed();
        let halt = world.run(left, |world| {
            judge.watch(world);
            world.steps() >= most
        });
        if halt == Halt::Reached {
            return false;
        }
        if halt == Halt::Settled && world.elapsed() >= soonest && judge.is_content(world) {
            break;
        }
        // At rest and not as wished: a wake-up was lost, or a wait goes on. The next look comes by itself.
        if !world.step() {
            break;
        }
    }
    true
}

/// How long things take in this run.
fn pace(dice: &mut Dice) -> Pace {
    let slow = if dice.plays(Fault::Cloud) { 6 } else { 1 };
    let rng = dice.rng();
    match rng.u8(0..3) {
        0 => Pace::instant(),
        1 => Pace::default(),
        _ => {
            let mut up_to = |seconds: i64| SignedDuration::from_secs(rng.i64(0..=seconds));
            Pace {
                launch: up_to(600 * slow),
                join: up_to(300),
                device_plugin: up_to(120),
                terminate: up_to(600),
                pull: up_to(600),
                load: up_to(1200),
                train: up_to(7200),
            }
        }
    }
}
