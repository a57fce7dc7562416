//! Answers, played as the program plays them, and how they end.

use crate::{answer, arm, id, is_bug, lines, now};
use bytes::Bytes;
use http::Response;
use kaito_provisioner::arm::{OperationLink, Pages, Removal};
use kaito_provisioner::operation::{Ask, Doing, Verdict};
use kaito_provisioner::pool::PoolState;
use kaito_provisioner::{ArmError, ErrorClass, Operation, PoolName, PoolSeen};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How the answers of a script end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// It is as it was asked for.
    Done,
    /// There is no such pool.
    Gone,
    /// Refused or failed.
    Class(ErrorClass),
    /// The operation tells nothing of the pool: ours looks at it, the reference does not, so that the script ends there.
    Looks,
}

/// How every script ends.
const ENDS: &[(&str, End)] = &[
    ("put-quota-family", End::Class(ErrorClass::Quota)),
    ("put-quota-opnotallowed", End::Class(ErrorClass::Quota)),
    ("put-regional-quota", End::Class(ErrorClass::Quota)),
    ("put-sku-not-available", End::Class(ErrorClass::SizeNotAllowed)),
    ("put-badrequest-notallowed", End::Class(ErrorClass::SizeNotAllowed)),
    ("put-invalid-parameter", End::Class(ErrorClass::Invalid)),
    ("put-auth-403", End::Class(ErrorClass::Auth)),
    ("put-404-cluster", End::Class(ErrorClass::NoCluster)),
    ("put-409-another", End::Class(ErrorClass::Conflict)),
    ("put-409-inprogress", End::Class(ErrorClass::Conflict)),
    ("put-409-conflict", End::Class(ErrorClass::Conflict)),
    ("put-412", End::Class(ErrorClass::Superseded)),
    ("put-500", End::Class(ErrorClass::Unavailable)),
    ("put-503", End::Class(ErrorClass::Unavailable)),
    ("put-html-body", End::Class(ErrorClass::Unavailable)),
    ("put-nested-details", End::Class(ErrorClass::Quota)),
    ("lro-ok", End::Done),
    ("lro-failed-quota", End::Class(ErrorClass::Quota)),
    ("lro-failed-zonal", End::Class(ErrorClass::StockOut)),
    ("lro-failed-overconstrained", End::Class(ErrorClass::StockOut)),
    ("lro-failed-superseded", End::Looks),
    ("lro-canceled", End::Looks),
    ("lro-poll-404", End::Looks),
    ("lro-poll-500", End::Class(ErrorClass::Unavailable)),
    ("sync-failed-state", End::Class(ErrorClass::Unknown)),
    ("sync-failed-state-201", End::Class(ErrorClass::Unknown)),
    ("bodypoll-failed", End::Class(ErrorClass::Unknown)),
    ("bodypoll-canceled", End::Class(ErrorClass::Superseded)),
    ("get-404-pool-lowercase", End::Gone),
    ("get-404-code-only", End::Gone),
    ("get-403", End::Class(ErrorClass::Auth)),
    ("get-429", End::Class(ErrorClass::Throttled)),
    ("delete-404", End::Gone),
    ("delete-404-cluster", End::Class(ErrorClass::NoCluster)),
    ("delete-deleting-lowercase", End::Done),
    ("delete-ok-sync", End::Gone),
    ("delete-ok-lro", End::Gone),
    ("delete-404-on-delete", End::Gone),
    ("delete-409", End::Class(ErrorClass::Conflict)),
    ("delete-lro-notfound", End::Gone),
    ("delete-lro-failed", End::Class(ErrorClass::Unavailable)),
    ("list-403", End::Class(ErrorClass::Auth)),
    ("list-page2-fails", End::Class(ErrorClass::Unavailable)),
];

/// What comes of an operation that was overtaken, cancelled or forgotten: what its pool is by then. The reference calls each of them a failure, and asks for a machine that may be there.
const LOOKS: &[(&str, End)] = &[
    ("Succeeded", End::Done),
    ("Canceled", End::Class(ErrorClass::Superseded)),
    ("Deleting", End::Class(ErrorClass::Superseded)),
    ("Failed", End::Class(ErrorClass::Unknown)),
];

/// The answers of a script, in their order by method; the last one repeats.
struct Script(BTreeMap<String, Vec<Response<Bytes>>>);

impl Script {
    fn of(line: &Value) -> Self {
        let mut answers: BTreeMap<String, Vec<Response<Bytes>>> = BTreeMap::new();
        for step in line["script"].as_array().unwrap() {
            let mut response = Response::builder().status(u16::try_from(step["status"].as_u64().unwrap()).unwrap());
            for (name, value) in step["headers"].as_object().unwrap() {
                response = response.header(name, value.as_str().unwrap());
            }
            let body = match (&step["raw"], &step["body"]) {
                (Value::String(raw), _) => raw.clone(),
                (_, Value::Null) => String::new(),
                (_, body) => body.to_string(),
            };
            let method = step["method"].as_str().unwrap().to_owned();
            answers.entry(method).or_default().push(response.body(Bytes::from(body)).unwrap());
        }
        Self(answers)
    }

    fn next(&mut self, method: &str) -> Option<Response<Bytes>> {
        let left = self.0.get_mut(method)?;
        Some(if left.len() > 1 { left.remove(0) } else { left[0].clone() })
    }
}

/// What comes of a script when it is played as the program plays it; `pool`: the state that is answered where the pool is looked at and the script says nothing.
fn play(line: &Value, pool: Option<&str>) -> Result<End, ArmError> {
    let (arm, mut script) = (arm(), Script::of(line));
    if let Some(state) = pool {
        let body = json!({"name": "ws0123456ab", "properties": {"count": 1, "vmSize": "Standard_NC24ads_A100_v4", "provisioningState": state}});
        script.0.entry("GET".to_owned()).or_insert_with(|| vec![answer(200, &body)]);
    }
    let name = PoolName::parse("ws0123456ab").unwrap();
    match line["op"].as_str().unwrap() {
        "list" => {
            let mut pages = Pages::default();
            while let Some(response) = script.next("GET") {
                if pages.take(arm.read_list(&response, now())?).unwrap().is_none() {
                    break;
                }
            }
            Ok(End::Done)
        }
        "get" => {
            let seen = arm.read_get(&name, &script.next("GET").unwrap(), now())?;
            Ok(if seen.is_some() { End::Done } else { End::Gone })
        }
        "create" => {
            let started = arm.read_create(&name, &script.next("PUT").unwrap(), now())?;
            let operation = Operation::begin(name, Doing::Create, now());
            watch(operation, Some(started.pool), started.operation, &mut script)
        }
        "delete" => match arm.read_get(&name, &script.next("GET").unwrap(), now())? {
            None => Ok(End::Gone),
            Some(pool) if pool.state == PoolState::Deleting => Ok(End::Done),
            Some(_) => match arm.read_delete(&script.next("DELETE").unwrap(), now())? {
                Removal::Gone => Ok(End::Gone),
                Removal::Started { operation: link, .. } => {
                    // What the script says of the pool was said before the deletion; a pool that is not there is answered so by all of them.
                    let missing = json!({"error": {"code": "NotFound", "message": "Agent Pool not found."}});
                    script.0.insert("GET".to_owned(), vec![answer(404, &missing)]);
                    watch(Operation::begin(name, Doing::Delete, now()), None, link, &mut script)
                }
            },
        },
        other => panic!("{other}"),
    }
}

/// Follows an operation to its end.
fn watch(
    mut operation: Operation,
    seen: Option<PoolSeen>,
    mut link: Option<OperationLink>,
    script: &mut Script,
) -> Result<End, ArmError> {
    let mut verdict = seen.map_or(Verdict::Running, |pool| operation.seen(Some(&pool), now()));
    for _ in 0..20 {
        match verdict {
            Verdict::Done if operation.doing == Doing::Delete => return Ok(End::Gone),
            Verdict::Done => return Ok(End::Done),
            Verdict::Failed => return Ok(End::Class(operation.failure.unwrap().class)),
            Verdict::AskPool => link = None,
            Verdict::Running => {}
        }
        verdict = match operation.ask(link.as_ref()) {
            Ask::Operation(link) => {
                let progress = arm().read_poll(link, &script.next("OP").unwrap(), now())?;
                operation.told(&progress)
            }
            Ask::Pool(name) => {
                let Some(response) = script.next("GET") else {
                    return Ok(End::Looks);
                };
                let seen = arm().read_get(name, &response, now())?;
                operation.seen(seen.as_ref(), now())
            }
        };
    }
    panic!("no end in 20 answers: {operation:?}");
}

#[test]
fn what_the_reference_is_told_is_understood() {
    let lines = lines("errors.jsonl");
    for line in &lines {
        let name = id(line).trim_start_matches("errors/");
        let row = ENDS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name} has no row"));
        let end = play(line, None).unwrap_or_else(|error| {
            let first = error.failure.message.split([':', ' ']).next().unwrap();
            assert!(error.code.is_empty() || first == &*error.code, "the cloud's code is in front: {error}");
            End::Class(error.class())
        });
        assert_eq!(end, row.1, "{name}");
        for (state, end) in LOOKS.iter().filter(|_| row.1 == End::Looks) {
            let seen = play(line, Some(state)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(seen, *end, "{name}, and the pool is {state}");
        }
        if is_bug(line) {
            continue;
        }
        // What is an error, a missing pool, or neither is so for both; a pool that is gone after its deletion is no error of theirs.
        let theirs = line["result"]["error_type"].as_str().unwrap();
        let agree = match end {
            End::Done => theirs.is_empty(),
            End::Gone => theirs == "NodeClaimNotFoundError" || (theirs.is_empty() && line["op"] == "delete"),
            End::Class(_) | End::Looks => theirs == "plain",
        };
        assert!(agree, "{name}: {end:?}, and theirs {theirs}");
    }
    if !lines.is_empty() {
        assert_eq!(lines.len(), ENDS.len(), "a row that no recording needs");
    }
}
