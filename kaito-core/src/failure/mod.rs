//! The failure catalogue: every failure and every wait that a planner can speak of.
//!
//! One row holds the condition it shows on, what it means and what proves it, what happens next, by when, and what a person can do. From the rows come condition reasons and
//! messages, the wake-up of a plan, `kaito explain` and `docs/reasons.md`. A wait without a deadline cannot be written down (I8).

mod catalogue; // the rows
mod page; // the rows as a page of the docs

pub use catalogue::*;
pub use page::{page, states_of_nodes};

use crate::object::ObjectKey;
use crate::plan::{Outcome, Wake};
use crate::units;
use crate::words;
use jiff::{SignedDuration, Timestamp};
use kaito_api::vocabulary::ConditionType;

/// Bytes of a cause that are told: after them there must be room for what happens next and what can be done, in a message that is read by people.
const LONGEST_CAUSE: usize = 4096;

impl Class {
    /// `wait`, `failure` or `warning`.
    pub const fn word(self) -> &'static str {
        match self {
            Class::Wait { .. } => "wait",
            Class::Failure { .. } | Class::Refusal { .. } => "failure",
            Class::Warning { .. } => "warning",
        }
    }

    /// The same with its time, in words: `a wait; overdue after 30 minutes`.
    pub fn words(self) -> String {
        let minutes = match self.minutes() {
            1 => "1 minute".to_owned(),
            minutes => format!("{minutes} minutes"),
        };
        match self {
            Class::Wait { .. } => format!("a wait; overdue after {minutes}"),
            Class::Failure { .. } => {
                format!("a failure; looked at again at every change, and after {minutes} at the latest")
            }
            Class::Refusal { .. } => format!(
                "a failure for which no machine is asked for; looked at again at every change, and after {minutes} at the latest"
            ),
            Class::Warning { .. } => {
                format!("a warning that keeps nothing from becoming ready; looked at again after {minutes}")
            }
        }
    }

    /// The deadline of a wait, the interval of a retry.
    pub const fn minutes(self) -> i64 {
        match self {
            Class::Wait { deadline_minutes: minutes }
            | Class::Failure { retry_minutes: minutes }
            | Class::Refusal { retry_minutes: minutes }
            | Class::Warning { retry_minutes: minutes } => minutes,
        }
    }
}

/// Whether a row is a wait, a failure, or a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Ends by itself, normally within so many minutes.
    Wait {
        /// After so long, the message says that it is overdue and what can be done.
        deadline_minutes: i64,
    },
    /// Ends when somebody changes something; looked at again then, and after so many minutes at the latest. Its condition cannot hold before.
    Failure {
        /// The retry interval.
        retry_minutes: i64,
    },
    /// A failure of what is asked for itself: nothing would come of a machine, so that none is bought while it stands, not even in place of one that was lost.
    Refusal {
        /// The retry interval.
        retry_minutes: i64,
    },
    /// The same, but only told while its condition does not hold anyway; it never keeps it from holding.
    Warning {
        /// The retry interval.
        retry_minutes: i64,
    },
}

/// Something that cannot go on, with its cause in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The row.
    pub reason: &'static Reason,
    /// A more exact reason for the condition, in the provisioner's own word; else the row's.
    pub own_reason: Option<String>,
    /// What is wrong, in the cause's own words: on one line, without secrets.
    pub cause: String,
    /// When something is done about it that needs nobody, where that is known; else the row's interval.
    pub retry: Option<SignedDuration>,
}

impl Failure {
    /// A failure with its cause. Words of others may stand in it as they are: here they are brought on one line, and what looks like a secret is left out.
    pub fn new(reason: &'static Reason, cause: impl AsRef<str>) -> Self {
        Self { reason, own_reason: None, cause: words::clean(cause.as_ref()), retry: None }
    }

    /// The reason as the condition shows it.
    pub fn reason(&self) -> &str {
        self.own_reason.as_deref().unwrap_or(self.reason.name)
    }

    /// Whether a condition cannot hold while this is so.
    pub fn blocks(&self, condition: ConditionType) -> bool {
        self.reason.condition == condition && !self.is_warning()
    }

    /// Whether no machine may be bought while it stands.
    pub fn forbids_machines(&self) -> bool {
        matches!(self.reason.class, Class::Refusal { .. })
    }

    /// Whether it is only told.
    pub fn is_warning(&self) -> bool {
        matches!(self.reason.class, Class::Warning { .. })
    }

    /// Cause, next action and remedy, as the condition shows them.
    pub fn message(&self) -> String {
        let cause = words::cut(&self.cause, LONGEST_CAUSE);
        format!("{cause}; next: {}; remedy: {}", self.reason.next, self.reason.remedy)
    }

    /// When to look again at the latest.
    pub fn wake(&self) -> Wake {
        Wake::After(self.retry.unwrap_or(SignedDuration::from_mins(self.reason.class.minutes())))
    }
}

/// Something that has to happen first, with the moment it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The row.
    pub reason: &'static Reason,
    /// What is waited for, with numbers.
    pub what: String,
    /// Since when; comes from a recorded fact (a creation time, a transition time), never from the clock.
    pub since: Timestamp,
    /// A deadline of its own, where it depends on the model; else the row's.
    pub deadline: Option<SignedDuration>,
}

impl Waiting {
    /// A wait that began at a recorded time. Words of others may stand in it, as in [`Failure::new`]; those that change while nothing happens belong into [`Waiting::overdue_because`].
    pub fn new(reason: &'static Reason, what: impl AsRef<str>, since: Timestamp) -> Self {
        Self { reason, what: words::clean(what.as_ref()), since, deadline: None }
    }

    /// Adds what else is known of the cause, once the wait is overdue. Before that, every step of a start would change the words, and be written.
    #[must_use]
    pub fn overdue_because(mut self, now: Timestamp, cause: impl FnOnce() -> Option<String>) -> Self {
        if now >= self.due()
            && let Some(cause) = cause()
        {
            self.what = format!("{}: {}", self.what, words::clean(&cause));
        }
        self
    }

    fn length(&self) -> SignedDuration {
        self.deadline.unwrap_or(SignedDuration::from_mins(self.reason.class.minutes()))
    }

    /// When it is overdue.
    pub fn due(&self) -> Timestamp {
        // Up to the full minute: the same wait, seen from facts that lie a second apart, is told in the same words.
        let exact = self.since.saturating_add(self.length()).unwrap_or(Timestamp::MAX);
        let to_minute = exact.as_second().rem_euclid(60);
        exact.saturating_add(SignedDuration::from_secs((60 - to_minute) % 60)).unwrap_or(Timestamp::MAX)
    }

    /// What is waited for, and by when; once overdue, what can be done. Changes only at the deadline, so that the status is not written over and over.
    pub fn message(&self, now: Timestamp) -> String {
        let due = units::rfc3339(self.due());
        if now < self.due() {
            format!("{}; next: {}, until {due}", self.what, self.reason.next)
        } else {
            format!("{}; overdue since {due}; next: {}; remedy: {}", self.what, self.reason.next, self.reason.remedy)
        }
    }

    /// When to look again at the latest: at the deadline, or when it has passed, now and then. Never later than the whole wait would take, however far behind the clock is.
    pub fn wake(&self, now: Timestamp) -> Wake {
        let left = self.due().duration_since(now);
        let longest = self.length().saturating_add(SignedDuration::from_mins(1));
        Wake::After(if left.is_positive() { left.min(longest) } else { SignedDuration::from_mins(10) })
    }
}

/// Where a root stands when this is the worst that is known of it. A warning alone is no failure.
pub fn outcome(failures: &[Failure], waits: &[Waiting]) -> Outcome {
    match (failures.iter().find(|failure| !failure.is_warning()), waits.first()) {
        (Some(failure), _) => Outcome::Failed { reason: failure.reason.name },
        (None, Some(wait)) => Outcome::Waiting { reason: wait.reason.name },
        (None, None) => Outcome::Converged,
    }
}

/// `Service default/web exists and is not controlled by this Workspace`.
pub fn name_taken(key: &ObjectKey) -> Failure {
    Failure::new(&NAME_TAKEN, format!("{key} exists and is not controlled by this Workspace"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_says_what_happens_next_and_what_can_be_done() {
        for row in CATALOGUE {
            for words in [row.meaning, row.evidence, row.next, row.remedy] {
                assert!(!words.is_empty() && words.trim() == words, "{}: {words:?}", row.name);
            }
            let minutes = row.class.minutes();
            assert!((1..=60).contains(&minutes), "{}: a deadline within the hour", row.name);
        }
        let names: std::collections::BTreeSet<&str> = CATALOGUE.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), CATALOGUE.len(), "one row a reason");
        for milestone in MILESTONES {
            assert!(!names.contains(milestone.name), "{}: a failure or a milestone, not both", milestone.name);
        }
    }

    #[test]
    fn commands_select_machines_of_this_very_workspace_whoever_makes_them() {
        let own = "kaito.sh/workspace=NAME,kaito.sh/workspacenamespace=NAMESPACE";
        let of_karpenter = "karpenter.kaito.sh/workspace-name=NAME,karpenter.kaito.sh/workspace-namespace=NAMESPACE";
        let mut found = 0;
        for row in CATALOGUE {
            let said = [row.evidence, row.remedy].join("; ");
            let on_machines = ["kubectl get nodeclaim -l", "kubectl describe node -l", "kubectl get node -l kaito"];
            if on_machines.iter().any(|command| said.contains(command)) {
                found += 1;
                assert!(said.contains(own) && said.contains(of_karpenter), "{}: {said}", row.name);
            }
        }
        assert!(found > 2, "{found}");
    }

    #[test]
    fn a_row_says_that_no_machine_is_asked_for_exactly_where_none_is() {
        for row in CATALOGUE {
            let forbids = Failure::new(row, "").forbids_machines();
            assert_eq!(row.next.contains("no machine is asked for"), forbids, "{}", row.name);
        }
    }

    #[test]
    fn words_of_others_are_on_one_line_and_without_secrets_whoever_hands_them_on() {
        let said = "Post \"https://me:hunter2@hook/?sig=aBcDeFgH12\":\n  EOF\u{1b}[0m";
        let now = Timestamp::UNIX_EPOCH;
        let wait = || Waiting::new(&NODES_PENDING, said, now);
        let late = now + SignedDuration::from_hours(9);
        for told in [
            Failure::new(&WRITE_REFUSED, said).message(),
            wait().message(now),
            Waiting::new(&NODES_PENDING, "a", now).overdue_because(late, || Some(said.to_owned())).message(late),
        ] {
            assert!(told.contains("Post \"https://***@hook/?sig=***\": EOF [0m; "), "{told}");
        }
    }

    #[test]
    fn a_wait_has_an_end_when_the_clock_is_behind_and_when_it_is_ahead() {
        let start = Timestamp::from_second(1_000_020).unwrap();
        let wait = Waiting::new(&NODES_PENDING, "0 of 1 nodes are ready", start);
        for (now, most) in [(Timestamp::UNIX_EPOCH, 21), (Timestamp::MIN, 21), (Timestamp::MAX, 10)] {
            let Wake::After(wake) = wait.wake(now) else { panic!("a wait wakes") };
            assert!(wake.is_positive() && wake <= SignedDuration::from_mins(most), "{now}: {wake}");
        }
        let endless = Waiting::new(&NODES_PENDING, "", Timestamp::MAX);
        assert_eq!(endless.wake(start), Wake::After(SignedDuration::from_mins(21)));
    }

    #[test]
    fn a_wait_changes_its_words_once_at_its_deadline() {
        let start = Timestamp::from_second(1_000_020).unwrap();
        let wait = Waiting::new(&NODES_PENDING, "0 of 1 nodes are ready", start);
        let minute = |m: i64| start + SignedDuration::from_mins(m);
        assert_eq!(wait.message(minute(1)), wait.message(minute(19)));
        assert!(wait.message(minute(20)).contains("overdue"));
        assert_eq!(wait.wake(minute(5)), Wake::After(SignedDuration::from_mins(15)));
        let told = |now| wait.clone().overdue_because(now, || Some("the cable is out".into())).message(now);
        assert_eq!(told(minute(19)), wait.message(minute(19)));
        assert!(told(minute(20)).contains("0 of 1 nodes are ready: the cable is out; overdue"));
    }
}
