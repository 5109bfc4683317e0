//! Tags, labels and annotations: the cases of `tests/fixtures/tags`, and what holds for any input.

mod cases;
mod never_panics;
