//! The table of capabilities (`tests/parity.txt`, printed as `docs/parity.md`) has every row of the reference's that concerns Workspaces, that of the bugs of its provisioner
//! (`tests/provisioner_bugs.txt`, `docs/provisioner-bugs.md`) every bug, and what they and the docs name as proof exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rows of the reference's feature table that concern Workspaces.
const ROWS: &[(u32, u32)] = &[(1, 6), (10, 21), (23, 24), (25, 32), (34, 51), (53, 83), (85, 96), (140, 153)];
const STATES: &[&str] = &["holds", "differs", "image", "docs", "not yet"];
/// The rows that do not stand yet; whoever makes one stand takes it away here.
const NOT_YET: &[u32] = &[];
const TABLE: &str = include_str!("../parity.txt");
/// The bugs of the reference's provisioner, by number.
const BUGS: &str = include_str!("../provisioner_bugs.txt");
const LAST_BUG: u32 = 32;
/// What stands in the place of tests where there can be none, before the reason.
const WITHOUT_TESTS: [&str; 2] = ["not ours: ", "docs: "];
/// Pages that name tests, as `file::name` in code.
const PAGES: &[&str] = &["docs/life-after-creation.md", "docs/adding-a-runtime.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The columns of each row of a table.
fn rows(table: &'static str) -> Vec<Vec<&'static str>> {
    let lines = table.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit()));
    lines.map(|line| line.split('|').map(str::trim).collect()).collect()
}

/// Whether a file has a test of that name that runs: a function behind `#[test]` that is not ignored, or a story in `scenarios!`.
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
        let before = &lines[..number];
        is_function(line) && (is_run(before) || line.contains("(world)") && is_in_scenarios(before))
    })
}

/// Whether the attributes at the end of these lines make a test of what follows, and none keeps it from being run.
fn is_run(before: &[&str]) -> bool {
    let attributes: Vec<&str> =
        before.iter().rev().map(|line| line.trim()).take_while(|line| line.starts_with(['#', '/'])).collect();
    let is_test = attributes.iter().any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"));
    is_test && !attributes.iter().any(|line| line.starts_with("#[ignore") || line.starts_with("#[cfg"))
}

/// Whether what follows these lines stands in `scenarios! { … }`.
fn is_in_scenarios(before: &[&str]) -> bool {
    let begin = before.iter().rposition(|line| line.ends_with("scenarios! {"));
    begin.is_some_and(|begin| !before[begin..].contains(&"}"))
}

#[test]
fn every_capability_of_the_reference_is_in_the_table_once_and_the_tests_that_it_names_exist() {
    let (mut wrong, mut read, mut numbers) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    let mut counts = BTreeMap::<&str, u32>::new();
    for row in rows(TABLE) {
        let [number, state, capability, note, proofs] = row[..] else {
            wrong.push(format!("not five columns: {row:?}"));
            continue;
        };
        if !numbers.insert(number.parse::<u32>().unwrap()) {
            wrong.push(format!("{number} stands twice"));
        }
        *counts.entry(state).or_default() += 1;
        if (state == "not yet") != NOT_YET.contains(&number.parse().unwrap()) {
            wrong.push(format!("{number}: {state}, and NOT_YET says otherwise"));
        }
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
fn every_bug_of_the_references_provisioner_is_in_the_table_once_and_held_by_tests_that_exist_or_says_why_by_none() {
    let (mut wrong, mut read, mut numbers, mut without) = (Vec::new(), BTreeMap::new(), Vec::new(), 0);
    for row in rows(BUGS) {
        let [number, theirs, ours, proofs] = row[..] else {
            wrong.push(format!("not four columns: {row:?}"));
            continue;
        };
        numbers.push(number.parse::<u32>().unwrap());
        if theirs.is_empty() || ours.is_empty() {
            wrong.push(format!("{number}: {theirs:?}, {ours:?}"));
        }
        if WITHOUT_TESTS.iter().any(|mark| proofs.strip_prefix(mark).is_some_and(|why| !why.trim().is_empty())) {
            without += 1;
            continue;
        }
        let unknown = proofs.split(',').map(str::trim).filter(|proof| !exists(proof, &mut read));
        wrong.extend(unknown.map(|proof| format!("{number}: no test {proof:?}")));
    }
    assert_eq!(numbers, (1..=LAST_BUG).collect::<Vec<_>>());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(without <= 1, "{without} rows without a test; a bug that comes later has one");
}

#[test]
fn no_dependency_is_a_copy_that_was_changed() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let (locked, manifest) = (read("Cargo.lock"), read("Cargo.toml"));
    let sources: BTreeSet<&str> = locked.lines().filter_map(|line| line.strip_prefix("source = ")).collect();
    assert_eq!(sources, BTreeSet::from(["\"registry+https://github.com/rust-lang/crates.io-index\""]));
    assert!(!manifest.contains("[patch") && !root().join("vendor").exists());
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
    let told = |text: &str| {
        let mut read = BTreeMap::from([(root().join("x.rs"), text.to_owned())]);
        exists("x.rs::story", &mut read)
    };
    assert!(told("#[test]\nfn story() {"));
    assert!(!told("#[test]\n#[ignore = \"slow\"]\nfn story() {"), "it does not run");
    assert!(!told("#[test]\nfn other() {}\nfn story() {"), "the mark is another's");
    assert!(told("scenarios! {\n    fn story(world) {\n    }\n}"));
    assert!(!told("scenarios! {\n}\nfn story(world) {"), "no story of the macro");
}
