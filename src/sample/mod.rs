//! The sample app, the load generator and the ledger of requests: what `tidegate demo` and the end-to-end tests run on.
//!
//! A demonstration has to show a deployment under real traffic on a machine that has nothing but this binary. So the binary
//! carries its own service ([`app`], with faults that can be switched on), its own visitors ([`load`]), and a book
//! ([`Ledger`]) in which every request ends as answered or as lost, with no third place to hide one.
//!
//! Nothing here imports another module of the crate.

pub mod app;
mod error;
mod histogram;
mod ledger;
pub mod load;
mod series;

pub use error::SampleError;
pub use histogram::Histogram;
pub use ledger::{Answer, KindTally, LastSeen, Ledger, Loss, LossKind, VersionTally};
pub use series::{Series, Slice};

/// The response header in which the sample app names its version.
///
/// An answer without it did not come from the app: a proxy made it up.
pub const VERSION_HEADER: &str = "x-sample-version";
