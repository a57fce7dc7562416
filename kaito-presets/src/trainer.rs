//! What the trainer of an image can be told in `training_config.yaml`. The lists stand in the profiles: [`crate::TuningRuntime::settings`].

/// A setting of the trainer: a field of one of its classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainerSetting {
    /// The section that it stands in.
    pub section: &'static str,
    /// Its name, with `_`.
    pub key: &'static str,
    /// What it must be.
    pub takes: TrainerTakes,
}

/// What the parser of the trainer makes a value of; it is handed every value as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainerTakes {
    /// True or false, as yes, t, y and 1 are too.
    Bool,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Any word.
    Text,
    /// A word; one that begins with `{` is read as JSON.
    Json,
    /// One word or more.
    Texts,
    /// One whole number or more.
    Integers,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One or more of these words.
    SomeOf(&'static [&'static str]),
    /// Not the same in every release that may be in the image.
    Any,
    /// Nothing that a file can say: it is an object of the program.
    Nothing,
}
