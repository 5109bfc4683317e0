//! The front of a preview: a pod of Tidegate in its namespace that stands between the routes and the app, asks visitors for what opens, and has
//! the app sleep while nobody comes.
//!
//! ```text
//! route → Service SHOP-front → the front's pod → Service SHOP → the app
//! ```
//! In the release's objects only names change: each Service that a route leads to has another one before it, with the same ports (`services`).
//! The pod finds those by their label and serves each of their ports; whatever else it needs stands in the namespace before the app does
//! (`standing`). Sleep is Deployments without pods; how many each had stands in a ConfigMap (`rest`).

mod past;
mod rest;
mod services;
mod standing;

pub use rest::{asleep, is_held, lie_down, settle, wake};
pub use services::{Lead, behind, leads, ready, stand_before};
pub use standing::{Standing, raise, remove};

/// The name of everything that is made for it, and the label of its pods.
pub const NAME: &str = "tidegate-front";
/// Label of the front's own pods and Deployment.
const PART: &str = "tidegate.dev/front";
/// Label of a Service that leads to the front: the one that it stands before.
pub const BEFORE: &str = "tidegate.dev/front-of";
/// The variable with what opens, for the front's process.
pub const ACCESS: &str = "TIDEGATE_FRONT_ACCESS";
/// The variable with the namespace, for the front's process.
pub const NAMESPACE: &str = "TIDEGATE_FRONT_NAMESPACE";
/// The port at which it says that it serves.
pub const HEALTH: u16 = 19_999;
