use super::*;
use axum::Router;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, Uri};
use std::sync::Mutex as Lock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Somebody who gives tokens, or whatever is ordered; remembers what was asked.
#[derive(Clone, Default)]
struct Giver {
    says: Arc<Lock<Option<(u16, String)>>>,
    asked: Arc<Lock<Vec<(String, String, bool)>>>,
}

impl Giver {
    async fn start(&self) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let answer = |Shared(giver): Shared<Giver>, uri: Uri, headers: HeaderMap, body: String| async move {
            let asked = (uri.to_string(), body, headers.get("metadata").is_some());
            giver.asked.lock().unwrap().push(asked);
            let said = giver.says.lock().unwrap().clone();
            let (status, body) =
                said.unwrap_or((200, r#"{"token_type":"Bearer","expires_in":"3600","access_token":"t0k3n"}"#.into()));
            (StatusCode::from_u16(status).unwrap(), body)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}")
    }

    fn last(&self) -> (String, String, bool) {
        self.asked.lock().unwrap().last().cloned().unwrap()
    }
}

fn identity(authority: String) -> Identity {
    Identity { authority, tenant: "tenant".into(), client: "client".into(), authorities: None }
}

const SCOPE: &str = "https://management.azure.com/.default";

#[tokio::test]
async fn a_workload_identity_shows_the_file_as_it_is_now() {
    let giver = Giver::default();
    let token_file = std::env::temp_dir().join(format!("kaito-token-{}", std::process::id()));
    let workload = WorkloadIdentity { identity: identity(giver.start().await), token_file: token_file.clone() };
    let missing = workload.token(SCOPE).await.unwrap_err();
    assert!(missing.is_transient && missing.message.contains("cannot be read"), "{missing}");
    for assertion in ["first.a+b=", "second"] {
        std::fs::write(&token_file, format!("{assertion}\n")).unwrap();
        assert_eq!(workload.token(SCOPE).await.unwrap().secret, "t0k3n");
        let (path, form, _) = giver.last();
        assert_eq!(path, "/tenant/oauth2/v2.0/token");
        let written = assertion.replace('+', "%2B").replace('=', "%3D");
        assert!(form.ends_with(&format!("&client_assertion={written}")), "{form}");
        assert!(form.contains(
            "client_id=client&scope=https%3A%2F%2Fmanagement.azure.com%2F.default&grant_type=client_credentials"
        ));
    }
    *giver.says.lock().unwrap() = Some((
        401,
        r#"{"error":"invalid_client","error_description":"AADSTS700213: No matching federated identity record found for presented assertion subject second. Trace ID: 0a-1 Correlation ID: 0b-2 Timestamp: 2026-01-01 00:00:00Z"}"#.into(),
    ));
    let refused = workload.token(SCOPE).await.unwrap_err();
    assert!(!refused.is_transient && refused.message.starts_with("AADSTS700213: No matching"), "{refused}");
    assert!(refused.message.contains("federated credential") && !refused.message.contains("second"), "{refused}");
    assert!(!refused.message.contains("Trace ID"), "what is new in every attempt would be written in every attempt");
    let long = format!("AADSTS500011: {}; ask your administrator", "the resource principal was not found ".repeat(20));
    *giver.says.lock().unwrap() = Some((400, serde_json::json!({"error_description": long}).to_string()));
    let refused = workload.token(SCOPE).await.unwrap_err();
    assert!(refused.message.contains("ask your administrator") && !refused.message.contains("federated"), "{refused}");
    std::fs::remove_file(&token_file).unwrap();
}

#[tokio::test]
async fn a_service_principal_shows_its_secret_and_a_machine_asks_itself() {
    let giver = Giver::default();
    let address = giver.start().await;
    let principal = ClientSecret { identity: identity(address.clone()), secret: "s3cret".into() };
    assert!(principal.token(SCOPE).await.is_ok());
    assert!(giver.last().1.ends_with("&client_secret=s3cret"));
    let machine = ManagedIdentity { endpoint: address.clone(), client: Some("client".into()), header: None };
    assert!(machine.token(SCOPE).await.is_ok());
    let (path, _, metadata) = giver.last();
    assert!(metadata && path.starts_with("/metadata/identity/oauth2/token?api-version=2018-02-01"), "{path}");
    assert!(path.ends_with("&resource=https%3A%2F%2Fmanagement.azure.com&client_id=client"), "{path}");
    // While the metadata service is renewed it is not there; elsewhere that is a wrong address.
    for status in [404, 410] {
        *giver.says.lock().unwrap() = Some((status, "gone".into()));
        assert!(machine.token(SCOPE).await.unwrap_err().is_transient, "{status}");
        assert!(!principal.token(SCOPE).await.unwrap_err().is_transient, "{status}");
    }
    let end = Timestamp::now().as_second() + 3600;
    *giver.says.lock().unwrap() = Some((200, format!(r#"{{"access_token":"a","expires_on":"{end}"}}"#)));
    let endpoint = format!("{address}/msi/token");
    let told = ManagedIdentity { endpoint, client: None, header: Some("pr00f".into()) };
    assert!(told.token(SCOPE).await.unwrap().left() > Duration::from_secs(3500));
    let (path, _, metadata) = giver.last();
    assert_eq!(
        (path.as_str(), metadata),
        ("/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fmanagement.azure.com", false)
    );
    *giver.says.lock().unwrap() = Some((400, "no pr00f".into()));
    assert!(!told.token(SCOPE).await.unwrap_err().message.contains("pr00f"));
}

#[tokio::test]
async fn what_proves_who_asks_is_never_sent_where_others_read_it() {
    for authority in ["http://login.example/", "ftp://login.example", "login"] {
        let principal = ClientSecret { identity: identity(authority.into()), secret: "s3cret".into() };
        let error = principal.token(SCOPE).await.unwrap_err();
        assert!(!error.is_transient && !error.message.contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_token_is_told_without_what_it_holds() {
    let giver = Giver::default();
    let principal = ClientSecret { identity: identity(giver.start().await), secret: "s3cret".into() };
    for (status, body, is_transient) in [
        (200, "", true),
        (200, "<html>login</html>", true),
        (200, r#"{"access_token":"a"}"#, true),
        (200, r#"{"access_token":"","expires_in":3600}"#, false),
        (200, r#"{"access_token":"a b","expires_in":3600}"#, false),
        (503, "busy", true),
        (429, "busy", true),
        (400, r#"{"error":"invalid_scope s3cret"}"#, false),
        (302, "", false),
    ] {
        *giver.says.lock().unwrap() = Some((status, body.into()));
        let error = principal.token(SCOPE).await.unwrap_err();
        assert_eq!(error.is_transient, is_transient, "{status} {body}: {error}");
        assert!(!error.message.contains("s3cret"), "{error}");
    }
}

/// Gives tokens that last so long, and counts.
struct Counted(AtomicU32, Duration, std::sync::atomic::AtomicBool);

#[async_trait]
impl Credential for Counted {
    async fn token(&self, _: &str) -> Result<AccessToken, CredentialError> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        if self.2.load(Ordering::SeqCst) {
            return Err(CredentialError::away("away"));
        }
        AccessToken::new(&format!("token{number}"), self.1)
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_kept_renewed_early_and_forgotten_when_it_is_refused() {
    let source = Arc::new(Counted(AtomicU32::new(0), Duration::from_secs(3600), false.into()));
    let kept = Kept::new(Arc::<Counted>::clone(&source), SCOPE.into());
    let first = kept.token().await.unwrap();
    assert_eq!((kept.token().await.unwrap(), first.secret.as_str()), (first.clone(), "token0"));
    tokio::time::advance(Duration::from_secs(3400)).await;
    assert_eq!(kept.token().await.unwrap().secret, "token1", "its end is near");
    assert!(kept.forget(&first), "there is another one by now");
    assert_eq!(kept.token().await.unwrap().secret, "token1", "an older one was refused");
    source.2.store(true, Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(3400)).await;
    for _ in 0..9 {
        assert_eq!(kept.token().await.unwrap().secret, "token1", "as long as it is good");
    }
    assert_eq!(source.0.load(Ordering::SeqCst), 3, "nobody is asked again at once");
    tokio::time::advance(Duration::from_secs(300)).await;
    for _ in 0..9 {
        assert!(kept.token().await.is_err());
    }
    assert_eq!(source.0.load(Ordering::SeqCst), 4, "a failure is remembered");
    tokio::time::advance(REMEMBERED).await;
    assert!(kept.token().await.is_err());
    assert_eq!(source.0.load(Ordering::SeqCst), 5);
    assert!(!format!("{first:?}").contains("token0"));
}

/// Gives tokens as slowly as it is told.
struct Slow(AtomicU32);

#[async_trait]
impl Credential for Slow {
    async fn token(&self, _: &str) -> Result<AccessToken, CredentialError> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(20)).await;
        AccessToken::new(&format!("token{number}"), Duration::from_secs(3600))
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_by_one_and_nobody_waits_while_the_old_one_is_good() {
    let source = Arc::new(Slow(AtomicU32::new(0)));
    let kept = Kept::new(Arc::<Slow>::clone(&source), SCOPE.into());
    let all = futures::future::join_all((0..9).map(|_| kept.token())).await;
    assert!(all.iter().all(|token| token.as_ref().is_ok_and(|token| token.secret == "token0")));
    tokio::time::advance(Duration::from_secs(3400)).await;
    let start = Instant::now();
    let renewal = kept.token();
    let others = async {
        tokio::task::yield_now().await;
        let all = futures::future::join_all((0..9).map(|_| kept.token())).await;
        (start.elapsed(), all)
    };
    let (renewed, (waited, all)) = tokio::join!(renewal, others);
    assert_eq!((renewed.unwrap().secret.as_str(), waited), ("token1", Duration::ZERO));
    assert!(all.iter().all(|token| token.as_ref().is_ok_and(|token| token.secret == "token0")));
    assert_eq!(source.0.load(Ordering::SeqCst), 2);
}

/// Refuses, and takes half a minute for it.
struct Refusing(AtomicU32);

#[async_trait]
impl Credential for Refusing {
    async fn token(&self, _: &str) -> Result<AccessToken, CredentialError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(30)).await;
        Err(CredentialError::away("away"))
    }
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_for_a_token_are_refused_at_once() {
    let source = Arc::new(Refusing(AtomicU32::new(0)));
    let kept = Kept::new(Arc::<Refusing>::clone(&source), SCOPE.into());
    let start = Instant::now();
    let all = futures::future::join_all((0..9).map(|_| kept.token())).await;
    assert!(all.iter().all(Result::is_err));
    assert_eq!((source.0.load(Ordering::SeqCst), start.elapsed().as_secs()), (1, 30));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_stays_refused_is_asked_for_once_in_a_while() {
    let source = Arc::new(Counted(AtomicU32::new(0), Duration::from_secs(3600), false.into()));
    let kept = Kept::new(Arc::<Counted>::clone(&source), SCOPE.into());
    for _ in 0..9 {
        let token = kept.token().await.unwrap();
        kept.forget(&token);
    }
    assert_eq!(source.0.load(Ordering::SeqCst), 2, "the first, and one more");
    tokio::time::advance(REMEMBERED).await;
    assert!(kept.forget(&kept.token().await.unwrap()));
}
