//! `kaito replay`: whether this version decides what a recorded one did, and the first difference.

use super::Verdict;
use super::args::{Form, Replay};
use super::console::{Colour, Console, Defect, Look};
use super::output::{self, Typed};
use super::table::Table;
use crate::input::{self, Problem, printable};
use kaito_core::record::{self, Recording, Replayed};
use kaito_core::{ObjectKey, WorkspacePlanner};
use serde::Serialize;
use serde_json::Value;
use std::io::Read;

/// So many lines of differences are shown to a person; after them, only their number.
const SHOWN: usize = 20;

/// A replay, told to a program.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// The version that recorded.
    recorded_by: String,
    replayed_by: &'static str,
    /// Reconciles in the recording.
    reconciles: usize,
    same: usize,
    differences: Vec<Difference>,
}

/// A reconcile that came out otherwise.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Difference {
    number: u64,
    planner: String,
    root: ObjectKey,
    recorded_at: String,
    result: &'static str,
    /// Whether it is in the second plan, the one that was told what was refused.
    told: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reads: Vec<String>,
}

/// Plans again what a recording says was planned.
pub fn run(args: &Replay, stdin: &mut dyn Read, console: &mut Console<'_>) -> Result<Verdict, Defect> {
    let text = match input::one(&args.file, stdin) {
        Ok(text) => text,
        Err(problem) => return Ok(unreadable(&problem, console)),
    };
    let recording = match Recording::parse(text.text.as_bytes()) {
        Ok(recording) => recording,
        Err(error) => return Ok(unreadable(&Problem::of_file(text.name, error.to_string()), console)),
    };
    if recording.reconciles.is_empty() {
        return Ok(unreadable(
            &Problem::of_file(text.name, "no reconcile in the recording: there is nothing to replay"),
            console,
        ));
    }
    let replayed = record::replay(&recording, &[&WorkspacePlanner]);
    let reconciles = replayed.len();
    let differences: Vec<Difference> = replayed.into_iter().filter_map(difference).collect();
    let same = reconciles - differences.len();
    let report = Report { recorded_by: recording.version, replayed_by: crate::VERSION, reconciles, same, differences };
    let verdict = if report.differences.is_empty() { Verdict::Yes } else { Verdict::No };
    let text = match args.output.form {
        Form::Table => for_people(&report, console.look),
        Form::Json => output::json(&Typed::new("Replay", report))?,
        Form::Yaml => output::yaml(&Typed::new("Replay", report))?,
    };
    console.print(&text)?;
    Ok(verdict)
}

fn unreadable(problem: &Problem, console: &mut Console<'_>) -> Verdict {
    console.remark(&problem.to_string());
    Verdict::Unreadable
}

fn difference(replayed: Replayed) -> Option<Difference> {
    let Replayed { number, planner, root, now, verdict } = replayed;
    let alike = Difference {
        number,
        planner,
        root,
        recorded_at: now.to_string(),
        result: "noSuchPlanner",
        told: false,
        at: None,
        recorded: None,
        now: None,
        reads: Vec::new(),
    };
    Some(match verdict {
        record::Verdict::Same => return None,
        record::Verdict::NoSuchPlanner => alike,
        record::Verdict::Differs { told, at, recorded, now } => {
            Difference { result: "differs", told, at: Some(at), recorded, now, ..alike }
        }
        record::Verdict::Unanswered { told, reads } => {
            let reads = reads.iter().map(ToString::to_string).collect();
            Difference { result: "unanswered", told, reads, ..alike }
        }
    })
}

fn for_people(report: &Report, look: Look) -> String {
    let (reconciles, same) = (report.reconciles, report.same);
    let who = format!("recorded by {}, planned again by {}", printable(&report.recorded_by), report.replayed_by);
    let Some(first) = report.differences.first() else {
        return format!(
            "{} {reconciles} of {reconciles} reconciles, bit for bit; {who}\n",
            look.paint(Colour::Green, "same:")
        );
    };
    let mut table = Table::new(&["NUMBER", "ROOT", "RECORDED", "RESULT", "AT"]);
    for difference in report.differences.iter().take(SHOWN) {
        table.row([
            difference.number.to_string(),
            difference.root.to_string(),
            difference.recorded_at.clone(),
            difference.result.to_owned(),
            difference.place(),
        ]);
    }
    let mut text = table.render(look);
    if report.differences.len() > SHOWN {
        text.push_str(&format!("… and {} more\n", report.differences.len() - SHOWN));
    }
    text.push_str(&format!(
        "\nreconcile {} of {}, {}\n",
        first.number,
        printable(&first.root.to_string()),
        first.words()
    ));
    let lines = match first.result {
        "differs" => vec![("recorded", shown(first.recorded.as_ref())), ("now", shown(first.now.as_ref()))],
        _ => first.reads.iter().map(|read| ("asks for", read.clone())).collect(),
    };
    for (name, value) in lines {
        text.push_str(&format!("  {name:8}  {}\n", look.cut(&value, 12)));
    }
    let differ = look.paint(Colour::Red, "different:");
    text.push_str(&format!("{differ} {same} of {reconciles} reconciles are the same; {who}\n"));
    text
}

impl Difference {
    /// The place in the plan that a person looks at first.
    fn place(&self) -> String {
        let plan = if self.told { "told " } else { "" };
        self.at.as_ref().map(|at| format!("{plan}{at}")).unwrap_or_default()
    }

    fn words(&self) -> String {
        let plan = if self.told { "the plan that was told what was refused" } else { "the plan" };
        match self.result {
            "differs" => format!("{plan}, first difference at {}", printable(self.at.as_deref().unwrap_or_default())),
            "unanswered" => format!("{plan}: this version asks for what was not recorded"),
            _ => format!("this version has no planner {:?}", self.planner),
        }
    }
}

/// A value on one line.
fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
