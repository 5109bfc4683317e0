//! Everything that needs no root, no network and no testbed.
#![expect(unreachable_pub, reason = "nothing reaches out of a test")]

#[cfg(test)]
mod commands;
#[cfg(test)]
mod layering;
#[cfg(test)]
mod local;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod real;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod sweeps;
#[cfg(test)]
mod world;
