//! A NodeClaim made into one machine of AKS: one NodeClaim is one agent pool of one machine, and one Node.
//!
//! Pure, as the core is: no clock, no IO, no randomness. A request comes out as [`http::Request`], a response goes in as [`http::Response`]; who sends them, with which token, is
//! somebody else's (`kaito_operator`).
//!
//! | room | what is there |
//! |---|---|
//! | [`pool`] | the agent pool: as a NodeClaim asks for it ([`PoolRequest`]), and as Azure shows it ([`PoolSeen`]) |
//! | [`arm`] | the language of Azure Resource Manager: addresses, requests, answers, errors |
//! | [`class`] | what a refusal means: whether it is final, when to try again, how it is called in a condition |
//! | [`operation`] | an operation that takes minutes, and what of it survives a restart |
//! | [`claim`] | the planner of NodeClaims: launch, registration, health, termination, and what is left over |
//! | [`faults`] | what a Workspace tells when something is wrong with its machines, tried in a simulated world |

pub mod arm;
pub mod claim;
pub mod class;
pub mod faults;
pub mod operation;
pub mod pool;

pub use arm::{Arm, ArmError};
pub use claim::ClaimPlanner;
pub use class::{ErrorClass, Failure};
pub use operation::Operation;
pub use pool::{PoolName, PoolRequest, PoolSeen, Refusal};

#[cfg(test)]
mod tests;
