//! `cargo xtask gen-crds [--check]`: the definitions in `crds/`, from the types of kaito-api.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

const HEADER: &str = "# DO NOT EDIT. Written by `cargo xtask gen-crds` from the types in kaito-api.\n---\n";

/// Writes the files, or with `--check` only compares; 1 when a file is stale, 2 when the task itself fails.
pub fn run(args: &[String]) -> ExitCode {
    let check = match args {
        [] => false,
        [only] if only == "--check" => true,
        _ => return say(&mut io::stderr(), "usage: cargo xtask gen-crds [--check]", 2),
    };
    match generate(check) {
        Ok(stale) if stale.is_empty() => ExitCode::SUCCESS,
        Ok(stale) => {
            let mut text = String::new();
            for path in &stale {
                text.push_str(&format!("stale: {}\n", path.display()));
            }
            text.push_str("run `cargo xtask gen-crds` and commit the result");
            say(&mut io::stderr(), &text, 1)
        }
        Err(error) => say(&mut io::stderr(), &format!("gen-crds: {error}"), 2),
    }
}

fn say(out: &mut dyn Write, text: &str, code: u8) -> ExitCode {
    // A message that cannot be written leaves the exit status, which says enough.
    let _ = writeln!(out, "{text}");
    ExitCode::from(code)
}

/// Writes what differs; with `check` nothing is written and the files that differ are returned.
fn generate(check: bool) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut stale = Vec::new();
    for (name, crd) in kaito_api::crd::all()? {
        let path = Path::new("crds").join(name);
        let wanted = format!("{HEADER}{}", serde_saphyr::to_string(&crd)?);
        let file = root().join(&path);
        if fs::read_to_string(&file).ok().as_deref() == Some(&wanted) {
            continue;
        }
        if check {
            stale.push(path);
        } else {
            fs::create_dir_all(root().join("crds"))?;
            fs::write(&file, wanted)?;
        }
    }
    Ok(stale)
}

/// The repository: the folder above this package.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
