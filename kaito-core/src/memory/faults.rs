//! What can go wrong in a simulated world, each switchable, and the dice that decide when it does.
//!
//! A seed decides everything, so that a run repeats. Not every fault plays in every run, and its odds differ from run to run (FoundationDB calls it swizzling and BUGGIFY): a world in which
//! everything fails a little finds less than one in which two things fail a lot.

use crate::backend::{BackendError, ErrorKind};
use crate::kinds::Kind;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

macro_rules! faults {
    ($($name:ident = $word:literal, $what:literal;)*) => {
        /// Something that can go wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault { $(#[doc = $what] $name,)* }

        impl Fault {
            /// Every fault, in the order of the table.
            pub const ALL: &'static [Fault] = &[$(Fault::$name,)*];
            /// The word on a command line.
            pub const fn word(self) -> &'static str { match self { $(Fault::$name => $word,)* } }
            /// What happens, in a line.
            pub const fn what(self) -> &'static str { match self { $(Fault::$name => $what,)* } }
        }
    };
}

faults! {
    Crash = "crash", "the process ends after an effect, or at any time, and a new one starts with nothing in memory";
    Lag = "lag", "watches tell late, each kind by its own lag, and lists come again";
    Triggers = "triggers", "wake-ups are lost, repeated, or come in another order";
    Conflicts = "conflicts", "writes are refused because somebody else was faster";
    Throttling = "throttling", "the API server asks for patience (429)";
    Errors = "errors", "the API server fails (500)";
    Quota = "quota", "a quota of the namespace is used up for a moment (403)";
    Timeouts = "timeouts", "no answer in time: it did not happen, it did, or it happens later";
    Replicas = "replicas", "two processes at once, one of them paused for long in the middle of its work";
    Nodes = "nodes", "machines are lost, or their nodes are not ready for a while";
    Cloud = "cloud", "the cloud is slow, refuses for a while, or partly";
    Pods = "pods", "pods do not start for a while, or are killed";
    User = "user", "a person edits, deletes and re-creates in the middle";
    Foreign = "foreign", "objects of others have the names that we need";
    Definitions = "definitions", "a definition is missing for a while";
    Clock = "clock", "the clock of a process steps, forwards or backwards";
    Hub = "hub", "the hub of models does not answer";
    Upgrade = "upgrade", "when all has come to rest, a newer program takes over, which would build everything from another registry";
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How likely it is that a fault plays in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chance {
    /// As likely as not.
    Even,
    Sure,
}

/// The faults that may play, each in every second run, and those that play in every one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(BTreeMap<Fault, Chance>);

impl Faults {
    /// A world in which all goes well.
    pub fn none() -> Self {
        Self::default()
    }

    /// Everything.
    pub fn all() -> Self {
        Fault::ALL.iter().copied().collect()
    }

    /// Whether a fault may play.
    pub fn has(&self, fault: Fault) -> bool {
        self.0.contains_key(&fault)
    }

    /// In the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = Fault> {
        self.0.keys().copied()
    }

    /// All but one.
    #[must_use]
    pub fn without(mut self, fault: Fault) -> Self {
        self.0.remove(&fault);
        self
    }

    /// The same, and this one plays in every run: what takes several faults at once is found sooner.
    #[must_use]
    pub fn surely(mut self, fault: Fault) -> Self {
        self.0.insert(fault, Chance::Sure);
        self
    }

    fn is_sure(&self, fault: Fault) -> bool {
        self.0.get(&fault) == Some(&Chance::Sure)
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<T: IntoIterator<Item = Fault>>(iter: T) -> Self {
        Self(iter.into_iter().map(|fault| (fault, Chance::Even)).collect())
    }
}

/// As it is read.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sure = |fault: Fault| format!("+{fault}");
        let words: Vec<String> = if self.0.len() == Fault::ALL.len() {
            ["all".to_owned()].into_iter().chain(self.iter().filter(|fault| self.is_sure(*fault)).map(sure)).collect()
        } else {
            self.iter().map(|fault| if self.is_sure(fault) { sure(fault) } else { fault.to_string() }).collect()
        };
        f.write_str(if words.is_empty() { "none" } else { "" })?;
        f.write_str(&words.join(","))
    }
}

/// `all`, `none`, `crash,lag`, `all,-user`; a list that begins with what is taken away takes it from all. `all,+lag` is everything, and lag in every run.
impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Fault::ALL.iter().map(|fault| fault.word()).collect::<Vec<_>>().join(", ");
        let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        let mut faults = match words.first() {
            None => return Err(format!("an empty list; known are all, none, {}", known())),
            Some(first) if first.starts_with('-') => Faults::all(),
            Some(_) => Faults::none(),
        };
        for word in words {
            let (name, chance) = match (word.strip_prefix('-'), word.strip_prefix('+')) {
                (Some(name), _) => (name, None),
                (None, Some(name)) => (name, Some(Chance::Sure)),
                (None, None) => (word, Some(Chance::Even)),
            };
            match word {
                "all" => faults = Faults::all(),
                "none" => faults = Faults::none(),
                _ => {
                    let found = Fault::ALL.iter().copied().find(|fault| fault.word() == name);
                    let fault =
                        found.ok_or_else(|| format!("{name:?} is no fault; known are all, none, {}", known()))?;
                    match chance {
                        Some(chance) => faults.0.insert(fault, chance),
                        None => faults.0.remove(&fault),
                    };
                }
            }
        }
        Ok(faults)
    }
}

/// What happens to one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trouble {
    /// It is refused, and nothing happened.
    Refused(BackendError),
    /// It happened, and nobody heard of it.
    Unheard(BackendError),
    /// Nobody hears of it, and it happens later.
    Later(BackendError, Duration),
}

/// How often a fault strikes in one run.
const ODDS: [f64; 3] = [0.01, 0.06, 0.3];

/// Decides what goes wrong in one run.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    rng: fastrand::Rng,
    odds: BTreeMap<Fault, f64>,
    lags: BTreeMap<(usize, Kind), Duration>,
    /// Whether machines are made of agent pools, by a provisioner of ours beside the controller: more can go wrong.
    of_pools: bool,
}

impl Dice {
    pub(super) fn new(seed: u64, faults: &Faults) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let alone = faults.iter().count() <= 2;
        let mut odds = BTreeMap::new();
        for fault in faults.iter() {
            // Drawn whether it plays or not, so that a seed means much the same with one fault less.
            let (plays, how_often) = (rng.bool() || alone, ODDS[rng.usize(0..ODDS.len())]);
            if plays || faults.is_sure(fault) {
                odds.insert(fault, how_often);
            }
        }
        Self { rng, odds, lags: BTreeMap::new(), of_pools: false }
    }

    /// The same for a world with a provisioner of ours.
    pub(super) fn with_pools(self) -> Self {
        Self { of_pools: true, ..self }
    }

    /// The number of some process, whether or not so many run.
    pub(super) fn process(&mut self) -> usize {
        if self.of_pools { self.rng.usize(0..4) } else { usize::from(self.rng.bool()) }
    }

    /// The source of everything that a seed decides.
    pub(super) fn rng(&mut self) -> &mut fastrand::Rng {
        &mut self.rng
    }

    /// Whether a fault plays in this run.
    pub(super) fn plays(&self, fault: Fault) -> bool {
        self.odds.contains_key(&fault)
    }

    /// The faults of this run.
    pub(super) fn played(&self) -> impl Iterator<Item = Fault> {
        self.odds.keys().copied()
    }

    /// Whether a fault strikes now.
    pub(super) fn strikes(&mut self, fault: Fault) -> bool {
        let odds = self.odds.get(&fault).copied().unwrap_or_default();
        odds > 0.0 && self.rng.f64() < odds
    }

    /// A time up to so long, short ones being likelier.
    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.rng.f64().powi(3))
    }

    /// How late a watch tells of a change.
    pub(super) fn lag(&mut self, replica: usize, kind: Kind) -> Duration {
        if !self.plays(Fault::Lag) {
            return Duration::ZERO;
        }
        let rng = &mut self.rng;
        let base = *self.lags.entry((replica, kind)).or_insert_with(|| {
            // The last is longer than a run.
            const LAGS: [Duration; 7] = [
                Duration::ZERO,
                Duration::ZERO,
                Duration::from_millis(200),
                Duration::from_secs(10),
                Duration::from_secs(120),
                Duration::from_secs(1500),
                Duration::from_secs(48 * 3600),
            ];
            LAGS[rng.usize(0..LAGS.len())]
        });
        self.up_to(base)
    }

    /// How long a process takes between two requests of a reconcile.
    pub(super) fn latency(&mut self) -> Duration {
        let slow = (self.plays(Fault::Lag) || self.plays(Fault::Replicas)) && self.rng.u8(..) == 0;
        self.up_to(if slow { Duration::from_secs(40) } else { Duration::from_millis(80) })
    }

    /// What happens to a request; `None`: it is answered.
    pub(super) fn request(&mut self, writes: bool) -> Option<Trouble> {
        let refused = |kind, words: &str| Some(Trouble::Refused(BackendError::new(kind, words)));
        if writes && self.strikes(Fault::Conflicts) {
            return refused(
                ErrorKind::Conflict,
                "the object has been modified; please apply your changes to the latest version",
            );
        }
        if self.strikes(Fault::Throttling) {
            let wait = self.up_to(Duration::from_secs(60));
            let error = BackendError {
                retry_after: Some(wait),
                ..BackendError::new(ErrorKind::Throttled, "too many requests")
            };
            return Some(Trouble::Refused(error));
        }
        if writes && self.strikes(Fault::Quota) {
            return refused(
                ErrorKind::Forbidden,
                "exceeded quota: team, requested: pods=1, used: pods=9, limited: pods=9",
            );
        }
        if self.strikes(Fault::Errors) {
            return refused(ErrorKind::Unavailable, "etcdserver: request timed out");
        }
        if self.strikes(Fault::Timeouts) {
            let error = BackendError::new(ErrorKind::Timeout, "no answer in time");
            return Some(match self.rng.u8(0..3) {
                0 if writes => Trouble::Unheard(error),
                1 if writes => Trouble::Later(error, self.up_to(Duration::from_secs(1200))),
                _ => Trouble::Refused(error),
            });
        }
        None
    }

    /// After how long a wake-up comes; none for one that is lost, two for one that is repeated.
    pub(super) fn trigger(&mut self) -> Vec<Duration> {
        if !self.plays(Fault::Triggers) {
            return vec![Duration::ZERO];
        }
        if self.strikes(Fault::Triggers) {
            return Vec::new();
        }
        let mut times = vec![self.up_to(Duration::from_secs(5))];
        if self.strikes(Fault::Triggers) {
            times.push(self.up_to(Duration::from_secs(300)));
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named_on_a_command_line() {
        assert_eq!("all".parse(), Ok(Faults::all()));
        let two: Faults = [Fault::Lag, Fault::Crash].into_iter().collect();
        assert_eq!(" crash, lag".parse(), Ok(two));
        for but_user in ["all,-user", "-user", "-user,-user"] {
            assert_eq!(but_user.parse(), Ok(Faults::all().without(Fault::User)), "{but_user}");
        }
        let sure = Faults::all().surely(Fault::Lag);
        assert_eq!(("all,+lag".parse(), sure.to_string()), (Ok(sure.clone()), "all,+lag".to_owned()));
        for empty in ["", " ", ",,"] {
            assert!(empty.parse::<Faults>().is_err(), "{empty:?}");
        }
        let error = "crash,lagg".parse::<Faults>().unwrap_err();
        assert!(error.contains("\"lagg\"") && error.contains("timeouts"), "{error}");
    }

    #[test]
    fn what_is_sure_plays_in_every_run_and_changes_nothing_else() {
        let faults = Faults::all().without(Fault::Hub);
        for seed in 0..100 {
            let played = |faults: &Faults| Dice::new(seed, faults).odds;
            let mut with = played(&faults.clone().surely(Fault::Lag));
            let without = played(&faults);
            assert!(with.contains_key(&Fault::Lag) && !with.contains_key(&Fault::Hub));
            if !without.contains_key(&Fault::Lag) {
                with.remove(&Fault::Lag);
            }
            assert_eq!(with, without);
        }
    }

    #[test]
    fn a_seed_decides_everything() {
        let roll = |seed| {
            let mut dice = Dice::new(seed, &Faults::all());
            (0..50)
                .map(|_| (dice.request(true), dice.trigger(), dice.lag(0, Kind::Node), dice.latency()))
                .collect::<Vec<_>>()
        };
        assert_eq!(roll(7), roll(7));
        assert_ne!(roll(7), roll(8));
    }
}
