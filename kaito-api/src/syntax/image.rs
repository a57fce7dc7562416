//! References of container images, as Docker and the container runtimes read them.

use std::fmt;

/// A reference in parts, with what is left out filled in: `tone:1` is `docker.io/library/tone:1`.
///
/// The grammar is that of the module `reference` of the distribution project, which kubelets and pullers use.
///
/// ```
/// use kaito_api::syntax::ImageReference;
///
/// let image: ImageReference = "scratch-x".parse()?;
/// assert_eq!(image.to_pull(), "docker.io/library/scratch-x:latest");
///
/// let wrong = "ACR_REPO_HERE.azurecr.io/ADAPTER_HERE:0.0.1".parse::<ImageReference>().unwrap_err();
/// assert_eq!(wrong.faults.len(), 2);
/// # Ok::<(), kaito_api::syntax::ImageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageReference {
    /// Host of the registry, with its port: `registry.example.com:5000`.
    pub host: String,
    /// Repository in the registry: `team/adapter`.
    pub repository: String,
    /// The tag, if one is named.
    pub tag: Option<String>,
    /// The digest, if one is named: `sha256:…`.
    pub digest: Option<String>,
}

/// Why a text is no reference of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", faults.join("; "))]
pub struct ImageError {
    /// Everything that is wrong, each as a sentence without end.
    pub faults: Vec<String>,
}

const DOCKER_HUB: &str = "docker.io";
const LONGEST_REPOSITORY: usize = 255;
const LONGEST_TAG: usize = 128;

impl ImageReference {
    /// The reference that pulls exactly this: by digest where there is one, else by tag, `latest` when none is named.
    pub fn to_pull(&self) -> String {
        let Self { host, repository, tag, digest } = self;
        match digest {
            Some(digest) => format!("{host}/{repository}@{digest}"),
            None => format!("{host}/{repository}:{}", tag.as_deref().unwrap_or("latest")),
        }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

impl std::str::FromStr for ImageReference {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        if text.is_empty() {
            return Err(ImageError { faults: vec!["it is empty".to_owned()] });
        }
        if text.len() == 64 && text.bytes().all(is_lower_hex) {
            let fault = "64 hexadecimal digits are the id of an image, by which no registry serves it";
            return Err(ImageError { faults: vec![fault.to_owned()] });
        }
        let (name, digest) = split(text, text.find('@'));
        let (host, name) = match split(name, name.find('/').filter(|end| names_a_host(name, *end))) {
            (host, Some(name)) => (Some(host), name),
            (name, None) => (None, name),
        };
        let (repository, tag) = split(name, name.find(':'));
        let host_to_ask = host.filter(|host| *host != "index.docker.io").unwrap_or(DOCKER_HUB);
        let is_official = host_to_ask == DOCKER_HUB && !repository.contains('/');
        let whole = if is_official { format!("library/{repository}") } else { repository.to_owned() };
        let faults: Vec<String> = [
            host.and_then(host_fault),
            repository_fault(repository, whole.len()),
            tag.and_then(tag_fault),
            digest.and_then(digest_fault),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !faults.is_empty() {
            return Err(ImageError { faults });
        }
        Ok(Self {
            host: host_to_ask.to_owned(),
            repository: whole,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

/// What is before and after the one character at `position`, where there is one.
fn split(text: &str, position: Option<usize>) -> (&str, Option<&str>) {
    match position {
        Some(position) => (text.get(..position).unwrap_or_default(), text.get(position + 1..)),
        None => (text, None),
    }
}

/// The first part is a host when it could not be a part of a repository.
fn names_a_host(name: &str, end: usize) -> bool {
    name.get(..end).is_some_and(|first| {
        first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|b| b.is_ascii_uppercase())
    })
}

fn host_fault(host: &str) -> Option<String> {
    let (name, port) = match host.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
        Some((v6, port)) => {
            if v6.parse::<std::net::Ipv6Addr>().is_err() {
                return Some(format!("host {host} is no IPv6 address in brackets"));
            }
            if !port.is_empty() && !port.starts_with(':') {
                return Some(format!("host {host} holds {port:?} behind the address"));
            }
            ("v6", port.strip_prefix(':'))
        }
        None => split(host, host.find(':')),
    };
    if name.contains('_') {
        return Some(format!("host {host} holds '_', which no host name may"));
    }
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !name.split('.').all(is_part) {
        return Some(format!("host {host} must be letters, digits and '-', in parts set apart by '.'"));
    }
    port.filter(|port| port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()))
        .map(|port| format!("port {port:?} of host {host} must be a number"))
}

/// `length` is that of the repository with what was left out.
fn repository_fault(repository: &str, length: usize) -> Option<String> {
    if repository.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some(format!("repository {repository} must be lower case"));
    }
    if length > LONGEST_REPOSITORY {
        return Some(format!("the repository has {length} characters; must be at most {LONGEST_REPOSITORY}"));
    }
    let all = repository.split('/').all(is_repository_part);
    (!all).then(|| {
        format!("repository {repository:?} must be lower-case letters and digits, in parts set apart by '/', '.', '_', '__' or '-'")
    })
}

/// Letters and digits; between them one of `.`, `_`, `__` or any number of `-`.
fn is_repository_part(part: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends_in_words =
        |bytes: &[u8]| bytes.first().is_some_and(|b| is_word(*b)) && bytes.last().is_some_and(|b| is_word(*b));
    let separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends_in_words(part.as_bytes())
        && separators.into_iter().all(|run| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|b| b == b'-'))
}

fn tag_fault(tag: &str) -> Option<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good =
        tag.starts_with(is_word) && tag.len() <= LONGEST_TAG && tag.chars().all(|c| is_word(c) || c == '.' || c == '-');
    (!good).then(|| format!("tag {tag:?} must be 1 to {LONGEST_TAG} letters, digits, '_', '.' or '-', and begin with none of the last two"))
}

fn digest_fault(digest: &str) -> Option<String> {
    let digits = match digest.split_once(':') {
        Some(("sha256", hex)) => (64, hex),
        Some(("sha384", hex)) => (96, hex),
        Some(("sha512", hex)) => (128, hex),
        _ => return Some(format!("digest {digest:?} must begin with sha256:, sha384: or sha512:")),
    };
    let (wanted, hex) = digits;
    let good = hex.len() == wanted && hex.bytes().all(is_lower_hex);
    (!good).then(|| format!("digest {digest:?} must end in {wanted} lower-case hexadecimal digits"))
}

fn is_lower_hex(b: u8) -> bool {
    b.is_ascii_digit() || (b'a'..=b'f').contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_filled_in_as_docker_does() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let by_digest = format!("r.io/x:1@{digest}");
        let pulled = format!("r.io/x@{digest}");
        let table = [
            ("i", "docker.io/library/i:latest"),
            ("data-image:latest", "docker.io/library/data-image:latest"),
            ("team/adapter", "docker.io/team/adapter:latest"),
            ("index.docker.io/adapter:2", "docker.io/library/adapter:2"),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a/b:c", "localhost:5000/a/b:c"),
            ("UPPER.io/x:1", "UPPER.io/x:1"),
            ("[::1]:5000/a__b-c---d.e/f_g:V1.0-x", "[::1]:5000/a__b-c---d.e/f_g:V1.0-x"),
            (&by_digest, &pulled),
        ];
        for (text, wanted) in table {
            assert_eq!(text.parse::<ImageReference>().map(|image| image.to_pull()), Ok(wanted.to_owned()), "{text}");
        }
        assert_eq!(by_digest.parse::<ImageReference>().unwrap().to_string(), by_digest);
    }

    #[test]
    fn every_fault_is_named() {
        let id = "a".repeat(64);
        let long = format!("r.io/{}", "a/".repeat(130));
        let official = "a".repeat(253); // with `library/` in front
        let table: &[(&str, &[&str])] = &[
            ("", &["empty"]),
            (&id, &["id of an image"]),
            (
                "ACR_REPO_HERE.azurecr.io/ADAPTER_HERE:0.0.1",
                &["ACR_REPO_HERE.azurecr.io holds '_'", "ADAPTER_HERE must be lower case"],
            ),
            ("kaito.azurecr.io/INPUT:0.0.0", &["repository INPUT must be lower case"]),
            ("r.io/x:", &["tag \"\""]),
            ("r.io//x", &["repository \"/x\""]),
            ("!x", &["repository \"!x\""]),
            ("r.io/a___b", &["repository \"a___b\""]),
            ("r.io/a b", &["repository \"a b\""]),
            ("-r.io/x", &["host -r.io"]),
            ("r.io:abc/x", &["port \"abc\""]),
            ("r.io/x@sha256:abc", &["64 lower-case"]),
            ("r.io/x@md5:abc", &["must begin with sha256"]),
            ("[::g]/x", &["no IPv6"]),
            ("[::1] ;id:5/x", &["behind the address"]),
            (&official, &["261 characters; must be at most 255"]),
            ("<registry>/x:${TAG}", &["repository \"<registry>/x\"", "tag \"${TAG}\""]),
            (&long, &["at most 255"]),
        ];
        for (text, faults) in table {
            let found = text.parse::<ImageReference>().unwrap_err().faults;
            assert_eq!(found.len(), faults.len(), "{text}: {found:?}");
            for (found, wanted) in found.iter().zip(*faults) {
                assert!(found.contains(wanted), "{text}: {found}");
            }
        }
    }
}
