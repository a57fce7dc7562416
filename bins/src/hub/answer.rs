//! What a hub's answers must look like. What else they hold is not read.

use super::address::RepositoryId;
use super::is_commit;
use kaito_core::hub::RepositoryFile;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What a pointer of large-file storage begins with (git-lfs, `docs/spec.md`); it stands in the place of a file that was not fetched.
const POINTER: &str = "version https://git-lfs.github.com/spec/";

/// What `/api/models/<id>/revision/main` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    /// The repository, spelled as the hub spells it.
    pub(super) id: RepositoryId,
    pub(super) commit: String,
    pub(super) gated: bool,
}

/// What an answer is not, as the end of a sentence that begins with its address.
pub(super) type Complaint = String;

impl About {
    pub(super) fn read(body: &[u8]) -> Result<Self, Complaint> {
        #[derive(Deserialize)]
        struct Wire {
            id: String,
            sha: String,
            gated: Option<Gated>,
        }
        /// `false`, or who decides: `"auto"`, `"manual"`.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Gated {
            Is(bool),
            By(String),
        }
        let wire: Wire = json(body, "the hub's JSON about a model, with id and sha")?;
        let id = RepositoryId::parse(&wire.id).map_err(|error| format!("names another model: {}", error.message))?;
        if !is_commit(&wire.sha) {
            let said = kaito_core::words::quoted(&wire.sha);
            return Err(format!("has the sha {said:?}, which is no commit; expected 40 hexadecimal digits"));
        }
        let gated = match wire.gated {
            None => false,
            Some(Gated::Is(gated)) => gated,
            Some(Gated::By(who)) => !who.is_empty(),
        };
        Ok(Self { id, commit: wire.sha.to_ascii_lowercase(), gated })
    }
}

/// The files in one page of `/api/models/<id>/tree/<commit>`; folders are left out.
pub(super) fn files(body: &[u8]) -> Result<Vec<RepositoryFile>, Complaint> {
    #[derive(Deserialize)]
    struct Entry {
        r#type: String,
        path: String,
        size: Option<u64>,
        lfs: Option<Lfs>,
    }
    #[derive(Deserialize)]
    struct Lfs {
        size: u64,
    }
    let entries: Vec<Entry> = json(body, "the hub's JSON list of files, each with type, path and size")?;
    let files = entries.into_iter().filter(|entry| entry.r#type == "file").map(|entry| {
        let size = entry.lfs.map(|lfs| lfs.size).or(entry.size);
        let size = size.ok_or_else(|| format!("tells no size of {}", kaito_core::words::quoted(&entry.path)))?;
        Ok(RepositoryFile { path: entry.path, size })
    });
    files.collect()
}

fn json<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, Complaint> {
    if is_page(body) {
        return Err(format!("is a web page, perhaps of a proxy or of a login; expected {expected}"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| error.to_string())
        .and_then(|read| reader.end().map(|()| read).map_err(|error| error.to_string()));
    read.map_err(|error| format!("is not what a hub says: {}; expected {expected}", kaito_core::words::quoted(&error)))
}

/// A config as it stands.
pub(super) fn config(body: Vec<u8>) -> Result<String, Complaint> {
    if is_page(&body) {
        return Err("is a web page, perhaps of a proxy or of a login; expected JSON".to_owned());
    }
    let text = String::from_utf8(body).map_err(|_| "is no text in UTF-8; expected JSON".to_owned())?;
    if pointed(&text).is_some() {
        return Err("is a pointer of large-file storage; expected the JSON that it points to".to_owned());
    }
    Ok(text)
}

/// No JSON begins so, and every page does.
fn is_page(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    body.trim_ascii_start().starts_with(b"<")
}

/// Where a text is a pointer of large-file storage: the size of what it points to, 0 where it does not tell.
pub(super) fn pointed(text: &str) -> Option<u64> {
    let rest = text.strip_prefix(POINTER)?;
    Some(rest.lines().find_map(|line| line.strip_prefix("size ")?.trim().parse().ok()).unwrap_or(0))
}

/// The query of the next page in a header `Link: <https://…?cursor=…>; rel="next"` (RFC 8288). Only that: a mirror passes on the hub's own address, which is not the one to ask.
pub(super) fn next_page(link: &str) -> Option<&str> {
    link.split('<').find_map(|link| {
        let (address, rest) = link.split_once('>')?;
        let mut parameters = rest.split([';', ',']).map(str::trim);
        let is_next = parameters.any(|parameter| matches!(parameter, "rel=\"next\"" | "rel=next"));
        let (_, query) = address.split_once('?').filter(|_| is_next)?;
        Some(query.split_once('#').map_or(query, |(query, _)| query))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_a_query() {
        for (link, expected) in [
            (
                "<https://huggingface.co/api/models/a/b/tree/main?recursive=true&cursor=Zm8%3D>; rel=\"next\"",
                Some("recursive=true&cursor=Zm8%3D"),
            ),
            ("<https://x/?p=1>; rel=\"prev\", </y?p=3>; title=\"a\"; rel=\"next\"", Some("p=3")),
            ("<https://x/?p=1>; rel=\"prev\"", None),
            ("<https://x/>; rel=\"next\"", None),
            ("?cursor=1; rel=\"next\"", None),
            ("<https://x/?p=1#top>; rel=next", Some("p=1")),
            ("<<<>>>", None),
        ] {
            assert_eq!(next_page(link), expected, "{link}");
        }
    }

    #[test]
    fn a_pointer_tells_the_size_of_what_it_points_to() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
        assert_eq!((pointed(pointer), pointed(&pointer[..50]), pointed("{}")), (Some(12345), Some(0), None));
        assert!(config(pointer.into()).is_err_and(|complaint| complaint.contains("pointer of large-file storage")));
    }
}
