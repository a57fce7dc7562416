//! What the environment says of a run of the tests. Compiled into the simulations too, which stand without this crate.

use std::io::Write;
use std::str::FromStr;

/// A variable, where it is set; an empty one is not.
///
/// # Panics
/// When it is no text.
pub fn set(name: &str) -> Option<String> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
    Some(value.into_string().unwrap_or_else(|value| panic!("{name}={} is no text", value.display())))
}

/// A variable that says a number, or something else that can be read, where it is set.
///
/// # Panics
/// When it says something else.
pub fn parsed<T: FromStr>(name: &str) -> Option<T> {
    set(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no setting")))
}

/// Whether this runs where nobody watches (`CI` is set): there, what cannot be checked is a failure and not a skip.
pub fn is_required() -> bool {
    set("CI").is_some()
}

/// Says that the test that runs checks nothing, or less: past the test harness, which would show it for failed tests only.
///
/// # Panics
/// Where everything [is required](is_required).
pub fn skipped(why: &str) {
    assert!(!is_required(), "{why}, and CI is set");
    let test = std::thread::current();
    let _ = writeln!(std::io::stderr(), "SKIPPED: {}: {why}", test.name().unwrap_or("a test"));
}
