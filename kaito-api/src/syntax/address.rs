//! Addresses that data is downloaded from.
//!
//! A download runs inside the cluster's network, in the name of somebody who wrote a manifest: addresses that mean the machine itself, a private network or the
//! metadata service of a cloud are refused, in every way in which they can be written. A name that resolves to such an address is not seen here.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a text is an address of http or https on a public host. `Err` says what is wrong with it.
///
/// ```
/// use kaito_api::syntax::public_address;
/// assert!(public_address("https://example.com/train.parquet?download=true").is_ok());
/// assert_eq!(public_address("http://2130706433/x").unwrap_err(), "host 2130706433 is the address 127.0.0.1, which is of this machine");
/// ```
pub fn public_address(text: &str) -> Result<(), String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("it holds a blank or a control character".to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("it must begin with https:// or http://".to_owned());
    };
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(format!("it must begin with https:// or http://, not with {scheme}://"));
    }
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, port) = match place.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
        Some((v6, after)) => (v6, after),
        None => place.find(':').map_or((place, ""), |colon| place.split_at(colon)),
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    if !digits.is_empty() && digits.parse::<u16>().is_err() {
        return Err(format!("port {digits} must be a number from 0 to 65535"));
    }
    if place.starts_with('[') {
        let address = host.split('%').next().unwrap_or_default();
        let address: Ipv6Addr = address.parse().map_err(|_| format!("host [{host}] is no IPv6 address"))?;
        return refuse(host, &address, v6_fault(address));
    }
    name(host)
}

fn name(host: &str) -> Result<(), String> {
    let bare = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if bare.is_empty() {
        return Err("it names no host".to_owned());
    }
    if bare.split('.').any(str::is_empty)
        || bare.contains(['<', '>', '{', '}', '[', ']', '$', '"', '\'', '%', '^', '|', '`'])
    {
        return Err(format!("host {host} is no host name"));
    }
    if let Some(address) = any_v4(&bare) {
        return refuse(host, &address, v4_fault(address));
    }
    if bare == "localhost" || bare.ends_with(".localhost") {
        return Err(format!("host {host} is this machine"));
    }
    if METADATA_NAMES.contains(&bare.as_str()) {
        return Err(format!("host {host} is the metadata service of a cloud"));
    }
    Ok(())
}

/// Names of metadata services: Google's and Amazon's.
const METADATA_NAMES: &[&str] =
    &["metadata", "metadata.google.internal", "metadata.google", "instance-data", "instance-data.ec2.internal"];

/// Azure's host agent and the metadata service of Alibaba: public addresses by number only.
const METADATA_ADDRESSES: &[Ipv4Addr] = &[Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200)];

fn refuse(host: &str, address: &dyn std::fmt::Display, fault: Option<&str>) -> Result<(), String> {
    match fault {
        Some(fault) => Err(format!("host {host} is the address {address}, which is {fault}")),
        None => Ok(()),
    }
}

/// An IPv4 address in any form that resolvers accept: one to four numbers, each decimal, octal or hexadecimal; the last one fills the rest.
fn any_v4(host: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u32> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) {
        return None;
    }
    let shift = |index: usize| 24u32.saturating_sub(8 * u32::try_from(index).unwrap_or(3));
    let room = 32 - 8 * u32::try_from(first.len()).unwrap_or(3);
    if room < 32 && *last >> room != 0 {
        return None;
    }
    let high = first.iter().enumerate().fold(0, |sum, (index, part)| sum | (part << shift(index)));
    Some(Ipv4Addr::from(high | last))
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some("") => Some(0),
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit())),
    }
}

fn v4_fault(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, ..] = address.octets();
    if address.is_loopback() || a == 0 {
        Some("of this machine")
    } else if METADATA_ADDRESSES.contains(&address) {
        Some("the metadata service of a cloud")
    } else if address.is_link_local() {
        Some("link-local: metadata services of clouds are there")
    } else if address.is_private() || (a == 100 && (64..128).contains(&b)) {
        Some("of a private network")
    } else if address.is_multicast() || a >= 240 {
        Some("of no single host")
    } else {
        None
    }
}

fn v6_fault(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    // IPv4 inside: mapped, or translated (64:ff9b::/96).
    if let Some(inside) = address.to_ipv4_mapped() {
        return v4_fault(inside);
    }
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = segments {
        return v4_fault(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    }
    if address.is_loopback() || address.is_unspecified() {
        Some("of this machine")
    } else if segments[0] & 0xfe00 == 0xfc00 {
        Some("of a private network")
    } else if segments[0] & 0xffc0 == 0xfe80 {
        Some("link-local")
    } else if address.is_multicast() {
        Some("of no single host")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::public_address;

    #[test]
    fn public_addresses() {
        for good in [
            "https://example.com",
            "HTTPS://example.com:8443/#x",
            "http://8.8.8.8/x",
            "http://172.32.0.1/x",
            "http://user:word@data.example.com/a?b=http://10.0.0.1",
            "http://data.team.svc.cluster.local/x",
            "http://[2606:4700::1111]/x",
            "http://1password.example/x",
            "http://0xdeadbeef.example/x",
        ] {
            assert_eq!(public_address(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_is_not_public_is_refused_however_it_is_written() {
        for (bad, why) in [
            ("", "must begin"),
            ("/data/x", "must begin"),
            ("ftp://example.com/x", "not with ftp"),
            ("https://", "no host"),
            ("https://:80/x", "no host"),
            ("http://exa mple.com/", "blank"),
            ("https://a..b/x", "no host name"),
            ("https://a:b/x", "port b"),
            ("https://<host>/x", "no host name"),
            ("http://LOCALHOST:8080/x", "this machine"),
            ("http://a.localhost./x", "this machine"),
            ("http://127.8.8.8/x", "of this machine"),
            ("http://0.0.0.0/x", "of this machine"),
            ("http://2130706433/x", "127.0.0.1"),
            ("http://0177.0.0.1/x", "127.0.0.1"),
            ("http://0x7f.1/x", "127.0.0.1"),
            ("http://10.1.1.1", "private"),
            ("http://u:p@10.0.0.1/", "private"),
            ("http://192.168.1/x", "192.168.0.1"),
            ("http://169.254.169.254/latest", "link-local"),
            ("http://168.63.129.16/x", "metadata"),
            ("http://100.100.100.200/x", "metadata"),
            ("http://metadata.google/x", "metadata"),
            ("http://instance-data/latest", "metadata"),
            ("http://224.0.0.1/", "no single host"),
            ("http://[::1]/", "of this machine"),
            ("http://[::]/", "of this machine"),
            ("http://[fd00::1]/", "private"),
            ("http://[fe80::1%25eth0]/", "link-local"),
            ("http://[::ffff:10.0.0.1]/", "private"),
            ("http://[64:ff9b::a00:1]/", "private"),
            ("http://[ff02::1]/", "no single host"),
            ("http://[x]/", "no IPv6"),
            ("http://a[1-3].example.com/x", "no host name"),
            ("http://1[0-2].0.0.1/x", "no host name"),
        ] {
            let said = public_address(bad).unwrap_err();
            assert!(said.contains(why), "{bad}: {said}");
        }
    }
}
