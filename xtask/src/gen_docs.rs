//! `cargo xtask gen-docs [--check]`: the pages of `docs/` that say what the code says.

use std::fs;
use std::path::Path;

/// A page and what it is made of.
const PAGES: &[(&str, fn() -> String)] = &[("docs/reasons.md", kaito_core::failure::page)];

/// Writes the pages, or with `--check` only says which are stale.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let check = match arguments {
        [] => false,
        [only] if only == "--check" => true,
        _ => return Err("usage: cargo xtask gen-docs [--check]".to_owned()),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut stale = Vec::new();
    for (name, page) in PAGES {
        let (file, wanted) = (root.join(name), page());
        if fs::read_to_string(&file).ok().as_deref() == Some(&wanted) {
            continue;
        }
        if check {
            stale.push(*name);
        } else {
            fs::write(&file, wanted).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!("stale: {}; run `cargo xtask gen-docs` and commit the result", stale.join(", ")))
}
