//! The table of capabilities (`tests/parity.txt`, printed as `docs/parity.md`) has every row of the reference's that concerns Workspaces, and what it and the docs name as proof exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rows of the reference's feature table that concern Workspaces.
const ROWS: &[(u32, u32)] = &[(1, 6), (10, 21), (23, 24), (53, 83), (85, 96), (140, 153)];
const STATES: &[&str] = &["holds", "differs", "image", "docs", "not yet"];
const TABLE: &str = include_str!("../parity.txt");
/// Pages that name tests, as `file::name` in code.
const PAGES: &[&str] = &["docs/life-after-creation.md", "docs/adding-a-runtime.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The columns of each row.
fn rows() -> Vec<Vec<&'static str>> {
    let lines = TABLE.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit()));
    lines.map(|line| line.split('|').map(str::trim).collect()).collect()
}

/// Whether a file has a test of that name: a function behind `#[test]`, or a story of `scenarios!`.
fn exists(proof: &str, read: &mut BTreeMap<PathBuf, String>) -> bool {
    let Some((file, name)) = proof.split_once("::") else { return false };
    let path = root().join(file);
    let text = read.entry(path.clone()).or_insert_with(|| std::fs::read_to_string(path).unwrap_or_default());
    let is_function = |line: &str| {
        let rest = line.trim_start().strip_prefix("async ").unwrap_or(line.trim_start());
        rest.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with('('))
    };
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().enumerate().any(|(number, line)| {
        let is_marked = lines[..number].iter().rev().take(3).any(|before| {
            let before = before.trim();
            before == "#[test]" || before.starts_with("#[tokio::test")
        });
        is_function(line) && (is_marked || line.contains("(world)"))
    })
}

#[test]
fn every_capability_of_the_reference_is_in_the_table_once_and_the_tests_that_it_names_exist() {
    let (mut wrong, mut read, mut numbers) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    let mut counts = BTreeMap::<&str, u32>::new();
    for row in rows() {
        let [number, state, capability, note, proofs] = row[..] else {
            wrong.push(format!("not five columns: {row:?}"));
            continue;
        };
        if !numbers.insert(number.parse::<u32>().unwrap()) {
            wrong.push(format!("{number} stands twice"));
        }
        *counts.entry(state).or_default() += 1;
        if !STATES.contains(&state) || capability.is_empty() {
            wrong.push(format!("{number}: {state:?}, {capability:?}"));
        }
        if matches!(state, "differs" | "image" | "docs") && note.is_empty() && proofs.is_empty() {
            wrong.push(format!("{number}: {state}, and nothing says how"));
        }
        if matches!(state, "holds" | "differs") && proofs.is_empty() {
            wrong.push(format!("{number}: {state}, and no test holds it"));
        }
        let proofs = proofs.split(',').map(str::trim).filter(|proof| !proof.is_empty());
        wrong
            .extend(proofs.filter(|proof| !exists(proof, &mut read)).map(|proof| format!("{number}: no test {proof}")));
    }
    let wanted: BTreeSet<u32> = ROWS.iter().flat_map(|(from, to)| *from..=*to).collect();
    println!("{} capabilities: {counts:?}", numbers.len());
    assert_eq!(numbers, wanted);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_tests_that_the_docs_name_exist() {
    let (mut read, mut named) = (BTreeMap::new(), 0);
    for page in PAGES {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        for proof in text.split('`').filter(|word| word.contains(".rs::")) {
            assert!(exists(proof, &mut read), "{page}: no test {proof}");
            named += 1;
        }
    }
    assert!(named >= 20, "only {named} tests are named");
}

#[test]
fn what_is_no_test_is_not_taken_for_one() {
    let mut read = BTreeMap::new();
    for proof in ["tests/tests/parity.rs::exists", "tests/tests/parity.rs::nothing", "nowhere.rs::rows", "rows"] {
        assert!(!exists(proof, &mut read), "{proof}");
    }
    assert!(exists("tests/tests/parity.rs::what_is_no_test_is_not_taken_for_one", &mut read));
}
