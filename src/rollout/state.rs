//! The state of a rollout: the replay of its events, nothing else.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::action::Begin;
use super::analysis::{Block, Evidence};
use super::event::{Asked, Cause, Event, Fact, Request, RolloutId, Way};
use super::{Action, Counts, Judgement, Migrated, Outcome, Phase, Plan, Step, Verdict, unwind};

/// The state of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// Its identity.
    pub id: RolloutId,
    /// What it does.
    pub plan: Plan,
    /// Who started it.
    pub by: String,
    /// When it began.
    pub started: Timestamp,
    /// Forward or back.
    pub way: Way,
    /// How many steps of the plan were ever begun: what the way back has to undo.
    pub reached: usize,
    /// How many steps of the present way are done.
    pub done: usize,
    /// The step that is under way.
    pub step: Option<Current>,
    /// When the present way began; the budgets count from here.
    pub since: Timestamp,
    /// How long it waited for people on the present way, in milliseconds.
    pub waited: i64,
    /// What the comparison has gathered.
    pub evidence: Option<Evidence>,
    /// The last reading of the counters in the present step.
    pub look: Option<Look>,
    /// Every final answer of a gate, with the index of its step.
    pub judgements: Vec<(usize, Judgement)>,
    /// How every run of migrations ended.
    #[serde(default)]
    pub migrated: Vec<Migrated>,
    /// A person answers for the database since then.
    #[serde(default)]
    pub acknowledged: Option<Timestamp>,
    /// Waits for a person since then, with what for.
    pub paused: Option<(Timestamp, String)>,
    /// No further analysis or pause is wanted.
    pub full: bool,
    /// A person wants it to stay or to go back.
    pub asked: Option<Asked>,
    /// Requests that were taken, by identity.
    pub taken: Vec<String>,
    /// Why it turned back.
    pub cause: Option<Cause>,
    /// The candidate has become the good release.
    pub promoted: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<(Timestamp, Outcome)>,
    /// The next event's position.
    pub next: u64,
    /// When the last event happened.
    pub last: Timestamp,
}

/// The step under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Current {
    /// Its index in the steps of the present way.
    pub index: usize,
    /// When it began, or went on after a pause.
    pub since: Timestamp,
    /// The last action that the target accepted in it.
    pub acted: Option<(Timestamp, Action)>,
    /// An action that was begun, and of which it is not known that it was done to its end.
    #[serde(default)]
    pub unfinished: Option<Action>,
    /// The last action that the target refused, how often in a row, and its word.
    pub refused: Option<Refused>,
    /// Its gate's final answer.
    pub judgement: Option<Judgement>,
    /// Its migrations were begun, and how that ended is not known.
    #[serde(default)]
    pub migrating: bool,
    /// How its migrations ended.
    #[serde(default)]
    pub migrated: Option<Migrated>,
    /// A person said to go on from here.
    pub confirmed: bool,
    /// A person was warned that it cannot be completed; it is passed over.
    pub given_up: bool,
}

/// An action that the target did not accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The action.
    pub action: Action,
    /// How often in a row.
    pub times: u32,
    /// When last.
    pub at: Timestamp,
    /// Stable code.
    pub code: String,
    /// The target's word.
    pub sentence: String,
    /// Trying again cannot help.
    pub fatal: bool,
}

/// One reading of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// The run of counters.
    pub epoch: u64,
    /// Stable's counts.
    pub stable: Counts,
    /// The candidate's counts.
    pub candidate: Counts,
}

/// The events are not the history of one rollout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// There is no event, or the first one is another fact than the start.
    #[error("the first event of a rollout must be its start")]
    NoStart,
    /// An event is missing or stands twice.
    #[error("event {found} stands where event {expected} belongs")]
    Gap {
        /// The position that was due.
        expected: u64,
        /// The position that was there.
        found: u64,
    },
    /// An event of another rollout.
    #[error("event {0} belongs to another rollout")]
    Foreign(u64),
}

impl Rollout {
    /// The state after `events`.
    ///
    /// # Errors
    /// When they are not the unbroken history of one rollout from its start.
    pub fn replay<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Self, ReplayError> {
        let mut events = events.into_iter();
        let mut state = events.next().and_then(Self::begin).ok_or(ReplayError::NoStart)?;
        for event in events {
            state.apply(event)?;
        }
        Ok(state)
    }

    fn begin(event: &Event) -> Option<Self> {
        let Fact::Started { plan, by, .. } = &event.fact else { return None };
        if event.seq != 0 {
            return None;
        }
        let comparison = plan.steps.iter().find_map(|step| match step {
            Step::Analyze { comparison, .. } => Some(comparison),
            _ => None,
        });
        Some(Self {
            id: event.rollout.clone(),
            evidence: comparison.map(Evidence::new),
            plan: (**plan).clone(),
            by: by.clone(),
            started: event.at,
            way: Way::Forward,
            reached: 0,
            done: 0,
            step: None,
            since: event.at,
            waited: 0,
            look: None,
            judgements: Vec::new(),
            migrated: Vec::new(),
            acknowledged: None,
            paused: None,
            full: false,
            asked: None,
            taken: Vec::new(),
            cause: None,
            promoted: None,
            outcome: None,
            next: 1,
            last: event.at,
        })
    }

    /// Takes one more event in.
    ///
    /// # Errors
    /// When it is not the next event of this rollout.
    pub fn apply(&mut self, event: &Event) -> Result<(), ReplayError> {
        if event.rollout != self.id {
            return Err(ReplayError::Foreign(event.seq));
        }
        if event.seq != self.next {
            return Err(ReplayError::Gap { expected: self.next, found: event.seq });
        }
        self.next += 1;
        self.take(event);
        self.last = event.at;
        Ok(())
    }

    fn take(&mut self, event: &Event) {
        let at = event.at;
        match &event.fact {
            Fact::Acting { action: Action::Migrate { .. } } => self.with_step(|step| step.migrating = true),
            Fact::Acting { action: action @ (Action::Scale { .. } | Action::Retire { .. }) } => {
                self.with_step(|step| step.unfinished = Some(action.clone()));
            }
            Fact::Started { .. } | Fact::Acting { .. } => {}
            Fact::Entered { way, step } => self.enter(at, *way, *step),
            Fact::Acted { action } => self.with_step(|step| {
                step.acted = Some((at, action.clone()));
                step.unfinished = None;
                step.refused = None;
            }),
            Fact::ActFailed { action, code, sentence, fatal } => self.with_step(|step| {
                let times = step.refused.as_ref().filter(|r| r.action == *action).map_or(0, |r| r.times) + 1;
                let (refused, code, sentence) = (action.clone(), code.clone(), sentence.clone());
                // What could not be begun has not begun; what was begun by another still has.
                step.migrating &= !matches!(action, Action::Migrate { begin: Begin::Anew, .. });
                step.refused = Some(Refused { action: refused, times, at, code, sentence, fatal: *fatal });
            }),
            Fact::Looked { epoch, stable, candidate } => self.look(at, *epoch, *stable, *candidate),
            Fact::Judged { step, judgement } => {
                self.judgements.push((*step, judgement.clone()));
                // Whoever said to go on before did not know of it.
                self.with_step(|current| {
                    current.judgement = Some(judgement.clone());
                    current.confirmed = false;
                });
            }
            Fact::Migrated { migrated, .. } => {
                self.migrated.push((**migrated).clone());
                self.with_step(|step| {
                    step.migrating = false;
                    step.migrated = Some((**migrated).clone());
                });
            }
            Fact::Acknowledged { .. } => self.acknowledged = Some(at),
            Fact::Left { .. } => {
                self.done += 1;
                self.step = None;
            }
            Fact::Asked(asked) => self.ask(at, asked),
            Fact::Paused { sentence } => {
                self.paused = Some((at, sentence.clone()));
                self.asked = None;
            }
            Fact::Resumed { .. } => self.resume(at),
            Fact::WentOn { .. } => self.go_on(at, true),
            Fact::Promoted => self.promoted = Some(at),
            Fact::TurnedBack { cause } => self.turn_back(at, cause),
            Fact::GivenUp { .. } => self.with_step(|step| step.given_up = true),
            Fact::Progressed { .. } | Fact::Warned { .. } => {}
            Fact::Finished { outcome } => self.outcome = Some((at, outcome.clone())),
        }
    }

    fn with_step(&mut self, change: impl FnOnce(&mut Current)) {
        if let Some(step) = &mut self.step {
            change(step);
        }
    }

    fn enter(&mut self, at: Timestamp, way: Way, index: usize) {
        if way == Way::Forward {
            self.reached = self.reached.max(index + 1);
            self.look = None;
            if let (Some(Step::Analyze { .. }), Some(evidence)) =
                (self.plan.steps.get(index), &mut self.evidence)
            {
                evidence.begin_stage();
            }
        }
        self.step = Some(Current {
            index,
            since: at,
            acted: None,
            unfinished: None,
            refused: None,
            judgement: None,
            migrating: false,
            migrated: None,
            confirmed: false,
            given_up: false,
        });
    }

    /// The first reading of an analyze step is where it counts from. A reading before a switch counts for stable as a whole.
    fn look(&mut self, at: Timestamp, epoch: u64, stable: Counts, candidate: Counts) {
        let current = self.step.as_ref().and_then(|step| self.plan.steps.get(step.index));
        let before_switch = matches!(current, Some(Step::Shift { .. }));
        if let Some(evidence) = &mut self.evidence {
            match &self.look {
                Some(last) => {
                    let same = last.epoch == epoch;
                    let (past_stable, past_candidate) =
                        if same { (last.stable, last.candidate) } else { Default::default() };
                    let (stable, candidate) = (stable.since(past_stable), candidate.since(past_candidate));
                    evidence.absorb(&Block { stable, candidate });
                }
                None if before_switch => evidence.absorb(&Block { stable, candidate: Counts::default() }),
                None => {}
            }
        }
        self.look = Some(Look { at, epoch, stable, candidate });
    }

    fn ask(&mut self, at: Timestamp, asked: &Asked) {
        self.taken.push(asked.id.clone());
        match &asked.request {
            Request::GoOn { full } => {
                self.full |= full;
                let waits = self.paused.is_some();
                if waits || *full {
                    self.go_on(at, waits);
                }
            }
            Request::Pause if self.way == Way::Back => {}
            Request::Pause | Request::Abort | Request::Cancel { .. } | Request::Supersede { .. } => {
                self.asked = Some(asked.clone());
            }
        }
    }

    fn go_on(&mut self, at: Timestamp, confirmed: bool) {
        if let Some((since, _)) = self.paused.take() {
            self.waited += at.duration_since(since).as_millis() as i64;
        }
        self.asked = None;
        self.with_step(|step| {
            step.since = at;
            step.confirmed |= confirmed;
        });
    }

    fn resume(&mut self, at: Timestamp) {
        let gap = at.duration_since(self.last);
        if self.paused.is_none() {
            self.waited += gap.as_millis() as i64;
        }
        self.with_step(|step| step.since += gap);
    }

    fn turn_back(&mut self, at: Timestamp, cause: &Cause) {
        self.way = Way::Back;
        self.outcome = None;
        self.since = at;
        self.done = 0;
        self.step = None;
        self.paused = None;
        self.waited = 0;
        self.asked = None;
        self.cause = Some(cause.clone());
    }

    /// The steps of the present way.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        match self.way {
            Way::Forward => self.plan.steps.clone(),
            Way::Back => unwind::unwind(&self.plan, self.reached),
        }
    }

    /// How long the present way has taken, waiting for people not counted.
    #[must_use]
    pub fn spent(&self, now: Timestamp) -> SignedDuration {
        let waiting =
            self.paused.as_ref().map_or(0, |(since, _)| now.duration_since(*since).as_millis() as i64);
        now.duration_since(self.since) - SignedDuration::from_millis(self.waited + waiting)
    }

    /// The verdict of the step under way, once it is final.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.step.as_ref()?.judgement.as_ref().map(|judgement| judgement.verdict)
    }

    /// True while events may still come.
    #[must_use]
    pub const fn open(&self) -> bool {
        self.outcome.is_none()
    }

    /// The run of contract migrations that changed something, or may have.
    #[must_use]
    pub fn contracted(&self) -> Option<&Migrated> {
        self.migrated.iter().find(|migrated| migrated.phase == Phase::Contract && migrated.changed)
    }
}
