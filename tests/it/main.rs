//! Everything that needs no root, no network and no testbed.

mod layering;
mod sample;
mod scenarios;
mod sweeps;
mod world;
