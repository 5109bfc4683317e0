//! Tidegate takes a commit to production and takes it back by itself when a gate fails.
//!
//! # The flow: one way
//! ```text
//! event + inputs + tidegate.yaml → Settings → Intent → Release → Plan → engine( Steps × Target × Gates ) → Event → journal
//!                                                                                                          └────→ reports
//! ```
//! A strategy compiles to a list of steps; one engine walks them, and the same engine walks the way back. What happens next
//! is decided by [`rollout::decide`], a pure function of the plan, the replayed journal and what is seen in the target.
//!
//! # The layers
//! Dependencies point inwards: [`rollout`] imports nothing of this crate; the adapters ([`target`], [`journal`], [`gate`],
//! [`report`]) import only `rollout` and what imports nothing itself ([`yaml`], [`cluster`], [`registry`], [`prometheus`], [`github`]);
//! [`scan`] knows [`rollout`]'s verdicts; [`preview`] is pure and imports nothing; [`trigger`] knows [`settings`]; [`image`] knows [`github`]'s event and [`registry`]; [`engine`] sees `rollout` and the adapters' traits; only [`run`] sees all. A test reads the `use` lines and fails on a forbidden one.

pub mod cli;
pub mod cluster;
pub mod databases;
pub mod engine;
pub mod error;
pub mod gate;
pub mod github;
pub mod image;
pub mod journal;
pub mod migrate;
pub mod preview;
pub mod program;
pub mod prometheus;
pub mod registry;
pub mod report;
pub mod rollout;
pub mod run;
pub mod sample;
pub mod scan;
pub mod settings;
pub mod signature;
pub mod target;
pub mod trigger;
pub mod trust;
pub mod yaml;
