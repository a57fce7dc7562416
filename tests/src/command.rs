//! The command line in this process: no program is started, and a panic fails the test.

use kaito_operator::cli::{self, Console, Defect, Look};
use std::ffi::OsString;

/// How a command ended and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The exit code; 3 for a defect.
    pub code: u8,
    /// Standard output.
    pub out: String,
    /// Standard error; of a defect, its words.
    pub err: String,
}

/// Runs `kaito` with these words and this on standard input.
///
/// # Panics
/// When the words are no command.
#[expect(clippy::panic, reason = "the kit of tests fails by panic")]
pub fn kaito(words: &[&str], mut stdin: &[u8]) -> Ran {
    let words: Vec<OsString> = std::iter::once("kaito").chain(words.iter().copied()).map(OsString::from).collect();
    let command = cli::parse(&words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let done = cli::run(&command, &mut stdin, &mut Console::new(&mut out, &mut err, Look::default()));
    let (code, defect) = match done {
        Ok(verdict) => (verdict.code(), None),
        Err(Defect(what)) => (3, Some(what)),
    };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code, out: text(out), err: defect.unwrap_or_else(|| text(err)) }
}
