//! A time in a label: `2026-01-02T03-04-05Z`, because a label holds no colons. GC of pools whose claim is gone goes by it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const LAYOUT: &str = "%Y-%m-%dT%H-%M-%SZ";

/// A time as it stands in the label.
pub fn stamp(time: Timestamp) -> String {
    time.strftime(LAYOUT).to_string()
}

/// The time that a label holds, if it holds one.
pub fn read_stamp(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime(LAYOUT, text).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_and_nothing_else_is_one() {
        let time: Timestamp = "2026-06-30T23:59:59+02:00".parse().unwrap();
        assert_eq!(stamp(time), "2026-06-30T21-59-59Z");
        assert_eq!(read_stamp("2026-06-30T21-59-59Z"), Some(time));
        for text in ["", "2026-06-30T21:59:59Z", "2026-13-30T21-59-59Z", "2026-06-30T21-59-59", "now"] {
            assert_eq!(read_stamp(text), None, "{text}");
        }
    }
}
