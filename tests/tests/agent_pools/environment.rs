//! What a process is told by its environment: authorities that are trusted beside the system's (`ARM_CA_BUNDLE`), and proxies. Both hold for Azure and for whoever gives the tokens for it.

use super::*;
use kaito_core::read::Selector;
use kaito_operator::arm::{ArmOptions, TimeLimits};
use kaito_tests::apart;
use kaito_tests::fake_arm::{CLUSTER, FakeArm, GROUP, SUBSCRIPTION};
use kaito_tests::tls::{self, Authority, Proxy};
use std::path::PathBuf;

/// What is told where everything is well.
const EMPTY: &str = "it tells of 0 agent pools";
/// An Azure and an authority of Entra that stand nowhere but behind a proxy.
const AZURE: &str = "azure.invalid";
const LOGIN: &str = "login.invalid";

/// Which cluster; every case says who asks, and whom.
fn cluster() -> [(&'static str, &'static str); 3] {
    [("ARM_SUBSCRIPTION_ID", SUBSCRIPTION), ("ARM_RESOURCE_GROUP", GROUP), ("AZURE_CLUSTER_NAME", CLUSTER)]
}

/// Somebody who has a token already.
fn with_token() -> Vec<(&'static str, &'static str)> {
    vec![("AUTH_MODE", "static-token"), ("ARM_TOKEN", "t0k3n")]
}

/// Somebody who is given one for a secret, by this authority.
fn with_secret(authority: &str) -> Vec<(&'static str, &str)> {
    let of = [("AZURE_TENANT_ID", "tenant"), ("AZURE_CLIENT_ID", "client"), ("AZURE_CLIENT_SECRET", "s3cret")];
    [&of[..], &[("AUTH_MODE", "service-principal"), ("AZURE_AUTHORITY_HOST", authority)]].concat()
}

fn limits() -> TimeLimits {
    TimeLimits { connect: Duration::from_secs(10), request: Duration::from_secs(20) }
}

#[tokio::test]
#[ignore = "a part of the other tests here, in a process of its own"]
async fn asks_as_its_environment_says() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = ArmOptions::read(&|name| std::env::var(name).ok()).unwrap();
    let pools = options.pools(limits()).unwrap();
    match pools.read(&Read::list(Kind::AgentPool, None, Selector::default()).live()).await {
        Ok(Answer::List(all)) => println!("it tells of {} agent pools", all.len()),
        other => println!("{other:?}"),
    }
}

/// What somebody is told in a process that knows nothing but this.
async fn told(endpoint: &str, who: &[(&str, &str)], more: &[(&str, &str)]) -> String {
    let variables: Vec<_> = cluster().into_iter().chain(who.iter().chain(more).copied()).collect();
    let variables = [&variables[..], &[("ARM_ENDPOINT", endpoint)]].concat();
    let found = apart::told("environment::asks_as_its_environment_says", &variables).await;
    assert!(!found.contains("s3cret") && !found.contains("t0k3n"), "what proves who asks is told: {found}");
    found
}

/// An Azure without any pool, which gives tokens, too.
fn azure(path: &str) -> Vec<u8> {
    let body = match path {
        "/tenant/oauth2/v2.0/token" => r#"{"access_token": "t0k3n", "expires_in": 3600}"#,
        _ => r#"{"value": []}"#,
    };
    tls::json(body)
}

/// A file that is there until the end of a test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> File {
        let path = std::env::temp_dir().join(format!("kaito-arm-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        File(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn azure_and_whoever_gives_tokens_must_have_certificates_that_are_trusted() {
    let (known, other) = (Authority::new("known"), Authority::new("other"));
    let bundle = File::new("known.pem", &[other.certificate(), known.certificate()].concat());
    let wrong = File::new("other.pem", other.certificate());
    let endpoint = format!("https://localhost:{}", known.serve(&["localhost"], azure));
    for (who, what) in [
        (with_token(), "Azure cannot be reached"),
        (with_secret(&endpoint), "the authority of identity client cannot be reached"),
    ] {
        let found = told(&endpoint, &who, &[("ARM_CA_BUNDLE", bundle.path())]).await;
        assert!(found.contains(EMPTY), "{found}");
        for refused in [&[][..], &[("ARM_CA_BUNDLE", wrong.path())]] {
            let found = told(&endpoint, &who, refused).await;
            assert!(found.contains(what) && found.contains("UnknownIssuer"), "{refused:?}: {found}");
            assert!(found.contains("ARM_CA_BUNDLE can name a file"), "{found}");
            assert!(found.contains("kind: Unavailable"), "somebody may put it right: {found}");
        }
    }
    // Whoever gives tokens is believed by itself, and so is Azure.
    let elsewhere = format!("https://localhost:{}", other.serve(&["localhost"], azure));
    let found = told(&elsewhere, &with_secret(&endpoint), &[("ARM_CA_BUNDLE", wrong.path())]).await;
    assert!(found.contains("the authority of identity client cannot be reached"), "{found}");
    let found = told(&elsewhere, &with_secret(&endpoint), &[("ARM_CA_BUNDLE", bundle.path())]).await;
    assert!(found.contains(EMPTY), "{found}");
    // A certificate of somebody else is none, whoever has signed it.
    let stranger = format!("https://localhost:{}", known.serve(&["stranger.invalid"], azure));
    let found = told(&stranger, &with_token(), &[("ARM_CA_BUNDLE", bundle.path())]).await;
    assert!(found.contains("Azure cannot be reached") && found.contains("only valid for"), "{found}");
}

#[test]
fn a_bundle_without_certificates_ends_the_start_and_is_named_with_what_is_wrong() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let good = Authority::new("known").certificate().to_owned();
    let in_pem = |text: &str| format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    let started = |bundle: &str| {
        let variables = [&cluster()[..], &with_token(), &[("ARM_CA_BUNDLE", bundle)]].concat();
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        ArmOptions::read(&find).unwrap().pools(limits())
    };
    started(File::new("good.pem", &good).path()).unwrap();
    for (name, text) in [
        ("empty.pem", String::new()),
        ("text.pem", "no certificate of anybody".to_owned()),
        ("key.pem", rcgen::KeyPair::generate().unwrap().serialize_pem()),
        ("garbled.pem", in_pem("~~~~")),
        ("half.pem", good[..good.len() / 2].to_owned()),
        ("other.pem", in_pem("bm8gY2VydGlmaWNhdGU=")),
        ("both.pem", format!("{good}{}", in_pem("bm8gY2VydGlmaWNhdGU="))),
    ] {
        let file = File::new(name, &text);
        let why = started(file.path()).map(drop).expect_err(name);
        assert!(why.starts_with(&format!("ARM_CA_BUNDLE={}: ", file.path())), "{why}");
        assert!(why.to_lowercase().contains("certificate"), "what is wrong: {why}");
    }
    for (path, words) in [("/nowhere/at/all.pem", "No such file"), ("/", "directory")] {
        let why = started(path).map(drop).expect_err(path);
        assert!(why.starts_with(&format!("ARM_CA_BUNDLE={path}: ")) && why.contains(words), "{why}");
    }
}

#[tokio::test]
async fn a_proxy_of_the_environment_leads_to_azure_and_to_whoever_gives_tokens() {
    let authority = Authority::new("known");
    let bundle = File::new("proxied.pem", authority.certificate());
    let proxy = Proxy::to(authority.serve(&[AZURE, LOGIN], azure));
    let (address, endpoint, login) = (proxy.address(), format!("https://{AZURE}"), format!("https://{LOGIN}"));
    let tunnels = [LOGIN, AZURE].map(|host| format!("CONNECT {host}:443"));
    for (variables, asked) in [
        (&[("HTTPS_PROXY", address.as_str())][..], &tunnels[..]),
        (&[("https_proxy", &address)], &tunnels),
        (&[("ALL_PROXY", &address)], &tunnels),
        (&[("HTTPS_PROXY", &address), ("NO_PROXY", "other.invalid")], &tunnels),
        (&[("HTTPS_PROXY", &address), ("NO_PROXY", AZURE)], &tunnels[..1]),
        (&[("HTTPS_PROXY", &address), ("NO_PROXY", LOGIN)], &[]),
        (&[("HTTPS_PROXY", &address), ("no_proxy", ".invalid")], &[]),
        (&[("HTTP_PROXY", &address)], &[]),
    ] {
        let more = [variables, &[("ARM_CA_BUNDLE", bundle.path())]].concat();
        let found = told(&endpoint, &with_secret(&login), &more).await;
        assert_eq!(proxy.take_asked(), asked, "{variables:?}");
        let who = if asked.is_empty() { "the authority of identity client" } else { "Azure" };
        match asked.len() {
            2 => assert!(found.contains(EMPTY), "{variables:?}: {found}"),
            _ => assert!(found.contains(&format!("{who} cannot be reached")), "{variables:?}: {found}"),
        }
    }
}

#[tokio::test]
async fn this_machine_itself_is_not_asked_through_a_proxy() {
    let authority = Authority::new("known");
    let bundle = File::new("here.pem", authority.certificate());
    let port = authority.serve(&["localhost", "127.0.0.1"], azure);
    let proxy = Proxy::to(port);
    let address = proxy.address();
    let plain = FakeArm::start(pace(0)).await;
    let through = [("HTTP_PROXY", address.as_str()), ("HTTPS_PROXY", &address), ("ALL_PROXY", &address)];
    for endpoint in [plain.endpoint(), &format!("https://localhost:{port}"), &format!("https://127.0.0.1:{port}")] {
        let logins = [format!("https://localhost:{port}"), format!("https://127.0.0.1:{port}")];
        for who in [with_token(), with_secret(&logins[0]), with_secret(&logins[1])] {
            let found = told(endpoint, &who, &[&through[..], &[("ARM_CA_BUNDLE", bundle.path())]].concat()).await;
            assert!(found.contains(EMPTY), "{endpoint} {who:?}: {found}");
            assert_eq!(proxy.take_asked(), [""; 0], "{endpoint} {who:?}");
        }
    }
}
