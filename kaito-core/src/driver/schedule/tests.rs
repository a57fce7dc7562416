use super::*;
use crate::backend::ErrorKind;
use crate::effect::EffectError;
use crate::kinds::Kind;
use serde_json::json;

fn root() -> ObjectKey {
    ObjectKey::new(Kind::Workspace, "a", "b")
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn report(outcome: Outcome, wake: Wake) -> Report {
    Report {
        outcome,
        wake,
        reads: BTreeSet::from([Read::object(root())]),
        written: Vec::new(),
        status: None,
        errors: Vec::new(),
        unknown: Vec::new(),
        remarks: Vec::new(),
        again: false,
    }
}

/// A look whose write was refused; it wants to come again after three seconds.
fn refused(retry_after: Option<u64>) -> Result<Report, BackendError> {
    let wake = Wake::After(jiff::SignedDuration::from_secs(3));
    let error = EffectError {
        key: root(),
        verb: "create",
        kind: ErrorKind::Forbidden,
        message: String::new(),
        retry_after: retry_after.map(seconds),
    };
    Ok(Report { errors: vec![error], ..report(Outcome::Failed { reason: "X" }, wake) })
}

fn quiet() -> Result<Report, BackendError> {
    Ok(report(Outcome::Converged, Wake::OnChange))
}

/// The root at a generation, with a word in its status.
fn seen(generation: i64, word: &str) -> Seen {
    let version = format!("{generation}{}", word.len());
    let body = json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
        "metadata": {"name": "b", "namespace": "a", "uid": "u", "generation": generation, "resourceVersion": version},
        "resource": {"instanceType": "x", "labelSelector": {}}, "status": {"state": word},
    });
    Seen::decode(Kind::Workspace, body)
}

fn changed(old: Seen, new: Seen) -> Change {
    Change::Object { old: Some(old), new: Some(new) }
}

fn status() -> Change {
    changed(seen(1, "a"), seen(1, "ab"))
}

fn edit() -> Change {
    changed(seen(1, "a"), seen(2, "a"))
}

/// Looks as soon as the schedule lets, and ends so.
fn look(roots: &mut Schedule, result: &Result<Report, BackendError>) -> Duration {
    let at = roots.next().unwrap();
    assert_eq!(roots.take(at), Some(root()));
    roots.finished(&root(), result, at, 1.0);
    at
}

/// A schedule after so many refusals in a row, with the time of the last.
fn after_refusals(count: usize) -> (Schedule, Duration) {
    let mut roots = Schedule::default();
    roots.look(&root(), Duration::ZERO);
    let last = (0..count).map(|_| look(&mut roots, &refused(None))).last().unwrap();
    (roots, last)
}

#[test]
fn the_next_look_is_soon_after_a_race_later_after_a_refusal_and_rare_when_quiet() {
    let mut roots = Schedule::default();
    roots.look(&root(), Duration::ZERO);
    let mut wait = |result: &Result<Report, BackendError>| {
        let at = look(&mut roots, result);
        roots.next().map(|next| next - at)
    };
    assert_eq!(wait(&quiet()), Some(seconds(3600)));
    let soon = report(Outcome::Waiting { reason: "X" }, Wake::After(jiff::SignedDuration::from_secs(3)));
    assert_eq!(wait(&Ok(soon)), Some(seconds(3)));

    let race = quiet().map(|report| Report { again: true, ..report });
    let waits: Vec<u128> = (0..3).filter_map(|_| wait(&race)).map(|wait| wait.as_millis()).collect();
    assert_eq!(waits, [0, 100, 200]);

    let waits: Vec<u64> = (0..5).filter_map(|_| wait(&refused(None))).map(|wait| wait.as_secs()).collect();
    assert_eq!(waits, [3, 3, 4, 8, 16]);
    assert_eq!(wait(&Ok(report(Outcome::Gone, Wake::OnChange))), None);
    assert!(roots.failures.is_empty() && roots.races.is_empty());
}

#[test]
fn a_status_that_tells_of_a_refusal_never_cuts_the_backoff_short() {
    for arrives_during_the_look in [true, false] {
        let mut roots = Schedule::default();
        roots.look(&root(), Duration::ZERO);
        let mut waits = Vec::new();
        for _ in 0..6 {
            let at = roots.next().unwrap();
            assert_eq!(roots.take(at), Some(root()));
            let hear = |roots: &mut Schedule| {
                roots.heard(&root(), &status(), at);
                roots.meanwhile(&status());
            };
            if arrives_during_the_look {
                hear(&mut roots);
            }
            roots.finished(&root(), &refused(None), at, 1.0);
            if !arrives_during_the_look {
                hear(&mut roots);
            }
            waits.push((roots.next().unwrap() - at).as_secs());
        }
        assert_eq!(waits[2..], [4, 8, 16, 32], "{arrives_during_the_look}: {waits:?}");
    }
}

#[test]
fn an_edit_is_looked_at_soon_however_long_the_backoff_is() {
    let (mut roots, last) = after_refusals(9);
    assert_eq!(roots.next().unwrap() - last, seconds(256));
    roots.heard(&root(), &edit(), last + seconds(1));
    assert_eq!(roots.next().unwrap() - last, seconds(10), "not in a row with the refusal");

    let (mut roots, last) = after_refusals(9);
    roots.heard(&root(), &edit(), last + seconds(100));
    assert_eq!(roots.next().unwrap() - last, seconds(100), "at once, when the refusal is some time ago");
    look(&mut roots, &quiet());
    roots.heard(&root(), &status(), last + seconds(200));
    assert_eq!(roots.next().unwrap() - last, seconds(200), "and nothing is held back once it was accepted");
}

#[test]
fn an_edit_that_comes_during_a_look_that_fails_is_not_forgotten() {
    let (mut roots, _) = after_refusals(9);
    let at = roots.next().unwrap();
    roots.take(at);
    roots.heard(&root(), &edit(), at);
    roots.finished(&root(), &refused(None), at, 1.0);
    assert_eq!(roots.next().unwrap() - at, seconds(10));
}

#[test]
fn nothing_leads_to_a_look_before_the_server_asked() {
    let unavailable = BackendError { retry_after: Some(seconds(120)), ..BackendError::new(ErrorKind::Throttled, "") };
    for result in [refused(Some(120)), Err(unavailable)] {
        let mut roots = Schedule::default();
        roots.look(&root(), Duration::ZERO);
        roots.take(Duration::ZERO);
        roots.heard(&root(), &edit(), Duration::ZERO);
        roots.meanwhile(&edit());
        roots.finished(&root(), &result, Duration::ZERO, 1.0);
        assert_eq!(roots.next(), Some(seconds(120)), "what came during the look");
        roots.heard(&root(), &edit(), seconds(60));
        roots.look(&root(), seconds(60));
        assert_eq!(roots.next(), Some(seconds(120)), "what came afterwards");
    }
}

#[test]
fn what_changes_during_a_look_is_remembered_once_and_within_bounds() {
    let other = ObjectKey::new(Kind::Workspace, "a", "c");
    let mut roots = Schedule::without_safety();
    roots.meanwhile(&status());
    assert_eq!(roots.news.len(), 0, "nobody asks");
    for key in [root(), other.clone()] {
        roots.look(&key, Duration::ZERO);
        roots.take(Duration::ZERO);
    }
    roots.meanwhile(&status());
    assert_eq!(roots.news.len(), 1);
    roots.finished(&other, &quiet(), Duration::ZERO, 0.0);
    assert!(roots.when(&other).is_some(), "it has read the object that changed");
    assert_eq!(roots.news.len(), 1, "the other look is still under way");

    let unrelated = Change::Kind(Kind::Node);
    (0..100_000).for_each(|_| roots.meanwhile(&unrelated));
    assert!(roots.news.len() < 10_000);
    roots.finished(&root(), &quiet(), Duration::ZERO, 0.0);
    assert!(roots.when(&root()).is_some(), "what was forgotten may have concerned it");
    assert_eq!(roots.news.len(), 0);
}

#[test]
fn a_look_that_the_cloud_did_not_answer_comes_again_ever_later_and_no_sooner_than_it_asked() {
    let wake = Wake::After(jiff::SignedDuration::from_secs(3));
    let unanswered = |asked: Option<u64>| {
        let error =
            BackendError { retry_after: asked.map(seconds), ..BackendError::new(ErrorKind::Unavailable, "away") };
        Ok(Report { unknown: vec![error], ..report(Outcome::Waiting { reason: "X" }, wake) })
    };
    let mut schedule = Schedule::default();
    let mut now = Duration::ZERO;
    let mut waits = Vec::new();
    for asked in [None, None, None, None, Some(120)] {
        schedule.look(&root(), now);
        now = schedule.when(&root()).unwrap();
        assert_eq!(schedule.take(now), Some(root()));
        schedule.finished(&root(), &unanswered(asked), now, 1.0);
        waits.push((schedule.when(&root()).unwrap() - now).as_secs());
        now = schedule.when(&root()).unwrap();
    }
    assert_eq!(waits, [3, 3, 4, 8, 120]);
}
