//! What whoever gives tokens says of a refusal. It ends up in conditions, so the same refusal must be the same text: what is new in every attempt would be written for as long as the refusal stands.

/// What Microsoft Entra says anew each time, and how many words of it follow.
const MOMENTS: [(&[&str], usize); 4] =
    [(&["Trace", "ID:"], 1), (&["Correlation", "ID:"], 1), (&["Timestamp:"], 2), (&["Current", "time:"], 1)];

/// The words that stay the same, on one line, without the stop at their end: what follows says who said them.
pub(super) fn lasting(said: &str) -> String {
    let words: Vec<&str> = said.split_whitespace().collect();
    let (mut rest, mut kept) = (words.as_slice(), Vec::new());
    while let [first, others @ ..] = rest {
        match MOMENTS.iter().find(|(label, _)| rest.starts_with(label)) {
            Some((label, values)) => rest = rest.get(label.len() + values..).unwrap_or_default(),
            None => {
                kept.push(*first);
                rest = others;
            }
        }
    }
    kept.join(" ").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_in_every_attempt_is_left_out() {
        for (said, told) in [
            (
                "AADSTS70025: The client 'x' has no configured federated identity credentials. Trace ID: 0a-1 Correlation ID: 0b-2 Timestamp: 2026-01-01 00:00:00Z",
                "AADSTS70025: The client 'x' has no configured federated identity credentials",
            ),
            (
                "AADSTS700024: Client assertion is not within its valid time range. Current time: 2026-01-01T00:00:00.1Z, expiry time of assertion 2025-12-31T00:00:00.0Z.\r\nTrace ID: 0a",
                "AADSTS700024: Client assertion is not within its valid time range. expiry time of assertion 2025-12-31T00:00:00.0Z",
            ),
            // What helps stands behind it.
            (
                "AADSTS70043: The refresh token has expired. Trace ID: 0a Correlation ID: 0b Timestamp: 2026-01-01 00:00:00Z\nPlease run:\naz login --scope https://management.azure.com/.default",
                "AADSTS70043: The refresh token has expired. Please run: az login --scope https://management.azure.com/.default",
            ),
            ("busy", "busy"),
            ("Trace ID:", ""),
            ("Timestamp: x", ""),
            ("", ""),
        ] {
            assert_eq!(lasting(said), told);
        }
    }
}
