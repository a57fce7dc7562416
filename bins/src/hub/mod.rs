//! What a hub of models is asked, over the network or in a folder.
//!
//! [`hub`] makes the one that the options ask for: with a folder it is [`FolderHub`] and nothing else, so that a cluster without a way out waits for no time-out; else [`HubClient`] asks Hugging
//! Face, or a mirror of it. Neither keeps anything or tries again: when to ask, and what to remember, is decided by who asks. What follows from an answer is decided in `kaito_core`.

mod address; // where a hub is, and what a repository is called
mod answer; // what a hub's answers must look like
mod client; // three questions to a hub
mod exchange; // one question: redirects, bounds, time limits, refusals
mod folder; // a folder in the place of a hub
mod patience; // how long a hub asks to wait
mod snapshot; // the files below a folder
mod token; // with whose permission

pub use address::{Endpoint, EndpointError, RepositoryId};
pub use client::HubClient;
pub use exchange::TimeLimits;
pub use folder::FolderHub;
pub use token::{ClusterTokens, HubToken, OwnToken, TokenError, TokenSource};

use kaito_core::hub::ModelHub;
use std::path::PathBuf;
use std::sync::Arc;

/// Which hub is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HubOptions {
    /// `--model-hub-endpoint`, else `HF_ENDPOINT`; Hugging Face itself without one.
    pub endpoint: Option<Endpoint>,
    /// `--model-folder`: the folder that is looked into; then nothing is asked over the network.
    pub folder: Option<PathBuf>,
    /// `HF_TOKEN`: what is shown to the hub where a Workspace names no Secret.
    pub token: Option<HubToken>,
}

/// The hub that the options ask for. Asks nothing yet, and cannot fail: what is in the way, such as a folder that is not there, is told when a model is asked for.
///
/// Over the network it needs a tokio runtime and a rustls provider of the process, as the programs here have.
pub fn hub(options: HubOptions, tokens: Arc<dyn TokenSource>) -> Arc<dyn ModelHub> {
    match options.folder {
        Some(folder) => Arc::new(FolderHub::new(folder)),
        None => Arc::new(HubClient::new(options.endpoint.unwrap_or_default(), tokens, TimeLimits::default())),
    }
}

/// Whether a text is the name of a commit: 40 hexadecimal digits.
fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What describes a model, best first. Mistral's own format has the second; where both are there, the first says more.
const CONFIGS: [&str; 2] = ["config.json", "params.json"];

/// Bytes of a config at most; that of the largest models has some 100 KiB.
const MOST_CONFIG: usize = 4 << 20;
