//! Where the cluster is, and which addresses of an answer may be followed.
//!
//! A request carries a token that may do anything to the cluster. It goes to the host that the settings name, to that host's regions, and nowhere else.

use http::Uri;
use std::fmt;

/// Why a setting or an address of an answer is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Part of the settings is not what Azure has.
    #[error("{what} {value:?}: {expected}")]
    Setting {
        /// Which part.
        what: &'static str,
        /// As it was given.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// An answer leads elsewhere.
    #[error("leads to {host:?}, which is not {endpoint}: not followed, for the token would go there")]
    Elsewhere {
        /// The host that it leads to; empty where it cannot be read.
        host: String,
        /// Where it should lead.
        endpoint: String,
    },
}

fn setting(what: &'static str, value: &str, expected: &'static str) -> AddressError {
    AddressError::Setting { what, value: value.to_owned(), expected }
}

/// The entry of a cloud, such as `https://management.azure.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: &'static str,
    host: String,
    port: u16,
}

impl Endpoint {
    /// Reads an address: scheme and host, perhaps a port, and nothing behind. Plain HTTP is only good for a cloud on the same machine: elsewhere a token would be read on its way.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let refuse = || setting("endpoint", text, "must be https:// and a host, such as https://management.azure.com");
        let uri: Uri = text.trim().parse().map_err(|_| refuse())?;
        let (scheme, host, port) = parts(&uri).ok_or_else(refuse)?;
        let is_private = scheme == "https" || ["localhost", "127.0.0.1", "[::1]"].contains(&host.as_str());
        if !is_private || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(refuse());
        }
        Ok(Self { scheme, host, port })
    }

    /// Whether a token may be sent to an address: the same scheme and port, at the host itself or at one of its regions (`eastus.management.azure.com`).
    pub fn may_carry_token(&self, uri: &Uri) -> bool {
        let Some((scheme, host, port)) = parts(uri) else {
            return false;
        };
        let is_region = |label: &str| {
            let has_name = self.host.contains(|c: char| c.is_ascii_alphabetic()) && self.host.contains('.');
            has_name && !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let region = host.strip_suffix(&self.host).and_then(|start| start.strip_suffix('.'));
        scheme == self.scheme && port == self.port && (host == self.host || region.is_some_and(is_region))
    }

    /// An address that an answer names, where it may be followed.
    pub(super) fn follow(&self, link: &str) -> Result<Uri, AddressError> {
        let elsewhere =
            |host: &str| AddressError::Elsewhere { host: kaito_core::words::quoted(host), endpoint: self.to_string() };
        let link = link.trim();
        let whole =
            if link.starts_with('/') && !link.starts_with("//") { format!("{self}{link}") } else { link.to_owned() };
        let uri: Uri = whole.parse().map_err(|_| elsewhere(""))?;
        if self.may_carry_token(&uri) { Ok(uri) } else { Err(elsewhere(uri.host().unwrap_or_default())) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if self.port == default_port(self.scheme) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

/// Scheme, host in lower case, port. `None` for an address without them, with a name and password, or of another scheme.
fn parts(uri: &Uri) -> Option<(&'static str, String, u16)> {
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    let scheme = match uri.scheme_str()? {
        "https" => "https",
        "http" => "http",
        _ => return None,
    };
    let host = authority.host().to_ascii_lowercase();
    let rest = &authority.as_str()[authority.host().len()..];
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => default_port(scheme),
        None => return None,
        Some(text) => text.parse().ok()?,
    };
    (!host.is_empty()).then_some((scheme, host, port))
}

/// One managed cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterId {
    path: String,
    name: String,
}

impl ClusterId {
    /// A cluster by subscription, resource group (not that of its nodes) and name, in the forms of the API's definition.
    pub fn new(subscription: &str, group: &str, cluster: &str) -> Result<Self, AddressError> {
        let [subscription, group, cluster] = [subscription, group, cluster].map(str::trim);
        let is_id = subscription.len() == 36
            && subscription.bytes().enumerate().all(|(at, b)| match at {
                8 | 13 | 18 | 23 => b == b'-',
                _ => b.is_ascii_hexdigit(),
            });
        if !is_id {
            return Err(setting(
                "subscription",
                subscription,
                "must be an id such as 00000000-0000-0000-0000-000000000000",
            ));
        }
        let is_group = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
        if group.is_empty() || group.chars().count() > 90 || group.ends_with('.') || !group.chars().all(is_group) {
            return Err(setting(
                "resource group",
                group,
                "must be 1 to 90 letters, digits, '-', '_', '.', '(' or ')', and not end with '.'",
            ));
        }
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = cluster.as_bytes();
        let is_inside = bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
        if bytes.len() > 63 || !edge(bytes.first()) || !edge(bytes.last()) || !is_inside {
            return Err(setting(
                "cluster",
                cluster,
                "must be 1 to 63 letters, digits, '-' or '_', beginning and ending with a letter or digit",
            ));
        }
        let group = encoded(group);
        let path = format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{cluster}"
        );
        Ok(Self { path, name: cluster.to_owned() })
    }

    /// Its path in an address.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A part of a path, its letters beyond ASCII written as bytes.
fn encoded(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii() { path.push(char::from(byte)) } else { path.push_str(&format!("%{byte:02X}")) }
    }
    path
}

/// Which header an operation's address came in, and so how its answers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// `Azure-AsyncOperation`: a document with a status.
    Status,
    /// `Location`: 202 while it runs.
    Location,
}

/// Where an operation that is under way can be asked for. It may be signed, so it is never written down: not in a log, not in an object, and its `Debug` does not tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct OperationLink {
    pub(super) uri: Uri,
    pub(super) kind: LinkKind,
}

impl fmt::Debug for OperationLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperationLink({:?})", self.kind)
    }
}

/// Where a list goes on.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PageLink {
    pub(super) uri: Uri,
}

impl fmt::Debug for PageLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageLink")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn azure() -> Endpoint {
        Endpoint::parse("https://management.azure.com").unwrap()
    }

    #[test]
    fn an_address_is_followed_at_the_endpoint_and_its_regions_only() {
        for link in [
            "https://management.azure.com/subscriptions/0?api-version=1",
            "https://MANAGEMENT.azure.com:443/x",
            "https://eastus.management.azure.com/x",
            "/subscriptions/0/operations/1?t=2",
        ] {
            let uri = azure().follow(link).unwrap_or_else(|error| panic!("{link}: {error}"));
            assert!(azure().may_carry_token(&uri), "{link}");
        }
        for link in [
            "https://evil.example/x",
            "http://management.azure.com/x",
            "https://management.azure.com:8443/x",
            "https://management.azure.com.evil.example/x",
            "https://evilmanagement.azure.com/x",
            "https://a.b.management.azure.com/x",
            "https://management.azure.com@evil.example/x",
            "https://me:secret@management.azure.com/x",
            "//evil.example/x",
            "ftp://management.azure.com/x",
            "management.azure.com/x",
            "\\\\evil.example",
            "",
            "https://",
            "https://management.azure.com:/x",
            "https://mañagement.azure.com/x",
        ] {
            assert!(azure().follow(link).is_err(), "{link}");
        }
        let local = Endpoint::parse("http://127.0.0.1:8080/").unwrap();
        assert!(local.may_carry_token(&local.follow("http://127.0.0.1:8080/x").unwrap()));
        assert!(local.follow("http://x.127.0.0.1:8080/x").is_err());
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        // The last: everybody on the way could read the token.
        for text in
            ["", "management.azure.com", "https://a/b", "https://a?b", "ftp://a", "https://u@a", "http://arm.test"]
        {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
        assert_eq!(Endpoint::parse("https://A:8443/").unwrap().to_string(), "https://a:8443");
        let id = "00000000-0000-0000-0000-00000000000a";
        let path = ClusterId::new(id, " gr(ü).1 ", "aks_1").unwrap().path().to_owned();
        assert!(path.contains("/resourceGroups/gr(%C3%BC).1/") && path.ends_with("/managedClusters/aks_1"), "{path}");
        for (subscription, group, cluster, what) in [
            ("", "rg", "aks", "subscription"),
            ("../../x", "rg", "aks", "subscription"),
            (id, "", "aks", "resource group"),
            (id, "rg/../x", "aks", "resource group"),
            (id, "rg.", "aks", "resource group"),
            (id, "rg", "", "cluster"),
            (id, "rg", "a/b", "cluster"),
            (id, "rg", "-a", "cluster"),
        ] {
            let error = ClusterId::new(subscription, group, cluster).unwrap_err();
            assert!(error.to_string().starts_with(what), "{error}");
        }
    }
}
