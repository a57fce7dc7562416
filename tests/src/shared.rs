//! Material beside the repository: captured output of the reference, published definitions. It is not part of the project.

use std::path::{Path, PathBuf};

/// Whether this runs where nobody watches (`CI` is set, and not empty): there, what cannot be checked is a failure and not a skip.
pub fn is_required() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}

/// The file or folder `below` the material, or `None` with a visible line when this checkout has none beside it.
///
/// # Panics
/// When the material is absent where it [is required](is_required).
pub fn path(below: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(below);
    if path.exists() {
        return Some(path);
    }
    #[expect(clippy::panic, reason = "the kit of tests fails by panic")]
    if is_required() {
        panic!("{} is absent, and CI is set", path.display());
    }
    #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
    {
        eprintln!("SKIPPED: {} is absent", path.display());
    }
    None
}
