//! What a hub tells.

use super::*;
use kaito_core::hub::{ConfigFile, RepositoryFile};

fn file(path: &str, size: u64) -> RepositoryFile {
    RepositoryFile { path: path.to_owned(), size }
}

#[tokio::test]
async fn a_model_is_told_at_one_commit() {
    let server = hub_but(Vec::new()).await;
    let found = ask(&server).await.unwrap();
    let expected = Repository {
        id: ID.to_owned(),
        commit: COMMIT.to_owned(),
        gated: false,
        files: vec![file("config.json", 802), file("model-00001-of-00002.safetensors", 4_933_656_472)],
        config: Some(ConfigFile { path: "config.json".to_owned(), text: ARCHITECTURE.to_owned() }),
    };
    assert_eq!(found, expected);
    assert_eq!(server.paths(), [ABOUT, &format!("{TREE}?recursive=true"), CONFIG]);
}

#[tokio::test]
async fn a_mirror_has_a_path_of_its_own() {
    let server = Server::start(|asked| asked.path.strip_prefix("/api/hf").map_or_else(|| usual("/"), usual)).await;
    let hub = client(&format!("{}/api/hf/", server.endpoint()), None);
    assert_eq!(asked(&hub, ID).await.unwrap().commit, COMMIT);
}

#[tokio::test]
async fn a_list_has_pages_and_a_mirror_passes_on_the_address_of_the_hub() {
    let page = |number: usize, link: &str| {
        let body = format!(r#"[{{"type":"file","path":"{number}.safetensors","size":{number}}}]"#);
        Reply::new(200, &[("link", link)], body)
    };
    let server = Server::start(move |asked| match asked.path.strip_prefix(TREE) {
        Some("?recursive=true") => page(1, "<https://huggingface.co/x?recursive=true&cursor=Mg%3D%3D>; rel=\"next\""),
        Some("?recursive=true&cursor=Mg%3D%3D") => page(2, "</y?cursor=1>; rel=\"prev\", </y?cursor=3>; rel=\"next\""),
        Some("?cursor=3") => page(3, "</y?cursor=2>; rel=\"prev\""),
        _ => usual(&asked.path),
    })
    .await;
    let found = ask(&server).await.unwrap();
    assert_eq!(found.files, [1, 2, 3].map(|number| file(&format!("{number}.safetensors"), number)));
    assert_eq!((found.config, server.paths().len()), (None, 4), "a config that is not listed is not asked for");
}

#[tokio::test]
async fn a_config_is_taken_where_there_is_one() {
    let list = |paths: &[&str]| {
        let entry = |path: &&str| format!(r#"{{"type":"file","path":"{path}","size":1}}"#);
        Reply::json(format!("[{}]", paths.iter().map(entry).collect::<Vec<_>>().join(",")))
    };
    let params = || (PARAMS, Reply::ok("text/plain", "{\"dim\": 5120}"));
    let lost = |path| (path, Reply::refused(404, "EntryNotFound", "Entry not found"));
    for (listed, replies, expected) in [
        (&["params.json", "consolidated.safetensors"][..], vec![params()], Some("params.json")),
        (&["params.json", "config.json"], vec![params()], Some("config.json")),
        (&["params.json", "config.json"], vec![params(), lost(CONFIG)], Some("params.json")),
        (&["original/params.json"], vec![], None),
        (&[], vec![], None),
    ] {
        let server = hub_but([vec![(TREE, list(listed))], replies].concat()).await;
        let found = ask(&server).await.unwrap();
        assert_eq!(found.config.map(|config| config.path).as_deref(), expected, "{listed:?}");
    }
    let server = hub_but(vec![lost(CONFIG)]).await;
    let error = ask(&server).await.unwrap_err();
    assert!(error.message.contains("config.json answered 404"), "listed, and yet not given: {error}");
}

#[tokio::test]
async fn a_model_with_a_new_name_is_found_by_the_old_one() {
    let server = hub_but(vec![("/api/models/Microsoft/old/revision/main", Reply::redirect(307, ABOUT))]).await;
    let found = asked(&client(&server.endpoint(), None), "Microsoft/old").await.unwrap();
    assert_eq!((found.id.as_str(), server.paths().len()), (ID, 4), "and asked for by the new one from then on");
}

#[tokio::test]
async fn what_a_hub_may_say_is_understood() {
    let with = |text: &str| about().replace("\"gated\":false", text);
    let upper = about().replace(COMMIT, &COMMIT.to_ascii_uppercase());
    for (body, gated) in [
        (with("\"gated\":\"auto\""), true),
        (with("\"gated\":\"manual\""), true),
        (with("\"gated\":true"), true),
        (with("\"gated\":null"), false),
        (with("\"new\":{\"field\":[1]}"), false),
        (upper, false),
    ] {
        let server = hub_but(vec![(ABOUT, Reply::json(&body))]).await;
        let found = ask(&server).await.unwrap();
        assert_eq!((found.gated, found.commit.as_str()), (gated, COMMIT), "{body}");
    }
}
