//! The known word that was probably meant.

/// Bytes of a word that something can be like.
const LONGEST: usize = 200;

/// The known word that is most like `word`: case, `_` and `-` do not count, and what differs in more than a third of its letters is not like it at all.
///
/// ```
/// use kaito_core::admission::nearest::nearest;
///
/// assert_eq!(nearest("Worksapce", ["ConfigMap", "Workspace"]), Some("Workspace"));
/// assert_eq!(nearest("instance_type", ["instanceType", "labelSelector"]), Some("instanceType"));
/// assert_eq!(nearest("banana", ["instanceType", "labelSelector"]), None);
/// ```
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Comparing takes as long as both words are together long; a megabyte is no slip of anything.
    if word.len() > LONGEST {
        return None;
    }
    let word = folded(word);
    let ranked = known
        .into_iter()
        .filter(|candidate| !candidate.is_empty())
        .map(|candidate| (distance(&word, &folded(candidate)), candidate));
    ranked
        .filter(|(distance, candidate)| *distance <= tolerance(word.len().max(candidate.len())))
        .min()
        .map(|(_, candidate)| candidate)
}

/// One slip in a short word, and one more for every third letter of a long one.
fn tolerance(letters: usize) -> usize {
    (letters / 3).max(1)
}

/// Edits, a swap of neighbours being one; a plural or another ending is one too.
fn distance(word: &str, candidate: &str) -> usize {
    let begins =
        word.len() > 3 && (candidate.starts_with(word) || (candidate.len() > 3 && word.starts_with(candidate)));
    if begins && word != candidate { 1 } else { strsim::osa_distance(word, candidate) }
}

fn folded(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_forgiven_and_other_words_are_not() {
        let known = ["adapters", "config", "preset", "template", "instanceType", "labelSelector", "count"];
        let table = [
            ("presets", Some("preset")),
            ("INSTANCETYPE", Some("instanceType")),
            ("label-selector", Some("labelSelector")),
            ("labels", Some("labelSelector")),
            ("cuont", Some("count")),
            ("adaptor", Some("adapters")),
            ("conf", Some("config")),
            ("x", None),
            ("replicas", None),
        ];
        for (word, wanted) in table {
            assert_eq!(nearest(word, known), wanted, "{word}");
        }
    }
}
