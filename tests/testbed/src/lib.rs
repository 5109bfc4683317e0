//! The real parts that Tidegate is tested against, and a stateful GitHub that holds every request and answer against the
//! official description.

pub mod github;
mod home;

pub use home::Home;
