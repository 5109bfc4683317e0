//! What a builder cannot do that somebody has asked for. Pure.

/// An input, and whether it is asked for.
pub(super) struct Lack(pub(super) &'static str, pub(super) bool);

/// Those that are asked for.
pub(super) fn lacks(all: &[Lack]) -> Vec<&'static str> {
    all.iter().filter(|lack| lack.1).map(|lack| lack.0).collect()
}
