//! The result of a training into an image.

use super::puller;
use super::quote::assignments;
use super::tuning::{Output, RESULTS, Tuning};
use super::volumes::{mount, words};
use k8s_openapi::api::core::v1::{Container, Volume};
use kaito_api::vocabulary::containers;
use kaito_presets::{images, paths};
use serde_json::json;

/// The volume with the credentials.
const CREDENTIALS: &str = "docker-config";
/// What the trainer writes last, beside its result (`fine_tuning.py` of every image).
const SENTINEL: &str = "fine_tuning_completed.txt";

/// The Secret for pushing, where the result is pushed.
pub(super) fn secret<'a>(tuning: &Tuning<'a>) -> Option<&'a str> {
    match tuning.output {
        Output::Image { secret, .. } => Some(secret),
        Output::Volume(_) => None,
    }
}

/// What runs beside the trainer: the pusher, and a container that holds the pod's processes together and that the pusher ends.
pub(super) fn containers(tuning: &Tuning<'_>) -> Vec<Container> {
    let Output::Image { image, .. } = tuning.output else { return Vec::new() };
    let directory = &tuning.results.directory;
    let annotations = json!({"$manifest": {"sh.kaito.model.name": tuning.preset}}).to_string();
    let told = assignments(&[
        ("VOL_DIR", directory),
        ("IMG_REF", image),
        ("ANNOTATIONS_DATA", &annotations),
        ("SENTINEL_PATH", &format!("{directory}/{SENTINEL}")),
    ]);
    let pusher = Container {
        name: containers::PUSHER.to_owned(),
        image: Some(images::ORAS_PUSHER.to_owned()),
        command: Some(words(["/bin/sh", "-c"])),
        args: Some(vec![format!("{told}{}", include_str!("pusher.sh"))]),
        volume_mounts: Some(vec![mount(CREDENTIALS, paths::DOCKER_CONFIG_DIR), mount(RESULTS, directory)]),
        ..Container::default()
    };
    let pause = Container {
        name: containers::PAUSE.to_owned(),
        image: Some(images::PAUSE.to_owned()),
        image_pull_policy: Some("Always".to_owned()),
        ..Container::default()
    };
    vec![pusher, pause]
}

/// The credentials.
pub(super) fn volume(tuning: &Tuning<'_>) -> Option<Volume> {
    let file = (secret(tuning)?, "config.json".to_owned());
    Some(puller::credentials(CREDENTIALS.to_owned(), std::iter::once(file)))
}
