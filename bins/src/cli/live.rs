//! The table while the simulation goes, on a terminal: drawn over itself, never waited for.

use std::time::{Duration, Instant};

/// No eye sees more.
const FRAME: Duration = Duration::from_millis(16);

/// What stands on the terminal now.
#[derive(Debug)]
pub struct Live {
    on: bool,
    shown: String,
    last: Option<Instant>,
}

impl Live {
    /// Draws only when `on`.
    pub fn new(on: bool) -> Self {
        Self { on, shown: String::new(), last: None }
    }

    /// What to write so that the terminal shows `draw`, when it is time for that and something has changed.
    pub fn frame(&mut self, draw: impl FnOnce() -> String) -> Option<String> {
        if !self.on || self.last.is_some_and(|last| last.elapsed() < FRAME) {
            return None;
        }
        self.last = Some(Instant::now());
        let next = draw();
        if next == self.shown {
            return None;
        }
        let frame = format!("{}{next}", self.clear());
        self.shown = next;
        Some(frame)
    }

    /// What to write so that nothing is left of the table.
    pub fn clear(&mut self) -> String {
        let lines = self.shown.matches('\n').count();
        self.shown.clear();
        if lines == 0 { String::new() } else { format!("\u{1b}[{lines}F\u{1b}[J") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_drawn_over_itself_and_only_on_a_terminal() {
        assert_eq!(Live::new(false).frame(|| "x\n".to_owned()), None);
        let mut live = Live::new(true);
        assert_eq!(live.frame(|| "a\nb\n".to_owned()).as_deref(), Some("a\nb\n"));
        assert_eq!(live.frame(|| "c\n".to_owned()), None, "too early");
        assert_eq!(live.clear(), "\u{1b}[2F\u{1b}[J");
        assert_eq!(live.clear(), "");
    }
}
