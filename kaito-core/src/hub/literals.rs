//! JSON as Python writes it: `NaN`, `Infinity` and `-Infinity` stand where a number should.

/// Words that are no JSON, the longest first.
const LITERALS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// The same text with `null` in their place. What stands in a string stays as it is; the reference rewrites it there too.
pub fn standard_json(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let (mut rest, mut in_string) = (text, false);
    while let Some(first) = rest.chars().next() {
        let literal = LITERALS.iter().find(|literal| !in_string && rest.starts_with(**literal));
        let taken = match (literal, first) {
            (Some(literal), _) => {
                made.push_str("null");
                literal.len()
            }
            // The character behind a backslash ends no string.
            (None, '\\') if in_string => rest.chars().take(2).map(char::len_utf8).sum(),
            (None, _) => first.len_utf8(),
        };
        if first == '"' {
            in_string = !in_string;
        }
        if literal.is_none() {
            made.push_str(&rest[..taken]);
        }
        rest = &rest[taken..];
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors `sanitize_json` of the reference, and two that it gets wrong.
    #[test]
    fn numbers_that_json_does_not_have_become_null_and_strings_stay() {
        for (text, expected) in [
            (r#"{"value": Infinity}"#, r#"{"value": null}"#),
            (r#"{"value": -Infinity}"#, r#"{"value": null}"#),
            (r#"{"value": NaN}"#, r#"{"value": null}"#),
            (r#"{"a": Infinity, "b": -Infinity, "c": NaN}"#, r#"{"a": null, "b": null, "c": null}"#),
            (r#"{"name": "Infinity"}"#, r#"{"name": "Infinity"}"#),
            (r#"{"hidden_size": 4096, "num_layers": 32}"#, r#"{"hidden_size": 4096, "num_layers": 32}"#),
            (r#"{"values": [1, Infinity, 3]}"#, r#"{"values": [1, null, 3]}"#),
            (r#"{"a": "is: NaN, \" NaN"}"#, r#"{"a": "is: NaN, \" NaN"}"#),
            (r#"{"a": "ü\\", "b":NaN}"#, r#"{"a": "ü\\", "b":null}"#),
        ] {
            assert_eq!(standard_json(text), expected);
        }
    }
}
