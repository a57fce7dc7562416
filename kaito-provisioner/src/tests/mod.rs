//! What the crate promises as a whole; what a file promises stands at its end.

mod answers; // what becomes of answers, well-formed and not
mod operations; // how operations end, and what of them survives
mod properties; // whatever comes in
