//! Manifests: what the user wrote, as objects that know where they stand.
//!
//! ```text
//! files, folders → documents (read) → objects, checked → in the order of applying (order)
//!                                         └→ of one release: stamped, configuration named by content (versioned)
//! ```
//! Pure but for the reading of files.

mod object;
mod order;
mod parts;
mod read;
mod stamp;
mod transplant;
mod versioned;

pub use object::{Key, Object, Source};
pub use order::{in_order, rank};
pub use parts::{Part, parts};
pub use read::{ManifestError, parse, read};
pub use stamp::{APP, ENVIRONMENT, RELEASE, Stamp, pin_images, repository_of, stamp};
pub use transplant::{shared, transplant};
pub use versioned::{Versioned, version};
