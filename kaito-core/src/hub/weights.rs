//! Which files of a repository are weights: those that the server loads, and those that a node downloads for it.
//!
//! As the reference: consolidated files before safetensors before PyTorch's (`generator.go`). Unlike it, a name is matched whole, so that an index or a `training_args.bin` is no weight, and only the
//! root counts as loaded, as vLLM does (`weight_utils.py`): folders hold copies in other formats (`original/`, `metal/`, `onnx/`), which the reference counts twice. Files in folders are downloaded all the same, for
//! the pattern that vLLM asks a hub for does not stop at a slash: they count for the disk and the time to start.

use super::{Repository, RepositoryFile, Undescribed};

/// What is loaded and what is downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights {
    /// Paths of the files that are loaded, in the hub's order.
    pub files: Vec<String>,
    /// Bytes of them.
    pub loaded_bytes: u64,
    /// Bytes of everything that the server's pattern brings onto the node.
    pub downloaded_bytes: u64,
    /// In Mistral's own format: load, config and tokenizer formats are `mistral`.
    pub mistral: bool,
}

/// A format that weights come in.
struct Format {
    /// How a name begins.
    prefix: &'static str,
    /// How it ends.
    suffix: &'static str,
    mistral: bool,
}

/// The first that is there wins.
const FORMATS: &[Format] = &[
    Format { prefix: "consolidated", suffix: ".safetensors", mistral: true },
    Format { prefix: "", suffix: ".safetensors", mistral: false },
    Format { prefix: "", suffix: ".bin", mistral: false },
];

/// Names in the root that are no weights of a model, whatever they end in: vLLM 0.25 `weight_utils.py`, and the files of an adapter.
const NOT_WEIGHTS: &[&str] = &[
    "training_args.bin",
    "optimizer.bin",
    "scheduler.bin",
    "scaler.bin",
    "adapter_model.safetensors",
    "adapter_model.bin",
];

/// An adapter has this file, and a model has not.
const ADAPTER_CONFIG: &str = "adapter_config.json";

/// Chooses the weights.
///
/// # Errors
/// There are none that the runtimes load; says what is there instead, and what would be right.
pub fn weights(repository: &Repository) -> Result<Weights, Undescribed> {
    FORMATS
        .iter()
        .find_map(|format| chosen(repository, format))
        .ok_or_else(|| Undescribed::NoWeights(instead(repository)))
}

/// Whether a file says something about the weights: what is kept of a repository, see [`Repository::lean`].
pub(super) fn is_telling(path: &str) -> bool {
    let name = file_name(path);
    FORMATS.iter().any(|format| name.ends_with(format.suffix) || name.ends_with(&index_ending(format)))
        || [ADAPTER_CONFIG, "params.json"].contains(&path)
        || name.ends_with(".gguf")
}

fn chosen(repository: &Repository, format: &Format) -> Option<Weights> {
    let all = |file: &&RepositoryFile| {
        let name = file_name(&file.path);
        name.starts_with(format.prefix) && name.ends_with(format.suffix)
    };
    let root = |file: &&RepositoryFile| is_root(&file.path) && !NOT_WEIGHTS.contains(&file.path.as_str());
    let candidates: Vec<&RepositoryFile> = repository.files.iter().filter(all).filter(root).collect();
    if candidates.is_empty() {
        return None;
    }
    let loaded = indexed(repository, format, &candidates).unwrap_or(candidates);
    Some(Weights {
        files: loaded.iter().map(|file| file.path.clone()).collect(),
        loaded_bytes: total(loaded.iter().copied()),
        downloaded_bytes: total(repository.files.iter().filter(all)),
        mistral: format.mistral,
    })
}

/// Where an index names the parts (`model.safetensors.index.json` those of `model-00001-of-00002.safetensors`), what it does not name is not loaded: a whole copy beside them, or another set.
fn indexed<'a>(
    repository: &Repository,
    format: &Format,
    candidates: &[&'a RepositoryFile],
) -> Option<Vec<&'a RepositoryFile>> {
    let ending = index_ending(format);
    let indexes = repository.files.iter().filter(|file| is_root(&file.path));
    let mut stems: Vec<&str> = indexes.filter_map(|file| file.path.strip_suffix(&ending)).collect();
    // vLLM reads the index of this name; others are there for others.
    if let Some(usual) = stems.iter().copied().find(|stem| ["model", "pytorch_model"].contains(stem)) {
        stems = vec![usual];
    }
    let parts: Vec<&RepositoryFile> =
        candidates.iter().filter(|file| stems.iter().any(|stem| is_part_of(stem, &file.path))).copied().collect();
    (!parts.is_empty()).then_some(parts)
}

fn index_ending(format: &Format) -> String {
    format!("{}.index.json", format.suffix)
}

/// `model-00001-of-00002.safetensors` is a part of `model`.
fn is_part_of(stem: &str, path: &str) -> bool {
    path.strip_prefix(stem)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()) && rest.contains("-of-"))
}

fn total<'a>(files: impl Iterator<Item = &'a RepositoryFile>) -> u64 {
    files.fold(0, |sum, file| sum.saturating_add(file.size))
}

fn is_root(path: &str) -> bool {
    !path.contains('/')
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// What is there in place of weights.
fn instead(repository: &Repository) -> String {
    let paths = || repository.files.iter().map(|file| file.path.as_str());
    let folder = paths().find_map(|path| {
        let (folder, name) = path.rsplit_once('/')?;
        FORMATS.iter().any(|format| name.ends_with(format.suffix)).then_some(folder)
    });
    if paths().any(|path| path == ADAPTER_CONFIG) {
        "it holds an adapter; name its base model as the preset, and the adapter under inference.adapters".to_owned()
    } else if paths().any(|path| path.ends_with(".gguf")) {
        "it holds GGUF files, which the runtime images are not given; name the repository that these were made from"
            .to_owned()
    } else if let Some(folder) = folder {
        format!("only folder {folder} holds some, and the runtimes load what lies in the root")
    } else {
        "the runtimes load *.safetensors and *.bin from its root".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::repository;
    use super::*;

    const SHARD: &str = "model-00001-of-00002.safetensors";
    const OTHER: &str = "model-00002-of-00002.safetensors";

    fn sizes(files: &[(&str, u64)]) -> Result<(u64, u64, bool), String> {
        let found = weights(&repository("a/b", files, "{}")).map_err(|error| error.to_string())?;
        Ok((found.loaded_bytes, found.downloaded_bytes, found.mistral))
    }

    /// Vectors `weight_files` of the reference.
    #[test]
    fn the_files_of_the_reference_are_chosen() {
        let config = ("config.json", 100);
        assert_eq!(
            sizes(&[("consolidated.00.safetensors", 1000), ("consolidated.01.safetensors", 2000), config]),
            Ok((3000, 3000, true))
        );
        assert_eq!(sizes(&[(SHARD, 5000), (OTHER, 5000), config]), Ok((10_000, 10_000, false)));
        assert_eq!(sizes(&[("consolidated.safetensors", 1000), ("model.safetensors", 2000)]), Ok((1000, 1000, true)));
        assert_eq!(sizes(&[("pytorch_model.bin", 7), config]), Ok((7, 7, false)));
        assert!(
            sizes(&[config, ("tokenizer.json", 200)]).unwrap_err().ends_with("*.safetensors and *.bin from its root")
        );
    }

    #[test]
    fn what_is_no_weight_is_not_counted_and_copies_in_folders_are_downloaded_but_not_loaded() {
        let index = ("model.safetensors.index.json", 9);
        assert_eq!(
            sizes(&[(SHARD, 5), (OTHER, 5), index, ("original/model-00001-of-00001.safetensors", 10)]),
            Ok((10, 20, false))
        );
        assert_eq!(sizes(&[("model.safetensors", 10), (SHARD, 5), (OTHER, 5), index]), Ok((10, 20, false)));
        assert_eq!(
            sizes(&[("model.safetensors", 10), ("original/consolidated.00.safetensors", 10)]),
            Ok((10, 20, false))
        );
        assert_eq!(
            sizes(&[("pytorch_model.bin", 7), ("training_args.bin", 1), ("pytorch_model.bin.index.json", 1)]),
            Ok((7, 8, false))
        );
        assert_eq!(sizes(&[("model.safetensors", 3), ("adapter_model.safetensors", 1)]), Ok((3, 4, false)));
    }

    #[test]
    fn a_repository_without_weights_is_told_what_it_holds() {
        let told = |files: &[(&str, u64)]| sizes(files).unwrap_err();
        assert!(told(&[("adapter_config.json", 1), ("adapter_model.safetensors", 1)]).contains("holds an adapter"));
        assert!(told(&[("phi-q4.gguf", 1)]).contains("GGUF"));
        assert!(told(&[("onnx/model.bin", 1)]).contains("only folder onnx holds some"));
    }
}
