//! `--record`: what a simulated run saw and decided, in a file.

use super::console::Console;
use kaito_core::memory::World;
use kaito_core::record::{Limits, Recorder};
use std::path::Path;

/// One that forgets nothing: every reconcile of the run is promised.
pub fn recorder() -> Recorder {
    Recorder::new(Limits { reconciles: usize::MAX, bytes: usize::MAX })
}

/// The recording of a world, where one is taken.
pub fn of(world: &World) -> Option<String> {
    world.recorder().map(Recorder::to_json)
}

/// Writes a recording, where one is wanted. `false` when the file cannot be written, which has been said.
pub fn write(file: Option<&Path>, recording: Option<String>, console: &mut Console<'_>) -> bool {
    let (Some(file), Some(recording)) = (file, recording) else { return true };
    let written = std::fs::write(file, recording);
    if let Err(error) = &written {
        console.remark(&format!("{}: cannot be written: {error}", file.display()));
    }
    written.is_ok()
}
