//! Judges: from counts to verdicts.
//!
//! Both sides answer requests at the same time; each request is good or bad. [`Evidence`] is a fold over what was counted
//! between looks and holds, for each metric in use, two sequential tests. Both may be looked at after every request without
//! raising the chance of error, since each is an e-process: a quantity that starts at 1 and, while its null hypothesis
//! holds, ever reaches 1/α with probability at most α (Ville 1939).
//!
//! - **Against** the candidate (`odds`): null hypothesis "its rate is at most the stable one's". One test for the whole
//!   rollout, so that a candidate as good as the stable release is stopped with probability at most `alpha`; the metrics in
//!   use share it equally (Bonferroni). Reaching it is [`Verdict::Fail`].
//! - **For** the candidate (`margin`): null hypothesis "its rate is the stable one's plus the margin, or more". It starts
//!   anew at each stage. When every metric reaches 1/`alpha`, it is [`Verdict::Pass`]: a release that is worse by the margin
//!   passes a stage with probability at most `alpha`, with no correction, since all metrics must agree.
//!
//! # Assumptions
//! Whether a request is bad does not depend on how others went. Within one look both sides' rates stand still; from look to
//! look they may move together, for each look compares like with like. Only where the stable release answers nothing at all
//! (full weight, or after a switch) is the candidate held against what the stable release answered earlier in the rollout
//! (`alone`), and then its rate is taken to have stood still. A twentieth of the stake is on that.

use serde::{Deserialize, Serialize};

use super::step::Comparison;
use super::{Counts, Judgement, Verdict};
use count::{Metric, Pair, add, add_block};
use margin::Within;
use odds::Odds;
use pool::{Drawn, Pool};

mod alone;
mod binomial;
mod count;
pub mod gate;
mod hypergeometric;
mod margin;
mod nats;
mod odds;
mod pool;
mod projection;
mod random;
mod sentence;
pub mod simulate;
pub mod verify;

/// Stake on requests that both sides answered at the same time; the rest is on those that the candidate answered alone.
const PAIRED_STAKE: f64 = 0.95;
/// Bounds within which the settings of a comparison are used; validation is the settings' matter.
const ALPHA: (f64, f64) = (1e-12, 0.5);
const MARGIN: (f64, f64) = (1e-6, 0.999);

/// What was counted between two looks, on both sides at the same time.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Block {
    /// Answered by the release that was good before.
    pub stable: Counts,
    /// Answered by the release that is being rolled out.
    pub candidate: Counts,
}

/// Everything that a comparison remembers between looks: a fold of blocks.
///
/// The same blocks give the same evidence, to the last digit, also after it was written and read back in between. Its size
/// does not grow.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Evidence {
    alpha: f64,
    min_requests: u64,
    tests: Vec<Test>,
    pool: Pool,
    totals: Block,
    stage: Block,
    /// The candidate's requests without concurrent stable ones: since the first look, and in this stage.
    alone: Counts,
    alone_in_stage: Counts,
}

/// The two tests of one metric.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Test {
    metric: Metric,
    margin: f64,
    odds: Odds,
    within: Within,
}

impl Evidence {
    /// No evidence yet. Settings out of range are brought into it: `alpha` to between 1e-12 and 0.5, margins to between
    /// 0.000001 and 0.999.
    #[must_use]
    pub fn new(comparison: &Comparison) -> Self {
        let test = |metric, margin: f64| {
            let margin = if margin.is_nan() { MARGIN.0 } else { margin.clamp(MARGIN.0, MARGIN.1) };
            Test { metric, margin, odds: Odds::default(), within: Within::default() }
        };
        let mut tests = vec![test(Metric::Errors, comparison.error_margin)];
        if comparison.slower_than.is_some() {
            tests.push(test(Metric::Slow, comparison.slow_margin));
        }
        let alpha =
            if comparison.alpha.is_nan() { ALPHA.0 } else { comparison.alpha.clamp(ALPHA.0, ALPHA.1) };
        Self {
            alpha,
            min_requests: comparison.min_requests,
            tests,
            pool: Pool::default(),
            totals: Block::default(),
            stage: Block::default(),
            alone: Counts::default(),
            alone_in_stage: Counts::default(),
        }
    }

    /// Takes in what was counted since the last look. Any sizes will do, none included.
    ///
    /// Requests of one side only wait until the other side has some, so that like is compared with like; a hundred requests
    /// of the candidate without one of the stable release count as answered alone.
    pub fn absorb(&mut self, block: &Block) {
        add_block(&mut self.totals, block);
        add_block(&mut self.stage, block);
        match self.pool.put(block) {
            Drawn::Nothing => {}
            Drawn::Pair(pair) => {
                let known = self.known_before(&pair);
                for test in &mut self.tests {
                    let pair = test.metric.pair(&pair);
                    test.odds.absorb(pair);
                    test.within.absorb(pair, test.metric.pair(&known), test.margin);
                }
            }
            Drawn::Alone(counts) => {
                add(&mut self.alone, counts);
                add(&mut self.alone_in_stage, counts);
            }
        }
    }

    /// All that was counted before the requests of `pair`, compared or not: what guesses about `pair` may rest on.
    fn known_before(&self, pair: &Block) -> Block {
        let Block { stable, candidate } = self.totals;
        Block { stable: stable.since(pair.stable), candidate: candidate.since(pair.candidate) }
    }

    /// A new weight: the test against the candidate keeps its evidence, since `alpha` is for the whole rollout; the test for
    /// it starts anew.
    pub fn begin_stage(&mut self) {
        let rest = self.pool.flush();
        for test in &mut self.tests {
            if let Some(rest) = &rest {
                test.odds.absorb(test.metric.pair(rest));
            }
            test.odds.begin_stage();
            test.within = Within::default();
        }
        self.stage = Block::default();
        self.alone_in_stage = Counts::default();
    }

    /// What was counted since the rollout's first look.
    #[must_use]
    pub const fn totals(&self) -> Block {
        self.totals
    }

    /// What was counted since the stage began.
    #[must_use]
    pub const fn stage_totals(&self) -> Block {
        self.stage
    }

    /// What the evidence says now, with the figures in one sentence. A failure goes before everything else; a pass needs the
    /// comparison's least number of requests in this stage.
    #[must_use]
    pub fn judge(&self) -> Judgement {
        let verdict = self.verdict();
        let (code, sentence) = sentence::explain(self, verdict);
        Judgement::new(verdict, code, sentence)
    }

    /// The verdict without the words: cheap enough to ask after every request.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.failing().is_some() {
            Verdict::Fail
        } else if self.silent() {
            Verdict::NoData
        } else if self.stage.candidate.requests >= self.min_requests && self.shown_good() {
            Verdict::Pass
        } else {
            Verdict::Inconclusive
        }
    }

    /// True when one side has nothing to show.
    const fn silent(&self) -> bool {
        self.stage.candidate.requests == 0 || self.totals.stable.requests == 0
    }

    /// The first metric by which the candidate is shown to be worse.
    fn failing(&self) -> Option<&Test> {
        let bar = self.bar_against();
        // Most looks are far from the bar; the exact evidence need not be had to know that.
        let far = |test: &Test| self.alone.requests == 0 && test.odds.at_most() < bar;
        self.tests.iter().find(|test| !far(test) && self.log_against(test) >= bar)
    }

    fn shown_good(&self) -> bool {
        let bar = self.bar_for();
        let far = |test: &Test| self.alone_in_stage.requests == 0 && test.within.at_most() < bar;
        self.tests.iter().all(|test| !far(test) && self.log_for(test) >= bar)
    }

    /// What the evidence against must reach, in nats.
    #[expect(clippy::cast_precision_loss, reason = "at most two metrics")]
    fn bar_against(&self) -> f64 {
        (self.tests.len() as f64 / self.alpha).ln()
    }

    /// What the evidence for must reach, in nats.
    fn bar_for(&self) -> f64 {
        -self.alpha.ln()
    }

    fn log_against(&self, test: &Test) -> f64 {
        let alone = alone::log_evidence_against(self.alone_pair(test, self.alone));
        nats::mean([(PAIRED_STAKE, test.odds.log_evidence()), (1.0 - PAIRED_STAKE, alone)].into_iter())
    }

    fn log_for(&self, test: &Test) -> f64 {
        let alone = alone::log_evidence_within(self.alone_pair(test, self.alone_in_stage), test.margin);
        nats::mean([(PAIRED_STAKE, test.within.log_evidence()), (1.0 - PAIRED_STAKE, alone)].into_iter())
    }

    /// What the candidate answered alone beside all that the stable release answered.
    const fn alone_pair(&self, test: &Test, alone: Counts) -> Pair {
        test.metric.pair(&Block { stable: self.totals.stable, candidate: alone })
    }
}

#[cfg(test)]
mod tests;
