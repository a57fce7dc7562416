//! Times as people say them.

use jiff::SignedDuration;

/// `9:58`: minutes and seconds since the beginning, hours only as minutes.
pub fn clock(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// `9 min 58 s`.
pub fn words(duration: SignedDuration) -> String {
    match duration.as_secs() {
        seconds if seconds < 60 => format!("{seconds} s"),
        seconds if seconds < 3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The column AGE, as kubectl writes it.
pub fn age(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let pair = |big: i64, unit: &str, small: i64, other: &str| match small {
        0 => format!("{big}{unit}"),
        _ => format!("{big}{unit}{small}{other}"),
    };
    match seconds {
        ..120 => format!("{seconds}s"),
        120..600 => pair(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        let table = [
            (0, "0:00", "0 s", "0s"),
            (119, "1:59", "1 min 59 s", "119s"),
            (250, "4:10", "4 min 10 s", "4m10s"),
            (598, "9:58", "9 min 58 s", "9m58s"),
            (605, "10:05", "10 min 5 s", "10m"),
            (11_000, "183:20", "3 h 3 min", "3h3m"),
            (200_000, "3333:20", "55 h 33 min", "2d7h"),
        ];
        for (seconds, in_clock, in_words, in_age) in table {
            let duration = SignedDuration::from_secs(seconds);
            assert_eq!((&*clock(duration), &*words(duration), &*age(duration)), (in_clock, in_words, in_age));
        }
    }
}
