//! The facts of a rollout.
