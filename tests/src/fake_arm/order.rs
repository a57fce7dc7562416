//! What comes instead of an answer, on order or by chance.

use axum::body::Body;
use axum::response::Response;
use fastrand::Rng;
use http::StatusCode;
use std::time::Duration;

/// An answer, word for word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Said {
    /// A status and a body.
    pub fn new(status: u16, body: impl Into<String>) -> Said {
        Said { status, headers: vec![("content-type".into(), "application/json".into())], body: body.into() }
    }

    /// The same with a header, in the place of one of that name.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Said {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), http::HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

/// What is done with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Nothing is done, and this is answered.
    Instead(Said),
    /// What was asked for is done, and this is answered.
    Unheard(Said),
    /// What was asked for is done and answered, with this header.
    With(&'static str, String),
    /// What was asked for is done and answered, the body only up to here.
    Half(usize),
    /// What was asked for is done, and the answer takes so long.
    Slow(Duration),
}

/// What a proxy says.
const HTML: &str = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";

/// Decides by chance.
pub(super) struct Dice {
    rng: Rng,
    odds: f64,
}

impl Dice {
    pub(super) fn new(seed: u64, odds: f64) -> Self {
        Self { rng: Rng::with_seed(seed), odds }
    }

    pub(super) fn roll(&mut self) -> Option<Order> {
        if self.rng.f64() >= self.odds {
            return None;
        }
        let html = || Said::new(502, HTML).with("content-type", "text/html");
        Some(match self.rng.u8(0..7) {
            0 => Order::Instead(html()),
            1 => Order::Unheard(html()),
            2 => Order::Instead(Said::new(500, r#"{"error":{"code":"InternalServerError","message":"no"}}"#)),
            3 => Order::Instead(
                Said::new(429, r#"{"error":{"code":"TooManyRequests","message":"later"}}"#).with("retry-after", "1"),
            ),
            4 => Order::Instead(Said::new(
                409,
                r#"{"code":"OperationNotAllowed","message":"Operation is not allowed: Another operation (Updating) is in progress, please wait for it to finish before starting a new operation."}"#,
            )),
            5 => Order::Half(self.rng.usize(0..40)),
            _ => Order::Unheard(Said::new(503, "").with("retry-after", "0")),
        })
    }
}
