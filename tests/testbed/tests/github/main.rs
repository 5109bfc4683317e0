//! The stateful GitHub, asked over the line as a client would.

#[cfg(test)]
mod checks;
#[cfg(test)]
mod client;
#[cfg(test)]
mod comments;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod deployments;
#[cfg(test)]
mod every_operation;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod permissions;
#[cfg(test)]
mod pulls;
#[cfg(test)]
mod refs;
