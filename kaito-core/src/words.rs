//! Words of others (a kubelet, a scheduler, a program that ended) as they appear in ours: one line, not too long, and without what looks like a secret (I11).

/// Bytes after which a quotation is cut.
const LIMIT: usize = 256;

/// What a secret begins with, and how many characters must follow before it is taken for one.
const SECRETS: [(&str, usize); 8] = [
    ("hf_", 16),
    ("ghp_", 16),
    ("sig=", 8),
    ("token=", 4),
    ("password=", 1),
    ("secret=", 4),
    ("Bearer ", 8),
    ("Basic ", 8),
];

/// Bytes after which the words of a cloud are cut: those of Azure have a cause and a remedy at their end.
const WHOLE: usize = 2 << 10;

/// A text of somebody else on one line, without secrets, cut after 256 bytes.
pub fn quoted(text: &str) -> String {
    cut(&clean(text), LIMIT)
}

/// What a provisioner says, as long as clouds make it: on one line, without secrets, cut after 2 KiB.
pub fn whole(text: &str) -> String {
    cut(&clean(text), WHOLE)
}

/// A text in which words of somebody else may stand, on one line and without secrets. Said twice, it is the same.
pub fn clean(text: &str) -> String {
    // Colours and other control characters move cursors where a status is read.
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    without_secrets(&words.collect::<Vec<_>>().join(" "))
}

/// The same of the last line that says something: where a program ends with a stack trace, that line is the cause.
pub(crate) fn last_line(text: &str) -> String {
    quoted(text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default())
}

/// A text of at most so many bytes, and `...` where something was left out.
pub fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(limit)])
}

fn without_secrets(text: &str) -> String {
    let mut left = text;
    let mut clean = String::with_capacity(text.len());
    while !left.is_empty() {
        match secret_at(left) {
            Some((kept, end)) => {
                clean.push_str(&left[..kept]);
                clean.push_str("***");
                left = &left[end..];
            }
            None => {
                let next = left.chars().next().map_or(1, char::len_utf8);
                clean.push_str(&left[..next]);
                left = &left[next..];
            }
        }
    }
    clean
}

/// The secret that a text begins with: how much of it is told, and where it ends.
fn secret_at(text: &str) -> Option<(usize, usize)> {
    if let Some(rest) = text.strip_prefix("://") {
        // The name and the password of a URL.
        let end = rest.find(['/', ' ', '"', '?', '\'']).unwrap_or(rest.len());
        return rest[..end].rfind('@').filter(|at| *at > 0).map(|at| (3, 3 + at));
    }
    let (prefix, least) = SECRETS
        .iter()
        .find(|(prefix, _)| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)))?;
    let rest = &text[prefix.len()..];
    let length = rest.find(|c: char| c.is_whitespace() || "\"'&,;)}".contains(c)).unwrap_or(rest.len());
    (length >= *least).then_some((prefix.len(), prefix.len() + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_is_one_line_and_cut_at_a_character() {
        assert_eq!(quoted("no\n  such\timage "), "no such image");
        assert_eq!(quoted("\u{1b}[31mno\u{0}such\u{85}image\u{7f}"), "[31mno such image");
        let long = quoted(&"ü".repeat(200));
        assert_eq!((long.len(), long.ends_with("ü...")), (256 + 3, true));
        let odd = quoted(&format!("a{}", "ü".repeat(200)));
        assert_eq!(odd.len(), 255 + 3, "never in the middle of a character");
        assert_eq!(last_line("Traceback:\n  File x\nValueError: no\n\n"), "ValueError: no");
        assert_eq!(last_line(" \n"), "");
    }

    #[test]
    fn what_looks_like_a_secret_is_not_quoted() {
        for (said, told) in [
            ("token hf_abcdefghijklmnopqrstuv is invalid", "token hf_*** is invalid"),
            ("GET https://me:hunter2@r.example.com/a failed", "GET https://***@r.example.com/a failed"),
            ("https://x.blob.example/a?sv=1&sig=aBcDeFgH%2B1&se=2", "https://x.blob.example/a?sv=1&sig=***&se=2"),
            ("authorization: bearer eyJhbGciOi", "authorization: bearer ***"),
            ("Bearer eyJhbGciOiJSUzI1NiJ9", "Bearer ***"),
            ("https://r.example.com/team@sha256:0 is not there", "https://r.example.com/team@sha256:0 is not there"),
            ("hf_hub and password= are words", "hf_hub and password= are words"),
        ] {
            assert_eq!(quoted(said), told);
            assert_eq!(clean(&quoted(said)), told, "said twice");
        }
    }
}
