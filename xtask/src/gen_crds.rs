//! `cargo xtask gen-crds [--check]`: the definitions in `crds/`, from the types of kaito-api.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

const HEADER: &str = "# DO NOT EDIT. Written by `cargo xtask gen-crds` from the types in kaito-api.\n---\n";

/// Writes the files, or with `--check` only says which are stale.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let check = match arguments {
        [] => false,
        [only] if only == "--check" => true,
        _ => return Err("usage: cargo xtask gen-crds [--check]".to_owned()),
    };
    let stale = generate(check).map_err(|error| error.to_string())?;
    if stale.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = stale.iter().map(|path| path.display().to_string()).collect();
    Err(format!("stale: {}; run `cargo xtask gen-crds` and commit the result", names.join(", ")))
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
