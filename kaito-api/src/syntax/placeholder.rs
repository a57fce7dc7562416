//! Words that an example left for its reader to replace.

/// The placeholders in a text, in order: `ACR_REPO_HERE`, `YOUR_REGISTRY`, `<name>`, `${TAG}`, `REPLACE_ME`, …
///
/// Only what nobody would choose as a real name counts: words in capitals that say so, and the brackets of templates. `my-registry` is a name.
///
/// ```
/// use kaito_api::syntax::placeholders;
/// assert_eq!(placeholders("ACR_REPO_HERE.azurecr.io/ADAPTER_HERE:0.0.1"), ["ACR_REPO_HERE", "ADAPTER_HERE"]);
/// assert_eq!(placeholders("<your-registry>/adapter:${TAG}"), ["<your-registry>", "${TAG}"]);
/// assert!(placeholders("your-registry.azurecr.io/where/HERE:TODOS").is_empty());
/// ```
pub fn placeholders(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word = bracketed(rest).unwrap_or_else(|| word(rest));
        if is_placeholder(word) {
            found.push(word);
        }
        // A word, or one character that is in none.
        let length = if word.is_empty() { rest.chars().next().map_or(1, char::len_utf8) } else { word.len() };
        rest = rest.get(length..).unwrap_or_default();
    }
    found
}

/// Brackets that templates use: what opens, what closes.
const BRACKETS: &[(&str, &str)] = &[("<", ">"), ("${", "}"), ("{{", "}}"), ("$(", ")")];

/// What the whole word can be.
const WORDS: &[&str] = &[
    "REPLACE_ME",
    "REPLACE-ME",
    "REPLACEME",
    "CHANGE_ME",
    "CHANGE-ME",
    "CHANGEME",
    "TODO",
    "FIXME",
    "PLACEHOLDER",
    "XXX",
    "XXXX",
];

fn bracketed(text: &str) -> Option<&str> {
    BRACKETS.iter().find_map(|(open, close)| {
        let inside = text.strip_prefix(open)?;
        let length = inside.find(close)?;
        text.get(..open.len() + length + close.len())
    })
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn is_placeholder(word: &str) -> bool {
    BRACKETS.iter().any(|(open, _)| word.starts_with(open))
        || WORDS.contains(&word)
        || ["_HERE", "-HERE"].iter().any(|end| word.ends_with(end))
        || ["YOUR_", "YOUR-"].iter().any(|start| word.starts_with(start))
}
