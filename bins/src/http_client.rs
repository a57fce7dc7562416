//! HTTP as this program speaks it beyond the API server: nothing hidden, neither retries nor redirects.

use reqwest::{Certificate, ClientBuilder, redirect};
use std::path::Path;

/// A client in the making: through the proxy that the environment names (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`), unless what is asked is this machine itself or a place that no
/// proxy leads to. Fails where the process has no TLS provider, without which reqwest would panic.
pub(crate) fn builder(is_direct: bool) -> Result<ClientBuilder, String> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err("this program has no TLS provider".to_owned());
    }
    let builder = reqwest::Client::builder()
        .user_agent(format!("kaito/{}", crate::VERSION))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never());
    Ok(if is_direct { builder.no_proxy() } else { builder })
}

/// The certificates of a file in PEM; why not, in words that begin with the file.
pub(crate) fn authorities(file: &Path) -> Result<Vec<Certificate>, String> {
    let wrong = |why: String| format!("{}: {why}", file.display());
    let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    Certificate::from_pem_bundle(&pem).map_err(|error| wrong(crate::causes::told(&error)))
}
