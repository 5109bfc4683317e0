//! Everything that needs no root, no network and no testbed.

#[cfg(test)]
mod layering;
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
