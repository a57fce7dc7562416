//! Material beside the repository: captured output of the reference, published definitions. It is not part of the project.

use std::path::{Path, PathBuf};

/// The file or folder `below` the material, or `None` with a visible line when this checkout has none beside it.
///
/// On a build server (`CI` is set) the material must be there, so that no check is ever skipped in silence.
///
/// # Panics
/// When `CI` is set and the material is absent.
pub fn path(below: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(below);
    if path.exists() {
        return Some(path);
    }
    #[expect(clippy::panic, reason = "the kit of tests fails by panic")]
    if std::env::var_os("CI").is_some() {
        panic!("{} is absent, and CI is set", path.display());
    }
    #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
    {
        eprintln!("SKIPPED: {} is absent", path.display());
    }
    None
}
