//! What a process is told by its environment: proxies, and the authorities that are trusted. A process has one environment, so each case is a process of its own: this very program, which then asks
//! as one of its tests.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

const ENDPOINT: &str = "KAITO_TEST_ENDPOINT";

#[tokio::test]
#[ignore = "a part of the other tests here, in a process of its own"]
async fn asks_as_its_environment_says() {
    let endpoint = std::env::var(ENDPOINT).unwrap();
    println!("{:?}", asked(&client(&endpoint, Some(PLANTED)), ID).await);
}

/// What a process with this environment, and no other, is told.
async fn told(endpoint: &str, variables: &[(&str, &str)]) -> String {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", "environment::asks_as_its_environment_says", "--ignored", "--nocapture"]);
    process.env_clear().env(ENDPOINT, endpoint).envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || process.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_gone_through() {
    let proxy = Server::start(|asked| usual(asked.path.strip_prefix("http://hub.invalid").unwrap_or("/"))).await;
    let address = proxy.endpoint();
    for (variables, is_asked) in [
        (&[("HTTP_PROXY", address.as_str())][..], true),
        (&[("http_proxy", &address)], true),
        (&[("ALL_PROXY", &address)], true),
        (&[("HTTP_PROXY", &address), ("NO_PROXY", "hub.invalid")], false),
        (&[("HTTPS_PROXY", &address)], false),
    ] {
        let before = proxy.paths().len();
        let found = told("http://hub.invalid", variables).await;
        assert_eq!(found.contains(COMMIT), is_asked, "{variables:?}: {found}");
        assert_eq!(proxy.paths().len() > before, is_asked, "{variables:?}");
    }
    assert_eq!(proxy.paths()[0], format!("http://hub.invalid{ABOUT}"));

    let (server, before) = (hub_but(Vec::new()).await, proxy.paths().len());
    assert!(told(&server.endpoint(), &[("HTTP_PROXY", &address)]).await.contains(COMMIT));
    assert_eq!(proxy.paths().len(), before, "this machine itself is not asked through a proxy");
}

#[tokio::test]
async fn a_hub_must_have_a_certificate_that_is_trusted() {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let trusted = authority.self_signed(&key).unwrap().pem();
    let endpoint = over_tls(&Issuer::new(authority, key));

    let file = std::env::temp_dir().join(format!("kaito-hub-{}-authority.pem", std::process::id()));
    std::fs::write(&file, trusted).unwrap();
    let found = told(&endpoint, &[("SSL_CERT_FILE", file.to_str().unwrap())]).await;
    assert!(found.contains(COMMIT), "{found}");
    std::fs::remove_file(&file).unwrap();
    for variables in [&[][..], &[("SSL_CERT_FILE", "/nowhere")]] {
        let found = told(&endpoint, variables).await;
        assert!(found.contains("Unavailable") && found.contains(&endpoint), "{variables:?}: {found}");
    }
}

/// A hub over TLS, with a certificate of this authority; until the process ends.
fn over_tls(authority: &Issuer<'_, KeyPair>) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap());
    let (config, listener) = (Arc::new(config.unwrap()), TcpListener::bind(("127.0.0.1", 0)).unwrap());
    let endpoint = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            // Who does not trust us hangs up, and others may come.
            let _ = answer(&mut stream);
        }
    });
    endpoint
}

fn answer(stream: &mut (impl Read + Write)) -> std::io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head);
    let Reply::Bytes(bytes) = usual(head.split(' ').nth(1).unwrap_or_default()) else { return Ok(()) };
    stream.write_all(&bytes)?;
    stream.flush()
}
