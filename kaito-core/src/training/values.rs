//! One value against what its setting takes, as Python's `argparse` and the parsers of the trainer's classes take it: every value is handed to them as text.

use crate::admission::nearest::nearest;
use crate::settings_file::word;
use crate::words::{cut, quoted};
use kaito_presets::TrainerTakes;
use serde_json::Value;

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The trainer ends.
    Wrong(String),
    /// It goes on with something that was probably not meant.
    Odd(String),
}

/// More words than these are not told one by one.
const WORDS: usize = 16;

/// What is wrong with a value, if anything.
pub(super) fn fault(takes: TrainerTakes, value: &Value) -> Option<Fault> {
    use TrainerTakes::{Any, Bool, Integers, Nothing, SomeOf, Texts};
    let wrong = |says: String| Some(Fault::Wrong(says));
    if takes == Any {
        return None;
    }
    let several = matches!(takes, Texts | Integers | SomeOf(_));
    let values = match value {
        Value::Array(items) => items.as_slice(),
        value => std::slice::from_ref(value),
    };
    match values {
        _ if takes == Nothing => (!word(value).is_empty()).then(|| Fault::Wrong(NOTHING.to_owned())),
        // A switch without a word is on.
        [] if takes == Bool => None,
        [] => wrong(format!("is an empty list: expected {}", expected(takes))),
        [_, _, ..] if !several => wrong(format!("is a list of {}: expected {}", values.len(), expected(takes))),
        values => values.iter().find_map(|value| single(takes, value)),
    }
}

const NOTHING: &str = "cannot be set here: the trainer reads no word of a file as such a value; leave it out";

fn single(takes: TrainerTakes, value: &Value) -> Option<Fault> {
    use TrainerTakes::{Any, Bool, Integer, Integers, Json, Nothing, Number, OneOf, SomeOf, Text, Texts};
    let text = word(value);
    if begins_with_a_dash(&text) {
        return Some(Fault::Wrong(format!(
            "is {}, which begins with a dash: the trainer takes it for another setting",
            shown(value)
        )));
    }
    let fits = match takes {
        Bool => truth(&text).is_some(),
        Integer | Integers => is_whole(&text),
        Number => number(&text).is_some(),
        OneOf(words) | SomeOf(words) => words.contains(&text.as_str()),
        Json => !text.starts_with('{') || serde_json::from_str::<Value>(&text).is_ok(),
        Text | Texts | Any | Nothing => true,
    };
    let hint = || match takes {
        OneOf(words) | SomeOf(words) => meant(words, value).unwrap_or_default(),
        _ if value.is_null() => "; leave it out for the default".to_owned(),
        _ => String::new(),
    };
    if !fits {
        return Some(Fault::Wrong(format!("is {}: expected {}{}", shown(value), expected(takes), hint())));
    }
    let says = || "is empty, and the trainer takes that for the word None; leave it out for the default".to_owned();
    value.is_null().then(|| Fault::Odd(says()))
}

fn shown(value: &Value) -> String {
    cut(&quoted(&value.to_string()), 60)
}

/// `; did you mean …?`
fn meant(words: &[&str], value: &Value) -> Option<String> {
    if *value == Value::Bool(false) && words.contains(&"no") {
        return Some("; a bare no is false in YAML, so write \"no\" in quotes".to_owned());
    }
    let near = nearest(value.as_str()?, words.iter().copied())?;
    Some(format!("; did you mean {near}?"))
}

/// What a setting takes, in words.
fn expected(takes: TrainerTakes) -> String {
    match takes {
        TrainerTakes::Bool => "true or false".to_owned(),
        TrainerTakes::Integer => "a whole number".to_owned(),
        TrainerTakes::Integers => "one whole number or more".to_owned(),
        TrainerTakes::Number => "a number".to_owned(),
        TrainerTakes::Text | TrainerTakes::Any | TrainerTakes::Nothing => "one word".to_owned(),
        TrainerTakes::Texts => "one word or more".to_owned(),
        TrainerTakes::Json => "one word, or a map as JSON in quotes".to_owned(),
        TrainerTakes::OneOf(words) | TrainerTakes::SomeOf(words) if words.len() > WORDS => {
            format!("one of {} words that it knows, such as {}", words.len(), words[..4].join(", "))
        }
        TrainerTakes::OneOf(words) => format!("one of {}", words.join(", ")),
        TrainerTakes::SomeOf(words) => format!("some of {}", words.join(", ")),
    }
}

/// `argparse` takes a word for an option then. Which negative numbers it knows differs by the release of Python, and a word with a blank is no option.
fn begins_with_a_dash(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('-') else { return false };
    !rest.is_empty() && !rest.contains(' ') && !rest.starts_with(|c: char| c == '.' || c.is_ascii_digit())
}

/// What transformers takes for true and for false (`string_to_bool`); `None`: neither.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "t" | "y" | "1" => Some(true),
        "no" | "false" | "f" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// What `float()` of Python takes: `1e-4`, `1_000`, `inf`.
pub(super) fn number(text: &str) -> Option<f64> {
    text.trim().replace('_', "").parse().ok()
}

/// What `int()` of Python takes: `8`, ` 8 `, `1_000`; not `8.0`.
fn is_whole(text: &str) -> bool {
    let digits = text.trim().trim_start_matches(['+', '-']);
    !digits.is_empty() && digits.split('_').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()))
}
