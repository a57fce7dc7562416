//! Material beside the repository: captured output of the reference, published definitions. It is not part of the project.

use crate::environment;
use std::path::{Path, PathBuf};

/// The file or folder `below` the material, or `None` with a visible line when this checkout has none beside it.
///
/// # Panics
/// When the material is absent where it [is required](environment::is_required).
pub fn path(below: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(below);
    if path.exists() {
        return Some(path);
    }
    environment::skipped(&format!("{} is absent", path.display()));
    None
}
