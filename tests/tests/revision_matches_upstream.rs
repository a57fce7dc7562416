//! The hash of a revision is the one that the Go operator gave, so that a swap of the operator rolls nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kaito_api::workspace::{self, Version};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Revisions of Workspaces as the Go operator left them on a real API server.
#[test]
fn a_revision_of_the_go_operator_has_the_same_hash_and_data_here() {
    let Some(folder) = kaito_tests::shared::path("golden") else { return };
    let (mut same, mut wrong) = (0, Vec::new());
    for file in yaml_files(&folder) {
        let Ok(document) = serde_saphyr::from_str::<Value>(&std::fs::read_to_string(&file).unwrap()) else { continue };
        for object in document["objects"].as_array().into_iter().flatten() {
            let hash = &object["metadata"]["annotations"]["workspace.kaito.io/hash"];
            // Pod templates and volumes are written by Go's typed structs; see `kaito_api::workspace::revision_bytes`.
            let text = object["data"].to_string();
            let typed = text.contains("\"template\"") || text.contains("\"volumeSource\"");
            let (Some(hash), "ControllerRevision", false) =
                (hash.as_str(), object["kind"].as_str().unwrap_or(""), typed)
            else {
                continue;
            };
            let mut manifest = object["data"].clone();
            manifest["apiVersion"] = json!(Version::V1beta1.api_version());
            manifest["kind"] = json!("Workspace");
            let (_, ws) = workspace::decode(manifest).unwrap();
            let ours: String =
                Sha256::digest(workspace::revision_bytes(&ws)).iter().map(|b| format!("{b:02x}")).collect();
            if ours == hash && workspace::revision_data(&ws) == object["data"] {
                same += 1;
            } else {
                wrong.push(file.display().to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "{same} agree, these do not: {wrong:#?}");
    assert!(same > 50, "only {same} revisions were compared");
}

const TUNING_OUTPUT: &[&str] = &["tuning.output.image", "tuning.output.imagePushSecret"];

/// Published examples that are forms to fill in: (file, fields that are refused as they stand, reason).
const PLACEHOLDERS: &[(&str, &[&str], &str)] = &[
    (
        "inference-phi-3-mini-128k-adapters.yaml",
        &["inference.adapters[0].source.image"],
        "ACR_REPO_HERE and ADAPTER_HERE stand for the registry and the image of the adapter",
    ),
    (
        "tuning-phi-3-mini-4k-qlora.yaml",
        TUNING_OUTPUT,
        "ACR_REPO_HERE, IMAGE_NAME_HERE and ACR_REGISTRY_SECRET_HERE stand for the registry, the image and the Secret",
    ),
    ("tuning-phi-3-mini-128k-qlora.yaml", TUNING_OUTPUT, "as above"),
    ("kaito_workspace_tuning_falcon_7b_mental.yaml", TUNING_OUTPUT, "as above"),
    ("kaito_workspace_tuning_falcon_7b_oai.yaml", TUNING_OUTPUT, "as above"),
    ("kaito_workspace_tuning_phi_3.yaml", TUNING_OUTPUT, "as above"),
];

/// Every published example of a Workspace is read, and its shape is right, but for placeholders that are left in it.
#[test]
fn every_published_example_is_read() {
    let Some(folder) = kaito_tests::shared::path("corpus") else { return };
    let (mut read, mut left) = (0, BTreeSet::new());
    for file in ["seed", "examples"].into_iter().flat_map(|below| yaml_files(&folder.join(below))) {
        let text = std::fs::read_to_string(&file).unwrap();
        for document in serde_saphyr::from_multiple::<Value>(&text).unwrap_or_default() {
            if document["kind"] == "Workspace" {
                let (_, ws) = workspace::decode(document).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
                let wrong: BTreeSet<String> = ws.shape_errors().iter().map(|error| error.path.to_string()).collect();
                let name = file.file_name().unwrap().to_string_lossy();
                let listed = PLACEHOLDERS.iter().find(|(listed, ..)| *listed == name);
                let expected =
                    listed.map_or(BTreeSet::new(), |(_, fields, _)| fields.iter().map(|f| (*f).to_owned()).collect());
                assert_eq!(wrong, expected, "{}", file.display());
                left.extend(listed.map(|(name, ..)| *name));
                read += 1;
            }
        }
    }
    assert_eq!(left.len(), PLACEHOLDERS.len(), "rows that no example needs any more: only {left:?}");
    assert!(read > 20, "only {read} examples were read");
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(yaml_files(&path));
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(path);
        }
    }
    files.sort();
    files
}
