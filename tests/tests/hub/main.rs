//! Hubs of models: one that a server on this machine plays, and one that is a folder.
//!
//! The server ([`server`]) is plain sockets, so that it can answer what no HTTP library would: by half, never, or anything at all.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod answers; // what a hub tells
mod anything; // arbitrary bytes
mod environment; // proxies and certificates
mod folder; // a folder in its place
mod refusals; // what goes wrong
mod server; // a hub of our own
mod tokens; // with whose permission, and who gets to see it

use kaito_core::hub::{HubError, ModelHub, ModelQuery, Repository};
use kaito_operator::hub::{HubClient, HubToken, OwnToken, TimeLimits};
use server::{Reply, Server};
use std::sync::Arc;
use std::time::Duration;

const COMMIT: &str = "c1899de289a04d12100db370d81485cdf75e47ca";
const ID: &str = "microsoft/phi-4";
const ABOUT: &str = "/api/models/microsoft/phi-4/revision/main";
const TREE: &str = "/api/models/microsoft/phi-4/tree/c1899de289a04d12100db370d81485cdf75e47ca";
const CONFIG: &str = "/microsoft/phi-4/resolve/c1899de289a04d12100db370d81485cdf75e47ca/config.json";
const PARAMS: &str = "/microsoft/phi-4/resolve/c1899de289a04d12100db370d81485cdf75e47ca/params.json";
const LISTING: &str = r#"[{"type":"directory","oid":"1","size":0,"path":"original"},
    {"type":"file","oid":"2","size":802,"path":"config.json"},
    {"type":"file","oid":"3","size":135,"path":"model-00001-of-00002.safetensors","lfs":{"oid":"4","size":4933656472,"pointerSize":135}}]"#;
const ARCHITECTURE: &str = r#"{"architectures": ["Phi3ForCausalLM"], "rope": Infinity}"#;

/// A token that must be seen nowhere but in the header for it.
const PLANTED: &str = "planted-s3same-token";

fn about() -> String {
    format!(r#"{{"_id":"1","id":"{ID}","private":false,"gated":false,"sha":"{COMMIT}","siblings":[]}}"#)
}

/// A hub that has one model and nothing else.
fn usual(path: &str) -> Reply {
    match path.split_once('?').map_or(path, |(path, _)| path) {
        ABOUT => Reply::json(about()),
        TREE => Reply::json(LISTING),
        CONFIG => Reply::ok("text/plain; charset=utf-8", ARCHITECTURE),
        _ => Reply::refused(404, "RepoNotFound", "Repository not found"),
    }
}

/// A hub as [`usual`], but for the replies to some paths.
async fn hub_but(replies: Vec<(&'static str, Reply)>) -> Server {
    Server::start(move |request| {
        let path = request.path.split_once('?').map_or(request.path.as_str(), |(path, _)| path);
        let special = replies.iter().find(|(known, _)| *known == path);
        special.map_or_else(|| usual(&request.path), |(_, reply)| reply.clone())
    })
    .await
}

fn client(endpoint: &str, token: Option<&str>) -> HubClient {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let limits = TimeLimits { request: Duration::from_secs(20), total: Duration::from_secs(60) };
    HubClient::new(endpoint.parse().unwrap(), Arc::new(own(token)), limits)
}

fn own(token: Option<&str>) -> OwnToken {
    OwnToken(token.map(|token| HubToken::parse(token, "this test").unwrap()))
}

fn query(id: &str) -> ModelQuery {
    ModelQuery { id: id.to_owned(), token: None }
}

/// Asks a server for the one model, with the planted token, which must not come back in an error.
async fn ask(server: &Server) -> Result<Repository, HubError> {
    asked(&client(&server.endpoint(), Some(PLANTED)), ID).await
}

async fn asked(hub: &dyn ModelHub, id: &str) -> Result<Repository, HubError> {
    let found = hub.repository(&query(id)).await;
    if let Err(error) = &found {
        let told = format!("{error} {error:?}");
        assert!(!told.contains(PLANTED), "the token is told: {told}");
        assert!(!error.message.contains(['\n', '\r']) && !error.message.is_empty(), "one line: {:?}", error.message);
        assert!(error.message.len() < 1500, "not too long: {}", error.message);
    }
    found
}
