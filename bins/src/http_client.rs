//! HTTP as this program speaks it beyond the API server: nothing hidden, neither retries nor redirects.

use reqwest::{ClientBuilder, redirect};

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
