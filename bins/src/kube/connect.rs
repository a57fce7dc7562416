//! A client as this cluster layer wants it.

use crate::http_client;
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube_client::client::{Body, ClientBuilder, ConfigExt, DynBody};
use kube_client::config::{KubeConfigOptions, Kubeconfig};
use kube_client::{Client, Config};
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use tower::util::{BoxCloneSyncService, BoxService};
use tower::{BoxError, ServiceBuilder, ServiceExt};

/// How long a server may say nothing. A watch ends after 290 seconds, by kube's own default; a watch or a list that nobody ever answers would else be waited for without end, and what it keeps would look fresh.
const LONGEST_SILENCE: Duration = Duration::from_secs(295);

/// The configuration of the kubeconfig file at `path`, else of `KUBECONFIG` or `~/.kube/config`, else of the pod that we run in.
///
/// A kubeconfig may name a proxy (`proxy-url`); where it names none, `HTTPS_PROXY` and `NO_PROXY` hold, as for kubectl. Fails when none of them is there or one is unreadable; the message says
/// which were tried.
pub async fn config(path: Option<&Path>) -> Result<Config, String> {
    let config = match path {
        None => Config::infer().await.map_err(|error| error.to_string())?,
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| error.to_string())?;
            let options = KubeConfigOptions::default();
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| error.to_string())?
        }
    };
    Ok(without_needless_proxy(config))
}

/// kube takes the proxy of the environment for every server, also for this machine and for what `NO_PROXY` names.
fn without_needless_proxy(mut config: Config) -> Config {
    let named = ["HTTPS_PROXY", "https_proxy"].into_iter().filter_map(|name| std::env::var(name).ok());
    let is_of_environment = named.filter_map(|proxy| proxy.parse().ok()).any(|proxy| config.proxy_url == Some(proxy));
    let server = &config.cluster_url;
    let is_direct = || http_client::is_loopback(&server.to_string()) || Matcher::from_env().intercept(server).is_none();
    if is_of_environment && is_direct() {
        config.proxy_url = None;
    }
    config
}

/// What a request goes through: the server's address, credentials, headers, TLS.
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
    if let Ok(value) = http::HeaderValue::from_str(user_agent) {
        config.headers.push((http::header::USER_AGENT, value));
    }
    let stack = stack(&config, connector(&config)?).map_err(|error| error.to_string())?;
    Ok(ClientBuilder::new(stack, config.default_namespace))
}

/// What kube's own stack is made of, but for its retries and spans, on connections of ours.
fn stack(config: &Config, connector: Connector) -> Result<Stack, kube_client::Error> {
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(connector)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(Some(config.read_timeout.unwrap_or(LONGEST_SILENCE)));
    connector.set_write_timeout(config.write_timeout);
    // A connection on which nobody asked anything was not silent: with the next request its time begins anew.
    connector.set_reset_reader_on_write(config.reset_reader_on_write || config.read_timeout.is_none());
    let client: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new()).build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(client)
        .map_response(|response| response.map(|body| Box::new(body.map_err(BoxError::from)) as Box<DynBody>));
    Ok(BoxService::new(service))
}

/// Who opens connections, before TLS.
type Connector = BoxCloneSyncService<Uri, TokioIo<TcpStream>, BoxError>;

/// Opens connections that send at once what they are given, through a proxy where there is one.
///
/// The connections of kube's own stack hold a small write back until the one before it is acknowledged (Nagle's algorithm), which Linux delays by 40 ms: a request in fifty or so waited that long
/// (<https://github.com/kube-rs/kube/issues/2056>).
fn connector(config: &Config) -> Result<Connector, String> {
    let mut direct = HttpConnector::new();
    direct.enforce_http(false);
    direct.set_nodelay(true);
    let Some(proxy) = &config.proxy_url else { return Ok(Connector::new(direct.map_err(BoxError::from))) };
    // Its name and password stay out of the message.
    let scheme = proxy.scheme_str().unwrap_or("http");
    let told = format!("{scheme}://{}", proxy.host().unwrap_or_default());
    if scheme != "http" {
        return Err(format!("the proxy {told} leads to the API server: only proxies at http:// are supported"));
    }
    let usable = Matcher::builder().all(proxy.to_string()).build().intercept(&config.cluster_url);
    let proxy = usable.ok_or_else(|| format!("the proxy {told} leads to the API server: it is no address"))?;
    let mut tunnel = Tunnel::new(proxy.uri().clone(), direct);
    if let Some(auth) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(auth.clone());
    }
    Ok(Connector::new(tunnel.map_err(BoxError::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_sends_at_once_what_it_is_given() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: Uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let connection = connector(&Config::new(address.clone())).unwrap().oneshot(address).await.unwrap();
        assert!(connection.inner().nodelay().unwrap());
    }

    #[tokio::test]
    async fn a_server_that_takes_a_request_and_never_answers_is_given_up() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for (named, limit) in [(None, LONGEST_SILENCE), (Some(Duration::from_secs(7)), Duration::from_secs(7))] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut config = Config::new(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
            // Nobody shows a certificate here.
            (config.root_cert, config.read_timeout) = (Some(Vec::new()), named);
            let client = client(config, "test").unwrap();
            let request = Request::get("/version").body(Vec::new()).unwrap();
            let asking = tokio::spawn(async move { client.request_text(request).await });
            let (taken, _) = listener.accept().await.unwrap();
            taken.readable().await.unwrap();
            // The request is there: from now on nothing happens but that time passes.
            tokio::time::pause();
            let start = tokio::time::Instant::now();
            let answer = tokio::time::timeout(Duration::from_hours(1), asking).await.expect("it ends").unwrap();
            assert!(answer.is_err(), "{answer:?}");
            let waited = start.elapsed();
            assert!(waited.abs_diff(limit) < Duration::from_secs(2), "{waited:?}");
            tokio::time::resume();
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_refused_without_its_password() {
        let mut config = Config::new(Uri::from_static("https://kubernetes.example"));
        for proxy in ["socks5://user:s3cret@proxy.example:1080", "https://user:s3cret@proxy.example", "/user:s3cret"] {
            config.proxy_url = Some(proxy.parse().unwrap());
            let refused = connector(&config).err().unwrap();
            assert!(refused.contains("leads to the API server") && !refused.contains("s3cret"), "{refused}");
        }
    }
}
