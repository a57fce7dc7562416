//! How long an answer asks to wait.

use http::HeaderMap;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use std::time::Duration;

/// The longest that is waited because of an answer: nothing undercuts what the server asks for, a deletion neither, and what is not deleted is paid for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Between two looks at an operation of which Azure says nothing. The reference waits 30 s.
pub const DEFAULT_POLL: Duration = Duration::from_secs(10);
/// Between two looks at an operation at least: the bucket for them is refilled twice a second, for all of a cluster's together.
const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// What `Retry-After` asks, in seconds or as a date, and its twins in milliseconds, in the order of Azure's own clients. A date counts from the answer's own `Date`, else from `now`.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let milliseconds = ["retry-after-ms", "x-ms-retry-after-ms"].into_iter().find_map(|name| text(name)?.parse().ok());
    let asked = milliseconds.map(Duration::from_millis).or_else(|| {
        let told = text("retry-after")?;
        let seconds = told.parse().ok().map(Duration::from_secs);
        seconds.or_else(|| {
            let date = |text: &str| DateTimeParser::new().parse_timestamp(text).ok();
            let sent = text("date").and_then(date).unwrap_or(now);
            Some(Duration::try_from(date(told)?.duration_since(sent)).unwrap_or_default())
        })
    })?;
    Some(asked.min(LONGEST_WAIT))
}

/// When to look at an operation again.
pub(super) fn poll_after(headers: &HeaderMap, now: Timestamp) -> Duration {
    retry_after(headers, now).unwrap_or(DEFAULT_POLL).max(SHORTEST_POLL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_asked_for_in_many_ways_and_has_an_end() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        for (said, waits) in [
            (&[][..], None),
            (&[("retry-after", "30")], Some(30_000)),
            (&[("retry-after", " 0 ")], Some(0)),
            (&[("retry-after-ms", "1500"), ("retry-after", "30")], Some(1500)),
            (&[("x-ms-retry-after-ms", "20")], Some(20)),
            (&[("retry-after-ms", "soon"), ("retry-after", "30")], Some(30_000)),
            (&[("retry-after", "86400")], Some(300_000)),
            (&[("retry-after", "99999999999999999999")], None),
            (&[("retry-after", "-5")], None),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "Fri, 02 Jan 2026 03:05:05 GMT")], Some(60_000)),
            (&[("retry-after", "Fri, 02 Jan 2026 03:00:00 GMT")], Some(0)),
            (&[("retry-after", "Sat, 03 Jan 2026 03:05:05 GMT")], Some(300_000)),
            (
                &[("retry-after", "Fri, 02 Jan 2026 09:00:20 GMT"), ("date", "Fri, 02 Jan 2026 09:00:00 GMT")],
                Some(20_000),
            ),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in said {
                headers.insert(*name, value.parse().unwrap());
            }
            assert_eq!(retry_after(&headers, now), waits.map(Duration::from_millis), "{said:?}");
        }
        assert_eq!(poll_after(&HeaderMap::new(), now), DEFAULT_POLL);
    }
}
