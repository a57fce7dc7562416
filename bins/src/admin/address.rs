//! Addresses as Go programs spell them: `:8081`, `127.0.0.1:8081`, `[::1]:8081`, and `0` for none.

use std::fmt;
use std::str::FromStr;
use tokio::net::TcpListener;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindAddress {
    /// Nowhere.
    Off,
    /// On every address of this machine.
    Everywhere(u16),
    /// On one host name or address.
    Host(String, u16),
}

/// An address that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address to listen on; expected :PORT, HOST:PORT, or 0 for none")]
pub struct AddressError(String);

impl FromStr for BindAddress {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.to_owned());
        if text == "0" {
            return Ok(BindAddress::Off);
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.contains(':') && bare.len() == host.len() {
            return Err(wrong());
        }
        Ok(if bare.is_empty() { BindAddress::Everywhere(port) } else { BindAddress::Host(bare.to_owned(), port) })
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindAddress::Off => f.write_str("0"),
            BindAddress::Everywhere(port) => write!(f, ":{port}"),
            BindAddress::Host(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl BindAddress {
    /// Listens; `None` where it is off. Fails when the port is taken or the host is not ours. On every address means IPv6 and IPv4, or IPv4 alone where there is no IPv6.
    pub async fn listen(&self) -> std::io::Result<Option<TcpListener>> {
        match self {
            BindAddress::Off => Ok(None),
            BindAddress::Host(host, port) => TcpListener::bind((host.as_str(), *port)).await.map(Some),
            BindAddress::Everywhere(port) => match TcpListener::bind(("::", *port)).await {
                Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
                    TcpListener::bind(("0.0.0.0", *port)).await.map(Some)
                }
                there => there.map(Some),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_go_reads_them() {
        let host = |host: &str| Ok(BindAddress::Host(host.into(), 80));
        for (text, read) in [
            ("0", Ok(BindAddress::Off)),
            (":8081", Ok(BindAddress::Everywhere(8081))),
            ("127.0.0.1:80", host("127.0.0.1")),
            ("localhost:80", host("localhost")),
            ("[::1]:80", host("::1")),
            ("::1:80", Err(AddressError("::1:80".into()))),
            ("8081", Err(AddressError("8081".into()))),
            (":http", Err(AddressError(":http".into()))),
        ] {
            assert_eq!(text.parse(), read, "{text}");
        }
    }
}
