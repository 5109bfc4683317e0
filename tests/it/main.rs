//! Everything that needs no root, no network and no testbed.

mod layering;
mod sample;
mod scenarios;
mod settings;
mod sweeps;
mod world;
