//! Images: what they are called and labelled.
//!
//! Pure: everything that is known of the event, the repository and the time is given.

pub mod metadata;
