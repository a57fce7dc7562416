//! What may differ from the reference: rows with a reason each. A row that nothing needs any more fails the test too, so that the tables stay true.

use crate::normal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// A table of exceptions that counts how often each is needed.
#[derive(Debug)]
pub struct Rows<'a, T> {
    rows: Vec<(&'a T, usize)>,
}

impl<'a, T: Debug> Rows<'a, T> {
    /// These rows, none of them needed yet.
    pub fn of(rows: impl IntoIterator<Item = &'a T>) -> Self {
        Self { rows: rows.into_iter().map(|row| (row, 0)).collect() }
    }

    /// Whether there is a row for it; the first one is needed once more.
    pub fn allow(&mut self, is_for: impl Fn(&T) -> bool) -> bool {
        let row = self.rows.iter_mut().find(|(row, _)| is_for(row));
        row.is_some_and(|(_, uses)| {
            *uses += 1;
            true
        })
    }

    /// Holds that every row was needed.
    ///
    /// # Panics
    /// When one was not.
    pub fn expect_needed(&self) {
        let stale: Vec<&T> = self.rows.iter().filter(|(_, uses)| *uses == 0).map(|(row, _)| *row).collect();
        assert!(stale.is_empty(), "rows that nothing needs any more: {stale:#?}");
    }
}

/// A difference that is meant.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// What is compared: a file, or something that several have in common; `*` for every one.
    pub file: &'static str,
    /// Where: the kind, with the fields that lead there (`Job.spec.template`), which stands for all below it too; or the kind of an object that only one side makes (`Job: theirs only`).
    /// `*` stands for every kind, at the end of a field for its rest (`Job.spec.*.name`).
    pub path: &'static str,
    /// Why.
    pub reason: &'static str,
}

impl Allowed {
    /// Whether it speaks of this place in an object of this kind.
    fn covers(&self, about: &[&str], kind: &str, place: &str) -> bool {
        let path = match self.path.strip_prefix('*') {
            Some(path) => Some(path),
            None => self.path.strip_prefix(kind),
        };
        let is_there = path.is_some_and(|path| {
            let mut words = place.split('.');
            path.split('.').all(|wanted| words.next().is_some_and(|word| is_word(wanted, word)))
        });
        (self.file == "*" || about.contains(&self.file)) && is_there
    }
}

/// Whether a word of a path is the wanted one; `*` stands for the rest of it.
fn is_word(wanted: &str, word: &str) -> bool {
    wanted.strip_suffix('*').map_or(wanted == word, |beginning| word.starts_with(beginning))
}

/// What we make of files, beside what the reference makes of them.
#[derive(Debug)]
pub struct Comparison<'a> {
    rows: Rows<'a, Allowed>,
    wrong: Vec<String>,
}

impl<'a> Comparison<'a> {
    /// One in which these differences are meant.
    pub fn allowing(rows: impl IntoIterator<Item = &'a Allowed>) -> Self {
        Self { rows: Rows::of(rows), wrong: Vec::new() }
    }

    /// Compares objects by kind and name ([`normal::by_name`]). `about` is the file that they come from, and what it has in common with others.
    pub fn compare(&mut self, about: &[&str], ours: &BTreeMap<String, Value>, theirs: &BTreeMap<String, Value>) {
        for (object, ours) in ours {
            match theirs.get(object) {
                None => self.note(about, object, ": ours only", ""),
                Some(theirs) => {
                    normal::places(ours, theirs)
                        .iter()
                        .for_each(|found| self.note(about, object, &found.path, &found.what));
                }
            }
        }
        for object in theirs.keys().filter(|object| !ours.contains_key(*object)) {
            self.note(about, object, ": theirs only", "");
        }
    }

    fn note(&mut self, about: &[&str], object: &str, place: &str, what: &str) {
        let kind = object.split(' ').next().unwrap_or_default();
        if !self.rows.allow(|row| row.covers(about, kind, place)) {
            self.wrong.push(format!("{}: {object} {place} {what}", about.first().unwrap_or(&"")));
        }
    }

    /// Counts what another comparison with the same rows has found.
    pub fn add(&mut self, other: Self) {
        self.wrong.extend(other.wrong);
        for ((_, uses), (_, more)) in self.rows.rows.iter_mut().zip(other.rows.rows) {
            *uses += more;
        }
    }

    /// What differs and is not meant, in words.
    pub fn wrong(&self) -> &[String] {
        &self.wrong
    }

    /// Holds that nothing differs but what is meant, and that everything that is meant does.
    ///
    /// # Panics
    /// With every difference that has no row, or with every row that has no difference.
    pub fn conclude(&self) {
        assert!(self.wrong.is_empty(), "{} differences:\n{}", self.wrong.len(), self.wrong.join("\n"));
        self.rows.expect_needed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Whether our object, which says more than theirs, passes with these rows.
    fn passes(rows: &[(&'static str, &'static str)]) -> bool {
        let rows: Vec<Allowed> = rows.iter().map(|(file, path)| Allowed { file, path, reason: "" }).collect();
        let job = |spec: Value| BTreeMap::from([("Job tune".to_owned(), json!({"spec": spec}))]);
        let mut comparison = Comparison::allowing(&rows);
        comparison.compare(
            &["a.yaml"],
            &job(json!({"node": "x", "nodes": {"a": 1}})),
            &job(json!({"nodes": {"a": 2}})),
        );
        let is_needed = comparison.rows.rows.iter().all(|(_, uses)| *uses > 0);
        comparison.wrong.is_empty() && is_needed
    }

    #[test]
    fn a_row_covers_its_path_and_what_is_below_it_in_its_file_alone() {
        assert!(passes(&[("*", "Job.spec.node"), ("a.yaml", "Job.spec.nodes")]));
        assert!(passes(&[("*", "*.spec")]));
        assert!(passes(&[("*", "Job.spec.node"), ("*", "Job.*.nodes.a")]));
        for rows in [
            &[("*", "Job.spec.node")][..],                // no beginning of another word
            &[("b.yaml", "Job.spec")],                    // another file
            &[("*", "Jo.spec")],                          // another kind
            &[("*", "spec")],                             // no place inside of the path
            &[("*", "*.spec.*.a")],                       // the other one has no field there
            &[("*", "Job.spec"), ("*", "Job.spec.node")], // the second is never needed
            &[("*", "Job.spec.node"), ("*", "Job.spec.nodes"), ("*", "Job: theirs only")], // the third is stale
        ] {
            assert!(!passes(rows), "{rows:?}");
        }
    }

    #[test]
    fn an_object_of_one_side_alone_needs_a_row_that_says_so() {
        let job = BTreeMap::from([("Job tune".to_owned(), json!({}))]);
        for (path, is_enough) in
            [("Job: theirs only", true), ("*: theirs only", true), ("Job: ours only", false), ("Job", false)]
        {
            let row = Allowed { file: "*", path, reason: "" };
            let mut comparison = Comparison::allowing([&row]);
            comparison.compare(&["a.yaml"], &BTreeMap::new(), &job);
            assert_eq!(comparison.wrong.is_empty(), is_enough, "{path}: {:?}", comparison.wrong);
        }
    }

    #[test]
    #[should_panic(expected = "rows that nothing needs any more")]
    fn a_row_that_nothing_needs_is_an_error() {
        Comparison::allowing([&Allowed { file: "*", path: "Job.spec", reason: "" }]).conclude();
    }
}
