//! A folder in the place of a hub, for clusters without a way out.
//!
//! | layout | made by |
//! |---|---|
//! | `DIR/<owner>/<name>/…` | `hf download <owner>/<name> --local-dir DIR/<owner>/<name>`, or `git clone` |
//! | `DIR/models--<owner>--<name>/snapshots/<commit>/…`, `DIR/hub/models--…` | a cache of the hub's Python client (`HF_HUB_CACHE`, `HF_HOME`) |
//!
//! Weights need not be there: in a clone without them their pointers of large-file storage tell the sizes. Names are found in any case, for so a hub does.

use super::address::RepositoryId;
use super::is_commit;
use super::snapshot::{self, Trouble};
use async_trait::async_trait;
use kaito_core::hub::{HubError, HubErrorKind, ModelHub, ModelQuery, Repository};
use kaito_core::words::quoted;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// A hub that is a folder. Knows no tokens, and asks nobody.
#[derive(Debug, Clone)]
pub struct FolderHub {
    folder: PathBuf,
    /// Held by whoever looks: a look at a volume that hangs goes on when nobody waits for it any more, and none is begun beside it.
    looks: Arc<Mutex<()>>,
}

/// Where a repository lies.
struct Place {
    /// As the folders spell it.
    id: RepositoryId,
    /// The folder of its files.
    files: PathBuf,
    /// The commit, where the layout names it.
    commit: Option<String>,
}

#[async_trait]
impl ModelHub for FolderHub {
    async fn repository(&self, query: &ModelQuery) -> Result<Repository, HubError> {
        let (hub, id) = (self.clone(), query.id.clone());
        let turn = Arc::clone(&self.looks).lock_owned().await;
        // A volume of a network may take its time.
        let looked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            hub.look(&id)
        });
        let looked = looked.await;
        looked.unwrap_or_else(|error| Err(HubError::new(HubErrorKind::Unavailable, error.to_string())))
    }
}

impl FolderHub {
    /// A hub that is this folder; it is looked at when something is asked.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), looks: Arc::default() }
    }

    /// What the folder holds of a model.
    ///
    /// # Errors
    /// [`HubErrorKind::Offline`]: it is not there, or the folder is not. [`HubErrorKind::Malformed`]: it is not whole, or leads out of the folder. [`HubErrorKind::Unservable`]: it is more than a model
    /// has. [`HubErrorKind::Unavailable`]: looking took too long.
    pub fn look(&self, id: &str) -> Result<Repository, HubError> {
        let id = RepositoryId::parse(id)?;
        let folder = quoted(&self.folder.display().to_string());
        let offline = |words: String| HubError::new(HubErrorKind::Offline, words);
        let root = fs::canonicalize(&self.folder).and_then(|root| fs::read_dir(&root).map(|_| root));
        let root = root.map_err(|error| offline(format!("the folder of models {folder} cannot be read: {error}")))?;
        let refused = |why: Trouble| HubError::new(why.kind, format!("{folder}: {id}: {}", quoted(&why.words)));
        let found = in_cache(&root, &id).map_err(|why| refused(why.into()))?.or_else(|| plain(&root, &id));
        let place = found.ok_or_else(|| {
            offline(format!(
                "{id} is not in the folder of models {folder}; expected {folder}/{id}/config.json, or {folder}/models--{}--{}/snapshots",
                id.owner, id.name
            ))
        })?;
        let found = snapshot::read(&root, &place.files).map_err(refused)?;
        let commit = place.commit.or(found.commit).unwrap_or_else(|| format!("folder-{}", found.fingerprint));
        Ok(Repository { id: place.id.to_string(), commit, gated: false, files: found.files, config: found.config })
    }
}

/// `DIR/<owner>/<name>`.
fn plain(root: &Path, id: &RepositoryId) -> Option<Place> {
    let owner = folder_like(root, &id.owner)?;
    let inside = root.join(&owner);
    let name = folder_like(&inside, &id.name)?;
    let files = inside.join(&name);
    Some(Place { id: RepositoryId { owner, name }, files, commit: None })
}

/// `DIR/models--<owner>--<name>`, and the snapshot that `refs/main` names, else the only one.
fn in_cache(root: &Path, id: &RepositoryId) -> Result<Option<Place>, String> {
    let wanted = format!("models--{}--{}", id.owner, id.name);
    let caches = [root.to_path_buf(), root.join("hub")];
    let Some((cache, folder)) = caches.iter().find_map(|cache| Some((cache, folder_like(cache, &wanted)?))) else {
        return Ok(None);
    };
    let repository = cache.join(&folder);
    let snapshots = names(&repository.join("snapshots")).into_iter().filter(|name| is_commit(name));
    let snapshots: Vec<String> = snapshots.collect();
    let main = snapshot::text(root, &repository.join("refs").join("main"), 64).ok();
    let commit = match (main.as_deref().map(str::trim), snapshots.as_slice()) {
        (Some(main), all) if all.iter().any(|name| name == main) => main.to_owned(),
        (None, [only]) => only.clone(),
        (Some(main), _) if is_commit(main) => {
            return Err(format!("{folder} has no snapshot of {main}, which is its main; download it again"));
        }
        _ => return Err(format!("{folder} has {} snapshots, and refs/main that names none of them", snapshots.len())),
    };
    // The folder is spelled as the query but for case, so that its parts are as long.
    let (owner, name) = (folder.get(8..8 + id.owner.len()), folder.get(10 + id.owner.len()..));
    let id = RepositoryId { owner: owner.unwrap_or(&id.owner).to_owned(), name: name.unwrap_or(&id.name).to_owned() };
    Ok(Some(Place { id, files: repository.join("snapshots").join(&commit), commit: Some(commit) }))
}

/// The folder of a name in a folder: the very name, else the first that differs in case only.
fn folder_like(inside: &Path, name: &str) -> Option<String> {
    let mut alike: Vec<String> = names(inside)
        .into_iter()
        .filter(|found| found.eq_ignore_ascii_case(name) && inside.join(found).is_dir())
        .collect();
    alike.sort_by_key(|found| (found != name, found.clone()));
    alike.into_iter().next()
}

/// Names in a folder; none where it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}
