//! The language of Azure Resource Manager, as far as agent pools need it: four requests, their answers, and every way in which an answer can be wrong.
//!
//! [`Arm`] makes requests and reads answers; it sends nothing and knows no token. What it reads is never believed to be well-formed: a proxy's page, half a document, an address at another host
//! become an [`ArmError`] with the cloud's own words in front.

mod absence; // whether a 404 speaks of the pool
mod address; // where the cluster is, and which addresses may be followed
mod answer; // what an answer says
mod error; // a refusal, with the cloud's words in front
pub mod errors; // which words mean what
mod patience; // how long to wait
mod pools; // agent pools in JSON
mod request; // what is asked

pub use address::{AddressError, ClusterId, Endpoint, LinkKind, OperationLink, PageLink};
pub use answer::{Page, Pages, Progress, Removal, Started};
pub use error::ArmError;
pub use patience::{DEFAULT_POLL, LONGEST_WAIT};
pub use request::{API_VERSION, Arm};
