//! Every test but those beside the code; `tiers` says which need what.
#![expect(unreachable_pub, reason = "nothing reaches out of a test")]

#[cfg(test)]
mod action;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod diagnose;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod github;
#[cfg(test)]
mod image_tags;
#[cfg(test)]
mod kubernetes;
#[cfg(test)]
mod layering;
#[cfg(test)]
mod local;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod prometheus;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod push;
#[cfg(test)]
mod rbac;
#[cfg(test)]
mod real;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod release;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod scan;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod sweeps;
#[cfg(test)]
mod tiers;
#[cfg(test)]
mod trigger;
#[cfg(test)]
mod world;
