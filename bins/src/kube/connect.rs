//! A client as this cluster layer wants it.

use http::{Request, Response};
use kube_client::client::{Body, ClientBuilder, DynBody};
use kube_client::config::{KubeConfigOptions, Kubeconfig};
use kube_client::{Client, Config};
use std::path::Path;
use tower::BoxError;
use tower::util::BoxService;

/// The configuration of the kubeconfig file at `path`, else of `KUBECONFIG` or `~/.kube/config`, else of the pod that we run in.
///
/// Fails when none of them is there or one is unreadable; the message says which were tried.
pub async fn config(path: Option<&Path>) -> Result<Config, String> {
    let Some(path) = path else { return Config::infer().await.map_err(|error| error.to_string()) };
    let file = Kubeconfig::read_from(path).map_err(|error| error.to_string())?;
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(|error| error.to_string())
}

/// What a request goes through: credentials, headers, a trace span, TLS.
pub type Stack = BoxService<Request<Body>, Response<Box<DynBody>>, BoxError>;

/// A client that tries each request once and says who it is.
///
/// kube retries 429, 503 and 504 up to 15 times by itself, which holds a reconcile for minutes and hides that the server asks for patience; the controller's queue
/// waits instead. Fails when the configuration names certificates or credentials that cannot be read.
pub fn client(config: Config, user_agent: &str) -> Result<Client, String> {
    Ok(client_builder(config, user_agent)?.build())
}

/// The same client before it is built, for layers of one's own around its stack: traces, credentials that kube does not know, faults in a test.
///
/// `client_builder(config, agent)?.with_layer(&layer).build()`: the layer sees every request first, with a path instead of a whole address and without credentials, and every answer last; also
/// watches, whose answers do not end. It must not try again by itself. Fails as [`client`] does.
pub fn client_builder(mut config: Config, user_agent: &str) -> Result<ClientBuilder<Stack>, String> {
    config.default_retry = false;
    if let Ok(value) = http::HeaderValue::from_str(user_agent) {
        config.headers.push((http::header::USER_AGENT, value));
    }
    ClientBuilder::try_from(config).map_err(|error| error.to_string())
}
