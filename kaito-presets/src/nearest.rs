//! Names that look alike: for "did you mean".

/// Bytes of a name that something can be like: twice those of the longest known one.
const LONGEST: usize = 200;

/// At most `n` of `(known, shown)` whose `known` is like `name`, shown once each, the likeliest first; ties in alphabetical order.
///
/// A name that begins as `name` does is one edit away; what differs in more than half of its letters is not like it at all.
pub(crate) fn closest(
    name: &str,
    n: usize,
    known: impl Iterator<Item = (&'static str, &'static str)>,
) -> Vec<&'static str> {
    // Comparing takes as long as both names are together long; a megabyte is no slip of anything.
    if name.len() > LONGEST {
        return Vec::new();
    }
    let name = name.to_ascii_lowercase();
    let mut ranked: Vec<(usize, &'static str)> = known
        .map(|(known, shown)| {
            let known = known.to_ascii_lowercase();
            (if !name.is_empty() && known.starts_with(&name) { 1 } else { distance(&name, &known) }, shown)
        })
        .filter(|(distance, _)| *distance <= name.len() / 2)
        .collect();
    ranked.sort_unstable();
    let mut shown = Vec::new();
    for (_, name) in ranked {
        if shown.len() < n && !shown.contains(&name) {
            shown.push(name);
        }
    }
    shown
}

/// Edits from `a` to `b`: insert, drop, change, or swap two neighbours (Damerau and Levenshtein, restricted).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, edits) in [("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("kitten", "sitting", 3)] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }
}
