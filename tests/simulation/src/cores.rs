//! All cores of this machine.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

/// Calls `each` with `from`, `from + 1`, … on all cores, in this order but side by side, until it answers `Break` on every one of them.
///
/// # Panics
/// When `each` does.
pub fn count(from: u64, each: impl Fn(u64) -> ControlFlow<()> + Sync) {
    let next = AtomicU64::new(from);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| while each(next.fetch_add(1, Ordering::Relaxed)).is_continue() {});
        }
    });
}
