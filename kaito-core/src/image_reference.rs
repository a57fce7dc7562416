//! References to container images, by the rules of Docker: `phi` means `docker.io/library/phi:latest`.

/// The reference in full; `None` where it is none.
///
/// ```
/// use kaito_core::image_reference::normalised;
/// assert_eq!(normalised("scratch-X:1").as_deref(), None);
/// assert_eq!(normalised("data-image").as_deref(), Some("docker.io/library/data-image:latest"));
/// ```
pub fn normalised(text: &str) -> Option<String> {
    let (name, digest) = match text.split_once('@') {
        Some((_, digest)) if !is_digest(digest) => return None,
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let (name, tag) = match name.rsplit_once(':') {
        Some((_, port)) if port.contains('/') => (name, None),
        Some((_, tag)) if !is_tag(tag) => return None,
        Some((name, tag)) => (name, Some(tag)),
        None => (name, None),
    };
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if is_host_like(host) => (host, path.to_owned()),
        Some(_) => ("docker.io", name.to_owned()),
        None => ("docker.io", format!("library/{name}")),
    };
    if !is_host(host) || !path.split('/').all(is_component) {
        return None;
    }
    let end = match (tag, digest) {
        (None, None) => ":latest".to_owned(),
        (tag, digest) => {
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            tag + &digest.map(|digest| format!("@{digest}")).unwrap_or_default()
        }
    };
    Some(format!("{host}/{path}{end}"))
}

/// Whether a first part names a registry and not a folder.
fn is_host_like(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost" || part.chars().any(|c| c.is_ascii_uppercase())
}

fn is_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.split('.').all(is_label) && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
}

/// Lower-case letters and digits, held together by `.`, `_`, `__` or dashes.
fn is_component(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_joint = |joint: &str| matches!(joint, "." | "_" | "__") || joint.bytes().all(|b| b == b'-');
    part.starts_with(is_word)
        && part.ends_with(is_word)
        && part.split(is_word).filter(|joint| !joint.is_empty()).all(is_joint)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=128).contains(&tag.len()) && tag.starts_with(is_word) && tag.chars().all(|c| is_word(c) || ".-".contains(c))
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
            && algorithm.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-_".contains(&b))
            && hex.len() >= 32
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn references_are_read_as_docker_reads_them() {
        let digest = format!("@sha256:{}", "a".repeat(64));
        let table = [
            ("scratch-x", Some("docker.io/library/scratch-x:latest".to_owned())),
            ("team/data:1", Some("docker.io/team/data:1".to_owned())),
            ("localhost/data", Some("localhost/data:latest".to_owned())),
            ("r.example.com:5000/a/b__c-d:V1.0", Some("r.example.com:5000/a/b__c-d:V1.0".to_owned())),
            (&format!("r.example.com/a{digest}"), Some(format!("r.example.com/a{digest}"))),
            ("ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE:0.0.1", None),
            ("kaito.azurecr.io/OUTPUT:0.0.0", None),
            ("!X", None),
            ("", None),
            ("a b", None),
            ("r.example.com/", None),
            ("r.example.com/a:", None),
            ("https://r.example.com/a", None),
        ];
        for (given, wanted) in table {
            assert_eq!(normalised(given), wanted, "{given}");
        }
    }
}
