//! The way to the API server: through the proxy that the kubeconfig names, else through that of the environment, as kubectl goes.

use kaito_operator::kube;
use kaito_tests::apart;
use kaito_tests::tls::{self, Authority, Proxy};
use std::path::PathBuf;

/// An API server that stands nowhere but behind a proxy.
const SERVER: &str = "kubernetes.invalid";
const TUNNEL: &str = "CONNECT kubernetes.invalid:6443";
const THERE: &str = "it is version v1.33.5";

#[tokio::test]
#[ignore = "a part of the other tests here, in a process of its own"]
async fn asks_for_the_version() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = match kube::config(None).await {
        Ok(config) => kube::client(config, "kaito-test"),
        Err(why) => Err(why),
    };
    match client {
        Ok(client) => match client.apiserver_version().await {
            Ok(version) => println!("it is version {}", version.git_version),
            Err(error) => println!("{error:?}"),
        },
        Err(why) => println!("refused: {why}"),
    }
}

/// The version of an API server.
fn version(_: &str) -> Vec<u8> {
    let body = serde_json::json!({
        "major": "1", "minor": "33", "gitVersion": "v1.33.5", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go1.24", "compiler": "gc", "platform": "linux/amd64",
    });
    tls::json(&body.to_string())
}

/// A kubeconfig that is there until the end of a test.
struct Kubeconfig(PathBuf);

impl Kubeconfig {
    /// One of this server, whose certificate this authority has signed, behind this proxy.
    fn new(name: &str, server: &str, authority: &Authority, proxy: Option<&str>) -> Kubeconfig {
        let path = |ending| std::env::temp_dir().join(format!("kaito-way-{}-{name}.{ending}", std::process::id()));
        std::fs::write(path("pem"), authority.certificate()).unwrap();
        let mut cluster = serde_json::json!({"server": server, "certificate-authority": path("pem")});
        if let Some(proxy) = proxy {
            cluster["proxy-url"] = proxy.into();
        }
        let file = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
            "clusters": [{"name": "here", "cluster": cluster}], "users": [{"name": "here", "user": {}}],
        });
        std::fs::write(path("json"), file.to_string()).unwrap();
        Kubeconfig(path("json"))
    }

    /// What somebody is told who asks for the version in a process that knows nothing but this.
    async fn told(&self, more: &[(&str, &str)]) -> String {
        let variables = [&[("KUBECONFIG", self.0.to_str().unwrap())], more].concat();
        apart::told("asks_for_the_version", &variables).await
    }
}

impl Drop for Kubeconfig {
    fn drop(&mut self) {
        for ending in ["pem", "json"] {
            let _ = std::fs::remove_file(self.0.with_extension(ending));
        }
    }
}

#[tokio::test]
async fn a_proxy_of_the_environment_leads_to_the_api_server() {
    let authority = Authority::new("known");
    let proxy = Proxy::to(authority.serve(&[SERVER], version));
    let kubeconfig = Kubeconfig::new("environment", &format!("https://{SERVER}:6443"), &authority, None);
    let (address, bare) = (proxy.address(), proxy.address().replace("http://", ""));
    for (variables, is_asked) in [
        (&[("HTTPS_PROXY", address.as_str())][..], true),
        (&[("https_proxy", &address)], true),
        (&[("HTTPS_PROXY", &bare)], true),
        (&[("HTTPS_PROXY", &address), ("NO_PROXY", "other.invalid")], true),
        (&[("HTTPS_PROXY", &address), ("NO_PROXY", SERVER)], false),
        (&[("HTTPS_PROXY", &address), ("no_proxy", ".invalid")], false),
        (&[("HTTP_PROXY", &address)], false),
    ] {
        let found = kubeconfig.told(variables).await;
        assert_eq!(found.contains(THERE), is_asked, "{variables:?}: {found}");
        let asked: &[&str] = if is_asked { &[TUNNEL] } else { &[] };
        assert_eq!(proxy.take_asked(), asked, "{variables:?}");
    }
    let with_password = format!("http://user:s3cret@{bare}");
    assert!(kubeconfig.told(&[("HTTPS_PROXY", &with_password)]).await.contains(THERE));
    assert_eq!(proxy.take_asked(), [format!("{TUNNEL} as Basic dXNlcjpzM2NyZXQ=")]);
    let found = kubeconfig.told(&[("HTTPS_PROXY", "socks5://user:s3cret@proxy.invalid:1080")]).await;
    assert!(found.contains("refused: the proxy socks5://proxy.invalid") && !found.contains("s3cret"), "{found}");
}

#[tokio::test]
async fn a_proxy_of_the_kubeconfig_goes_before_that_of_the_environment() {
    let authority = Authority::new("known");
    let port = authority.serve(&[SERVER], version);
    let (named, other) = (Proxy::to(port), Proxy::to(port));
    let server = format!("https://{SERVER}:6443");
    let kubeconfig = Kubeconfig::new("named", &server, &authority, Some(&named.address()));
    for more in [&[("HTTPS_PROXY", other.address())][..], &[("NO_PROXY", SERVER.to_owned())]] {
        let more: Vec<_> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let found = kubeconfig.told(&more).await;
        assert!(found.contains(THERE), "{found}");
        assert_eq!((named.take_asked(), other.take_asked()), (vec![TUNNEL.to_owned()], vec![]), "{more:?}");
    }
}

#[tokio::test]
async fn an_api_server_on_this_machine_is_not_asked_through_a_proxy_of_the_environment() {
    let authority = Authority::new("known");
    let port = authority.serve(&["localhost", "127.0.0.1"], version);
    let proxy = Proxy::to(port);
    for host in ["localhost", "127.0.0.1"] {
        let kubeconfig = Kubeconfig::new(host, &format!("https://{host}:{port}"), &authority, None);
        let found = kubeconfig.told(&[("HTTPS_PROXY", &proxy.address()), ("https_proxy", &proxy.address())]).await;
        assert!(found.contains(THERE), "{found}");
        assert_eq!(proxy.take_asked(), [""; 0], "{host}");
    }
}
