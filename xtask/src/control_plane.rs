//! `cargo xtask control-plane`: a real etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl, kwok and Karpenter for the tests,
//! with the CRDs and kwok stages that they load, in one folder.
//!
//! `KUBEBUILDER_ASSETS` is used where it has the programs. Else Go builds them, once, into the user's cache folder under a key made of
//! everything that goes in: the Go module in `control-plane/`, the modules in its `modules.txt`, and the tables below.
//! Files of other projects are never committed: they are copied out of their Go modules, whose checksums are.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The names of the one program that the module in `control-plane/` is.
const PARTS: [&str; 5] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"];
const KWOK: &str = "kwok";
const KWOK_MODULE: &str = "sigs.k8s.io/kwok";
/// Karpenter with its simulated cloud, which makes Nodes that kwok keeps alive.
const KARPENTER: &str = "karpenter";
const KARPENTER_MODULE: &str = "sigs.k8s.io/karpenter";

/// Nobody debugs these programs, and without debug information they are built sooner.
const NO_DEBUG: &str = "-gcflags=all=-dwarf=false";

/// A file of the folder, made of files of a Go module.
#[derive(Hash)]
struct Document {
    name: &'static str,
    module: &'static str,
    sources: &'static [&'static str],
}

const DOCUMENTS: [Document; 4] = [
    Document {
        name: "karpenter.kwok.sh_kwoknodeclasses.yaml",
        module: KARPENTER_MODULE,
        sources: &["kwok/apis/crds/karpenter.kwok.sh_kwoknodeclasses.yaml"],
    },
    Document {
        name: "karpenter.sh_nodeclaims.yaml",
        module: KARPENTER_MODULE,
        sources: &["pkg/apis/crds/karpenter.sh_nodeclaims.yaml"],
    },
    Document {
        name: "karpenter.sh_nodepools.yaml",
        module: KARPENTER_MODULE,
        sources: &["pkg/apis/crds/karpenter.sh_nodepools.yaml"],
    },
    Document {
        name: "kwok-stages.yaml",
        module: KWOK_MODULE,
        sources: &[
            "kustomize/stage/node/fast/node-initialize.yaml",
            "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
            "kustomize/stage/pod/fast/pod-ready.yaml",
            "kustomize/stage/pod/fast/pod-complete.yaml",
            "kustomize/stage/pod/fast/pod-delete.yaml",
        ],
    },
];

/// Where the control plane is.
pub enum Found {
    Folder(PathBuf),
    /// There is none and none can be built, with the reason. Never answered in CI.
    Nowhere(String),
}

pub fn run(arguments: &[String]) -> Result<(), String> {
    if let Some(word) = arguments.first() {
        return Err(format!("takes no arguments, not {word}"));
    }
    if let Found::Folder(path) = find()? {
        println!("{}", path.display());
    }
    Ok(())
}

/// Finds or builds it. Says on stderr what takes time, and why when it cannot.
pub fn find() -> Result<Found, String> {
    let recipe = Recipe::read()?;
    if let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|value| !value.is_empty()) {
        let assets = std::path::absolute(&assets).map_err(|error| format!("KUBEBUILDER_ASSETS: {error}"))?;
        let missing: Vec<&str> = programs().filter(|name| !assets.join(name).is_file()).collect();
        if missing.is_empty() {
            return recipe.complete(&assets);
        }
        eprintln!(
            "KUBEBUILDER_ASSETS={} lacks {}: using our own control plane instead",
            assets.display(),
            missing.join(", ")
        );
    }
    recipe.build()
}

fn programs() -> impl Iterator<Item = &'static str> {
    PARTS.into_iter().chain([KWOK, KARPENTER])
}

/// A Go module used as it is published.
struct Module {
    path: String,
    version: String,
    sum: String,
}

/// What a folder is made of.
struct Recipe {
    source: PathBuf,
    modules: Vec<Module>,
    kubernetes: String,
    cache: PathBuf,
    key: u64,
}

impl Recipe {
    fn read() -> Result<Recipe, String> {
        // Cargo's own answer at run time: a target folder may be shared by several clones.
        let home = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let source = Path::new(&home).join("control-plane");
        let mut hasher = DefaultHasher::new();
        (PARTS, KARPENTER, DOCUMENTS, std::env::consts::OS, std::env::consts::ARCH).hash(&mut hasher);
        for file in ["main.go", "go.sum"] {
            read(&source.join(file))?.hash(&mut hasher);
        }
        let go_mod = read(&source.join("go.mod"))?;
        go_mod.hash(&mut hasher);
        let modules_txt = read(&source.join("modules.txt"))?;
        modules_txt.hash(&mut hasher);

        let modules = modules_txt.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let modules = modules.map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            [path, version, sum] => Ok(Module { path: path.into(), version: version.into(), sum: sum.into() }),
            _ => Err(format!("modules.txt: not a path, version and checksum: {line}")),
        });
        let kubernetes = go_mod.lines().find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes v"));
        Ok(Recipe {
            modules: modules.collect::<Result<_, _>>()?,
            kubernetes: kubernetes.ok_or("go.mod names no version of k8s.io/kubernetes")?.to_owned(),
            source,
            cache: cache_folder()?,
            key: hasher.finish(),
        })
    }

    /// `assets` where it has every document too, else a folder of links to it with the documents beside them.
    fn complete(&self, assets: &Path) -> Result<Found, String> {
        let missing: Vec<&str> =
            DOCUMENTS.iter().map(|document| document.name).filter(|name| !assets.join(name).is_file()).collect();
        if missing.is_empty() {
            return Ok(Found::Folder(assets.to_owned()));
        }
        let mut hasher = DefaultHasher::new();
        (self.key, assets).hash(&mut hasher);
        let folder = self.cache.join(format!("{:016x}", hasher.finish()));
        self.make(&folder, |partial| {
            eprintln!("KUBEBUILDER_ASSETS={} lacks {}: fetching them", assets.display(), missing.join(", "));
            for name in programs() {
                link(&assets.join(name), &partial.join(name))?;
            }
            self.write_documents(partial)
        })
    }

    fn build(&self) -> Result<Found, String> {
        let folder = self.cache.join(format!("{:016x}", self.key));
        self.make(&folder, |partial| {
            self.write_documents(partial)?;
            self.build_kwok(partial)?;
            self.build_karpenter(partial)?;
            self.build_parts(partial)
        })
    }

    /// Makes a folder in one step for everybody else: under a lock, beside its place, moved there when whole.
    fn make(&self, folder: &Path, fill: impl FnOnce(&Path) -> Result<(), String>) -> Result<Found, String> {
        let found = || Ok(Found::Folder(folder.to_owned()));
        if folder.is_dir() {
            return found();
        }
        if let Err(error) = Command::new("go").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
            let why = format!(
                "no control plane: Go is not here to build it (go: {error}); https://go.dev/dl, or set KUBEBUILDER_ASSETS"
            );
            if crate::in_ci() {
                return Err(why);
            }
            eprintln!("SKIPPED: {why}");
            return Ok(Found::Nowhere(why));
        }
        let fail = |error| format!("{}: {error}", self.cache.display());
        fs::create_dir_all(&self.cache).map_err(fail)?;
        let lock = File::create(self.cache.join("lock")).map_err(fail)?;
        if lock.try_lock().is_err() {
            eprintln!("waiting for another build of the control plane in {}", self.cache.display());
            lock.lock().map_err(fail)?;
        }
        if folder.is_dir() {
            return found();
        }
        let partial = folder.with_extension("partial");
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(fail)?;
        }
        fs::create_dir(&partial).map_err(fail)?;
        fill(&partial)?;
        fs::rename(&partial, folder).map_err(fail)?;
        found()
    }

    fn build_parts(&self, folder: &Path) -> Result<(), String> {
        let version = &self.kubernetes;
        let (major, rest) = version.split_once('.').unwrap_or((version, ""));
        let minor = rest.split('.').next().unwrap_or_default();
        let package = "k8s.io/component-base/version";
        let flags = format!(
            "-s -w -X {package}.gitVersion=v{version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        );
        let what = format!("building Kubernetes {version} (the first time about ten minutes on two cores)");
        let mut go = go(&self.source);
        go.args(["build", "-trimpath", NO_DEBUG, "-ldflags", &flags, "-o"]).arg(folder.join("control-plane")).arg(".");
        run_slowly(&what, &mut go)?;
        PARTS.iter().try_for_each(|name| link(Path::new("control-plane"), &folder.join(name)))
    }

    fn build_kwok(&self, folder: &Path) -> Result<(), String> {
        let version = &self.module(KWOK_MODULE)?.version;
        let what = format!("building kwok {version} (the first time some minutes)");
        let mut go = go(folder);
        go.env("GOBIN", folder).args(["install", "-trimpath", NO_DEBUG, "-ldflags", "-s -w"]);
        run_slowly(&what, go.arg(format!("{KWOK_MODULE}/cmd/kwok@{version}")))
    }

    /// Its package is called kwok, too: it is built beside that one, and then has its own name.
    fn build_karpenter(&self, folder: &Path) -> Result<(), String> {
        let version = &self.module(KARPENTER_MODULE)?.version;
        let what = format!("building Karpenter {version} (the first time some minutes)");
        let beside = folder.join("karpenter.partial");
        let mut go = go(folder);
        go.env("GOBIN", &beside).args(["install", "-trimpath", NO_DEBUG, "-ldflags", "-s -w"]);
        run_slowly(&what, go.arg(format!("{KARPENTER_MODULE}/kwok@{version}")))?;
        let moved = fs::rename(beside.join("kwok"), folder.join(KARPENTER)).and_then(|()| fs::remove_dir(&beside));
        moved.map_err(|error| format!("{}: {error}", beside.display()))
    }

    fn write_documents(&self, folder: &Path) -> Result<(), String> {
        for module in &self.modules {
            let downloaded = module.download(folder)?;
            for document in DOCUMENTS.iter().filter(|document| document.module == module.path) {
                let mut text = format!("# From {} {}.\n", module.path, module.version);
                for source in document.sources {
                    text += "---\n";
                    text += read(&downloaded.join(source))?.trim_start_matches("---\n");
                }
                let path = folder.join(document.name);
                fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
        Ok(())
    }

    fn module(&self, path: &str) -> Result<&Module, String> {
        self.modules.iter().find(|module| module.path == path).ok_or_else(|| format!("modules.txt has no {path}"))
    }
}

impl Module {
    /// The folder of its files, in Go's module cache, after a look at its checksum.
    fn download(&self, working_folder: &Path) -> Result<PathBuf, String> {
        let name = format!("{}@{}", self.path, self.version);
        eprintln!("fetching {name}");
        let output = go(working_folder).args(["mod", "download", "-json", &name]).stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| format!("go: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let field = |key: &str| {
            let start = format!("\"{key}\": \"");
            text.lines().find_map(|line| line.trim().strip_prefix(&start)?.trim_end_matches(',').strip_suffix('"'))
        };
        match (field("Dir"), field("Sum")) {
            (Some(folder), Some(sum)) if sum == self.sum => Ok(folder.into()),
            (_, Some(sum)) => Err(format!("{name} has the checksum {sum}, modules.txt has {}", self.sum)),
            _ => Err(format!("{name} cannot be had: {}", field("Error").unwrap_or(&text))),
        }
    }
}

/// Go, in a folder, free of what a surrounding workspace or C compiler would change.
fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(folder).env("CGO_ENABLED", "0").env("GOWORK", "off").stdin(Stdio::null());
    command
}

/// Runs a command that may take minutes and says so now and then.
fn run_slowly(what: &str, command: &mut Command) -> Result<(), String> {
    const PAUSE: Duration = Duration::from_secs(20);
    eprintln!("{what}");
    let begin = Instant::now();
    let mut next = PAUSE;
    let mut child = command.stdout(std::io::stderr()).spawn().map_err(|error| format!("{what}: {error}"))?;
    loop {
        match child.try_wait().map_err(|error| format!("{what}: {error}"))? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{what}: go ended with {status}")),
            None => sleep(Duration::from_millis(50)),
        }
        if begin.elapsed() >= next {
            eprintln!("{what}: {} s so far", begin.elapsed().as_secs());
            next += PAUSE;
        }
    }
}

fn cache_folder() -> Result<PathBuf, String> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    Ok(cache.ok_or("neither XDG_CACHE_HOME nor HOME is set: nowhere to keep a build")?.join("kaito-rs/control-plane"))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn link(target: &Path, name: &Path) -> Result<(), String> {
    std::os::unix::fs::symlink(target, name).map_err(|error| format!("{}: {error}", name.display()))
}
