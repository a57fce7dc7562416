//! A folder in the place of a hub.

use super::*;
use kaito_core::hub::HubErrorKind::{self, Malformed, NotFound, Offline, Unservable};
use kaito_operator::hub::{FolderHub, HubOptions, hub};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const OTHER: &str = "0123456789abcdef0123456789abcdef01234567";
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4933656472\n";

/// A folder of its own that is gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kaito-hub-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path); // Of a process that had this number before.
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn link(&self, path: &str, target: impl AsRef<Path>) -> &Self {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
        self
    }

    fn look(&self, id: &str) -> Result<Repository, HubError> {
        FolderHub::new(&self.0).look(id)
    }

    /// What it is refused with, which must contain these words.
    fn refuses(&self, id: &str, kind: HubErrorKind, words: &str) {
        let error = self.look(id).unwrap_err();
        assert!(error.kind == kind && error.message.contains(words), "{words}: {error:?}");
        assert!(!error.message.contains('\n'), "{error}");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn told(found: &Repository) -> Vec<(&str, u64)> {
    found.files.iter().map(|file| (file.path.as_str(), file.size)).collect()
}

#[test]
fn a_plain_folder_is_read() {
    let folder = Folder::new("plain");
    folder.write("Microsoft/phi-4/config.json", ARCHITECTURE);
    folder.write("Microsoft/phi-4/b.safetensors", vec![0; 5000]).write("Microsoft/phi-4/a/c.safetensors", POINTER);
    folder.write("Microsoft/phi-4/.git/x", "").write("Microsoft/phi-4/.gitattributes", "*");
    let found = folder.look(ID).unwrap();
    assert_eq!(found.id, "Microsoft/phi-4", "found in any case, told as it is");
    let length = u64::try_from(ARCHITECTURE.len()).unwrap();
    assert_eq!(
        told(&found),
        [(".gitattributes", 1), ("a/c.safetensors", 4_933_656_472), ("b.safetensors", 5000), ("config.json", length)]
    );
    assert_eq!(found.config.as_ref().unwrap().text, ARCHITECTURE);
    let made_up = found.commit.strip_prefix("folder-").expect("nobody takes it for a commit");
    assert!(!found.gated && made_up.len() == 40 && made_up.bytes().all(|byte| byte.is_ascii_hexdigit()));

    assert_eq!(folder.look(ID).unwrap(), found, "stable");
    folder.write("Microsoft/phi-4/b.safetensors", vec![0; 5001]);
    assert_ne!(folder.look(ID).unwrap().commit, found.commit, "what changes is another commit");
    folder.write("microsoft/phi-4/params.json", "{}");
    assert_eq!(
        folder.look(ID).unwrap().config.unwrap().path,
        "params.json",
        "the very name goes before one in another case"
    );
}

#[test]
fn the_commit_is_the_one_that_a_tool_wrote_down() {
    let folder = Folder::new("commit");
    let commit = |folder: &Folder| folder.look("a/b").unwrap().commit;
    folder.write("a/b/config.json", "{}").write("a/b/.git/HEAD", "ref: refs/heads/main\n");
    let made_up = commit(&folder);
    assert!(made_up != COMMIT && made_up != OTHER);
    let packed = format!("# pack-refs with: peeled\n{COMMIT} refs/remotes/main\n{OTHER} refs/heads/main\n");
    folder.write("a/b/.git/packed-refs", packed);
    assert_eq!(commit(&folder), OTHER);
    folder.write("a/b/.git/refs/heads/main", format!("{COMMIT}\n"));
    assert_eq!(commit(&folder), COMMIT);
    folder.write("a/b/.git/HEAD", OTHER);
    assert_eq!(commit(&folder), OTHER);
    folder.write("a/b/.cache/huggingface/download/config.json.metadata", format!("{COMMIT}\netag\n1.5\n"));
    assert_eq!(commit(&folder), COMMIT);
    let _ = fs::remove_dir_all(folder.0.join("a/b/.cache"));
    folder.write("a/b/.git/HEAD", "ref: refs/heads/../../../../../x\n").write("x", COMMIT);
    assert_eq!(commit(&folder), made_up, "no name of a branch");
}

#[test]
fn a_cache_of_the_hubs_client_is_read() {
    for base in ["", "hub/"] {
        let folder = Folder::new(&format!("cache{}", base.len()));
        let repository = format!("{base}models--microsoft--Phi-4");
        let snapshot = format!("{repository}/snapshots/{COMMIT}");
        folder
            .write(&format!("{repository}/blobs/1"), ARCHITECTURE)
            .write(&format!("{repository}/blobs/2"), vec![0; 3000]);
        folder.link(&format!("{snapshot}/config.json"), "../../blobs/1");
        folder.link(&format!("{snapshot}/model.safetensors"), "../../blobs/2");
        let found = folder.look("Microsoft/phi-4").unwrap();
        assert_eq!((found.id.as_str(), found.commit.as_str()), ("microsoft/Phi-4", COMMIT), "the only snapshot");
        assert_eq!(told(&found)[1], ("model.safetensors", 3000));

        folder.write(&format!("{repository}/snapshots/{OTHER}/params.json"), "{}");
        folder.refuses(ID, Malformed, "has 2 snapshots, and refs/main that names none of them");
        folder.write(&format!("{repository}/refs/main"), OTHER);
        assert_eq!(folder.look(ID).unwrap().commit, OTHER);
        folder.write(&format!("{repository}/refs/main"), "f".repeat(40));
        folder.refuses(ID, Malformed, "has no snapshot of ffff");

        folder.write(&format!("{repository}/refs/main"), COMMIT);
        fs::remove_file(folder.0.join(format!("{repository}/blobs/2"))).unwrap();
        folder.refuses(ID, Malformed, "model.safetensors leads nowhere, as after a download that was cut off");
    }
}

#[test]
fn nothing_outside_of_the_folder_is_told() {
    let outside = Folder::new("outside");
    outside.write("secret.json", "{\"planted\": 1}").write("c/config.json", "{\"planted\": 1}");
    outside.write(&format!("d/{COMMIT}/config.json"), "{\"planted\": 1}");
    let folder = Folder::new("inside");
    folder.link("a/b/config.json", outside.0.join("secret.json"));
    folder.link("a/c", outside.0.join("c"));
    folder.link("models--a--d/snapshots", outside.0.join("d")).write("models--a--d/refs/main", COMMIT);
    folder.link("a/e/params.json", "../../../kaito-hub-nowhere");
    folder.refuses("a/b", Malformed, "leads out of the folder of models");
    folder.refuses("a/c", Malformed, "leads out of the folder of models");
    folder.refuses("a/d", Malformed, "leads out of the folder of models");
    folder.refuses("a/e", Malformed, "leads nowhere");
    for id in ["../inside/a", "a/..", "./a", "a/b/c", "", "/etc/passwd"] {
        folder.refuses(id, NotFound, "expected owner/name");
    }
    // Links within are followed, also to the folder itself.
    let name = std::env::temp_dir().join(format!("kaito-hub-{}-link", std::process::id()));
    let _ = fs::remove_file(&name);
    symlink(&folder.0, &name).unwrap();
    folder.write("x/config.json", "{}").link("a/f", "../x");
    assert_eq!(told(&FolderHub::new(&name).look("a/f").unwrap()), [("config.json", 2)]);
    fs::remove_file(name).unwrap();
}

#[test]
fn what_is_not_as_it_should_be_is_named() {
    let folder = Folder::new("wrong");
    let path = folder.0.display();
    folder.refuses(
        ID,
        Offline,
        &format!("{ID} is not in the folder of models {path}; expected {path}/{ID}/config.json"),
    );
    fs::create_dir_all(folder.0.join("a/empty")).unwrap();
    assert_eq!(folder.look("a/empty").unwrap().config, None);
    folder.write("a/file", "");
    folder.refuses("a/file", Offline, "is not in the folder");
    folder.write("a/pointer/config.json", POINTER).write("a/large/config.json", vec![b' '; (4 << 20) + 1]);
    folder.refuses("a/pointer", Malformed, "config.json is a pointer of large-file storage");
    folder.refuses("a/large", Malformed, "has more than 4194304 bytes");
    folder.write("a/bytes/config.json", b"\xff");
    folder.refuses("a/bytes", Malformed, "no text in UTF-8");
    folder.link("a/circle/again", ".").write("a/circle/config.json", "{}");
    folder.refuses("a/circle", Malformed, "folders deep");
    // Folders count as files do, each time that a link leads to them.
    for number in 0..150 {
        fs::create_dir_all(folder.0.join(format!("a/many/{number}"))).unwrap();
        folder.link(&format!("a/wide/{number}"), "../many");
    }
    folder.refuses("a/wide", Unservable, "has more than 20000 files and folders");

    for (name, words) in [("nowhere", "cannot be read: No such file"), ("a/file", "cannot be read: Not a directory")] {
        let error = FolderHub::new(folder.0.join(name)).look(ID).unwrap_err();
        assert!(error.kind == Offline && error.message.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_folder_goes_before_the_network() {
    let (folder, server) = (Folder::new("before"), hub_but(Vec::new()).await);
    folder.write("a/b/config.json", "{}");
    let options = HubOptions { endpoint: Some(server.endpoint().parse().unwrap()), ..HubOptions::default() };
    client(&server.endpoint(), None); // A provider of TLS for the process.
    let network = hub(options.clone(), Arc::new(own(None)));
    assert_eq!(asked(&*network, ID).await.unwrap().commit, COMMIT);
    let before = server.paths().len();
    let offline = hub(HubOptions { folder: Some(folder.0.clone()), ..options }, Arc::new(own(None)));
    assert_eq!(asked(&*offline, "a/b").await.unwrap().id, "a/b");
    assert_eq!(asked(&*offline, ID).await.unwrap_err().kind, Offline);
    assert_eq!(server.paths().len(), before, "nothing is asked over the network");
}
