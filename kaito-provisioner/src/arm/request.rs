//! What is asked: five requests, without a token.

use super::address::{AddressError, ClusterId, Endpoint, OperationLink, PageLink};
use crate::pool::{PoolName, PoolRequest};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, USER_AGENT};
use http::{Method, Request, Uri};

/// The version of the API. Azure/azure-rest-api-specs, `specification/containerservice/resource-manager/Microsoft.ContainerService/aks/stable/2026-03-01/managedClusters.json`: it knows
/// `If-None-Match`, `eTag`, `ignore-pod-disruption-budget` and `properties.status.provisioningError`, on all of which we depend. The reference speaks 2024-01-01, which has none of them.
pub const API_VERSION: &str = "2026-03-01";

/// The first version in which a pool has an ETag, and a request may name one or demand that there be no pool: before it, two requests make what one was to make, and a deletion may mean another pool.
/// (Azure's clients know both since 2024-11, with this version.)
const FIRST_WITH_ETAGS: &str = "2024-09-01";

const JSON: &str = "application/json";
const AGENT: &str = concat!("kaito-gpu-provisioner/", env!("CARGO_PKG_VERSION"));

/// The agent pools of one cluster: makes requests and reads answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    pub(super) endpoint: Endpoint,
    pub(super) cluster: ClusterId,
    api_version: String,
}

impl Arm {
    /// The pools of a cluster, in [`API_VERSION`].
    pub fn new(endpoint: Endpoint, cluster: ClusterId) -> Self {
        Self { endpoint, cluster, api_version: API_VERSION.to_owned() }
    }

    /// The same in another version of the API, such as `2025-10-01`, for clouds that lag.
    pub fn in_version(mut self, version: &str) -> Result<Self, AddressError> {
        let (date, rest) = version.split_at_checked(10).unwrap_or((version, ""));
        let is_date = date.len() == 10
            && date.bytes().enumerate().all(|(at, b)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() });
        if !is_date || !matches!(rest, "" | "-preview") {
            let expected = "must be a date, such as 2026-03-01";
            return Err(AddressError::Setting { what: "API version", value: version.to_owned(), expected });
        }
        // Dates of this form are ordered as texts are.
        if date < FIRST_WITH_ETAGS {
            let expected = "must be 2024-09-01 or newer: before, agent pools have no ETag, and none can be asked for only where there is none";
            return Err(AddressError::Setting { what: "API version", value: version.to_owned(), expected });
        }
        version.clone_into(&mut self.api_version);
        Ok(self)
    }

    /// The only place that a token is sent to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The cluster.
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// One pool.
    pub fn get(&self, pool: &PoolName) -> http::Result<Request<Bytes>> {
        self.request(Method::GET, &format!("/{pool}"), "").body(Bytes::new())
    }

    /// Every pool of the cluster, also those of others: the first page.
    pub fn list(&self) -> http::Result<Request<Bytes>> {
        self.request(Method::GET, "", "").body(Bytes::new())
    }

    /// A further page.
    pub fn next_page(&self, link: &PageLink) -> http::Result<Request<Bytes>> {
        follow(&link.uri)
    }

    /// Makes a pool, and never changes one: with "create only", a pool of that name is an error of class [`Superseded`](crate::ErrorClass::Superseded), and is looked at.
    pub fn create(&self, pool: &PoolRequest) -> http::Result<Request<Bytes>> {
        self.request(Method::PUT, &format!("/{}", pool.name), "")
            .header(CONTENT_TYPE, JSON)
            .header(IF_NONE_MATCH, "*")
            .body(Bytes::from(pool.body()))
    }

    /// Deletes a pool; with `etag` only the one that was seen. Its Node was drained before: `ignore_budgets` keeps AKS from waiting for disruption budgets a second time.
    pub fn delete(&self, pool: &PoolName, etag: Option<&str>, ignore_budgets: bool) -> http::Result<Request<Bytes>> {
        let query = if ignore_budgets { "&ignore-pod-disruption-budget=true" } else { "" };
        let request = self.request(Method::DELETE, &format!("/{pool}"), query);
        match etag {
            Some(etag) => request.header(IF_MATCH, etag),
            None => request,
        }
        .body(Bytes::new())
    }

    /// How far an operation is.
    pub fn poll(&self, link: &OperationLink) -> http::Result<Request<Bytes>> {
        follow(&link.uri)
    }

    fn request(&self, method: Method, below: &str, query: &str) -> http::request::Builder {
        let Self { endpoint, cluster, api_version } = self;
        let uri = format!("{endpoint}{}/agentPools{below}?api-version={api_version}{query}", cluster.path());
        Request::builder().method(method).uri(uri).header(ACCEPT, JSON).header(USER_AGENT, AGENT)
    }
}

/// An address that [`Endpoint::follow`] has let through.
fn follow(uri: &Uri) -> http::Result<Request<Bytes>> {
    Request::get(uri).header(ACCEPT, JSON).header(USER_AGENT, AGENT).body(Bytes::new())
}
