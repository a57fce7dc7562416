//! What goes wrong between a client and a real API server: the request faults of the memory world (`kaito_core::memory`), and what only a network has, as a layer in a client's stack.
//!
//! One client gets the layer, the controller's: [`kaito_operator::kube::client_builder`]. What a test itself asks goes past it.
//!
//! Dice with a seed decide, for each request by what it is and how often it was sent before: so its fate does not depend on what other requests do meanwhile, and most of a run repeats.

mod answers; // refusals as servers and what stands before them word them; watches that end

use answers::{refusal, watched};
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use kube_client::client::{Body, DynBody};
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::sleep;
use tower::{BoxError, Layer, Service};

/// No wait of a fault is longer; a client's own limit is.
const LONGEST: Duration = Duration::from_secs(3);
/// How long a watch lives at most.
const WATCH: Duration = Duration::from_secs(20);

/// Which requests a fault can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meets {
    Every,
    Writes,
    /// Not watches: one that never begins is noticed only when its connection is given up, after five minutes.
    NoWatch,
}

macro_rules! faults {
    ($($name:ident $weight:literal $meets:ident $what:literal;)*) => {
        /// Something that happens to a request or to a watch.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $what] $name,)*
            /// Answered, but up to seconds later.
            Slow,
            /// A watch that ends.
            WatchEnded,
            /// A watch whose connection breaks.
            WatchBroken,
            /// A watch that is told that its version is too old.
            WatchExpired,
            /// A watch that tells later.
            WatchLate,
        }

        /// What can happen instead of an answer: how often it does compared with the others, and to which requests.
        const TABLE: &[(Fault, u32, Meets)] = &[$((Fault::$name, $weight, Meets::$meets),)*];

        impl Fault {
            /// What happens, in a line.
            pub const fn what(self) -> &'static str {
                match self {
                    $(Fault::$name => $what,)*
                    Fault::Slow => "answered late",
                    Fault::WatchEnded => "watch: ended",
                    Fault::WatchBroken => "watch: connection broken",
                    Fault::WatchExpired => "watch: version too old",
                    Fault::WatchLate => "watch: held up",
                }
            }
        }
    };
}

faults! {
    Conflict 5 Writes "not sent: 409, somebody else was faster";
    Throttled 4 Every "not sent: 429, in plain text with Retry-After in a header";
    Failed 3 Every "not sent: 500, from etcd";
    Unavailable 2 Every "not sent: 503";
    BadGateway 1 Every "not sent: 502, a page of HTML from a load balancer";
    Unreachable 2 Every "not sent: no connection";
    TimedOut 3 Writes "sent, and answered with 504";
    Unheard 4 Every "sent, and the connection broke before the answer";
    Later 2 Writes "answered with 504, and sent some time later";
    Silent 1 NoWatch "sent, and never answered";
}

/// Injects faults into one client. A clone counts together with its original.
#[derive(Clone)]
pub struct FaultLayer {
    seed: u64,
    odds: f64,
    only: Option<Fault>,
    book: Arc<Mutex<Book>>,
}

/// What has happened so far.
#[derive(Default)]
struct Book {
    requests: BTreeMap<(String, String), u64>,
    struck: BTreeMap<Fault, u64>,
}

impl FaultLayer {
    /// Faults at these odds (`0.0..=1.0`): so many requests are not answered as they should be, as many others are answered late; and every watch is cut within 20 seconds.
    pub fn new(seed: u64, odds: f64) -> Self {
        Self { seed, odds, only: None, book: Arc::default() }
    }

    /// The same with one fault and no other: to find out which one a defect needs.
    #[must_use]
    pub fn only(mut self, fault: Fault) -> Self {
        self.only = Some(fault);
        self
    }

    /// How many requests came by, those that were not sent among them.
    pub fn requests(&self) -> u64 {
        self.book().requests.values().sum()
    }

    /// How many of them were not answered as they should have been.
    pub fn failed(&self) -> u64 {
        let struck = self.struck();
        TABLE.iter().filter_map(|(fault, ..)| struck.get(fault)).sum()
    }

    /// How often each fault has struck.
    pub fn struck(&self) -> BTreeMap<Fault, u64> {
        self.book().struck.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, fault: Fault) {
        *self.book().struck.entry(fault).or_default() += 1;
    }

    /// The dice of a request: what they show depends on its method, its path and how often it came by.
    fn dice(&self, request: &Request<Body>) -> fastrand::Rng {
        let key = (request.method().to_string(), request.uri().path().to_owned());
        let mut hasher = DefaultHasher::new(); // its keys are fixed
        (self.seed, &key).hash(&mut hasher);
        let mut book = self.book();
        let times = book.requests.entry(key).or_default();
        *times += 1;
        times.hash(&mut hasher);
        fastrand::Rng::with_seed(hasher.finish())
    }

    /// What happens to a request instead of an answer.
    fn fault(&self, dice: &mut fastrand::Rng, meets: impl Fn(Meets) -> bool) -> Option<Fault> {
        if dice.f64() >= self.odds {
            return None;
        }
        let is_possible = |row: &&(Fault, u32, Meets)| self.only.is_none_or(|only| only == row.0) && meets(row.2);
        let rows: Vec<_> = TABLE.iter().filter(is_possible).collect();
        let all: u32 = rows.iter().map(|row| row.1).sum();
        let mut left = if all == 0 { return None } else { dice.u32(0..all) };
        let mut rows = rows.into_iter();
        rows.find(|(_, weight, _)| {
            let is_it = left < *weight;
            left = left.saturating_sub(*weight);
            is_it
        })
        .map(|row| row.0)
    }

    /// Whether a fault that leaves the answer as it is strikes.
    fn strikes(&self, dice: &mut fastrand::Rng, fault: Fault) -> bool {
        let strikes = dice.f64() < self.odds && self.only.is_none_or(|only| only == fault);
        if strikes {
            self.count(fault);
        }
        strikes
    }
}

/// A table of what has happened.
impl fmt::Display for FaultLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}, odds {}: {} of {} requests failed",
            self.seed,
            self.odds,
            self.failed(),
            self.requests()
        )?;
        for (fault, times) in self.struck() {
            writeln!(f, "{times:>6}  {}", fault.what())?;
        }
        Ok(())
    }
}

impl<S> Layer<S> for FaultLayer {
    type Service = Faulty<S>;

    fn layer(&self, inner: S) -> Faulty<S> {
        Faulty { inner, faults: self.clone() }
    }
}

/// A client's stack behind a [`FaultLayer`].
pub struct Faulty<S> {
    inner: S,
    faults: FaultLayer,
}

/// An answer of a client's stack.
type Answer = Response<Box<DynBody>>;

impl<S> Service<Request<Body>> for Faulty<S>
where
    S: Service<Request<Body>, Response = Answer, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Answer, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut dice = self.faults.dice(&request);
        let writes = request.method() != Method::GET;
        let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let fault = self.faults.fault(&mut dice, |meets| match meets {
            Meets::Every => true,
            Meets::Writes => writes,
            Meets::NoWatch => !watches,
        });
        if let Some(fault) = fault {
            self.faults.count(fault);
        }
        let wait = LONGEST.mul_f64(dice.f64());
        let answer = match fault {
            None => return self.answered(request, dice, watches),
            Some(Fault::Conflict) => refusal(
                409,
                "Conflict",
                "the object has been modified; please apply your changes to the latest version and try again",
            ),
            Some(Fault::Throttled) => answers::throttled(1 + dice.u64(0..2)),
            Some(Fault::Failed) => refusal(500, "InternalError", "etcdserver: request timed out"),
            Some(Fault::Unavailable) => {
                refusal(503, "ServiceUnavailable", "the server is currently unable to handle the request")
            }
            Some(Fault::BadGateway) => answers::bad_gateway(),
            Some(Fault::Unreachable) => Err(broken(ErrorKind::ConnectionRefused)),
            // A future that was not polled has not sent anything yet.
            Some(Fault::Later) => {
                let sent = self.inner.call(request);
                tokio::spawn(async move {
                    sleep(wait).await;
                    let _ = sent.await;
                });
                answers::timed_out()
            }
            Some(fault) => return unheard(fault, self.inner.call(request)),
        };
        Box::pin(async { answer })
    }
}

impl<S> Faulty<S>
where
    S: Service<Request<Body>, Response = Answer, Error = BoxError>,
    S::Future: Send + 'static,
{
    /// A request that is answered, maybe late; a watch is cut some time.
    fn answered(
        &mut self,
        request: Request<Body>,
        mut dice: fastrand::Rng,
        watches: bool,
    ) -> BoxFuture<'static, Result<Answer, BoxError>> {
        let slow =
            if self.faults.strikes(&mut dice, Fault::Slow) { LONGEST.mul_f64(dice.f64()) } else { Duration::ZERO };
        // On the way there, or on the way back, when a watch may have told already what it did.
        let (before, after) = if dice.bool() { (slow, Duration::ZERO) } else { (Duration::ZERO, slow) };
        let (sent, faults) = (self.inner.call(request), self.faults.clone());
        Box::pin(async move {
            sleep(before).await;
            let answer = sent.await?;
            sleep(after).await;
            let begins = watches && answer.status().is_success();
            Ok(if begins { answer.map(|body| watched(body, faults, dice)) } else { answer })
        })
    }
}

/// A request that is carried out, and of whose answer the client never hears.
fn unheard(
    fault: Fault,
    sent: impl Future<Output = Result<Answer, BoxError>> + Send + 'static,
) -> BoxFuture<'static, Result<Answer, BoxError>> {
    Box::pin(async move {
        drop(sent.await?);
        match fault {
            Fault::TimedOut => answers::timed_out(),
            Fault::Silent => std::future::pending().await,
            _ => Err(broken(ErrorKind::ConnectionReset)),
        }
    })
}

fn broken(kind: ErrorKind) -> BoxError {
    io::Error::new(kind, "injected").into()
}

#[cfg(test)]
mod tests;
