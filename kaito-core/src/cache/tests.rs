//! Histories of a watch and of own writes that a store must survive.

use super::*;
use crate::KINDS;
use crate::read::Selector;
use serde_json::{Value, json};

const LABEL: &str = "kaito.sh/workspace";

fn claim(name: &str, uid: &str, version: u32) -> Seen {
    let body =
        json!({"metadata": {"name": name, "uid": uid, "resourceVersion": version.to_string(), "labels": {LABEL: "a"}}});
    Seen::decode(Kind::NodeClaim, body)
}

fn ours() -> Read {
    Read::list(Kind::NodeClaim, None, Selector::of([(LABEL, "a")]))
}

fn names(found: &Found) -> Vec<String> {
    let Found::List(list) = found else { panic!("a list, not {found:?}") };
    list.iter().map(|seen| seen.key().name).collect()
}

fn stores() -> Stores {
    let stores = Stores::new(KINDS);
    assert!(matches!(
        stores.listed(Kind::NodeClaim, vec![claim("one", "1", 10)])[..],
        [Change::Object { old: None, .. }, Change::Kind(_)]
    ));
    stores
}

#[test]
fn before_the_first_list_the_server_is_asked() {
    assert_eq!(Stores::new(KINDS).find(&ours()), Found::AskServer);
    assert_eq!(names(&stores().find(&ours())), ["one"]);
}

#[test]
fn what_a_new_list_lacks_is_reported_as_gone() {
    let stores = stores();
    let changes = stores.listed(Kind::NodeClaim, vec![claim("two", "2", 20)]);
    let told: Vec<(bool, bool)> = changes
        .iter()
        .map(|change| match change {
            Change::Object { old, new } => (old.is_some(), new.is_some()),
            Change::Kind(_) | Change::Model(_) => panic!("{change:?}: nothing else has changed"),
        })
        .collect();
    assert_eq!(told, [(false, true), (true, false)]);
    assert!(stores.listed(Kind::NodeClaim, vec![claim("two", "2", 20)]).is_empty());
}

#[test]
fn own_writes_are_seen_before_the_watch_tells_them() {
    let stores = stores();
    stores.wrote(&claim("two", "2", 20));
    assert_eq!(names(&stores.find(&ours())), ["one", "two"]);
    stores.removed(&claim("one", "1", 10).key(), "1");
    assert_eq!(names(&stores.find(&ours())), ["two"]);
    stores.applied(claim("two", "2", 20));
    stores.deleted(&claim("one", "1", 21));
    assert_eq!(names(&stores.find(&ours())), ["two"]);
    assert!(stores.lock().overlay.is_empty());
}

#[test]
fn the_answer_to_a_write_may_come_after_the_object_is_gone_again() {
    let stores = stores();
    stores.applied(claim("two", "2", 20));
    stores.deleted(&claim("two", "2", 21));
    stores.wrote(&claim("two", "2", 20));
    assert_eq!(names(&stores.find(&ours())), ["one"]);
}

#[test]
fn a_write_whose_deletion_was_never_reported_ends_with_the_next_list() {
    let stores = stores();
    stores.wrote(&claim("two", "2", 20));
    stores.list_begins(Kind::NodeClaim);
    stores.wrote(&claim("three", "3", 30));
    stores.listed(Kind::NodeClaim, vec![claim("one", "1", 10)]);
    assert_eq!(names(&stores.find(&ours())), ["one", "three"]);
}

#[test]
fn a_list_that_the_label_does_not_narrow_goes_to_the_server() {
    let stores = stores();
    assert_eq!(stores.find(&Read::list(Kind::NodeClaim, None, Selector::of([("other", "a")]))), Found::AskServer);
    assert_eq!(stores.find(&Read::object(ObjectKey::cluster(Kind::NodeClaim, "unlabelled"))), Found::AskServer);
    assert_eq!(stores.find(&Read::list(Kind::Namespace, None, Selector::default())), Found::AskServer);
    let mut body: Value = json!({"metadata": {"name": "n", "uid": "u", "resourceVersion": "5"}});
    body["metadata"]["labels"] = json!({});
    stores.wrote(&Seen::decode(Kind::NodeClaim, body));
    assert!(stores.lock().overlay.is_empty());
}

#[test]
fn content_is_good_while_the_watched_version_is_the_same() {
    let stores = Stores::new(KINDS);
    let map = |version: &str| {
        Seen::decode(
            Kind::ConfigMap,
            json!({"metadata": {"name": "m", "namespace": "a", "uid": "u", "resourceVersion": version}}),
        )
    };
    let read = Read::object(map("1").key());
    stores.listed(Kind::ConfigMap, vec![map("1")]);
    assert_eq!(stores.find(&read), Found::AskServer);
    stores.keep_content(&map("1"));
    assert_eq!(stores.find(&read), Found::Object(Some(map("1"))));
    stores.applied(map("2"));
    assert_eq!(stores.find(&read), Found::AskServer);
    stores.deleted(&map("3"));
    assert_eq!(stores.find(&read), Found::Object(None));
}

#[test]
fn a_kind_may_come_and_go() {
    let stores = Stores::new(KINDS);
    assert!(!stores.failed(Kind::Namespace, "not watched"));
    assert!(stores.failed(Kind::NodeClaim, "refused") && !stores.failed(Kind::NodeClaim, "refused"));
    assert!(stores.no_such_kind(Kind::NodeClaim).iter().any(|change| matches!(change, Change::Kind(_))));
    assert_eq!(stores.find(&ours()), Found::NoSuchKind);
    assert!(stores.no_such_kind(Kind::NodeClaim).is_empty());
    assert_eq!(stores.listed(Kind::NodeClaim, vec![claim("one", "1", 10)]).len(), 2);
    let gone = stores.no_such_kind(Kind::NodeClaim);
    assert!(gone.iter().any(|change| matches!(change, Change::Object { new: None, .. })));
    assert_eq!(stores.find(&ours()), Found::NoSuchKind);
}

#[test]
fn what_a_cache_holds_is_what_it_can_answer() {
    let stores = stores();
    let other = Read::list(Kind::NodeClaim, None, Selector::of([("other", "a")]));
    let reads = [
        ours(),
        other,
        Read::list(Kind::Pod, Some("a"), Selector::of([(LABEL, "a")])),
        Read::list(Kind::Namespace, None, Selector::default()),
        Read::object(claim("one", "1", 10).key()),
        Read::object(claim("two", "2", 20).key()),
    ];
    let held: Vec<bool> = reads.iter().map(|read| stores.holds(read)).collect();
    assert_eq!(held, [true, false, false, false, true, false]);
    for (read, held) in reads.iter().zip(held) {
        assert_eq!(stores.find(read) != Found::AskServer, held, "{read}");
    }
}

#[test]
fn an_own_write_that_moves_an_object_to_another_list_moves_it_at_once() {
    let stores = stores();
    let mut moved = json!({"metadata": {"name": "one", "uid": "1", "resourceVersion": "11", "labels": {LABEL: "b"}}});
    stores.wrote(&Seen::decode(Kind::NodeClaim, moved.clone()));
    let of_b = Read::list(Kind::NodeClaim, None, Selector::of([(LABEL, "b")]));
    assert_eq!((names(&stores.find(&ours())), names(&stores.find(&of_b))), (vec![], vec!["one".to_owned()]));
    moved["metadata"]["resourceVersion"] = json!("12");
    stores.applied(Seen::decode(Kind::NodeClaim, moved));
    assert_eq!((names(&stores.find(&ours())), names(&stores.find(&of_b))), (vec![], vec!["one".to_owned()]));
}

#[test]
fn versions_that_are_no_numbers_are_told_apart_all_the_same() {
    let map = |version: &str| {
        let metadata = json!({"name": "m", "namespace": "a", "uid": "u", "resourceVersion": version});
        Seen::decode(Kind::ConfigMap, json!({"metadata": metadata}))
    };
    let stores = Stores::new(KINDS);
    stores.listed(Kind::ConfigMap, vec![map("0x1")]);
    stores.keep_content(&map("0x1"));
    assert!(stores.applied(map("0x1")).is_none());
    assert!(stores.applied(map("0x2")).is_some());
    assert_eq!(stores.find(&Read::object(map("0x1").key())), Found::AskServer, "the content is an old one");
}

#[test]
fn a_kind_that_is_installed_anew_may_begin_with_lower_versions() {
    let stores = stores();
    stores.applied(claim("two", "2", 1000));
    stores.no_such_kind(Kind::NodeClaim);
    stores.listed(Kind::NodeClaim, Vec::new());
    stores.wrote(&claim("three", "3", 30));
    assert_eq!(names(&stores.find(&ours())), ["three"]);
}

#[test]
fn a_watch_that_is_lost_is_not_believed_until_it_lists_again() {
    let stores = stores();
    assert!(!stores.failed(Kind::NodeClaim, "connection reset"), "it goes on where it was");
    assert_eq!(names(&stores.find(&ours())), ["one"]);
    assert!(matches!(stores.lost(Kind::NodeClaim, "refused: port 1"), Some(Change::Kind(Kind::NodeClaim))));
    assert!(stores.lost(Kind::NodeClaim, "refused: port 2").is_none(), "once is enough");
    assert!(!stores.failed(Kind::NodeClaim, "refused: port 3"));
    assert_eq!((stores.find(&ours()), stores.holds(&ours())), (Found::AskServer, false));
    let phase = stores.phases().into_iter().find(|(row, _)| row.kind == Kind::NodeClaim).unwrap().1;
    assert_eq!(phase, Phase::Lost("refused: port 3".into()));

    let changes = stores.listed(Kind::NodeClaim, vec![claim("one", "1", 10)]);
    assert!(matches!(changes[..], [Change::Kind(Kind::NodeClaim)]), "every plan that was made meanwhile is made again");
    assert_eq!(names(&stores.find(&ours())), ["one"]);
    assert!(Stores::new(KINDS).lost(Kind::NodeClaim, "never listed").is_none());
}

#[test]
fn a_cloud_whose_first_list_fails_keeps_nobody_waiting_and_an_api_server_does() {
    let row = |kind| KindUse { kind, watch: Watch::Full, label: None, verbs: &[], subresources: &[], custom: false };
    let stores = Stores::new(&[row(Kind::AgentPool), row(Kind::NodeClaim)]);
    stores.listed(Kind::NodeClaim, Vec::new());
    assert!(!stores.settled(), "its list may come any moment");
    stores.failed(Kind::AgentPool, "no credential");
    assert!(stores.settled());
    assert_eq!(stores.find(&Read::object(ObjectKey::cluster(Kind::AgentPool, "a"))), Found::AskServer);
    let stores = Stores::new(&[row(Kind::AgentPool), row(Kind::NodeClaim)]);
    stores.listed(Kind::AgentPool, Vec::new());
    stores.failed(Kind::NodeClaim, "forbidden");
    assert!(!stores.settled());
}
