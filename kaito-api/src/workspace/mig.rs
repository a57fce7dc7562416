//! The small grammar of GPU slices: `<slices>g.<memory>gb`.

use std::fmt;
use std::str::FromStr;

/// A MIG profile: how many slices of a GPU, and how much of its memory.
///
/// ```
/// use kaito_api::workspace::MigProfile;
///
/// let profile: MigProfile = "1g.10gb".parse()?;
/// assert_eq!((profile.slices, profile.memory_gib), (1, 10));
/// assert!("1g.10gb+me".parse::<MigProfile>().is_err());
/// # Ok::<(), kaito_api::workspace::MigProfileError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MigProfile {
    /// Slices of computing power, from 1.
    pub slices: u32,
    /// Memory in GiB, rounded down, from 1.
    pub memory_gib: u32,
}

/// The text is not a MIG profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a MIG profile: slices and memory in lower case, such as 1g.10gb")]
pub struct MigProfileError;

impl FromStr for MigProfile {
    type Err = MigProfileError;

    fn from_str(text: &str) -> Result<Self, MigProfileError> {
        let (slices, memory) = text.split_once("g.").ok_or(MigProfileError)?;
        let memory = memory.strip_suffix("gb").ok_or(MigProfileError)?;
        let (whole, fraction) = memory.split_once('.').unwrap_or((memory, "0"));
        let number = |digits: &str| -> Result<u32, MigProfileError> {
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(MigProfileError);
            }
            digits.parse().map_err(|_| MigProfileError)
        };
        number(fraction)?;
        let profile = Self { slices: number(slices)?, memory_gib: number(whole)? };
        if profile.slices == 0 || profile.memory_gib == 0 { Err(MigProfileError) } else { Ok(profile) }
    }
}

impl fmt::Display for MigProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}g.{}gb", self.slices, self.memory_gib)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_profile_and_what_is_none() {
        for good in ["1g.5gb", "7g.180gb", "1g.16.5gb"] {
            assert!(good.parse::<MigProfile>().is_ok(), "{good}");
        }
        assert_eq!("1g.16.5gb".parse::<MigProfile>().unwrap().memory_gib, 16);
        for bad in [
            "",
            "invalid",
            "1g",
            "10gb",
            "0g.10gb",
            "1g.0gb",
            "1g.10tb",
            " 1g.10gb",
            "1G.10GB",
            "1g.10gb+me",
            "1g.gb",
            "+1g.5gb",
        ] {
            assert!(bad.parse::<MigProfile>().is_err(), "{bad}");
        }
    }
}
