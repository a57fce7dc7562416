//! Health, readiness, metrics and the flight recorder over plain HTTP.
//!
//! | path | says |
//! |---|---|
//! | `/healthz` | 200 while every loop goes round; 503 names the one that hangs |
//! | `/readyz` | 200 when everything is watched; 503 names each thing that is waited for, and each watch that has gone silent, one a line |
//! | `/metrics` | the registry, in Prometheus' text format |
//! | `/debug/recorder` | the last reconciles, to this machine itself or with the token; 403 to others |

mod address;
mod debug;

pub use address::{AddressError, BindAddress};
pub use debug::{Token, debug_routes};

use crate::kube::Readiness;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder, Registry, TextEncoder};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// `/healthz` and `/readyz`.
pub fn health_routes(readiness: Readiness) -> Router {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(readiness)
}

/// `/metrics`.
pub fn metrics_routes(registry: Registry) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(registry)
}

/// Serves until `shutdown` completes. Fails when the listener does.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, routes).with_graceful_shutdown(shutdown).await
}

async fn healthz(State(readiness): State<Readiness>) -> Response {
    verdict(&readiness.stalled())
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    verdict(&readiness.missing())
}

fn verdict(complaints: &[String]) -> Response {
    if complaints.is_empty() {
        return (StatusCode::OK, "ok").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", complaints.join("\n"))).into_response()
}

async fn metrics(State(registry): State<Registry>) -> Response {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
