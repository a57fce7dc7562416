//! What is asked of the cloud for NodeClaims: the agent pools that `kaito-gpu-provisioner` would ask AKS for.

use super::args;
use super::console::{Console, Defect};
use super::output::{self, Items, Typed};
use super::{Verdict, intake};
use crate::input::{Document, Problem};
use jiff::Timestamp;
use kaito_api::NodeClaim;
use kaito_api::k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kaito_core::Kind;
use kaito_provisioner::PoolRequest;
use serde::Serialize;
use serde_json::Value;

/// One request.
#[derive(Debug, Serialize)]
struct Asked {
    /// The name of the pool, and of its claim.
    name: String,
    /// What is done otherwise than the claim says, in words.
    remarks: Vec<String>,
    /// The body, as it is sent.
    body: Value,
}

/// The NodeClaims of an input without Workspaces; beside a Workspace they are part of its world.
pub fn claims(documents: &[Document]) -> Option<Vec<&Document>> {
    let all: Vec<&Document> = documents.iter().filter(|document| document.key.kind == Kind::NodeClaim).collect();
    let is_alone = !documents.iter().any(|document| document.key.kind == Kind::Workspace);
    Some(all).filter(|all| is_alone && !all.is_empty())
}

/// Prints the requests, in the order of the claims; says why there is none for a claim.
pub fn run(claims: &[&Document], form: args::Document, console: &mut Console<'_>) -> Result<Verdict, Defect> {
    let (mut items, mut problems) = (Vec::new(), Vec::new());
    for document in claims {
        match asked(document)? {
            Ok(asked) => items.push(Typed::new("AgentPoolRequest", asked)),
            Err(refused) => problems.extend(refused),
        }
    }
    intake::complain(&problems, console);
    let text = match (form, items.as_slice()) {
        (_, []) => String::new(),
        // JSON is YAML, too.
        (_, [one]) => output::json(one)?,
        (args::Document::Yaml, many) => {
            let many: Result<Vec<String>, Defect> =
                many.iter().map(|one| Ok(format!("---\n{}", output::json(one)?))).collect();
            many?.concat()
        }
        (args::Document::Json, _) => output::json(&Typed::new("List", Items { items }))?,
    };
    console.print(&text)?;
    Ok(if problems.is_empty() { Verdict::Yes } else { Verdict::No })
}

fn asked(document: &Document) -> Result<Result<Asked, Vec<Problem>>, Defect> {
    let unreadable = |error| Defect(format!("{}: {error}", document.key));
    let mut claim: NodeClaim = serde_json::from_value(document.value.clone()).map_err(unreadable)?;
    // As an API server does; the pool bears that time.
    claim.metadata.creation_timestamp.get_or_insert_with(|| Time(Timestamp::now()));
    Ok(match PoolRequest::of(&claim) {
        Ok(request) => Ok(Asked {
            name: request.name.to_string(),
            body: serde_json::from_slice(&request.body()).map_err(unreadable)?,
            remarks: request.remarks,
        }),
        Err(refusal) => Err(refusal.fields().iter().map(|error| document.problem(error)).collect()),
    })
}
