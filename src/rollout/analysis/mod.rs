//! Judges: from counts to verdicts.
