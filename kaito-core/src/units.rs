//! Amounts with their unit in the type, Kubernetes quantities, and times in their wire form.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount of memory or storage, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// Bytes in a GiB.
pub const GIB: u64 = 1 << 30;

impl Bytes {
    /// Whole GiB.
    pub const fn gib(gib: u64) -> Bytes {
        Bytes(gib * GIB)
    }

    /// As a number of GiB.
    #[expect(clippy::cast_precision_loss, reason = "amounts of memory stay far below 2^53 bytes")]
    pub fn as_gib(self) -> f64 {
        self.0 as f64 / GIB as f64
    }
}

/// `7.1 GiB`, as people compare them.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} GiB", self.as_gib())
    }
}

/// The value of a Kubernetes quantity in thousandths: `500m` is 500, `1` is 1000, `1Gi` is 2^30 × 1000. `None` when it is none.
pub fn parse_quantity(text: &str) -> Option<i128> {
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-' || c == '+')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let scale: i128 = match suffix {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "P" => 1_000_000_000_000_000_000,
        "E" => 1_000_000_000_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000 << 40,
        "Pi" => 1_000 << 50,
        "Ei" => 1_000 << 60,
        _ => ten_to(suffix.strip_prefix(['e', 'E'])?.parse().ok()?)?,
    };
    let whole_value: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut value = whole_value.checked_mul(scale)?;
    if !fraction.is_empty() {
        let digits: i128 = fraction.parse().ok()?;
        let part = digits.checked_mul(scale)? / 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        value = value.checked_add(part)?;
    }
    Some(if negative { -value } else { value })
}

/// A power of ten in thousandths, where it has any.
fn ten_to(exponent: i32) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(exponent.checked_add(3)?).ok()?)
}

/// A time in whole seconds, as the API server writes it.
pub fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A number of GiB in the form in which the API server stores it: the largest binary unit that divides it.
pub fn gib_quantity(gib: u64) -> String {
    if gib > 0 && gib.is_multiple_of(1024) { format!("{}Ti", gib / 1024) } else { format!("{gib}Gi") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_in_every_spelling() {
        let table = [
            ("1", Some(1_000)),
            ("500m", Some(500)),
            ("1.5", Some(1_500)),
            ("1Ki", Some(1_024_000)),
            ("-1.5k", Some(-1_500_000)),
            ("Gi", None),
            ("1Zi", None),
            ("1.x", None),
            ("-.5", Some(-500)),
            ("+2", Some(2_000)),
            ("12e6", Some(12_000_000_000)),
            ("1.5E3", Some(1_500_000)),
            ("5e-3", Some(5)),
            ("5e-4", None),
            ("1e99", None),
            ("1e2147483647", None),
            ("1e", None),
            ("2E", Some(2_000_000_000_000_000_000_000)),
            ("3Ei", Some(3_458_764_513_820_540_928_000)),
            ("1.+5", None),
            ("--1", None),
            ("170141183460469231731687303715884105.999", None),
        ];
        for (text, value) in table {
            assert_eq!(parse_quantity(text), value, "{text}");
        }
        assert_eq!(parse_quantity("1024Gi"), parse_quantity("1Ti"));
        assert_eq!((gib_quantity(87), gib_quantity(1024)), ("87Gi".into(), "1Ti".into()));
    }
}
