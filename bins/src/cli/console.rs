//! Where results and remarks go, and what can be shown there.

use std::io::{self, IsTerminal, Write};

/// Standard output and standard error, and what is known of the first.
pub struct Console<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// What the reader of the output can see.
    pub look: Look,
}

/// What a reader can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Columns of the terminal; absent where a program reads.
    pub width: Option<usize>,
    /// Whether colours help.
    pub colours: bool,
}

impl Look {
    /// Looks at standard output and the environment: colours only on a terminal, and never with `NO_COLOR`.
    pub fn of_stdout() -> Look {
        if !io::stdout().is_terminal() {
            return Look::default();
        }
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let width = terminal_size::terminal_size().map_or(80, |(columns, _)| usize::from(columns.0));
        Look { width: Some(width), colours: !set("NO_COLOR") && !dumb }
    }

    /// A text cut to what is left of a line, with … for the rest; whole where a program reads.
    pub fn cut(self, text: &str, used: usize) -> String {
        let text = &crate::input::printable(text);
        match self.width {
            Some(width) if text.chars().count() + used > width => {
                let left = width.saturating_sub(used + 1);
                text.chars().take(left).chain(['…']).collect()
            }
            _ => text.clone(),
        }
    }

    /// A text in a colour.
    pub fn paint(self, colour: Colour, text: &str) -> String {
        if self.colours { format!("\u{1b}[{}m{text}\u{1b}[0m", colour.code()) } else { text.to_owned() }
    }
}

/// The few that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// It is so.
    Green,
    /// It is not so.
    Red,
    /// Worth a look.
    Yellow,
    /// A heading.
    Bold,
}

impl Colour {
    const fn code(self) -> &'static str {
        match self {
            Self::Green => "32",
            Self::Red => "31",
            Self::Yellow => "33",
            Self::Bold => "1",
        }
    }
}

impl<'a> Console<'a> {
    /// A console that writes there.
    pub fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, look: Look) -> Self {
        Self { out, err, look }
    }

    /// Writes a result. A reader that has gone away (`| head`) has seen what it wanted.
    pub fn print(&mut self, text: &str) -> Result<(), Defect> {
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Defect(format!("cannot write the result: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Writes a remark. That nobody can read it changes nothing.
    pub fn remark(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}");
    }
}

/// Something that must not happen: exit code 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_on_terminals_only() {
        let terminal = Look { width: Some(10), colours: false };
        assert_eq!(terminal.cut("0123456789", 0), "0123456789");
        assert_eq!(terminal.cut("0123456789", 3), "012345…");
        assert_eq!(Look::default().cut(&"x".repeat(500), 3).len(), 500);
        assert_eq!(terminal.paint(Colour::Red, "x"), "x");
    }
}
