//! Whatever a server answers: no panic, and words in one line without the token.

use super::*;
use kaito_tests::cases;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::sync::Mutex;

/// Pieces that lead far into a reader.
const PIECES: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 302 Found\r\n",
    "HTTP/1.1 429 Slow\r\n",
    "HTTP/1.1 404 Not Found\r\n",
    "content-length: 40\r\n",
    "transfer-encoding: chunked\r\n",
    "content-encoding: gzip\r\n",
    "location: /",
    "retry-after: 99999999999999999999\r\n",
    "ratelimit: t=-1\r\n",
    "x-error-code: EntryNotFound\r\n",
    "link: <?cursor=1>; rel=\"next\"\r\n",
    "link: <<>;;rel=next\r\n",
    "\r\n\r\n",
    "[{\"type\":\"file\",\"path\":\"config.json\",\"size\":1}]",
    "{\"id\":\"a/b\",\"sha\":\"c1899de289a04d12100db370d81485cdf75e47ca\",\"gated\":",
    "version https://git-lfs.github.com/spec/v1\n",
    "18446744073709551616",
    "\u{0}\u{1b}[31m",
    PLANTED,
    "<",
    "}",
    "\"",
];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => proptest::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// Which question gets the bytes, and whether as a whole answer or as the body of a good one.
fn place() -> impl Strategy<Value = (&'static str, bool)> {
    (proptest::sample::select(&[ABOUT, TREE, CONFIG][..]), any::<bool>())
}

#[test]
fn whatever_a_server_answers_is_told_in_words() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build().unwrap();
    let answer = Arc::new(Mutex::new((ABOUT, Reply::Bytes(Vec::new()))));
    let current = Arc::clone(&answer);
    let server = runtime.block_on(Server::start(move |asked| {
        let (at, reply) = current.lock().unwrap().clone();
        if asked.path.starts_with(at) { reply } else { usual(&asked.path) }
    }));
    let hub = client(&server.endpoint(), Some(PLANTED));
    let mut runner = TestRunner::new(cases::config(400));
    let property = |((at, whole), bytes): ((&'static str, bool), Vec<u8>)| {
        *answer.lock().unwrap() = (at, if whole { Reply::Bytes(bytes) } else { Reply::json(bytes) });
        let _ = runtime.block_on(asked(&hub, ID)); // What holds of errors is checked there.
        Ok(())
    };
    runner.run(&(place(), bytes()), property).unwrap();
}
