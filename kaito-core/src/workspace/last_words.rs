//! What a container printed before it ended, where the kubelet knows no more than a number.
//!
//! The log is read once for each pod that has failed. What it said is then kept in the condition that tells of it, for as long as that is so: a quiet controller reads nothing. A log that cannot be
//! read, or is empty, is asked for again when the failure is looked at again.

use super::pods::{End, Silent};
use super::view::View;
use crate::read::LogQuery;
use crate::snapshot::Unread;

/// How many lines are looked at, how many of their bytes are kept, and how many told: the cause stands at the end.
const LINES: u32 = 10;
const BYTES: u32 = 2 << 10;
const TOLD: usize = 400;

/// What stands around the words; inside of them it is replaced, so that they are found again.
const BEGIN: &str = "; it printed last: «";
const END: char = '»';

/// How a pod ended, with its last words.
pub(super) fn of(view: &View<'_>, end: End) -> Result<String, Unread> {
    let Some(Silent { pod, container }) = end.silent else { return Ok(end.words) };
    let told = match kept(view, &end.words) {
        Some(kept) => kept,
        None => {
            let query = LogQuery {
                namespace: view.namespace().to_owned(),
                pod,
                container,
                previous: false,
                lines: LINES,
                holding: None,
                bytes: BYTES,
            };
            match view.snapshot.log(query)? {
                Ok(printed) => quote(printed),
                Err(why) => format!("; its log cannot be read: {why}"),
            }
        }
    };
    Ok(format!("{}{told}", end.words))
}

/// The last lines on one line; the beginning is left out where there is too much.
fn quote(printed: &str) -> String {
    let lines: Vec<&str> = printed.lines().filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return "; it printed nothing".to_owned();
    }
    let all = lines.join(" | ").replace(['«', '»'], "\"");
    let from = all.ceil_char_boundary(all.len().saturating_sub(TOLD));
    format!("{BEGIN}{}{}{END}", if from > 0 { "..." } else { "" }, &all[from..])
}

/// What a condition tells already behind these words, which name the pod.
fn kept(view: &View<'_>, words: &str) -> Option<String> {
    view.conditions().iter().find_map(|condition| {
        let (_, rest) = condition.message.split_once(words)?;
        let end = rest.starts_with(BEGIN).then(|| rest.find(END))??;
        Some(rest[..end + END.len_utf8()].to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_the_end_of_what_was_printed_on_one_line() {
        assert_eq!(quote(""), "; it printed nothing");
        assert_eq!(
            quote("Traceback\n\n  File «x»\nValueError: no"),
            "; it printed last: «Traceback |   File \"x\" | ValueError: no»"
        );
        let long = quote(&format!("{}\nthe cause", "ü".repeat(400)));
        assert!(long.starts_with("; it printed last: «...ü") && long.ends_with("ü | the cause»"), "{long}");
        assert!(long.len() <= TOLD + 40, "{}", long.len());
    }
}
