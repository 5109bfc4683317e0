//! The embedded target with real processes: the tidegate binary supervises, this test binary is what is deployed.

mod deploys;
mod survival;
mod troubles;
mod world;
