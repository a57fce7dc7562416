//! `kaito explain`: what the reason of a condition means, what proves it, and what can be done.

use super::Verdict;
use super::args::{Explain, Form};
use super::console::{Colour, Console, Defect, Look};
use super::output;
use super::table::Table;
use kaito_core::admission::nearest::nearest;
use kaito_core::failure::{self, CATALOGUE, Class, MILESTONES, Milestone};
use kaito_provisioner::claim::{WAITS, Wait};
use serde::Serialize;

/// A reason, told to a program.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reason {
    name: &'static str,
    condition: &'static str,
    /// `wait`, `failure`, `warning` or `milestone`.
    class: &'static str,
    meaning: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
    #[serde(skip)]
    class_in_words: String,
}

/// Prints the reasons, or one.
pub fn run(args: &Explain, console: &mut Console<'_>) -> Result<Verdict, Defect> {
    let of_workspaces = CATALOGUE.iter().map(|row| of_row(row)).chain(MILESTONES.iter().map(of_milestone));
    let all: Vec<Reason> = of_workspaces.chain(WAITS.iter().map(|wait| of_claim(wait))).collect();
    let found: Vec<Reason> = match &args.reason {
        None => all,
        Some(asked) => {
            let names: Vec<&str> = all.iter().map(|reason| reason.name).collect();
            match all.into_iter().find(|reason| reason.name.eq_ignore_ascii_case(asked.trim())) {
                Some(reason) => vec![reason],
                None => {
                    console.remark(&unknown(asked, &names));
                    return Ok(Verdict::No);
                }
            }
        }
    };
    let text = match (args.output.form, found.as_slice()) {
        (Form::Table, [one]) => page(one, console.look),
        (Form::Table, all) => list(all).render(console.look),
        (form, _) => output::one_or_list("Reason", "ReasonList", found, form)?,
    };
    console.print(&text)?;
    Ok(Verdict::Yes)
}

fn unknown(asked: &str, names: &[&str]) -> String {
    let of_ours = format!("{} is no reason of ours", crate::input::printable(asked));
    match nearest(asked, names.iter().copied()) {
        Some(near) => format!("{of_ours}; did you mean {near}?"),
        None => format!(
            "{of_ours}\nWhat a cloud refuses has its own reasons; the message of the condition carries its words.\nKnown: {}",
            names.join(", ")
        ),
    }
}

fn of_row(row: &'static failure::Reason) -> Reason {
    let seconds = row.class.minutes() * 60;
    let is_wait = matches!(row.class, Class::Wait { .. });
    Reason {
        name: row.name,
        condition: row.condition.as_str(),
        class: row.class.word(),
        meaning: row.meaning,
        deadline_seconds: is_wait.then_some(seconds),
        retry_seconds: (!is_wait).then_some(seconds),
        evidence: Some(row.evidence),
        next: Some(row.next),
        remedy: Some(row.remedy),
        class_in_words: row.class.words(),
    }
}

/// What a NodeClaim waits for, where the provisioner is ours.
fn of_claim(wait: &'static Wait) -> Reason {
    Reason {
        name: wait.name,
        condition: wait.condition,
        class: "wait",
        meaning: wait.meaning,
        deadline_seconds: Some(wait.deadline_minutes * 60),
        retry_seconds: None,
        evidence: Some(wait.evidence),
        next: Some(wait.next),
        remedy: Some(wait.remedy),
        class_in_words: format!("a wait of a NodeClaim, told as overdue after {} minutes", wait.deadline_minutes),
    }
}

fn of_milestone(milestone: &'static Milestone) -> Reason {
    Reason {
        name: milestone.name,
        condition: milestone.condition.as_str(),
        class: "milestone",
        meaning: milestone.meaning,
        deadline_seconds: None,
        retry_seconds: None,
        evidence: None,
        next: None,
        remedy: None,
        class_in_words: "a milestone; nothing is wrong".to_owned(),
    }
}

fn list(reasons: &[Reason]) -> Table {
    let mut table = Table::new(&["REASON", "CONDITION", "CLASS", "MEANING"]);
    for reason in reasons {
        table.row([reason.name, reason.condition, reason.class, reason.meaning].map(str::to_owned));
    }
    table
}

fn page(reason: &Reason, look: Look) -> String {
    let lines = [
        ("means", Some(reason.meaning)),
        ("shown on", Some(reason.condition)),
        ("class", Some(&*reason.class_in_words)),
        ("evidence", reason.evidence),
        ("what happens next", reason.next),
        ("what you can do", reason.remedy),
    ];
    let mut text = format!("{}\n", look.paint(Colour::Bold, reason.name));
    for (what, words) in lines {
        if let Some(words) = words {
            text.push_str(&format!("  {what:<17}  {words}\n"));
        }
    }
    text
}
