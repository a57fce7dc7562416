//! What brings the content of a container image into a directory, before the main container starts.
//!
//! The image carries its files in `/data`. It is pulled without credentials first, then with each of the credentials that are mounted; its layers are laid over each other in
//! order, and `/data` becomes the content of the directory. A layer cannot delete what an earlier one brought: whiteouts are not processed, as in the reference.

use super::volumes::mount;
use k8s_openapi::api::core::v1::{
    Container, KeyToPath, ProjectedVolumeSource, SecretProjection, Volume, VolumeMount, VolumeProjection,
};
use kaito_presets::{images, paths};
use std::collections::BTreeSet;

/// Key of a Secret of the type `kubernetes.io/dockerconfigjson`.
pub const DOCKER_CONFIG_KEY: &str = ".dockerconfigjson";

/// The script. Everything that a user can write reaches it as an argument, so nothing needs quoting; it needs no tools but a shell, tar, the usual file commands and skopeo.
const SCRIPT: &str = include_str!("puller.sh");

/// One image to bring.
#[derive(Debug, Clone, PartialEq)]
pub struct Pull<'a> {
    /// The name of the init container.
    pub name: String,
    /// The reference, as [`kaito_api::syntax::ImageReference::to_pull`] writes it.
    pub image: &'a str,
    /// Where the files go: a directory below a mount, or a mount.
    pub target: &'a str,
    /// A file that must have come, such as `adapter_config.json`; else the pull fails in words.
    pub must_hold: Option<&'a str>,
    /// The volume with the target, and credentials ([`docker_config`]).
    pub mounts: Vec<VolumeMount>,
}

/// The init container that pulls.
pub fn init_container(pull: Pull<'_>) -> Container {
    let args = [SCRIPT, "puller", pull.image, pull.target, &auth_dir(), pull.must_hold.unwrap_or_default()];
    Container {
        name: pull.name,
        image: Some(images::SKOPEO_PULLER.to_owned()),
        command: Some(vec!["/bin/sh".to_owned(), "-c".to_owned()]),
        args: Some(args.map(str::to_owned).to_vec()),
        volume_mounts: Some(pull.mounts),
        ..Container::default()
    }
}

/// The image that an init container brings: one of ours, or one that the reference made, whose script names it.
pub fn pulled_by(container: &Container) -> Option<&str> {
    let args = container.args.as_deref().unwrap_or_default();
    if let [script, _, image, ..] = args
        && script == SCRIPT
    {
        return Some(image);
    }
    let script = args.iter().find_map(|arg| arg.split_once("IMG_REF='"))?.1;
    script.split_once('\'').map(|(image, _)| image)
}

/// A volume with the credentials of some pull secrets, and where a puller looks for it. `folder` sets it apart from others in the pod, such as `tone-inference-adapter`.
pub fn docker_config(folder: &str, secrets: &[&str]) -> (Volume, VolumeMount) {
    // Two projections onto one path are refused by the API server.
    let mut seen = BTreeSet::new();
    let sources = secrets.iter().filter(|secret| seen.insert(**secret)).map(|secret| {
        let items = vec![KeyToPath { key: DOCKER_CONFIG_KEY.to_owned(), path: format!("{secret}.json"), mode: None }];
        let secret = SecretProjection { name: (*secret).to_owned(), items: Some(items), optional: None };
        VolumeProjection { secret: Some(secret), ..VolumeProjection::default() }
    });
    let name = super::fitting("docker-config-", folder, "");
    let mount = mount(&name, &format!("{}/{folder}", auth_dir()));
    let projected = ProjectedVolumeSource { sources: Some(sources.collect()), default_mode: None };
    (Volume { name, projected: Some(projected), ..Volume::default() }, mount)
}

fn auth_dir() -> String {
    format!("{}/config.d", paths::DOCKER_CONFIG_DIR)
}
