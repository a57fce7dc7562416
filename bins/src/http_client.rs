//! HTTP as this program speaks it beyond the API server: nothing hidden, neither retries nor redirects.

use reqwest::{Certificate, ClientBuilder, Url, redirect};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::net::IpAddr;
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

/// Whether an address is this machine itself, to which no proxy leads: elsewhere, it would be another machine.
pub(crate) fn is_loopback(address: &str) -> bool {
    let url = Url::parse(address).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The certificates of a file in PEM, at least one; why not, in words that begin with the file.
pub(crate) fn authorities(file: &Path) -> Result<Vec<Certificate>, String> {
    let wrong = |why: String| format!("{}: {why}", file.display());
    let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let (mut known, mut all) = (RootCertStore::empty(), Vec::new());
    for (at, found) in CertificateDer::pem_slice_iter(&pem).enumerate() {
        let unusable = |why: String| wrong(format!("certificate {} cannot be used: {why}", at + 1));
        let certificate = found.map_err(|error| unusable(error.to_string()))?;
        // Here and not by the client that is made with it, which does not say where it is from.
        known.add(certificate.clone()).map_err(|error| unusable(error.to_string()))?;
        all.push(Certificate::from_der(&certificate).map_err(|error| unusable(crate::causes::told(&error)))?);
    }
    if all.is_empty() { Err(wrong("it holds no certificate in PEM".to_owned())) } else { Ok(all) }
}
