//! What a process is told by its environment: proxies, and the authorities that are trusted.

use super::*;
use kaito_tests::apart;
use kaito_tests::tls::Authority;

const ENDPOINT: &str = "KAITO_TEST_ENDPOINT";

#[tokio::test]
#[ignore = "a part of the other tests here, in a process of its own"]
async fn asks_as_its_environment_says() {
    let endpoint = std::env::var(ENDPOINT).unwrap();
    println!("{:?}", asked(&client(&endpoint, Some(PLANTED)), ID).await);
}

/// What a process with this environment, and no other, is told.
async fn told(endpoint: &str, variables: &[(&str, &str)]) -> String {
    let variables: Vec<(&str, &str)> = variables.iter().copied().chain([(ENDPOINT, endpoint)]).collect();
    apart::told("environment::asks_as_its_environment_says", &variables).await
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
    let authority = Authority::new("known");
    let port = authority.serve(&["localhost"], |path| match usual(path) {
        Reply::Bytes(bytes) | Reply::Silence(bytes) => bytes,
    });
    let endpoint = format!("https://localhost:{port}");
    let file = std::env::temp_dir().join(format!("kaito-hub-{}-authority.pem", std::process::id()));
    std::fs::write(&file, authority.certificate()).unwrap();
    let found = told(&endpoint, &[("SSL_CERT_FILE", file.to_str().unwrap())]).await;
    assert!(found.contains(COMMIT), "{found}");
    std::fs::remove_file(&file).unwrap();
    for variables in [&[][..], &[("SSL_CERT_FILE", "/nowhere")]] {
        let found = told(&endpoint, variables).await;
        assert!(found.contains("Unavailable") && found.contains(&endpoint), "{variables:?}: {found}");
    }
}
