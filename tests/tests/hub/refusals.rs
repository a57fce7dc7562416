//! What goes wrong, case by case: which class it is, and what is said.

use super::*;
use kaito_core::hub::HubErrorKind::{self, Malformed, NotFound, Throttled, Unauthorized, Unavailable, Unservable};

struct Case {
    /// What is asked for when it goes wrong.
    at: &'static str,
    reply: Reply,
    kind: HubErrorKind,
    says: &'static str,
}

fn case(at: &'static str, reply: Reply, kind: HubErrorKind, says: &'static str) -> Case {
    Case { at, reply, kind, says }
}

async fn check(cases: Vec<Case>) {
    for Case { at, reply, kind, says } in cases {
        let server = hub_but(vec![(at, reply.clone())]).await;
        let error = ask(&server).await.expect_err(says);
        assert_eq!(error.kind, kind, "{at} {says}: {error}");
        assert!(error.message.contains(says), "{at} {says}: {error}");
        assert!(error.message.contains(&server.endpoint()), "the address is named: {error}");
    }
}

#[tokio::test]
async fn a_refusal_has_a_class_and_the_words_of_the_hub() {
    let plain = |status| Reply::new(status, &[], "no");
    check(vec![
        case(ABOUT, Reply::refused(401, "RepoNotFound", "Invalid username or password."), Unauthorized, "answered 401 Unauthorized (asked with the token of this test): RepoNotFound: Invalid username or password."),
        case(ABOUT, Reply::new(403, &[], r#"{"error": "forbidden\nfor you"}"#), Unauthorized, "): forbidden for you"),
        case(ABOUT, Reply::refused(404, "RepoNotFound", "Repository not found"), NotFound, "404 Not Found: RepoNotFound: Repository not found"),
        case(TREE, Reply::refused(404, "RevisionNotFound", "Invalid rev id"), NotFound, "RevisionNotFound: Invalid rev id"),
        case(CONFIG, Reply::refused(404, "RepoNotFound", "Repository not found"), NotFound, "RepoNotFound"),
        case(ABOUT, plain(410), NotFound, "answered 410"),
        case(CONFIG, plain(403), Unauthorized, "answered 403"),
        case(ABOUT, plain(400), Malformed, "answered 400"),
        case(ABOUT, plain(407), Unavailable, "answered 407"),
        case(TREE, plain(500), Unavailable, "answered 500"),
        case(TREE, plain(503), Unavailable, "answered 503"),
        case(ABOUT, Reply::new(204, &[], ""), Malformed, "answered 204"),
        case(ABOUT, plain(304), Malformed, "answered 304"),
        // The words of a refusal may be cut off, and it is a refusal nevertheless.
        case(ABOUT, Reply::claiming(404, &[], b"no", 99), NotFound, "answered 404"),
        case(ABOUT, Reply::new(404, &[], vec![b'x'; 1 << 20]), NotFound, "answered 404"),
    ])
    .await;
}

#[tokio::test]
async fn a_hub_that_asks_for_patience_says_for_how_long() {
    let at = |seconds: i64| {
        let then = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&then).unwrap()
    };
    let hour = at(3600);
    for (status, fields, kind, range) in [
        (429, &[("retry-after", "7")][..], Throttled, Some(7..=7)),
        (429, &[("retry-after", hour.as_str())], Throttled, Some(3000..=3600)),
        (
            429,
            &[("ratelimit", "\"api\";r=0;t=55"), ("ratelimit-policy", "\"fixed window\";\"api\";q=500;w=300")],
            Throttled,
            Some(55..=55),
        ),
        (429, &[], Throttled, None),
        (503, &[("retry-after", "9")], Unavailable, Some(9..=9)),
    ] {
        let server = hub_but(vec![(TREE, Reply::new(status, fields, "slow down"))]).await;
        let error = ask(&server).await.unwrap_err();
        assert_eq!(error.kind, kind);
        let asked = error.retry_after.map(|wait| wait.as_secs());
        let is_right =
            range.as_ref().map_or(asked.is_none(), |range| asked.is_some_and(|asked| range.contains(&asked)));
        assert!(is_right, "{fields:?}: {asked:?}");
    }
}

#[tokio::test]
async fn what_is_no_answer_of_a_hub_is_said_to_be_none() {
    let page = "\u{feff}\n<!DOCTYPE html><html><title>Sign in</title></html>";
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 802\n";
    let half = |body: &str| Reply::claiming(200, &[], &body.as_bytes()[..body.len() / 2], body.len());
    let entry = |text: &str| Reply::json(format!("[{text}]"));
    check(vec![
        case(ABOUT, Reply::ok("text/html", page), Malformed, "is a web page, perhaps of a proxy"),
        case(TREE, Reply::ok("text/html", page), Malformed, "expected the hub's JSON list of files"),
        case(CONFIG, Reply::ok("text/html", page), Malformed, "is a web page"),
        case(CONFIG, Reply::ok("text/plain", pointer), Malformed, "is a pointer of large-file storage"),
        case(CONFIG, Reply::ok("text/plain", b"\xff\xfe{}"), Malformed, "no text in UTF-8"),
        case(ABOUT, half(&about()), Malformed, "answers by half"),
        case(TREE, half(LISTING), Malformed, "answers by half"),
        case(CONFIG, half(ARCHITECTURE), Malformed, "answers by half"),
        case(
            CONFIG,
            Reply::Bytes(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{\"a\"".to_vec()),
            Malformed,
            "answers by half",
        ),
        case(ABOUT, Reply::Bytes(Vec::new()), Unavailable, "cannot be reached"),
        case(ABOUT, Reply::Bytes(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()), Unavailable, "cannot be reached"),
        case(ABOUT, Reply::json("[]"), Malformed, "expected the hub's JSON about a model, with id and sha"),
        case(ABOUT, Reply::json("{}"), Malformed, "missing field `id`"),
        case(ABOUT, Reply::json(format!("{} x", about())), Malformed, "trailing characters"),
        case(
            ABOUT,
            Reply::json(about().replace(COMMIT, "main")),
            Malformed,
            "has the sha \"main\", which is no commit",
        ),
        case(ABOUT, Reply::json(about().replace("\"sha\":\"", "\"sha\":7,\"a\":\"")), Malformed, "sha: invalid type"),
        case(ABOUT, Reply::json(about().replace(ID, "../../etc")), Malformed, "names another model"),
        case(ABOUT, Reply::json(about().replace("false,\"sha\"", "[],\"sha\"")), Malformed, "gated"),
        case(TREE, Reply::json("{\"error\": \"x\"}"), Malformed, "expected the hub's JSON list of files"),
        case(TREE, entry(r#"{"type":"file","path":"a","size":-1}"#), Malformed, "[0].size"),
        case(TREE, entry(r#"{"type":"file","path":"a","size":1.5}"#), Malformed, "[0].size"),
        case(TREE, entry(r#"{"type":"file","path":"a"}"#), Malformed, "tells no size of a"),
        case(TREE, entry(r#"{"type":"file","path":7,"size":1}"#), Malformed, "[0].path"),
        case(TREE, entry(r#"{"type":"file","path":"a","size":1,"lfs":{}}"#), Malformed, "[0].lfs"),
    ])
    .await;
}

#[tokio::test]
async fn redirects_end() {
    check(vec![
        case(ABOUT, Reply::redirect(302, ABOUT), Malformed, "leads on and on; 10 redirects were followed"),
        case(CONFIG, Reply::redirect(307, CONFIG), Malformed, "leads on and on"),
        case(ABOUT, Reply::redirect(302, ""), Malformed, "a redirect that leads nowhere"),
        case(ABOUT, Reply::new(302, &[], ""), Malformed, "a redirect that leads nowhere"),
        case(ABOUT, Reply::redirect(302, "file:///etc/passwd"), Malformed, "not asked over file"),
    ])
    .await;
}

#[tokio::test]
async fn more_than_a_model_has_is_not_read() {
    const MIB: usize = 1 << 20;
    let entries = vec![r#"{"type":"file","path":"a","size":1}"#; MIB].join(",");
    check(vec![
        case(ABOUT, Reply::json(vec![b' '; 33 * MIB]), Malformed, "answers with more than 32 MiB"),
        case(TREE, Reply::json(format!("[{entries}]")), Malformed, "answers with more than 32 MiB"),
        case(CONFIG, Reply::json(vec![b' '; 4 * MIB + 1]), Malformed, "answers with more than 4 MiB"),
    ])
    .await;
    let endless = |number: usize| format!("<{TREE}?cursor={number}>; rel=\"next\"");
    for (next, kind, words) in [
        (endless as fn(usize) -> String, Unservable, "more than 200 pages"),
        (|_| "<x?cursor=1>; rel=\"next\"".into(), Malformed, "names itself as the next page"),
    ] {
        let server = Server::start(move |asked| match asked.path.strip_prefix(TREE) {
            Some(query) => {
                let number = query.strip_prefix("?cursor=").map_or(0, |number| number.parse().unwrap());
                Reply::new(200, &[("link", &next(number + 1))], "[]")
            }
            None => usual(&asked.path),
        })
        .await;
        let error = ask(&server).await.unwrap_err();
        assert!(error.kind == kind && error.message.contains(words), "{words}: {error}");
        assert!(server.paths().len() <= 201, "{}", server.paths().len());
    }
    // Pages of 20 MiB each: too much together.
    let server = Server::start(|asked| match asked.path.strip_prefix(TREE) {
        Some(query) => Reply::new(
            200,
            &[("link", &format!("<x{query}0>; rel=\"next\""))],
            [vec![b' '; 20 * MIB], b"[]".to_vec()].concat(),
        ),
        None => usual(&asked.path),
    })
    .await;
    assert!(ask(&server).await.unwrap_err().message.contains("answers with more than"));
    assert_eq!(server.paths().len(), 3);
}

#[tokio::test]
async fn a_hub_that_is_silent_or_away_is_not_waited_for() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (short, long) = (Duration::from_millis(200), Duration::from_secs(600));
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"a\"".to_vec();
    for (reply, limits, words) in [
        (Reply::Silence(Vec::new()), TimeLimits { request: short, total: long }, "gave no answer within 200ms"),
        (Reply::Silence(head.clone()), TimeLimits { request: short, total: long }, "gave no answer within 200ms"),
        (
            Reply::Silence(head),
            TimeLimits { request: long, total: short },
            "told nothing whole about microsoft/phi-4 within 200ms",
        ),
    ] {
        let server = hub_but(vec![(ABOUT, reply)]).await;
        let hub = HubClient::new(server.endpoint().parse().unwrap(), Arc::new(own(None)), limits);
        let error = asked(&hub, ID).await.unwrap_err();
        assert!(error.kind == Unavailable && error.message.contains(words), "{words}: {error}");
    }
    let away = hub_but(Vec::new()).await.endpoint(); // The server is gone already.
    for endpoint in [away.as_str(), "http://hub.invalid", &away.replace("http:", "https:")] {
        let error = asked(&client(endpoint, Some(PLANTED)), ID).await.unwrap_err();
        assert!(error.kind == Unavailable && error.message.contains("cannot be reached: "), "{error}");
    }
    let plain = hub_but(Vec::new()).await.endpoint().replace("http:", "https:");
    assert_eq!(asked(&client(&plain, Some(PLANTED)), ID).await.unwrap_err().kind, Unavailable, "no TLS there");
}

#[tokio::test]
async fn what_is_no_id_is_not_asked_for() {
    let server = Server::start(|_| Reply::json(about())).await;
    for id in
        ["", "phi-4", "a/b/c", "../b", "a/..", "a/b?recursive=true", "a/b#", "a/%2e%2e", "a b/c", "ü/b", "a/b\r\nx: y"]
    {
        let error = asked(&client(&server.endpoint(), Some(PLANTED)), id).await.unwrap_err();
        assert!(error.kind == NotFound && error.message.contains("expected owner/name"), "{id}: {error}");
    }
    assert_eq!(server.paths().len(), 0);
}
