//! The life of the testbed: it starts twice as once, outlives a kill of who starts it, ends whole, and says what is wrong.
//!
//! These tests end the testbed that runs here, so they are run by `make test` before the others, one at a time
//! (`cargo test -p testbed --test life`). They need what the testbed needs.

#[cfg(test)]
mod ending;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod refusing;
#[cfg(test)]
mod starting;
