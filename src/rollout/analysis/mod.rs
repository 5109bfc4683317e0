//! Judges: from counts to verdicts.
pub mod verify;
use super::{Counts, Judgement, Verdict, step::Comparison};
use serde::{Deserialize, Serialize};
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug, Default)]
pub struct Block {
    pub stable: Counts,
    pub candidate: Counts,
}
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Evidence {
    t: Block,
}
impl Evidence {
    pub fn new(_c: &Comparison) -> Self {
        Self::default()
    }
    pub fn absorb(&mut self, b: &Block) {
        self.t.candidate += b.candidate;
        self.t.stable += b.stable;
    }
    pub fn begin_stage(&mut self) {}
    pub fn judge(&self) -> Judgement {
        Judgement {
            verdict: if self.t.candidate.errors > 5 {
                Verdict::Fail
            } else if self.t.candidate.requests > 300 {
                Verdict::Pass
            } else {
                Verdict::Inconclusive
            },
            code: "x".into(),
            sentence: "stub".into(),
        }
    }
}
