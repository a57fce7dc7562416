//! Why a control plane does not start or answer.

use std::{error, fmt, io};

/// Why a control plane does not start or answer.
///
/// A test that ends with it shows its `Debug` form, which is therefore the text with its causes.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No folder of programs was handed over.
    #[error("no control plane at hand: run `cargo xtask test`, or set {}", super::assets::VARIABLE)]
    NoAssets,
    /// The folder lacks something.
    #[error("{folder} lacks {name}: `cargo xtask control-plane` makes a whole one")]
    MissingAsset {
        /// The folder handed over.
        folder: String,
        /// The file that is not there.
        name: String,
    },
    /// A part ended, or was not ready in time.
    #[error("{part} {what}; the end of its log:\n{log}")]
    Part {
        /// The name of the part.
        part: &'static str,
        /// What happened to it.
        what: String,
        /// The last lines it wrote.
        log: String,
    },
    /// kubectl answered an exit status other than 0.
    #[error("kubectl {arguments}: {said}")]
    Kubectl {
        /// What it was called with.
        arguments: String,
        /// What it wrote to its standard error.
        said: String,
    },
    /// More groups than a client certificate made here can carry.
    #[error("{0} groups: a client certificate made here has room for two")]
    Groups(usize),
    /// A key or certificate could not be made.
    #[error("certificate")]
    Certificate(#[from] rcgen::Error),
    /// The operating system refused.
    #[error("{what}")]
    Io {
        /// What was being done, or to which file.
        what: String,
        /// The refusal.
        source: io::Error,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = error::Error::source(self);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Says what was being done when the operating system refused.
pub(super) trait At<T> {
    fn at(self, what: impl Into<String>) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, what: impl Into<String>) -> Result<T, Error> {
        self.map_err(|source| Error::Io { what: what.into(), source })
    }
}
