//! What a pool may be called.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of an agent pool; that of its NodeClaim. One that exists is always a legal one, so that it can stand in an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PoolName(String);

/// A text that no agent pool can be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to 12 lower-case letters or digits and begin with a letter, such as ws0123456ab: an agent pool has the name of its claim, and AKS takes no other"
)]
pub struct BadName;

impl PoolName {
    /// The name, where AKS takes it (`^[a-z][a-z0-9]{0,11}$` for Linux, in the API's definition).
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let is_right = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.len() <= 12
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if is_right { Ok(Self(text.to_owned())) } else { Err(BadName) }
    }

    /// As it stands in an address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PoolName {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::parse(&text)
    }
}

impl From<PoolName> for String {
    fn from(name: PoolName) -> String {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_at_most_twelve_small_letters_and_digits() {
        for (text, is_right) in [
            ("ws0123456ab", true),
            ("ws0123456abc", true),
            ("ws0123456abcd", false),
            ("a", true),
            ("", false),
            ("0ws", false),
            ("Ws1", false),
            ("ws-1", false),
            ("wsé", false),
        ] {
            assert_eq!(PoolName::parse(text).is_ok(), is_right, "{text:?}");
        }
        assert!(BadName.to_string().contains("1 to 12 lower-case letters or digits"));
    }
}
