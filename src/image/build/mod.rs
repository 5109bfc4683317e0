//! Images built of a Dockerfile, by driving what builds them.
//!
//! ```text
//! Order ─┬─ fingerprint ──→ 64 hex digits of all that goes in ── a registry has it? ──→ nothing to do
//!        └─ Builder::find ─┬ buildx  ┐
//!                          ├ buildah ┼─ arguments (pure) ──→ follow: a process group ──→ Progress (pure) ──→ lines
//!                          └ classic ┘                                              └──→ Failure (pure) or Built
//! ```
//! Values of secrets are in the environment of the child alone, or in files for their owner alone; they are in no argument and no line.

mod attest;
mod buildah;
mod buildx;
mod cache;
#[cfg(test)]
mod cases;
mod classic;
mod dockerfile;
mod drive;
mod error;
mod failure;
mod find;
pub mod fingerprint;
mod follow;
mod lack;
mod order;
mod progress;
mod secret;
mod steps;

pub use attest::{Facts, attests};
pub use cache::of_actions;
pub use drive::{Built, Surroundings, build};
pub use error::BuildError;
pub use find::{Builder, Node};
pub use follow::Stop;
pub use order::{GIT_TOKEN, Order, Secret, Source, own_context};

/// The type of an output: what has no `type=` is a directory.
fn output_type(output: &str) -> &str {
    output.split(',').find_map(|field| field.trim().strip_prefix("type=")).unwrap_or("local")
}
