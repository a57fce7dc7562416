//! Writes whose answers are none, credentials that end in the middle, and two provisioners at once.

use super::*;
use async_trait::async_trait;
use http::Method;
use kaito_core::backend::ErrorKind;
use kaito_operator::arm::{AccessToken, Credential, CredentialError};
use kaito_tests::fake_arm::{FakeArm, Order, Said};
use std::sync::{Arc, Mutex, PoisonError};

const HTML: &str = "<html><body>Sign in to the proxy</body></html>";
const QUOTA: &str = r#"{"error":{"code":"QuotaExceeded","message":"cores"}}"#;

/// What comes instead of an answer to a write: what is told, and whether it was carried out.
fn no_answers() -> [(Order, ErrorKind, bool); 8] {
    let day = Said::new(429, "").with("retry-after", "86400");
    [
        (Order::Instead(Said::new(200, HTML)), ErrorKind::Unavailable, false),
        (Order::Instead(Said::new(502, HTML)), ErrorKind::Unavailable, false),
        (Order::Instead(Said::new(200, QUOTA)), ErrorKind::Invalid, false),
        (Order::Instead(day), ErrorKind::Throttled, false),
        (Order::Unheard(Said::new(504, HTML)), ErrorKind::Unavailable, true),
        (Order::Unheard(Said::new(200, HTML)), ErrorKind::Unavailable, true),
        (Order::Unheard(Said::new(200, r#"{"id": "/subscr"#)), ErrorKind::Unavailable, true),
        (Order::Slow(Duration::from_secs(7)), ErrorKind::Timeout, true),
    ]
}

#[tokio::test]
async fn a_pool_is_paid_for_once_whatever_comes_instead_of_the_answer() {
    let azure = FakeArm::start(pace(0)).await;
    let pools = azure.pools();
    for (index, (order, kind, was_made)) in no_answers().into_iter().enumerate() {
        let name = format!("ws{index}");
        azure.order(Method::PUT, order.clone());
        let error = create(&pools, &name).await.expect_err("it is no answer");
        assert_eq!(error.kind, kind, "{order:?}: {error}");
        assert!(error.retry_after.is_none_or(|wait| wait <= Duration::from_secs(300)), "{order:?}: {error:?}");
        assert_eq!(look(&pools, &name).await.unwrap().is_some(), was_made, "{order:?}");
        let again = create(&pools, &name).await;
        assert_eq!(again.err().map(|error| error.kind), was_made.then_some(ErrorKind::AlreadyExists), "{order:?}");
        until(&pools, &name, "Succeeded").await;
        assert_eq!(azure.made(), index + 1, "{order:?}");
    }
}

#[tokio::test]
async fn a_pool_is_given_back_whatever_comes_instead_of_the_answer() {
    let azure = FakeArm::start(pace(0)).await;
    let pools = azure.pools();
    for (index, (order, kind, _)) in no_answers().into_iter().enumerate() {
        let name = format!("ws{index}");
        create(&pools, &name).await.unwrap();
        let seen = until(&pools, &name, "Succeeded").await.unwrap();
        azure.order(Method::DELETE, order.clone());
        let error = delete(&pools, &seen, STAMP).await.expect_err("it is no answer");
        assert_eq!(error.kind, kind, "{order:?}: {error}");
        delete(&pools, &seen, STAMP).await.unwrap();
        until(&pools, &name, "gone").await;
    }
    assert!(azure.nodes().is_empty());
}

/// Gives whatever word it holds just then.
#[derive(Clone, Default)]
struct Rotated(Arc<Mutex<String>>);

impl Rotated {
    fn set(&self, word: &str) {
        word.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[async_trait]
impl Credential for Rotated {
    async fn token(&self, _: &str) -> Result<AccessToken, CredentialError> {
        let word = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        AccessToken::new(&word, Duration::from_hours(24))
    }
}

#[tokio::test]
async fn credentials_that_end_in_the_middle_of_an_operation_are_told_and_what_was_begun_goes_on_with_new_ones() {
    let azure = FakeArm::start(pace(2)).await;
    let credential = Rotated::default();
    credential.set(kaito_tests::fake_arm::TOKEN);
    let pools = azure.pools_of(azure.arm(), Arc::new(credential.clone()));
    create(&pools, "ws1").await.unwrap();
    assert_eq!(state(look(&pools, "ws1").await.unwrap().as_ref()), "Creating");
    azure.take_only("n3w");
    // Until the operation may be asked again, nobody is.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let error = look(&pools, "ws1").await.expect_err("nobody has given a new one");
    assert_eq!(error.kind, ErrorKind::Forbidden, "{error}");
    assert!(error.message.starts_with("InvalidAuthenticationToken: "), "{error}");
    credential.set("n3w");
    // A refusal is believed for a while.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let seen = until(&pools, "ws1", "Succeeded").await.unwrap();
    delete(&pools, &seen, STAMP).await.unwrap();
    azure.take_only("n3west");
    credential.set("n3west");
    tokio::time::sleep(Duration::from_secs(6)).await;
    until(&pools, "ws1", "gone").await;
    assert_eq!(azure.made(), 1);
}

#[tokio::test]
async fn two_provisioners_at_once_pay_for_one_pool_and_both_see_it_come_and_go() {
    let azure = FakeArm::start(pace(0)).await;
    let (one, other) = (azure.pools(), azure.pools());
    for number in 0..10 {
        let name = format!("ws{number}");
        let (first, second) = tokio::join!(create(&one, &name), create(&other, &name));
        let refused: Vec<ErrorKind> =
            [first, second].into_iter().filter_map(Result::err).map(|error| error.kind).collect();
        assert_eq!(refused, [ErrorKind::AlreadyExists]);
        let seen = [until(&one, &name, "Succeeded").await.unwrap(), until(&other, &name, "Succeeded").await.unwrap()];
        let gone = tokio::join!(delete(&one, &seen[0], STAMP), delete(&other, &seen[1], STAMP));
        let refused: Vec<ErrorKind> =
            [gone.0, gone.1].into_iter().filter_map(Result::err).map(|error| error.kind).collect();
        assert!([&[][..], &[ErrorKind::Conflict]].contains(&refused.as_slice()), "{refused:?}");
        until(&one, &name, "gone").await;
        until(&other, &name, "gone").await;
    }
    assert_eq!(azure.made(), 10);
}
