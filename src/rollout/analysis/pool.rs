//! Which counts are compared with which.
//!
//! A block says something only when it has requests of both sides, and most when it has them in the proportion in which they
//! arrive. A look may come after every single request, so what looks bring is pooled until it is such a block. When a block is
//! closed depends on numbers of requests alone, never on how they were answered; that keeps the tests sound.

use serde::{Deserialize, Serialize};

use super::count::add_block;
use super::{Block, Counts};

/// A pool with this many requests is closed as soon as both sides have one, in whatever proportion.
const LARGE: u64 = 256;
/// So many requests of the candidate, with none of the stable release among them, are taken as alone.
const ALONE: u64 = 100;

/// What was counted and not yet compared, in one stage.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Pool {
    waiting: Block,
    /// All that came in since the stage began, for the proportion.
    seen: Block,
}

/// What a look made of the pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Drawn {
    /// Not enough yet.
    Nothing,
    /// A block with requests of both sides.
    Pair(Block),
    /// Requests of the candidate while the stable release had none.
    Alone(Counts),
}

impl Pool {
    /// Puts in what a look brought and takes out what can be compared.
    pub(super) fn put(&mut self, look: &Block) -> Drawn {
        add_block(&mut self.waiting, look);
        add_block(&mut self.seen, look);
        let (a, b) = (self.waiting.stable.requests, self.waiting.candidate.requests);
        if a == 0 && b >= ALONE {
            return Drawn::Alone(std::mem::take(&mut self.waiting).candidate);
        }
        if a == 0 || b == 0 || !(a.saturating_add(b) >= LARGE || self.in_proportion(a, b)) {
            return Drawn::Nothing;
        }
        Drawn::Pair(std::mem::take(&mut self.waiting))
    }

    /// Begins a stage with new proportions. Gives back what can still be compared of the old one.
    pub(super) fn flush(&mut self) -> Option<Block> {
        let rest = std::mem::take(self).waiting;
        (rest.stable.requests > 0 && rest.candidate.requests > 0).then_some(rest)
    }

    /// True when neither side has less than half of its usual share in the other.
    fn in_proportion(&self, a: u64, b: u64) -> bool {
        let times = |x: u64, y: u64| u128::from(x) * u128::from(y);
        let (here, usual) = (times(a, self.seen.candidate.requests), times(b, self.seen.stable.requests));
        here.saturating_mul(2) >= usual && usual.saturating_mul(2) >= here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(stable: u64, candidate: u64) -> Block {
        let of = |requests| Counts { requests, ..Counts::default() };
        Block { stable: of(stable), candidate: of(candidate) }
    }

    #[test]
    fn waits_for_both_sides_in_their_usual_proportion() {
        let mut pool = Pool::default();
        assert_eq!(pool.put(&requests(19, 0)), Drawn::Nothing);
        assert_eq!(pool.put(&requests(0, 1)), Drawn::Pair(requests(19, 1)));
        assert_eq!(pool.put(&requests(0, 1)), Drawn::Nothing);
        assert_eq!(pool.put(&requests(2, 0)), Drawn::Nothing);
        assert_eq!(pool.put(&requests(5, 0)), Drawn::Pair(requests(7, 1)));
    }

    #[test]
    fn a_silent_stable_side_leaves_the_candidate_alone() {
        let mut pool = Pool::default();
        assert_eq!(pool.put(&requests(0, 99)), Drawn::Nothing);
        assert_eq!(pool.put(&requests(0, 1)), Drawn::Alone(requests(0, 100).candidate));
        assert_eq!(pool.put(&requests(0, 5)), Drawn::Nothing);
        assert_eq!(pool.flush(), None);
        assert_eq!(pool.put(&requests(3, 5)), Drawn::Pair(requests(3, 5)));
    }

    #[test]
    fn nothing_waits_for_ever_when_the_proportion_changes() {
        let mut pool = Pool::default();
        pool.put(&requests(1_000_000, 1_000));
        assert_eq!(pool.put(&requests(1, 200)), Drawn::Nothing);
        assert_eq!(pool.put(&requests(0, 55)), Drawn::Pair(requests(1, 255)));
    }
}
