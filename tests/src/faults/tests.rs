//! No test here waits: the clock is paused, and stands at the next timer whenever nothing else is left to do.

use super::*;
use std::sync::atomic::{AtomicU64, Ordering};
use tower::{ServiceExt, service_fn};

/// A stack that answers everything, and how many requests reached it.
fn stack(
    faults: &FaultLayer,
) -> (impl Service<Request<Body>, Response = Answer, Error = BoxError, Future: Send>, Arc<AtomicU64>) {
    let reached = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&reached);
    let inner = service_fn(move |_: Request<Body>| {
        let seen = Arc::clone(&seen);
        async move {
            seen.fetch_add(1, Ordering::Relaxed);
            refusal(200, "", "")
        }
    });
    (faults.layer(inner), reached)
}

fn request(method: &Method, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

/// What a client hears: a code, or nothing.
async fn heard(
    stack: impl Service<Request<Body>, Response = Answer, Error = BoxError>,
    request: Request<Body>,
) -> Option<u16> {
    let answer = tokio::time::timeout(Duration::from_millis(50), stack.oneshot(request)).await;
    answer.ok()?.ok().map(|answer| answer.status().as_u16())
}

#[tokio::test(start_paused = true)]
async fn a_fault_says_whether_the_request_was_sent() {
    for (fault, code, sent) in [
        (Fault::Conflict, Some(409), 0),
        (Fault::Throttled, Some(429), 0),
        (Fault::Failed, Some(500), 0),
        (Fault::Unavailable, Some(503), 0),
        (Fault::BadGateway, Some(502), 0),
        (Fault::Unreachable, None, 0),
        (Fault::TimedOut, Some(504), 1),
        (Fault::Unheard, None, 1),
        (Fault::Later, Some(504), 0), // not yet
        (Fault::Silent, None, 1),
    ] {
        let faults = FaultLayer::new(7, 1.0).only(fault);
        let (stack, reached) = stack(&faults);
        assert_eq!(heard(stack, request(&Method::POST, "/a")).await, code, "{fault:?}");
        assert_eq!(reached.load(Ordering::Relaxed), sent, "{fault:?}");
        assert_eq!(faults.struck(), BTreeMap::from([(fault, 1)]), "{fault:?}");
        if fault == Fault::Later {
            sleep(LONGEST + Duration::from_millis(200)).await;
            assert_eq!(reached.load(Ordering::Relaxed), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_never_conflicts() {
    let faults = FaultLayer::new(7, 1.0).only(Fault::Conflict);
    assert_eq!(heard(stack(&faults).0, request(&Method::GET, "/a")).await, Some(200));
}

#[test]
fn the_fate_of_a_request_depends_on_nothing_but_what_it_is_and_how_often_it_came_by() {
    let fates = |seed, others: &[&str]| {
        let faults = FaultLayer::new(seed, 0.3);
        let fate = |path: &str| {
            let mut dice = faults.dice(&request(&Method::PATCH, path));
            faults.fault(&mut dice, |_| true)
        };
        (0..100)
            .map(|_| {
                for path in others {
                    fate(path);
                }
                fate("/a")
            })
            .collect::<Vec<_>>()
    };
    let alone = fates(7, &[]);
    assert_eq!(alone, fates(7, &["/b", "/c"]));
    assert_ne!(alone, fates(8, &[]));
    let struck = alone.iter().flatten().count();
    assert!((15..45).contains(&struck), "{struck} of 100 at odds of 30 %");
}
