//! What brings the content of a container image into a directory, before the main container starts.
//!
//! The image carries its files in `/data`. It is pulled without credentials first, then with each of the credentials that are mounted; its layers are laid over each other in
//! order, and `/data` becomes the content of the directory. A layer cannot delete what an earlier one brought: whiteouts are not processed, as in the reference.

use super::pod::LAST_WORDS;
use super::quote::literal;
use super::volumes::mount;
use k8s_openapi::api::core::v1::{
    Container, KeyToPath, ProjectedVolumeSource, SecretProjection, Volume, VolumeMount, VolumeProjection,
};
use kaito_api::vocabulary::{containers, names};
use kaito_presets::{images, paths};
use std::collections::BTreeSet;

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
    /// The volume with the target, and credentials (`docker_config`).
    pub mounts: Vec<VolumeMount>,
}

/// The init container that pulls.
pub fn init_container(pull: Pull<'_>) -> Container {
    let (image, target) = (literal(pull.image), literal(pull.target));
    let args = [SCRIPT, containers::PULLER, &image, &target, &auth_dir(), pull.must_hold.unwrap_or_default()];
    Container {
        name: pull.name,
        image: Some(images::SKOPEO_PULLER.to_owned()),
        command: Some(vec!["/bin/sh".to_owned(), "-c".to_owned()]),
        args: Some(args.map(str::to_owned).to_vec()),
        termination_message_policy: Some(LAST_WORDS.to_owned()),
        volume_mounts: Some(pull.mounts),
        ..Container::default()
    }
}

/// A volume with the credentials of some pull secrets, and where a puller looks for it. `folder` sets it apart from others in the pod, such as `tone-inference-adapter`.
pub fn docker_config(folder: &str, secrets: &[&str]) -> (Volume, VolumeMount) {
    // Two projections onto one path are refused by the API server.
    let mut seen = BTreeSet::new();
    let files = secrets.iter().filter(|secret| seen.insert(**secret)).map(|secret| (*secret, format!("{secret}.json")));
    let name = super::fitting("docker-config-", folder, "");
    let mount = mount(&name, &format!("{}/{folder}", auth_dir()));
    (credentials(name, files), mount)
}

/// A volume with the credentials of Secrets, each as a file.
pub(super) fn credentials<'a>(name: String, files: impl Iterator<Item = (&'a str, String)>) -> Volume {
    let sources: Vec<VolumeProjection> = files
        .map(|(secret, path)| {
            let items = vec![KeyToPath { key: names::DOCKER_CONFIG_KEY.to_owned(), path, ..KeyToPath::default() }];
            let secret = SecretProjection { name: secret.to_owned(), items: Some(items), optional: None };
            VolumeProjection { secret: Some(secret), ..VolumeProjection::default() }
        })
        .collect();
    let projected =
        ProjectedVolumeSource { sources: (!sources.is_empty()).then_some(sources), ..ProjectedVolumeSource::default() };
    Volume { name, projected: Some(projected), ..Volume::default() }
}

/// The image that such a container pulls; also of one that the reference's operator made, whose script assigns it.
pub fn pulled_image(container: &Container) -> Option<&str> {
    let args = container.args.as_deref()?;
    match args {
        [_, program, image, ..] if program == containers::PULLER => Some(image),
        _ => {
            let script = args.iter().find_map(|arg| arg.split_once("IMG_REF='"))?.1;
            script.split_once('\'').map(|(image, _)| image)
        }
    }
}

fn auth_dir() -> String {
    format!("{}/config.d", paths::DOCKER_CONFIG_DIR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_found_in_our_own_container_and_in_one_of_the_reference() {
        let image = "registry.example.com/tone:1";
        let ours = init_container(Pull {
            name: "puller-tone".to_owned(),
            image,
            target: "/mnt/adapter/tone",
            must_hold: None,
            mounts: Vec::new(),
        });
        let script = format!("[ ! -z \"${{IMG_REF}}\" ] || IMG_REF='{image}'\n");
        let theirs = Container { args: Some(vec![script]), ..Container::default() };
        let other = Container { args: Some(vec!["echo".to_owned()]), ..Container::default() };
        assert_eq!([&ours, &theirs, &other].map(pulled_image), [Some(image), Some(image), None]);
    }
}
