//! What `-f` names: a file, a folder, a pattern, or standard input; and the text that is there.

use super::place::{Place, Problem};
use std::io::Read;
use std::path::Path;

/// No file of manifests is larger; it would be something else.
const FILE_LIMIT: u64 = 64 << 20;

/// How files end that are taken from a folder, as kubectl takes them.
const ENDINGS: &[&str] = &["yaml", "yml", "json"];

/// How standard input is called in messages.
pub const STDIN: &str = "standard input";

/// A text and the name that messages use for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The name, as given or as found in a folder.
    pub name: String,
    /// What is there.
    pub text: String,
}

/// The one file of this name, or standard input for `-`.
pub fn one(name: &str, stdin: &mut dyn Read) -> Result<Text, Problem> {
    if name == "-" { text(STDIN, stdin) } else { file(name) }
}

/// Everything that one `-f` names.
pub fn texts(named: &str, stdin: &mut dyn Read) -> Result<Vec<Text>, Problem> {
    if named == "-" {
        return Ok(vec![text(STDIN, stdin)?]);
    }
    if named.starts_with("http://") || named.starts_with("https://") {
        return Err(Problem::of_file(
            named,
            "addresses are not fetched; pipe the file in, as in `curl … | kaito simulate -f -`",
        ));
    }
    let path = Path::new(named);
    let names = if path.is_dir() {
        folder(path)?
    } else if !path.exists() && named.contains(['*', '?', '[']) {
        matches(named)?
    } else {
        vec![named.to_owned()]
    };
    names.into_iter().map(|name| file(&name)).collect()
}

fn folder(path: &Path) -> Result<Vec<String>, Problem> {
    let name = path.display().to_string();
    let entries = std::fs::read_dir(path).map_err(|error| Problem::of_file(&name, error.to_string()))?;
    let wanted = |path: &Path| {
        path.is_file()
            && path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ENDINGS.contains(&ending))
    };
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| wanted(path))
        .map(|path| path.display().to_string())
        .collect();
    names.sort();
    if names.is_empty() {
        Err(Problem::of_file(name, format!("no file in this folder ends with .{}", ENDINGS.join(", ."))))
    } else {
        Ok(names)
    }
}

fn matches(pattern: &str) -> Result<Vec<String>, Problem> {
    let found = glob::glob(pattern).map_err(|error| Problem::of_file(pattern, format!("not a pattern: {error}")))?;
    let names: Vec<String> =
        found.flatten().filter(|path| path.is_file()).map(|path| path.display().to_string()).collect();
    if names.is_empty() { Err(Problem::of_file(pattern, "no file matches this pattern")) } else { Ok(names) }
}

fn file(name: &str) -> Result<Text, Problem> {
    let opened = std::fs::File::open(name).map_err(|error| Problem::of_file(name, unreadable(&error)))?;
    text(name, &mut { opened })
}

fn unreadable(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "may not be read (permission denied)".to_owned(),
        _ => error.to_string(),
    }
}

fn text(name: &str, from: &mut dyn Read) -> Result<Text, Problem> {
    let mut bytes = Vec::new();
    from.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| Problem::of_file(name, unreadable(&error)))?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(Problem::of_file(name, "larger than 64 MB; not a file for kaito"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => {
            Ok(Text { name: name.to_owned(), text: text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text) })
        }
        Err(error) => Err(not_utf8(name, error.as_bytes(), error.utf8_error().valid_up_to())),
    }
}

fn not_utf8(name: &str, bytes: &[u8], good: usize) -> Problem {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Problem::at(
            name,
            Place::START,
            "the text is UTF-16; save it as UTF-8 (in PowerShell: Out-File -Encoding utf8)",
        );
    }
    let before = String::from_utf8_lossy(&bytes[..good]);
    let last = before.rsplit('\n').next().unwrap_or_default();
    let place = Place { line: before.matches('\n').count() + 1, column: last.chars().count() + 1 };
    Problem::at(
        name,
        place,
        format!("the byte 0x{:02x} is not UTF-8 text", bytes.get(good).copied().unwrap_or_default()),
    )
}
