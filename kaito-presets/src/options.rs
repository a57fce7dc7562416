//! What a server of vLLM can be told. The lists stand in the profiles: [`crate::RuntimeProfile::option`].

/// Something that a server of vLLM can be told on its command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VllmOption {
    /// Its name in dashes, without those in front.
    pub name: &'static str,
    /// What comes after it.
    pub takes: Takes,
}

/// What comes after an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Takes {
    /// Nothing: it is a switch, and most have a `--no-…` too.
    Nothing,
    /// A whole number; some are written as `8k` too.
    Integer,
    /// A number.
    Number,
    /// A word, a list, or JSON.
    Text,
}
