//! `cargo xtask test`: `cargo test` with the control plane at hand.

use std::cell::{Cell, OnceCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::thread::{self, JoinHandle};

use crate::control_plane::{self, Found};
use crate::steps::{self, Outcome, Step};

/// What the tests of package `kaito-tests` read: the folder of the control plane.
const VARIABLE: &str = "KAITO_CONTROL_PLANE";

/// The package of the simulations.
const SIMULATIONS: &str = "kaito-simulation";
/// How much is simulated, where the environment does not say.
const AMOUNTS: &[(&str, &str)] = &[("KAITO_RUNS", "10000"), ("KAITO_NODE_RUNS", "2000"), ("KAITO_RECORDED", "1000")];

/// The control plane, while it is being built beside other steps: Go and cargo each leave a core idle now and then.
pub type Building = Rc<Cell<Option<JoinHandle<Result<Found, String>>>>>;

pub fn run(arguments: &[String]) -> Result<(), String> {
    steps::run(plan(arguments, &Building::default()))
}

/// Begins to build the control plane, where it is not there yet.
pub fn begin(building: &Building) -> Step {
    let building = Rc::clone(building);
    Step::new("control plane begins", "cargo xtask control-plane &", move || {
        building.set(Some(thread::spawn(control_plane::find)));
        Ok(Outcome::Done)
    })
}

/// The steps; `arguments` go to `cargo test`. Without any, the simulations come last.
pub fn plan(arguments: &[String], building: &Building) -> Vec<Step> {
    let folder = Rc::new(OnceCell::<PathBuf>::new());
    let found = Rc::clone(&folder);
    let building = Rc::clone(building);
    let plane = Step::new("control plane", "cargo xtask control-plane", move || {
        let begun =
            building.take().map(|thread| thread.join().unwrap_or_else(|_| Err("its build panicked".to_owned())));
        match begun.unwrap_or_else(control_plane::find)? {
            Found::Folder(path) => {
                eprintln!("{}", path.display());
                found.get_or_init(|| path);
                Ok(Outcome::Done)
            }
            Found::Nowhere(why) => Ok(Outcome::Skipped(why)),
        }
    });

    let mut words = vec!["test".to_owned()];
    let before_dashes = || arguments.iter().take_while(|word| *word != "--");
    if !before_dashes().any(|word| word.starts_with("-p") || word.starts_with("--package")) {
        words.extend(["--workspace", "--exclude", SIMULATIONS].map(str::to_owned));
    }
    if !before_dashes().any(|word| word == "--no-fail-fast") {
        words.push("--no-fail-fast".to_owned());
    }
    words.extend_from_slice(arguments);
    let shown = format!("{VARIABLE}=$(cargo xtask control-plane) cargo {}", words.join(" "));
    let test = Step::new("tests", shown, move || {
        let mut command = steps::cargo();
        command.args(words).env_remove(VARIABLE);
        if let Some(folder) = folder.get() {
            command.env(VARIABLE, folder);
        }
        steps::status(command).map(|()| Outcome::Done)
    });
    let mut plan = vec![plane, test];
    // Whoever wants some tests does not want a minute of simulations after them.
    plan.extend(arguments.is_empty().then(simulations));
    plan
}

/// The simulations, in a profile of their own: with all optimisations, and without the kube crates.
fn simulations() -> Step {
    // An empty variable is none, here as in the tests.
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let wanted = AMOUNTS.iter().filter(|(name, _)| !is_set(name));
    let amounts: Vec<(&str, &str)> = wanted.copied().collect();
    Step::cargo("simulations", &amounts, &["test", "--profile", "sim", "-p", SIMULATIONS, "--", "--nocapture"])
}
