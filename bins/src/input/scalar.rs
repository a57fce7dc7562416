//! What a plain word of YAML means, as kubectl reads it.
//!
//! kubectl reads YAML 1.1 the way go-yaml does: `yes`, `on` and `y` are true, `0777` is octal, `1_000` is a number, `2.0` becomes the whole number 2, and a date stays text.
//! Reading it in any other way would show somebody a simulation of something else than what their cluster gets.

use serde_json::{Number, Value, json};

/// Words with a meaning of their own.
const WORDS: &[(&[&str], Option<bool>)] = &[
    (&["", "~", "null", "Null", "NULL"], None),
    (&["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"], Some(true)),
    (&["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"], Some(false)),
];

/// Prefixes of whole numbers in another base. The last one is tried after the others: any leading zero means octal.
const BASES: &[(&str, u32)] = &[("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)];

/// The value of a plain (unquoted) word; `Err` for a number that JSON cannot hold.
pub(super) fn plain(word: &str) -> Result<Value, String> {
    if let Some((_, meaning)) = WORDS.iter().find(|(words, _)| words.contains(&word)) {
        return Ok(meaning.map_or(Value::Null, Value::Bool));
    }
    if !word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Ok(json!(word));
    }
    if matches!(word.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Err(format!("{word} is a number that JSON cannot hold"));
    }
    let digits = word.replace('_', "");
    Ok(whole(&digits).or_else(|| float(&digits)).map_or_else(|| json!(word), Value::Number))
}

fn whole(digits: &str) -> Option<Number> {
    let (negative, bare) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    let (bare, base) = BASES
        .iter()
        .find_map(|(prefix, base)| Some((bare.strip_prefix(prefix).filter(|rest| !rest.is_empty())?, *base)))
        .unwrap_or((bare, 10));
    // `from_str_radix` would take another sign.
    if !bare.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    if negative {
        i64::from_str_radix(&format!("-{bare}"), base).ok().map(Number::from)
    } else {
        u64::from_str_radix(bare, base).ok().map(Number::from)
    }
}

/// go-yaml's grammar of floats: `1.`, `.5`, `-1.5e+3`; never a second sign, and a digit somewhere.
fn float(digits: &str) -> Option<Number> {
    let bare = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    let shape = bare.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'))
        && bare.contains(|c: char| c.is_ascii_digit());
    if !shape || bare.starts_with(['+', '-', 'e', 'E']) {
        return None;
    }
    let number: f64 = digits.parse().ok().filter(|number: &f64| number.is_finite())?;
    // On its way through JSON, 2.0 becomes 2.
    #[expect(clippy::cast_possible_truncation, reason = "whole and small enough")]
    let small = (number.fract() == 0.0 && number.abs() < 9.2e18).then(|| Number::from(number as i64));
    small.or_else(|| Number::from_f64(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pair was compared with what `sigs.k8s.io/yaml` makes of it.
    #[test]
    fn words_mean_what_kubectl_makes_of_them() {
        let table = [
            ("", json!(null)),
            ("~", json!(null)),
            ("null", json!(null)),
            ("nULL", json!("nULL")),
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("y", json!(true)),
            ("1", json!(1)),
            ("+1", json!(1)),
            ("-1", json!(-1)),
            ("007", json!(7)),
            ("0777", json!(511)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("-0x10", json!(-16)),
            ("0b101", json!(5)),
            ("1_000", json!(1000)),
            ("2.0", json!(2)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1e3", json!(1000)),
            ("1e-1", json!(0.1)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("08", json!(8)),
            ("1.2.3", json!("1.2.3")),
            ("2001-01-01", json!("2001-01-01")),
            ("10:30", json!("10:30")),
            ("--1", json!("--1")),
            ("1.", json!(1)),
            ("+.5", json!(0.5)),
            ("-0777", json!(-511)),
            ("0x_1", json!(1)),
            ("1_", json!(1)),
            ("_1", json!("_1")),
            ("0o9", json!("0o9")),
            ("0x", json!("0x")),
            ("1e", json!("1e")),
            ("1e400", json!("1e400")),
            ("1e15", json!(1_000_000_000_000_000_u64)),
            ("12345678901234567890123", json!(1.234_567_890_123_456_8e22)),
            ("123456789012345678.0", json!(123_456_789_012_345_680_u64)),
            ("1Gi", json!("1Gi")),
            ("Standard_NC6s_v3", json!("Standard_NC6s_v3")),
        ];
        for (word, wanted) in table {
            assert_eq!(plain(word).unwrap(), wanted, "{word:?}");
        }
        assert!(plain(".inf").is_err());
    }
}
