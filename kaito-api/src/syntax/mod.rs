//! Names, labels and other small grammars of Kubernetes.
//!
//! Each check answers `Err` with what would be right, as the end of a sentence that begins with the name of the field.
//! Image references, addresses and left-over placeholders have grammars of their own: [`ImageReference`], [`public_address`], [`placeholders`].

mod address;
mod image;
mod placeholder;

pub use address::public_address;
pub use image::{ImageError, ImageReference};
pub use placeholder::placeholders;

/// What a text should have looked like.
pub type Expected = &'static str;

const LABEL: Expected =
    "must be 1 to 63 lower-case letters, digits or '-', and begin and end with a letter or digit, such as my-model";
const SERVICE: Expected = "must begin with a lower-case letter, because a Service of the same name is created";
const SUBDOMAIN: Expected =
    "must be at most 253 lower-case letters, digits, '-' or '.', each part beginning and ending with a letter or digit";
const KEY: Expected = "must be a label key: at most 63 letters, digits, '-', '_' or '.', after an optional DNS prefix and '/', such as example.com/pool";
const VALUE: Expected =
    "must be a label value: at most 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit";

fn inside(text: &str, max: usize, more: &[u8], lower_only: bool) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || (!lower_only && b.is_ascii_uppercase());
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => {
            bytes.len() <= max
                && alphanumeric(first)
                && alphanumeric(last)
                && bytes.iter().all(|&b| alphanumeric(b) || more.contains(&b))
        }
        _ => false,
    }
}

fn when(good: bool, expected: Expected) -> Result<(), Expected> {
    if good { Ok(()) } else { Err(expected) }
}

/// A DNS label of RFC 1123: the grammar of most object names that become part of a host name.
pub fn dns_label(text: &str) -> Result<(), Expected> {
    when(inside(text, 63, b"-", true), LABEL)
}

/// A DNS label of RFC 1035: as [`dns_label`], but with a letter in front. Service names are of this kind.
pub fn service_name(text: &str) -> Result<(), Expected> {
    dns_label(text)?;
    when(text.starts_with(|c: char| c.is_ascii_lowercase()), SERVICE)
}

/// A DNS subdomain of RFC 1123: the grammar of ConfigMap, Secret and most other names.
pub fn dns_subdomain(text: &str) -> Result<(), Expected> {
    when(text.len() <= 253 && !text.is_empty() && text.split('.').all(|part| inside(part, 253, b"-", true)), SUBDOMAIN)
}

/// The key of a label or annotation, with or without prefix.
pub fn label_key(text: &str) -> Result<(), Expected> {
    let name = match text.split_once('/') {
        Some((prefix, name)) => {
            dns_subdomain(prefix).map_err(|_| KEY)?;
            name
        }
        None => text,
    };
    when(inside(name, 63, b"-_.", false), KEY)
}

/// The value of a label; the empty text is one.
pub fn label_value(text: &str) -> Result<(), Expected> {
    when(text.is_empty() || inside(text, 63, b"-_.", false), VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels() {
        for good in ["a", "1a", "valid-name"] {
            assert!(dns_label(good).is_ok(), "{good}");
        }
        for bad in ["", "-mini", "phi-3.5-mini", "Upper", "a-", &"x".repeat(64)] {
            assert!(dns_label(bad).is_err(), "{bad}");
        }
        assert!(service_name("1a").is_err() && service_name("a1").is_ok());
        assert!(
            dns_subdomain("a.b-c").is_ok()
                && dns_subdomain("a..b").is_err()
                && dns_subdomain(&"x".repeat(254)).is_err()
        );
        assert!(label_key("example.com/Pool_1").is_ok() && label_key("a/b/c").is_err() && label_key("/b").is_err());
        assert!(label_value("").is_ok() && label_value("A.b_c-1").is_ok() && label_value("a b").is_err());
    }
}
