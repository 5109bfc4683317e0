//! The facts of a rollout. The journal stores them, every report renders them, and the state is their replay.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Action, Counts, Judgement, Migrated, Outcome, Plan};

/// Names one rollout; sorts by the time it began.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RolloutId(String);

impl RolloutId {
    /// The identity of a rollout that begins `at`; `salt` tells apart those that begin in the same millisecond.
    #[must_use]
    pub fn begun(at: Timestamp, salt: u32) -> Self {
        let stamp = at.strftime("%Y%m%dT%H%M%S");
        let millis = at.as_millisecond().rem_euclid(1000);
        Self(format!("{stamp}{millis:03}-{:04x}", salt & 0xffff))
    }

    /// An identity that was made earlier.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The identity as text, safe in file names.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One fact in a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the rollout, from 0, without gaps.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// The rollout that it belongs to.
    pub rollout: RolloutId,
    /// What happened.
    pub fact: Fact,
}

/// On the way to the candidate, or back from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The plan's own steps.
    Forward,
    /// The steps that undo those that were started.
    Back,
}

/// Why a rollout turned back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Stable reason code; becomes the outcome's reason.
    pub code: String,
    /// One sentence that a person understands.
    pub sentence: String,
    /// The last lines that the failing instance wrote, where there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_tail: Vec<String>,
}

impl Cause {
    /// A cause without a log.
    pub fn new(code: &str, sentence: impl Into<String>) -> Self {
        Self { code: code.to_owned(), sentence: sentence.into(), log_tail: Vec::new() }
    }
}

/// What a person, or another run, wants of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "want", rename_all = "kebab-case")]
pub enum Request {
    /// Go back.
    Abort,
    /// The runner was told to stop: go back.
    Cancel {
        /// Number of the signal.
        signal: i32,
    },
    /// A newer release is waiting: go back so that it can start.
    Supersede {
        /// The newer version.
        version: String,
    },
    /// Stay where it is.
    Pause,
    /// Go on from a pause.
    GoOn {
        /// Without any further analysis or pause.
        full: bool,
    },
}

/// A request with who made it and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Names the request, so that it is taken once.
    pub id: String,
    /// What is wanted.
    #[serde(flatten)]
    pub request: Request,
    /// Who wants it.
    pub by: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact {
    /// The rollout began.
    Started {
        /// What it will do.
        plan: Box<Plan>,
        /// [`Plan::hash`].
        hash: String,
        /// Who started it.
        by: String,
    },
    /// A step began.
    Entered {
        /// Which list of steps.
        way: Way,
        /// Index in it.
        step: usize,
    },
    /// An action is about to be done.
    Acting {
        /// The action.
        action: Action,
    },
    /// The target accepted it.
    Acted {
        /// The action.
        action: Action,
    },
    /// The target did not accept it.
    ActFailed {
        /// The action.
        action: Action,
        /// Stable code.
        code: String,
        /// One sentence.
        sentence: String,
        /// Trying again cannot help.
        fatal: bool,
    },
    /// The counters were read.
    Looked {
        /// The run of counters.
        epoch: u64,
        /// What stable had answered by now.
        stable: Counts,
        /// What the candidate had answered by now.
        candidate: Counts,
    },
    /// A gate gave its final answer.
    Judged {
        /// Index of the step in the plan.
        step: usize,
        /// The answer.
        judgement: Judgement,
    },
    /// A run of migrations is over.
    Migrated {
        /// Index of the step in the plan.
        step: usize,
        /// How.
        migrated: Box<Migrated>,
    },
    /// A person has looked at the database after a run of migrations whose end was not clear, and answers for it.
    Acknowledged {
        /// Who.
        by: String,
        /// What they say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A step is done.
    Left {
        /// Which list of steps.
        way: Way,
        /// Index in it.
        step: usize,
    },
    /// Somebody asked for something.
    Asked(Asked),
    /// It waits for a person.
    Paused {
        /// What for.
        sentence: String,
    },
    /// Another process took it up, after the one before had died or left it; the time between counts for no budget.
    Resumed {
        /// Who.
        by: String,
    },
    /// A person let it go on.
    WentOn {
        /// Who.
        by: String,
    },
    /// The candidate is the environment's good release.
    Promoted,
    /// It goes back; also when a stuck rollout is taken up again.
    TurnedBack {
        /// Why.
        cause: Cause,
    },
    /// The step under way cannot be completed; it is passed over, because what matters more comes after it.
    GivenUp {
        /// Stable code.
        code: String,
        /// One sentence.
        sentence: String,
    },
    /// How far something is that takes its time.
    Progressed {
        /// One sentence.
        sentence: String,
    },
    /// Something a person should know that changes nothing.
    Warned {
        /// Stable code.
        code: String,
        /// One sentence.
        sentence: String,
    },
    /// It ended.
    Finished {
        /// How.
        outcome: Outcome,
    },
}
