//! How long a hub asks to wait.

use http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use std::time::Duration;

/// A hub that asks for more is believed this far.
const LONGEST: Duration = Duration::from_hours(24);

/// What the headers of a refusal ask for: `Retry-After` in seconds or as a date, else the end of the window that `RateLimit` or `RateLimit-Reset` tells of. At most a day.
pub(super) fn asked(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let retry_after = text(header::RETRY_AFTER.as_str());
    let wait = retry_after
        .and_then(seconds)
        .or_else(|| retry_after.and_then(|date| until(date, now)))
        .or_else(|| text("ratelimit").and_then(window))
        .or_else(|| text("ratelimit-reset").and_then(seconds));
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
    let parts = text.split([';', ',']).filter_map(|part| part.trim().split_once('='));
    parts.filter(|(name, _)| matches!(*name, "t" | "reset")).find_map(|(_, value)| seconds(value))
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
            assert_eq!(asked(&headers.collect(), now), expected.map(Duration::from_secs), "{fields:?}");
        }
    }
}
