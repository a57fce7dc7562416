//! Command lines, as far as the order of their words means something.

use std::collections::BTreeSet;

/// The words of a shell line, with the flags of each program sorted: their order means nothing. A flag is a word that begins with `--`; those of a program end at another word, or at a `;`.
pub fn words(line: &str) -> Vec<String> {
    let (mut sorted, mut flags) = (Vec::new(), BTreeSet::new());
    for word in line.split_whitespace() {
        let (word, end) = word.strip_suffix(';').map_or((word, ""), |word| (word, ";"));
        if word.starts_with("--") {
            flags.insert(word.to_owned());
        }
        if !word.starts_with("--") || !end.is_empty() {
            sorted.extend(std::mem::take(&mut flags));
            let rest = [word, end].into_iter().filter(|word| !word.is_empty() && !word.starts_with("--"));
            sorted.extend(rest.map(str::to_owned));
        }
    }
    sorted.extend(flags);
    sorted
}

/// Whether two lines do the same, as far as that can be known: where a flag may have the word behind it as its value, only if they are equal.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    a == b || (words(a) == words(b) && !has_loose_values(a) && !has_loose_values(b))
}

/// Whether a flag without `=` is followed by a word that may be its value.
fn has_loose_values(line: &str) -> bool {
    let all: Vec<&str> = line.split_whitespace().collect();
    all.windows(2).any(|pair| {
        pair[0].starts_with("--") && !pair[0].contains(['=', ';']) && !pair[1].starts_with("--") && pair[1] != ";"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_flags_means_nothing_and_that_of_everything_else_does() {
        let table = [
            ("run.py --a=1 --b", "run.py --b --a=1", true),
            ("x --a=1 run.py --b", "x --b run.py --a=1", false),
            ("x --a=1; y --b=2", "x --b=2; y --a=1", false),
            ("run.py --a=1", "run.py --a=2", false),
            ("run.py --a --b 1", "run.py --b --a 1", false),
            ("run.py --a --b 1", "run.py --a --b 1", true),
            ("run.py --a='x y'", "run.py --a='y x'", false),
        ];
        for (a, b, same) in table {
            assert_eq!(is_same(a, b), same, "{a} | {b}");
        }
    }
}
