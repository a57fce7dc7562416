//! With whose permission a hub is asked, and who gets to see it.

use super::*;
use async_trait::async_trait;
use kaito_core::hub::HubErrorKind;
use kaito_operator::hub::{ClusterTokens, TokenSource};
use kaito_operator::kube::Requests;
use kaito_operator::metrics::Metrics;
use serde_json::{Value, json};

fn bearer() -> Option<String> {
    Some(format!("Bearer {PLANTED}"))
}

#[tokio::test]
async fn a_gated_model_is_told_to_who_shows_a_token() {
    let gate = |asked: &server::Asked| match (asked.path.as_str(), asked.authorization == bearer()) {
        (CONFIG, false) => Reply::refused(401, "GatedRepo", "Access to model microsoft/phi-4 is restricted."),
        (ABOUT, _) => Reply::json(about().replace("\"gated\":false", "\"gated\":\"manual\"")),
        (path, _) => usual(path),
    };
    let server = Server::start(gate).await;
    assert!(ask(&server).await.unwrap().gated);
    assert!(server.asked().iter().all(|asked| asked.authorization == bearer()));

    let error = asked(&client(&server.endpoint(), None), ID).await.unwrap_err();
    assert_eq!(error.kind, HubErrorKind::Unauthorized);
    for words in ["GatedRepo: Access to model microsoft/phi-4 is restricted.", "asked without a token", CONFIG] {
        assert!(error.message.contains(words), "{words}: {error}");
    }
    let error = asked(&client(&server.endpoint(), Some("of-somebody-else")), ID).await.unwrap_err();
    assert!(error.message.contains("asked with the token of this test"), "{error}");
}

#[tokio::test]
async fn a_token_follows_no_redirect_to_another_server() {
    let cdn = Server::start(|asked| match asked.path.as_str() {
        "/signed?sig=of-the-cdn" => Reply::ok("text/plain", ARCHITECTURE),
        _ => Reply::new(403, &[], "expired"),
    })
    .await;
    let there = format!("{}/signed?sig=of-the-cdn", cdn.endpoint());
    let server = hub_but(vec![(CONFIG, Reply::redirect(302, &there))]).await;
    assert_eq!(ask(&server).await.unwrap().config.unwrap().text, ARCHITECTURE);
    let tokens = |server: &Server| server.asked().into_iter().map(|asked| asked.authorization).collect::<Vec<_>>();
    assert_eq!((tokens(&server), tokens(&cdn)), (vec![bearer(); 3], vec![None]));

    let expired = format!("{}/expired?sig=of-the-cdn", cdn.endpoint());
    let server = hub_but(vec![(CONFIG, Reply::redirect(302, &expired))]).await;
    let error = ask(&server).await.unwrap_err();
    assert!(error.message.contains("/expired answered 403") && !error.message.contains("of-the-cdn"), "{error}");
}

#[tokio::test]
async fn a_token_that_left_its_server_does_not_come_back() {
    let server = Arc::new(std::sync::OnceLock::<String>::new());
    let back = Arc::clone(&server);
    let other = Server::start(move |_| Reply::redirect(302, &format!("{}/back", back.get().unwrap()))).await;
    let there = format!("{}/there", other.endpoint());
    let home = hub_but(vec![(CONFIG, Reply::redirect(302, &there)), ("/back", Reply::json("{}"))]).await;
    server.set(home.endpoint()).unwrap();
    ask(&home).await.unwrap();
    let last = home.asked().pop().unwrap();
    assert_eq!((last.path.as_str(), last.authorization), ("/back", None));
}

#[tokio::test]
async fn a_server_that_says_the_token_again_is_not_quoted() {
    let echo = format!("your token {PLANTED} is not known");
    let page = format!("https://elsewhere.example/{PLANTED}");
    for reply in [
        Reply::refused(401, "Unauthorized", &echo),
        Reply::refused(500, &echo, &echo),
        Reply::json(format!("{{\"id\": \"{echo}\", \"sha\": \"{echo}\"}}")),
        Reply::json(format!("{{\"id\": \"a/b\", \"sha\": \"{PLANTED}\"}}")),
        Reply::json(format!("{{\"id\": [\"{PLANTED}\"]}}")),
        Reply::redirect(302, &format!("ftp://{PLANTED}")),
        Reply::redirect(302, &format!("/{PLANTED}")),
        Reply::redirect(302, &page),
        Reply::Bytes(echo.clone().into_bytes()),
    ] {
        let server = hub_but(vec![(ABOUT, reply)]).await;
        ask(&server).await.unwrap_err(); // `ask` looks for the token.
    }
}

/// Says who was asked for.
struct Asking;

#[async_trait]
impl TokenSource for Asking {
    async fn token(&self, secret: Option<&(String, String)>) -> Result<Option<HubToken>, HubError> {
        let name = secret.map_or("own", |(_, name)| name);
        Ok(Some(HubToken::parse(name, "this test").unwrap()))
    }
}

#[tokio::test]
async fn the_secret_of_the_query_is_shown() {
    let server = hub_but(Vec::new()).await;
    client(&server.endpoint(), None);
    let hub = HubClient::new(server.endpoint().parse().unwrap(), Arc::new(Asking), TimeLimits::default());
    let named = ModelQuery { token: Some(("default".to_owned(), "hub".to_owned())), ..query(ID) };
    hub.repository(&named).await.unwrap();
    hub.repository(&query(ID)).await.unwrap();
    let shown: Vec<_> = server.asked().into_iter().filter(|asked| asked.path == ABOUT).collect();
    assert_eq!(
        shown.iter().filter_map(|asked| asked.authorization.as_deref()).collect::<Vec<_>>(),
        ["Bearer hub", "Bearer own"]
    );
    assert!(!format!("{hub:?}").contains("Bearer"));
}

/// Reads a Secret from an API server that answers so; its path is told too.
async fn in_cluster(name: &str, status: u16, answer: Value) -> (Vec<String>, Result<Option<HubToken>, HubError>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let reply = Reply::new(status, &[("content-type", "application/json")], answer.to_string());
    let server = Server::start(move |_| reply.clone()).await;
    let config = kube_client::Config::new(server.endpoint().parse().unwrap());
    let client = kaito_operator::kube::client(config, "test").unwrap();
    let own = HubToken::parse("own", "the operator").unwrap();
    let tokens = ClusterTokens::new(Requests::new(client, Metrics::unread()), Some(own));
    let found = tokens.token(Some(&("default".to_owned(), name.to_owned()))).await;
    (server.paths(), found)
}

#[tokio::test]
async fn a_token_is_read_from_a_secret() {
    let secret = |data: Value| json!({"apiVersion": "v1", "kind": "Secret", "data": data});
    // `printf 'planted-s3same-token\n' | base64`
    let right = secret(json!({"HF_TOKEN": "cGxhbnRlZC1zM3NhbWUtdG9rZW4K"}));
    let (paths, found) = in_cluster("hub", 200, right.clone()).await;
    let token = found.unwrap().unwrap();
    assert_eq!(token, HubToken::parse(PLANTED, "the Secret default/hub").unwrap());
    assert!(!format!("{token:?}").contains(PLANTED));
    assert_eq!(paths, ["/api/v1/namespaces/default/secrets/hub"]);

    let status = |code: u16, reason: &str| json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "no"});
    for (name, code, answer, kind, words) in [
        ("hub", 404, status(404, "NotFound"), HubErrorKind::Token, "Secret default/hub is not there"),
        ("hub", 403, status(403, "Forbidden"), HubErrorKind::Token, "cannot be read: no"),
        ("hub", 503, status(503, "ServiceUnavailable"), HubErrorKind::Unavailable, "cannot be read: no"),
        ("hub", 200, secret(json!({"token": "eA=="})), HubErrorKind::Token, "has no key HF_TOKEN"),
        ("hub", 200, secret(Value::Null), HubErrorKind::Token, "has no key HF_TOKEN"),
        ("hub", 200, secret(json!({"HF_TOKEN": ""})), HubErrorKind::Token, "its key HF_TOKEN is empty"),
        ("hub", 200, secret(json!({"HF_TOKEN": "YQBi"})), HubErrorKind::Token, "control characters"),
        ("hub", 200, secret(json!({"HF_TOKEN": "/w=="})), HubErrorKind::Token, "holds no text under the key HF_TOKEN"),
        ("hub", 200, secret(json!({"HF_TOKEN": 7})), HubErrorKind::Token, "holds no text under the key HF_TOKEN"),
        ("../configmaps/x", 200, right, HubErrorKind::Token, "no name of a Secret"),
    ] {
        let (paths, found) = in_cluster(name, code, answer).await;
        let error = found.unwrap_err();
        assert!(error.kind == kind && error.message.contains(words), "{words}: {error:?}");
        assert_eq!(paths.is_empty(), name.contains('/'), "a name that cannot be is not asked for");
    }
}
