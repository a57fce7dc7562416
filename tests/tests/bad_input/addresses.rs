//! Addresses that mean something to a shell, or to a kubelet.

use super::{BAD, GOOD, until_ready, world};
use kaito_core::Kind;
use kaito_core::memory::Fate;
use kaito_tests::manifests;
use kaito_tests::stage::{Stage, condition};
use serde_json::{Value, json};

fn training(address: &str) -> Value {
    let mut manifest = manifests::tuning(BAD);
    manifest["tuning"]["input"]["urls"] = json!([address]);
    manifest
}

#[test]
fn an_address_that_is_none_is_refused_with_its_field_and_others_are_unharmed() {
    for address in [
        "https://data.example.com/a b",
        "https://data.example.com/$(touch /tmp/ran)",
        "https://data.example.com/a\nhttps://data.example.com/b",
        "https://data.example.com/$(HF_TOKEN)",
        "https://data.example.com/$(id)",
        "-o/etc/passwd",
        "file:///etc/passwd",
        "https:///a",
    ] {
        let mut stage = world(&Fate::default());
        stage.put(&manifests::registry_secret("my-push-secret"));
        stage.put(&training(address));
        stage.put(&manifests::phi_4_mini(GOOD));
        until_ready(&mut stage, GOOD);
        let (_, reason, words) = condition(&stage, BAD, "ResourceReady").unwrap();
        assert_eq!(reason, "InvalidWorkspace", "{address:?}: {words}");
        assert!(words.contains("tuning.input.urls[0]"), "{address:?}: {words}");
        assert!(stage.get(Kind::Job, BAD).is_none(), "{address:?}");
    }
}

#[test]
fn an_address_with_signs_of_a_shell_arrives_as_it_is() {
    for address in
        ["https://data.example.com/`id`", "https://data.example.com/a'b\"c;d&e|f>g*?", "https://data.example.com/$$"]
    {
        let mut stage = world(&Fate::default());
        stage.put(&manifests::registry_secret("my-push-secret"));
        stage.put(&training(address));
        (&mut stage as &mut dyn Stage).until("the Job", &|stage| stage.get(Kind::Job, BAD).is_some());
        let job = stage.get(Kind::Job, BAD).unwrap();
        let containers = job["spec"]["template"]["spec"]["initContainers"].as_array().unwrap();
        let told = containers.iter().flat_map(|container| container["env"].as_array().into_iter().flatten());
        let urls =
            told.filter(|variable| variable["name"] == "DATA_URLS").map(|variable| variable["value"].as_str().unwrap());
        // A kubelet makes one dollar of two, and puts the value of a variable for `$(NAME)`.
        let arrived: Vec<String> = urls.map(|value| value.replace("$$", "$")).collect();
        assert_eq!(arrived, [address]);
    }
}
