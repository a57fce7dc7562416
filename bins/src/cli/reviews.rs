//! `kaito validate --review`: AdmissionReviews in, one a line, and their answers out, one a line.

use super::Verdict;
use super::console::{Console, Defect};
use crate::input::{Place, Problem, texts};
use kaito_core::{Settings, admission};
use serde_json::{Value, json};
use std::io::Read;

/// Answers every line. A line that is no review is answered with a refusal too, so that answers keep their places, and makes the input unreadable.
pub fn run(
    file: &str,
    settings: &Settings,
    stdin: &mut dyn Read,
    console: &mut Console<'_>,
) -> Result<Verdict, Defect> {
    let texts = match texts(file, stdin) {
        Ok(texts) => texts,
        Err(problem) => {
            console.remark(&problem.to_string());
            return Ok(Verdict::Unreadable);
        }
    };
    let mut worst = Verdict::Yes;
    let mut lines = 0;
    for text in &texts {
        for (index, line) in text.text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            lines += 1;
            let answer = answer(line, settings).unwrap_or_else(|(column, why)| {
                let problem = Problem::at(&text.name, Place { line: index + 1, column }, why);
                console.remark(&problem.to_string());
                worst = Verdict::Unreadable;
                refusal(&problem.detail)
            });
            if answer["response"]["allowed"] != true && worst == Verdict::Yes {
                worst = Verdict::No;
            }
            console.print(&format!("{answer}\n"))?;
        }
    }
    if lines == 0 {
        console.remark(&Problem::of_file(file, "no AdmissionReview: there is nothing but blanks").to_string());
        return Ok(Verdict::Unreadable);
    }
    Ok(worst)
}

/// The answer, or the column and what is wrong there.
fn answer(line: &str, settings: &Settings) -> Result<Value, (usize, String)> {
    let asked: Value = serde_json::from_str(line).map_err(|error| {
        let said = error.to_string();
        (error.column().max(1), format!("not JSON: {}", said.split(" at line ").next().unwrap_or_default()))
    })?;
    admission::answer(&asked, settings).map_err(|error| (1, error.to_string()))
}

fn refusal(why: &str) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
        "uid": "", "allowed": false, "status": {"status": "Failure", "code": 400, "reason": "BadRequest", "message": why},
    }})
}
