//! Where something stands in a file, and what is wrong there.

use std::fmt;

/// A line and a column, both from one, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// The first character of a file.
    pub const START: Place = Place { line: 1, column: 1 };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong with the input: `phi.yaml:7:9: resource.count: expected a whole number, found text "two"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file as it was named; `standard input` for `-`.
    pub file: String,
    /// Where in the file; absent where the file itself is the problem.
    pub place: Option<Place>,
    /// What is wrong, the path of the field first where it is about one.
    pub detail: String,
}

impl Problem {
    /// A problem with a file as a whole.
    pub fn of_file(file: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { file: file.into(), place: None, detail: detail.into() }
    }

    /// A problem at a place.
    pub fn at(file: impl Into<String>, place: Place, detail: impl Into<String>) -> Self {
        Self { place: Some(place), ..Self::of_file(file, detail) }
    }
}

/// A text without control characters: words of a manifest never move the cursor, colour the screen, or make lines of their own.
pub fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    text.chars().map(escaped).collect()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{}:{place}: {}", self.file, printable(&self.detail)),
            None => write!(f, "{}: {}", self.file, printable(&self.detail)),
        }
    }
}
