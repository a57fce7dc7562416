//! How a training gets its data.

use super::puller::{self, Pull};
use super::tuning::Input;
use super::{pod, volumes};
use k8s_openapi::api::core::v1::{Container, Volume, VolumeMount};
use kaito_api::FieldError;
use kaito_api::syntax;
use kaito_api::vocabulary::containers;
use kaito_presets::{images, paths};
use serde_json::Value;

/// The volume with the data.
pub(super) const VOLUME: &str = "data-volume";
/// What the credentials of an input are told apart by.
const PURPOSE: &str = "tuning-input";

/// What brings the data before the trainer starts; a volume brings itself.
pub(super) fn init_container(input: &Input<'_>) -> Option<Container> {
    match input {
        Input::Volume(_) => None,
        Input::Urls(urls) => Some(Container {
            name: containers::DATA_DOWNLOADER.to_owned(),
            image: Some(images::CURL.to_owned()),
            command: Some(volumes::words(["sh", "-c", include_str!("data_downloader.sh")])),
            termination_message_policy: Some(pod::LAST_WORDS.to_owned()),
            env: Some(vec![pod::plain("DATA_URLS", &urls.join(" ")), pod::plain("DATA_VOLUME_PATH", paths::DATA_DIR)]),
            volume_mounts: Some(mounts(input)),
            ..Container::default()
        }),
        Input::Image { image, .. } => Some(puller::init_container(Pull {
            name: containers::PULLER.to_owned(),
            image,
            target: paths::DATA_DIR,
            must_hold: None,
            mounts: mounts(input),
        })),
    }
}

/// The mounts of the trainer, and of what brings the data.
pub(super) fn mounts(input: &Input<'_>) -> Vec<VolumeMount> {
    let credentials = credentials(input).map(|(_, mount)| mount);
    credentials.into_iter().chain([volumes::mount(VOLUME, paths::DATA_DIR)]).collect()
}

/// The credentials with which the data is pulled, and the data; in their wire form, for the user's own volume keeps every field.
pub(super) fn volumes(input: &Input<'_>) -> Result<Vec<Value>, FieldError> {
    let data = match input {
        Input::Volume(source) => source.named(VOLUME)?,
        Input::Urls(_) | Input::Image { .. } => volumes::wire(&volumes::scratch(VOLUME, false)),
    };
    let credentials = credentials(input).map(|(volume, _)| volumes::wire(&volume));
    Ok(credentials.into_iter().chain([data]).collect())
}

/// The credentials of an image.
fn credentials(input: &Input<'_>) -> Option<(Volume, VolumeMount)> {
    let Input::Image { name, secrets, .. } = input else { return None };
    let folder = format!("{name}-{PURPOSE}");
    // The name is the user's and may be anything; there is only one input.
    let folder = if syntax::dns_label(&folder).is_ok() { folder } else { PURPOSE.to_owned() };
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    Some(puller::docker_config(&folder, &secrets))
}
