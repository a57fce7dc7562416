//! A whole number as the server reads one.
//!
//! vLLM 0.25 `engine/arg_utils.py`, `human_readable_int`: `8k` is 8000 and may be broken (`25.6k`), `8K` is 8192 and may not; else as Python's `int` reads it, with `_` between digits.

/// What a suffix stands for.
const SUFFIXES: [(char, i128); 8] = [
    ('k', 1_000),
    ('m', 1_000_000),
    ('g', 1_000_000_000),
    ('t', 1_000_000_000_000),
    ('K', 1 << 10),
    ('M', 1 << 20),
    ('G', 1 << 30),
    ('T', 1 << 40),
];

/// The number, where it is one.
pub(super) fn read(text: &str) -> Option<i128> {
    let text = text.trim();
    match SUFFIXES.iter().find_map(|(suffix, times)| Some((text.strip_suffix(*suffix)?, *suffix, *times))) {
        None => plain(text),
        Some((number, suffix, times)) => {
            let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
            let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if !is_digits(whole) || !is_digits(part) || (number.contains('.') && suffix.is_ascii_uppercase()) {
                return None;
            }
            // Of a broken number so many digits as count; the rest is cut.
            let digits: String = part.chars().take(12).collect();
            let scale = 10_i128.checked_pow(u32::try_from(digits.len()).ok()?)?;
            let broken = digits.parse::<i128>().ok()?.checked_mul(times)? / scale;
            whole.parse::<i128>().ok()?.checked_mul(times)?.checked_add(broken)
        }
    }
}

/// Python's `int`.
fn plain(text: &str) -> Option<i128> {
    let between = |text: &str| !text.starts_with('_') && !text.ends_with('_') && !text.contains("__");
    let digits = text.trim_start_matches(['+', '-']);
    (between(digits)).then(|| text.replace('_', "").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn numbers_are_read_as_the_server_reads_them() {
        for (text, number) in [
            ("8192", Some(8192)),
            (" -1 ", Some(-1)),
            ("8_192", Some(8192)),
            ("1k", Some(1000)),
            ("1K", Some(1024)),
            ("25.6k", Some(25_600)),
            ("1.5M", None),
            ("1.5m", Some(1_500_000)),
            ("2T", Some(2 << 40)),
            ("-1k", None),
            ("8_000k", None),
            ("k", None),
            (".5k", None),
            ("1.k", None),
            ("_8", None),
            ("8__0", None),
            ("8kk", None),
            ("8.0", None),
            ("inf", None),
            ("", None),
            ("99999999999999999999999999999999999999999T", None),
        ] {
            assert_eq!(read(text), number, "{text}");
        }
    }
}
