//! Everything that needs no root, no network and no testbed.

mod layering;
mod scenarios;
mod sweeps;
mod world;
