//! How a training gets its data.

use super::tuning::Input;
use super::{pod, puller, volumes};
use k8s_openapi::api::core::v1::{
    Container, KeyToPath, ProjectedVolumeSource, SecretProjection, Volume, VolumeMount, VolumeProjection,
};
use kaito_api::syntax;
use kaito_api::vocabulary::names;
use kaito_presets::{images, paths};

/// The volume with the data.
pub(super) const VOLUME: &str = "data-volume";
/// What the credentials of an input are told apart by.
const PURPOSE: &str = "tuning-input";

/// What brings the data before the trainer starts; a volume brings itself.
pub(super) fn init_container(input: &Input<'_>) -> Option<Container> {
    match input {
        Input::Volume(_) => None,
        Input::Urls(urls) => Some(Container {
            name: "data-downloader".to_owned(),
            image: Some(images::CURL.to_owned()),
            command: Some(volumes::words(["sh", "-c", include_str!("data_downloader.sh")])),
            env: Some(vec![pod::plain("DATA_URLS", &urls.join(" ")), pod::plain("DATA_VOLUME_PATH", paths::DATA_DIR)]),
            volume_mounts: Some(mounts(input)),
            ..Container::default()
        }),
        Input::Image { image, .. } => Some(Container {
            name: "puller".to_owned(),
            image: Some(images::SKOPEO_PULLER.to_owned()),
            command: Some(volumes::words(["/bin/sh", "-c"])),
            args: Some(vec![puller::script(image, paths::DATA_DIR)]),
            volume_mounts: Some(mounts(input)),
            ..Container::default()
        }),
    }
}

/// The mounts of the trainer, and of what brings the data.
pub(super) fn mounts(input: &Input<'_>) -> Vec<VolumeMount> {
    let credentials = credentials(input)
        .map(|(volume, folder, _)| volumes::mount(&volume, &format!("{}/config.d/{folder}", paths::DOCKER_CONFIG_DIR)));
    credentials.into_iter().chain([volumes::mount(VOLUME, paths::DATA_DIR)]).collect()
}

/// The data, and the credentials with which it is pulled.
pub(super) fn volumes(input: &Input<'_>) -> Vec<Volume> {
    let credentials = credentials(input).map(|(name, _, secrets)| {
        let files = secrets.iter().map(|secret| docker_config(secret, &format!("{secret}.json"))).collect::<Vec<_>>();
        credentials_volume(&name, files)
    });
    // The user's own source takes the place of this one, where there is one.
    credentials.into_iter().chain([volumes::scratch(VOLUME, false)]).collect()
}

/// Name of the volume, of the folder, and of the Secrets.
fn credentials<'a>(input: &Input<'a>) -> Option<(String, String, &'a [String])> {
    let Input::Image { name, secrets, .. } = *input else { return None };
    let folder = format!("{name}-{PURPOSE}");
    let volume = format!("docker-config-{folder}");
    // The name is the user's and may be anything; there is only one input.
    let usable = syntax::dns_label(&volume).is_ok();
    Some(if usable {
        (volume, folder, secrets)
    } else {
        (format!("docker-config-{PURPOSE}"), PURPOSE.to_owned(), secrets)
    })
}

/// A volume of credentials.
pub(super) fn credentials_volume(name: &str, files: Vec<VolumeProjection>) -> Volume {
    let source = ProjectedVolumeSource { sources: (!files.is_empty()).then_some(files), default_mode: None };
    Volume { name: name.to_owned(), projected: Some(source), ..Volume::default() }
}

/// The credentials of a Secret, as this file.
pub(super) fn docker_config(secret: &str, file: &str) -> VolumeProjection {
    let item = KeyToPath { key: names::DOCKER_CONFIG_KEY.to_owned(), path: file.to_owned(), mode: None };
    let source = SecretProjection { name: secret.to_owned(), items: Some(vec![item]), optional: None };
    VolumeProjection { secret: Some(source), ..VolumeProjection::default() }
}
