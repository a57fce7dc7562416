//! Words for `/bin/sh`.

use std::borrow::Cow;

/// A word as the shell must see it: bare where nothing in it is special, else in single quotes. No value of a user reaches a shell in any other way.
pub fn quote(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

/// One `NAME='value'` a line, each value in single quotes: what a script is told.
pub(super) fn assignments(values: &[(&str, &str)]) -> String {
    values.iter().map(|(name, value)| format!("{name}='{}'\n", value.replace('\'', r"'\''"))).collect()
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn nothing_a_user_can_write_leaves_the_word() {
        let table = [
            ("microsoft/phi-4", "microsoft/phi-4"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(id)", "'$(id)'"),
            ("it's; rm", r"'it'\''s; rm'"),
            ("{\"a\":1}", "'{\"a\":1}'"),
        ];
        for (word, quoted) in table {
            assert_eq!(quote(word), quoted);
        }
    }
}
