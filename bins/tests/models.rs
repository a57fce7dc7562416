//! Models that are in no catalogue, on the command line: `--model-folder`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod kit;

use kit::{err, good_but, kaito, out};
use std::fs;
use std::path::Path;

/// A folder with one model of an architecture.
fn folder(name: &str, architecture: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let model = folder.join("someone/some-model-7b");
    fs::create_dir_all(&model).unwrap();
    let config = format!(
        "{{\"architectures\": [{architecture:?}], \"hidden_size\": 4096, \"num_hidden_layers\": 32, \"num_attention_heads\": 32}}"
    );
    fs::write(model.join("config.json"), config).unwrap();
    fs::write(model.join("model.safetensors"), [0; 64]).unwrap();
    folder.display().to_string()
}

fn manifest() -> String {
    good_but("name: phi-4-mini-instruct", "name: someone/some-model-7b")
}

#[test]
fn a_model_of_a_folder_is_simulated_and_rendered_as_one_of_the_catalogue() {
    let known = folder("known", "LlamaForCausalLM");
    for words in [&["simulate"][..], &["simulate", "--faults", "crash,hub", "--seed", "3"]] {
        let words = [words, &["-f", "-", "--model-folder", &known]].concat();
        let output = kaito(&words, manifest().as_bytes());
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}{}", out(&output), err(&output));
    }
    let rendered = kaito(&["render", "-f", "-", "--model-folder", &known], manifest().as_bytes());
    let text = out(&rendered);
    assert!(text.contains("--model=someone/some-model-7b") && !text.contains("--revision"), "{text}");
}

#[test]
fn without_a_folder_a_simulation_says_what_it_lacks() {
    let output = kaito(&["simulate", "-f", "-"], manifest().as_bytes());
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let said = out(&output);
    assert!(said.contains("someone/some-model-7b is not at hand") && said.contains("--model-folder"), "{said}");
    let empty = kaito(&["simulate", "-f", "-", "--model-folder", "/no/such/folder"], manifest().as_bytes());
    assert!(err(&empty).contains("the folder of models /no/such/folder cannot be read"), "{}", err(&empty));
}

#[test]
fn a_verdict_knows_what_a_folder_holds_and_else_says_that_it_does_not() {
    let unknown = folder("unknown", "NoSuchForCausalLM");
    let denied = kaito(&["validate", "-f", "-", "--model-folder", &unknown], manifest().as_bytes());
    assert_eq!(denied.status.code(), Some(1), "{}", out(&denied));
    assert!(out(&denied).contains("NoSuchForCausalLM is not in the runtime"), "{}", out(&denied));
    let allowed = kaito(&["validate", "-f", "-"], manifest().as_bytes());
    assert_eq!(allowed.status.code(), Some(0), "{}", out(&allowed));
    assert!(out(&allowed).contains("is in no catalogue"), "{}", out(&allowed));
}
