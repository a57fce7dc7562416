//! The files below a folder, never outside of another one.

use super::{CONFIGS, MOST_CONFIG, answer, is_commit};
use kaito_core::hash;
use kaito_core::hub::{ConfigFile, HubErrorKind, RepositoryFile};
use std::fmt::Write;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Display, Path, PathBuf};
use std::time::{Duration, Instant};

/// Files, folders and whatever else at most; a model has tens. Links may lead to the same folders again and again: each time counts.
const MOST_ENTRIES: usize = 20_000;

/// A volume of a network that takes longer is not waited for.
const LONGEST: Duration = Duration::from_secs(120);

/// Folders within folders at most, also where links go in circles.
const DEEPEST: usize = 16;

/// Bytes of a pointer of large-file storage at most (git-lfs, `docs/spec.md`).
const MOST_POINTER: u64 = 1024;

/// What lies below a folder.
pub(super) struct Snapshot {
    /// Sorted by path.
    pub(super) files: Vec<RepositoryFile>,
    pub(super) config: Option<ConfigFile>,
    /// The commit that a tool has written down.
    pub(super) commit: Option<String>,
    /// 40 hexadecimal digits that are the same while paths, sizes and config are; no hub knows them as a commit.
    pub(super) fingerprint: String,
}

/// Why a folder is not read, in words.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) kind: HubErrorKind,
    pub(super) words: String,
}

impl From<String> for Trouble {
    fn from(words: String) -> Self {
        Self { kind: HubErrorKind::Malformed, words }
    }
}

/// Reads what lies below a folder. Links are followed within `root`.
///
/// # Errors
/// Something leads out of `root` or nowhere, is more than a model has, or takes too long.
pub(super) fn read(root: &Path, folder: &Path) -> Result<Snapshot, Trouble> {
    let mut walk = Walk { root, files: Vec::new(), entries: 0, until: Instant::now() + LONGEST };
    walk.below(folder, "", DEEPEST)?;
    let mut files = walk.files;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let path = CONFIGS.into_iter().find(|path| files.iter().any(|file| file.path == *path));
    let config = path.map(|path| config(root, folder, path)).transpose()?;
    let commit = path.and_then(|path| downloaded(root, folder, path)).or_else(|| cloned(root, folder));
    let mut listing = String::new();
    for file in &files {
        let _ = writeln!(listing, "{}\u{0}{}", file.path, file.size); // A String takes everything.
    }
    let text = config.as_ref().map(|config| config.text.as_str()).unwrap_or_default();
    let fingerprint = hash::short(&[&listing, text], 40);
    Ok(Snapshot { files, config, commit, fingerprint })
}

/// A text file of at most so many bytes, within `root`.
///
/// # Errors
/// It is not there, not within, too large, or no text; in words.
pub(super) fn text(root: &Path, path: &Path, most: usize) -> Result<String, String> {
    let file = within(root, path)?;
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", inner(root, path));
    // Only of files: opening a pipe would wait for whoever writes into it.
    if !fs::metadata(&file).map_err(unreadable)?.is_file() {
        return Err(format!("{} is no file", inner(root, path)));
    }
    let (mut bytes, most) = (Vec::new(), u64::try_from(most).unwrap_or(u64::MAX));
    File::open(&file).and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes)).map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(format!("{} has more than {most} bytes", inner(root, path)));
    }
    String::from_utf8(bytes).map_err(|_| format!("{} is no text in UTF-8", inner(root, path)))
}

/// A walk over everything that lies below a folder.
struct Walk<'a> {
    root: &'a Path,
    files: Vec<RepositoryFile>,
    /// What was looked at so far.
    entries: usize,
    /// When it has taken too long.
    until: Instant,
}

impl Walk<'_> {
    fn below(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), Trouble> {
        let root = self.root;
        let unreadable = |path: &Path, error: std::io::Error| format!("{} cannot be read: {error}", inner(root, path));
        if depth == 0 {
            return Err(format!("{prefix} lies more than {DEEPEST} folders deep").into());
        }
        let real = within(root, folder)?;
        for entry in fs::read_dir(&real).map_err(|error| unreadable(folder, error))? {
            self.count()?;
            let entry = entry.map_err(|error| unreadable(folder, error))?;
            let name =
                entry.file_name().into_string().map_err(|name| format!("{} is no name in UTF-8", name.display()))?;
            let (path, relative) = (real.join(&name), format!("{prefix}{name}"));
            let file = within(root, &path)?;
            let metadata = fs::metadata(&file).map_err(|error| unreadable(&path, error))?;
            if metadata.is_dir() {
                // `.git`, `.cache`, and the `..data` of a mounted ConfigMap belong to tools.
                if !name.starts_with('.') {
                    self.below(&path, &format!("{relative}/"), depth - 1)?;
                }
            } else if metadata.is_file() {
                let is_small = metadata.len() <= MOST_POINTER;
                let pointed = is_small.then(|| pointed(root, &path)).flatten();
                self.files.push(RepositoryFile { path: relative, size: pointed.unwrap_or(metadata.len()) });
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Trouble> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            let words = format!("has more than {MOST_ENTRIES} files and folders, which no model has");
            return Err(Trouble { kind: HubErrorKind::Unservable, words });
        }
        if Instant::now() > self.until {
            let words = format!("was not looked through within {} seconds", LONGEST.as_secs());
            return Err(Trouble { kind: HubErrorKind::Unavailable, words });
        }
        Ok(())
    }
}

/// A path as seen from `root`, for a message.
fn inner<'a>(root: &Path, path: &'a Path) -> Display<'a> {
    path.strip_prefix(root).unwrap_or(path).display()
}

/// Where a path leads, which must be within `root`.
fn within(root: &Path, path: &Path) -> Result<PathBuf, String> {
    let real = fs::canonicalize(path).map_err(|error| {
        format!("{} leads nowhere, as after a download that was cut off: {error}", inner(root, path))
    })?;
    if real.starts_with(root) {
        Ok(real)
    } else {
        Err(format!("{} leads out of the folder of models", inner(root, path)))
    }
}

fn pointed(root: &Path, path: &Path) -> Option<u64> {
    answer::pointed(&text(root, path, MOST_CONFIG).ok()?)
}

fn config(root: &Path, folder: &Path, path: &str) -> Result<ConfigFile, String> {
    let found = text(root, &folder.join(path), MOST_CONFIG)?;
    let text = answer::config(found.into_bytes()).map_err(|complaint| format!("{path} {complaint}"))?;
    Ok(ConfigFile { path: path.to_owned(), text })
}

/// The commit that `hf download --local-dir` notes for each file, in the first line of `.cache/huggingface/download/<path>.metadata`.
fn downloaded(root: &Path, folder: &Path, path: &str) -> Option<String> {
    let note = folder.join(".cache/huggingface/download").join(format!("{path}.metadata"));
    commit_in(&text(root, &note, 4096).ok()?)
}

/// The commit that a clone of git stands at.
fn cloned(root: &Path, folder: &Path) -> Option<String> {
    let git = folder.join(".git");
    let head = text(root, &git.join("HEAD"), 4096).ok()?;
    let Some(name) = head.trim().strip_prefix("ref: refs/heads/") else { return commit_in(&head) };
    if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let loose = text(root, &git.join("refs/heads").join(name), 4096).ok();
    loose.as_deref().and_then(commit_in).or_else(|| {
        let packed = text(root, &git.join("packed-refs"), 1 << 20).ok()?;
        let suffix = format!(" refs/heads/{name}");
        packed.lines().find_map(|line| commit_in(line.strip_suffix(&suffix)?))
    })
}

/// The commit in the first line.
fn commit_in(text: &str) -> Option<String> {
    text.lines().next().map(str::trim).filter(|line| is_commit(line)).map(str::to_owned)
}
