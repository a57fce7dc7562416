//! Texts that were damaged: something is put in, taken out or written over, a few times.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What YAML, JSON and our own grammars stumble over.
const TOKENS: &[&str] = &[
    "",
    " ",
    "\t",
    "\n",
    "\r\n",
    ": ",
    ":",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "#",
    " #",
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "!!str ",
    "!x ",
    "'",
    "\"",
    "\\",
    "|",
    ">",
    "|-\n",
    "---\n",
    "...\n",
    "%YAML 2.0\n",
    "? ",
    "~",
    "null",
    "yes",
    "0",
    "-1",
    "0x",
    "0o9",
    "1e999",
    ".inf",
    "-.nan",
    "9223372036854775808",
    "1_000",
    "\u{0}",
    "\u{7f}",
    "\u{85}",
    "\u{feff}",
    "\u{2028}",
    "é",
    "𝄞",
    "a/b",
    "../",
    "%2e",
    "@",
    "@sha256:",
    "$(HOME)",
    "{{ .Values.x }}",
    "kind: List\n",
    "items:\n",
    "metadata: ",
    "name: ",
    "status: {}\n",
    "namespace: x\n",
];

/// One change of a text.
#[derive(Debug, Clone)]
pub struct Edit {
    from: Index,
    length: usize,
    put: &'static str,
}

/// A few changes.
pub fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let length = prop_oneof![3 => Just(0_usize), 3 => 1_usize..4, 1 => 0_usize..200];
    let edit = (any::<Index>(), length, select(TOKENS)).prop_map(|(from, length, put)| Edit { from, length, put });
    vec(edit, 0..6)
}

/// The text after these changes.
pub fn edited(text: &str, edits: &[Edit]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for Edit { from, length, put } in edits {
        let start = from.index(characters.len() + 1);
        let end = (start + length).min(characters.len());
        characters.splice(start..end, put.chars());
    }
    characters.into_iter().collect()
}
