//! `/debug/recorder`: what the last reconciles saw and planned, for who may see it.
//!
//! A recording holds no value of a Secret, and yet more than everybody on the network should read: manifests, ConfigMaps, names of machines. It is given to the machine itself
//! (`kubectl port-forward` comes from there), and to who knows the token, where one is set.

use crate::recorder::FlightRecorder;
use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kaito_core::hash::sha256_hex;
use std::net::{IpAddr, SocketAddr};

/// A secret word that opens `/debug/…` from other machines; kept as a hash only.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The word in a file's content, blanks around it aside. `None` when there is none.
    pub fn of(text: &str) -> Option<Token> {
        Some(text.trim()).filter(|word| !word.is_empty()).map(|word| Token(sha256_hex(word.as_bytes())))
    }

    /// Takes the same time wherever the words differ: hashes of equal length are compared to their end.
    fn is(&self, word: &str) -> bool {
        let hash = sha256_hex(word.trim().as_bytes());
        hash.bytes().zip(self.0.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// `/debug/recorder`.
pub fn debug_routes(recorder: FlightRecorder, token: Option<Token>) -> Router {
    Router::new().route("/debug/recorder", get(recording)).with_state((recorder, token))
}

async fn recording(
    State((recorder, token)): State<(FlightRecorder, Option<Token>)>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if let Err(why) = admit(peer.ip(), &headers, token.as_ref()) {
        return (StatusCode::FORBIDDEN, format!("{why}\n")).into_response();
    }
    if !recorder.is_on() {
        return (StatusCode::NOT_FOUND, "nothing is recorded: --recorder-size=0\n").into_response();
    }
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], recorder.to_json())
        .into_response()
}

/// Whether somebody may look; else why not.
fn admit(peer: IpAddr, headers: &HeaderMap, token: Option<&Token>) -> Result<(), &'static str> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, word) = authorization.and_then(|text| text.split_once(' ')).unwrap_or_default();
    let bearer = Some(word).filter(|_| scheme.eq_ignore_ascii_case("bearer"));
    match (token, bearer) {
        (Some(token), Some(word)) if token.is(word) => return Ok(()),
        (Some(_), Some(_)) => return Err("this is not the token of --debug-token-file"),
        _ => {}
    }
    // A proxy on this machine, such as the sidecar of a mesh, speaks for others.
    let speaks_for_others = headers.contains_key("x-forwarded-for") || headers.contains_key(header::FORWARDED);
    match (peer.to_canonical().is_loopback() && !speaks_for_others, token) {
        (true, _) => Ok(()),
        (false, Some(_)) => Err("only this machine itself may look without the bearer token of --debug-token-file"),
        (false, None) => Err(
            "only this machine itself may look (kubectl port-forward will do); --debug-token-file opens it to others",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use kaito_core::record::Limits;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn admitted(peer: &str, fields: &[(&'static str, &'static str)], token: Option<&str>) -> Result<(), &'static str> {
        let headers =
            fields.iter().map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        admit(peer.parse().unwrap(), &headers.collect(), token.and_then(Token::of).as_ref())
    }

    #[test]
    fn the_machine_itself_may_look_and_who_knows_the_token() {
        let (right, wrong) = (("authorization", "Bearer s3same"), ("authorization", "bearer nothing"));
        for (peer, fields, token, admitted_is) in [
            ("127.0.0.1", &[][..], None, true),
            ("::1", &[], Some("s3same\n"), true),
            // How a socket that listens on [::] sees 127.0.0.1.
            ("::ffff:127.0.0.1", &[], None, true),
            ("::ffff:10.0.0.7", &[], None, false),
            ("10.0.0.7", &[], None, false),
            ("10.0.0.7", &[], Some("s3same"), false),
            ("10.0.0.7", &[right], Some("s3same\n"), true),
            ("10.0.0.7", &[wrong], Some("s3same"), false),
            ("127.0.0.1", &[wrong], Some("s3same"), false),
            ("10.0.0.7", &[("authorization", "Basic s3same")], Some("s3same"), false),
            ("10.0.0.7", &[right], None, false),
            ("127.0.0.1", &[("x-forwarded-for", "10.0.0.7")], None, false),
            ("127.0.0.6", &[("x-forwarded-for", "10.0.0.7"), right], Some("s3same"), true),
        ] {
            let found = admitted(peer, fields, token);
            assert_eq!(found.is_ok(), admitted_is, "{peer} {fields:?} {token:?}: {found:?}");
        }
        assert_eq!(Token::of(" \n"), None);
        assert!(!format!("{:?}", Token::of("s3same")).contains("s3same"));
    }

    fn ask(address: SocketAddr, fields: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /debug/recorder HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[tokio::test]
    async fn the_recording_is_served_over_http() {
        for (limits, status, words) in
            [(Limits::default(), "200", "\"kind\":\"Recording\""), (Limits::of_bytes(0), "404", "--recorder-size=0")]
        {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let routes = debug_routes(FlightRecorder::new(limits), None);
            let server = tokio::spawn(super::super::serve(listener, routes, std::future::pending()));
            let asked = tokio::task::spawn_blocking(move || (ask(address, ""), ask(address, "Forwarded: for=a\r\n")));
            let (open, closed) = asked.await.unwrap();
            assert!(open.starts_with(&format!("HTTP/1.1 {status}")) && open.contains(words), "{open}");
            assert!(closed.starts_with("HTTP/1.1 403") && closed.contains("--debug-token-file"), "{closed}");
            server.abort();
        }
    }
}
