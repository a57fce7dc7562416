//! Pieces of Rust source.

use std::fmt::{Debug, Display};

/// `&["a", "b"]`.
pub fn strings(items: &[String]) -> String {
    list(items.iter().map(|item| format!("{item:?}")))
}

/// `&[a, b]`.
pub fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("&[{}]", items.join(", "))
}

/// Words that a table lends.
pub fn text(value: &str) -> String {
    format!("Cow::Borrowed({value:?})")
}

/// The same, several.
pub fn texts(items: &[String]) -> String {
    format!("Cow::Borrowed({})", list(items.iter().map(|item| text(item))))
}

/// `Some(…)` of a literal, or `None`.
pub fn option<T: Debug>(value: Option<&T>) -> String {
    format!("{value:?}")
}

/// `Some(…)` of an expression, or `None`.
pub fn wrap(value: Option<impl Display>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| format!("Some({value})"))
}

/// `flag=value` or a bare flag, as a `Flag`.
pub fn flag(text: &str) -> String {
    match text.split_once('=') {
        Some((flag, value)) => format!("({flag:?}, Some({value:?}))"),
        None => format!("({text:?}, None)"),
    }
}

/// Sorted flags.
pub fn flags(texts: &[String]) -> String {
    let mut texts = texts.to_vec();
    texts.sort();
    list(texts.iter().map(|text| flag(text)))
}

/// `name=value` as a pair.
pub fn pair(text: &str) -> Result<String, String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not name=value"))?;
    Ok(format!("({name:?}, {value:?})"))
}

/// `7.5` as a `ComputeCapability`.
pub fn capability(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is not a compute capability such as 7.5");
    let (major, minor) = text.split_once('.').ok_or_else(wrong)?;
    let (major, minor): (u8, u8) = (major.parse().map_err(|_| wrong())?, minor.parse().map_err(|_| wrong())?);
    Ok(format!("ComputeCapability::new({major}, {minor})"))
}

/// A name in the shape of a static: `PHI_3_MINI_4K_INSTRUCT`.
pub fn constant(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// A name in the shape of a module: `gpt_oss`.
pub fn module(name: &str) -> String {
    constant(name).to_ascii_lowercase()
}
