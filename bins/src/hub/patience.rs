//! How long a hub asks to wait.

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use std::time::Duration;

/// A hub that asks for more is believed this far.
const LONGEST: Duration = Duration::from_hours(24);

/// What the headers of a refusal ask for: `Retry-After` in seconds or as a date, else the end of the window that `RateLimit` or `RateLimit-Reset` tells of, where the refusal is about that: they are
/// told with every answer, and of a window with something left nobody waits for the end. At most a day.
pub(super) fn asked(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let retry_after = text(header::RETRY_AFTER.as_str());
    let is_over = status == StatusCode::TOO_MANY_REQUESTS;
    let wait = retry_after
        .and_then(seconds)
        .or_else(|| retry_after.and_then(|date| until(date, now)))
        .or_else(|| text("ratelimit").filter(|limit| is_over || is_used_up(limit)).and_then(window))
        .or_else(|| {
            text("ratelimit-reset").filter(|_| is_over || text("ratelimit-remaining") == Some("0")).and_then(seconds)
        });
    wait.map(|wait| wait.min(LONGEST))
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs)
}

fn until(date: &str, now: Timestamp) -> Option<Duration> {
    let then = DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(Duration::try_from(then.duration_since(now)).unwrap_or_default())
}

/// The rest of the window in `"api";r=0;t=55`, as Hugging Face has it, or in `limit=100, remaining=0, reset=55` of an older draft.
fn window(text: &str) -> Option<Duration> {
    parts(text).filter(|(name, _)| matches!(*name, "t" | "reset")).find_map(|(_, value)| seconds(value))
}

/// Whether nothing is left in the window.
fn is_used_up(text: &str) -> bool {
    parts(text).any(|(name, value)| matches!(name, "r" | "remaining") && value == "0")
}

fn parts(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split([';', ',']).filter_map(|part| part.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_ask_for_patience_is_understood() {
        let now: Timestamp = "2026-10-21T07:28:00Z".parse().unwrap();
        for (fields, expected) in [
            (&[("retry-after", "7")][..], Some(7)),
            (&[("retry-after", " 7 "), ("ratelimit", "\"api\";r=0;t=55")], Some(7)),
            (&[("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT")], Some(30)),
            (&[("retry-after", "Wed, 21 Oct 2026 07:00:00 GMT")], Some(0)),
            (&[("retry-after", "soon"), ("ratelimit", "\"api\";r=0;t=55")], Some(55)),
            (&[("ratelimit", "limit=100, remaining=0, reset=12")], Some(12)),
            (&[("ratelimit-reset", "5")], Some(5)),
            (&[("retry-after", "99999999999")], Some(86_400)),
            (&[("retry-after", "Tue, 31 Dec 2999 00:00:00 GMT")], Some(86_400)),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "99999999999999999999999")], None),
            (&[("ratelimit", "t")], None),
            (&[], None),
        ] {
            let headers = fields
                .iter()
                .map(|(name, value)| (header::HeaderName::from_static(name), header::HeaderValue::from_static(value)));
            let asked = asked(StatusCode::TOO_MANY_REQUESTS, &headers.collect(), now);
            assert_eq!(asked, expected.map(Duration::from_secs), "{fields:?}");
        }
    }

    #[test]
    fn the_end_of_a_window_with_something_left_is_waited_for_by_nobody() {
        for (name, value, expected) in [
            ("retry-after", "7", Some(7)),
            ("ratelimit", "\"api\";r=499;t=255", None),
            ("ratelimit", "\"api\";r=0;t=55", Some(55)),
            ("ratelimit", "limit=100, remaining=0, reset=12", Some(12)),
            ("ratelimit-reset", "5", None),
        ] {
            let headers = HeaderMap::from_iter([(
                header::HeaderName::from_static(name),
                header::HeaderValue::from_static(value),
            )]);
            let asked = asked(StatusCode::NOT_FOUND, &headers, Timestamp::UNIX_EPOCH);
            assert_eq!(asked, expected.map(Duration::from_secs), "{name}: {value}");
        }
    }
}
