//! The flight recorder: what the last reconciles saw, planned and did, to be looked at and run again.
//!
//! [`Recorder`] keeps the last reconciles in bounded memory and writes them as one JSON document; [`Recording`] is that document, read; [`replay`] plans each of its reconciles again and
//! compares, bit for bit. A plan depends on nothing but its snapshot and its settings (I4), and both are recorded: what differs on replay was decided by another program.
//!
//! | file | subject |
//! |---|---|
//! | `recorder` | the ring |
//! | `contents` | values stored once each, by hash; in full, or as changes to an earlier one |
//! | `delta` | from one JSON value to another |
//! | `wire` | the parts of the document, and facts on their way into it and out of it |
//! | `recording` | the document, read and checked |
//! | `replay` | planning again, and the first difference |
//!
//! Deliberately absent: values of Secrets, which never enter the core ([`SecretFacts`](crate::object::SecretFacts)); files and sockets. The document is described in `docs/recorder.md`.

mod contents;
mod delta;
mod recorder;
mod recording;
mod replay;
mod wire;

pub use recorder::{Limits, Recorder};
pub use recording::{Look, Recorded, Recording, RecordingError};
pub use replay::{Replayed, Verdict, replay};

/// The `apiVersion` of the document.
pub const API_VERSION: &str = "recording.kaito.sh/v1";
/// The `kind` of the document.
pub const KIND: &str = "Recording";
