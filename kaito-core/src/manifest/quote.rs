//! Words for `/bin/sh`, on their way through a kubelet.

use std::borrow::Cow;

/// A word as the shell must see it: bare where nothing in it is special, else in single quotes. No value of a user reaches a shell in any other way.
pub fn quote(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { Cow::Borrowed(word) } else { Cow::Owned(quoted(word)) }
}

fn quoted(word: &str) -> String {
    format!("'{}'", literal(&word.replace('\'', r"'\''")))
}

/// A text as it must stand in a container's command, arguments or variables, so that it arrives as it is: a kubelet puts the value of a variable for `$(NAME)`, that of a Secret too, and one dollar for two.
/// A dollar before anything else arrives by itself.
pub(super) fn literal(text: &str) -> Cow<'_, str> {
    if !text.contains("$(") && !text.contains("$$") {
        return Cow::Borrowed(text);
    }
    let mut told = String::with_capacity(text.len() + 8);
    let mut left = text;
    while let Some(at) = left.find('$') {
        let run = left[at..].bytes().take_while(|byte| *byte == b'$').count();
        let after = &left[at + run..];
        let is_read = run > 1 || after.starts_with('(');
        told.push_str(&left[..at]);
        told.push_str(&"$".repeat(if is_read { 2 * run } else { run }));
        left = after;
    }
    told.push_str(left);
    Cow::Owned(told)
}

/// One `NAME='value'` a line, each value in single quotes: what a script is told.
pub(super) fn assignments(values: &[(&str, &str)]) -> String {
    values.iter().map(|(name, value)| format!("{name}={}\n", quoted(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::{literal, quote};

    #[test]
    fn a_kubelet_finds_nothing_to_replace() {
        let table =
            [("a", "a"), ("$a", "$a"), ("a$", "a$"), ("$(A)", "$$(A)"), ("$$", "$$$$"), ("$$(A)$b", "$$$$(A)$b")];
        for (text, told) in table {
            assert_eq!(literal(text), told);
        }
    }

    #[test]
    fn nothing_a_user_can_write_leaves_the_word() {
        let table = [
            ("microsoft/phi-4", "microsoft/phi-4"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(id)", "'$$(id)'"),
            ("it's; rm", r"'it'\''s; rm'"),
            ("{\"a\":1}", "'{\"a\":1}'"),
        ];
        for (word, quoted) in table {
            assert_eq!(quote(word), quoted);
        }
    }
}
