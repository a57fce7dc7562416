//! Columns as kubectl shows them: three blanks between, headings in capitals, nothing around.

use super::console::{Colour, Look};

/// Between two columns.
const GAP: usize = 3;

/// Rows under headings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()] }
    }

    /// Adds a row; an empty cell is shown as `-`.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { cell };
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    /// The lines, each with its end; cut to the width of a terminal.
    pub fn render(&self, look: Look) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let length = |cell: &String| cell.chars().count();
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(length).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let mut used = 0;
            for (column, cell) in row.iter().enumerate() {
                if look.width.is_some_and(|width| used >= width) {
                    break;
                }
                let shown = look.cut(cell, used);
                let blanks = widths[column] + GAP - length(&shown).min(widths[column]);
                text.push_str(&colour(number, cell).map_or_else(|| shown.clone(), |colour| look.paint(colour, &shown)));
                used += widths[column] + GAP;
                if column + 1 < row.len() && look.width.is_none_or(|width| used < width) {
                    text.push_str(&" ".repeat(blanks));
                }
            }
            text.push('\n');
        }
        text
    }
}

fn colour(row: usize, cell: &str) -> Option<Colour> {
    match cell {
        _ if row == 0 => Some(Colour::Bold),
        "True" => Some(Colour::Green),
        "False" => Some(Colour::Red),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_headings() {
        let mut table = Table::new(&["NAME", "READY", "AGE"]);
        table.row(["phi".to_owned(), "True".to_owned(), String::new()]);
        assert_eq!(table.render(Look::default()), "NAME   READY   AGE\nphi    True    -\n");
        let narrow = table.render(Look { width: Some(9), colours: false });
        assert!(narrow.lines().all(|line| line.chars().count() <= 9), "{narrow}");
    }
}
