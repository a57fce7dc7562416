//! `cargo xtask gen-docs [--check]`: the page of `docs/` that says what the failure catalogue says.

use std::fs;
use std::path::Path;

/// The page, from the root of the repository.
const PAGE: &str = "docs/reasons.md";

/// Writes the page, or with `--check` only says whether it is stale.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let check = match arguments {
        [] => false,
        [only] if only == "--check" => true,
        _ => return Err("usage: cargo xtask gen-docs [--check]".to_owned()),
    };
    let (file, wanted) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE), kaito_core::failure::page());
    match fs::read_to_string(&file) {
        Ok(found) if found == wanted => Ok(()),
        _ if check => Err(format!("stale: {PAGE}; run `cargo xtask gen-docs` and commit the result")),
        _ => fs::write(&file, wanted).map_err(|error| format!("{PAGE}: {error}")),
    }
}
