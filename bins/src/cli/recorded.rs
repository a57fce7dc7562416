//! `--record`: what a simulated run saw and decided, in a file.

use super::console::Defect;
use kaito_core::memory::World;
use std::path::Path;

/// Writes the recording of a world, where one is wanted. A file that cannot be written is told as it is.
pub fn write(file: Option<&Path>, world: &World) -> Result<(), Defect> {
    let (Some(file), Some(recorder)) = (file, world.recorder()) else { return Ok(()) };
    std::fs::write(file, recorder.to_json()).map_err(|error| Defect(format!("{}: {error}", file.display())))
}
