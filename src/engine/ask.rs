//! The steps that ask: declared requests, and gates. While an answer is waited for, everything else is still heard and seen.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Engine, EngineError};
use crate::gate::{Collector, Question};
use crate::journal::Journal;
use crate::migrate::Migrator;
use crate::rollout::analysis::{gate, verify};
use crate::rollout::gate::{Filling, Gate, Sample};
use crate::rollout::step::Check;
use crate::rollout::{Action, Decision, Fact, Judgement, Release, ReleaseId, Rollout, Step, Verdict, decide};
use crate::target::{Target, TargetError};

/// How often declared requests are tried before their answers count.
const TRIES: u32 = 3;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// Who takes up a rollout has this time for a question, however much of the gate's time is spent.
const ONE_MORE: Duration = Duration::from_secs(15);
/// So much of what a gate says meanwhile is told.
const SENTENCES: usize = 20;
/// So near to the end an answer may have been cut short by it.
const LATE: Duration = Duration::from_millis(1500);
/// How often it is looked whether the answer is still wanted.
const LOOKS: Duration = Duration::from_millis(250);

impl<T: Target, J: Journal, C: Collector, M: Migrator> Engine<'_, T, J, C, M> {
    /// Asks what the step asks, for as long as the decision is to ask it.
    pub(super) async fn ask(&mut self, rollout: &mut Rollout, step: usize) -> Result<(), EngineError> {
        let (target, collector) = (self.target, self.collector);
        let plan = &rollout.plan;
        let Some(asked) = plan.steps.get(step).cloned() else { return Ok(()) };
        let (environment, id) = (plan.environment.clone(), rollout.id.clone());
        let inquiry = Inquiry {
            release: plan.candidate.clone(),
            filling: Filling::of(&plan.candidate, &environment, id.as_str()),
            id: format!("{}-{}", step + 1, id.as_str().to_lowercase()),
            since: self.clock.now().as_millisecond(),
            spent: self.spent(rollout),
        };
        let (tell, mut told) = mpsc::unbounded_channel();
        let say = move |sentence: String| {
            // Who asked may have gone.
            let _ = tell.send(sentence);
        };
        let mut work = std::pin::pin!(inquiry.answer(target, collector, &asked, &say));
        let mut looks = tokio::time::interval(LOOKS);
        loop {
            let is_told = self.cancel.signal().is_some();
            tokio::select! {
                biased;
                Some(sentence) = told.recv() => self.note(rollout, Fact::Progressed { sentence }).await?,
                answer = &mut work => return match answer {
                    Ok(judgement) => self.note(rollout, Fact::Judged { step, judgement }).await,
                    Err(error) => self.refused(rollout, Action::Verify { step }, error).await,
                },
                () = self.cancel.changed(), if !is_told => {}
                _ = looks.tick() => {}
            }
            if !self.still_wanted(rollout, step).await? {
                return Ok(());
            }
        }
    }

    /// How long the step under way has been there, the time without a process not counted.
    fn spent(&self, rollout: &Rollout) -> Duration {
        let since = rollout.step.as_ref().map_or(rollout.last, |step| step.since);
        Duration::try_from(self.clock.now().duration_since(since)).unwrap_or_default()
    }

    /// Whether what is asked for and seen by now still leads to this question. Who decides is who always does. What the target needs
    /// meanwhile is done; the question goes on.
    async fn still_wanted(&mut self, rollout: &mut Rollout, step: usize) -> Result<bool, EngineError> {
        self.take_requests(rollout).await?;
        let Some(seen) = self.observe(rollout, None, Duration::ZERO).await? else { return Ok(true) };
        match decide(rollout, &seen, self.clock.now()) {
            Decision::Act(Action::Verify { step: asked }) => Ok(asked == step),
            Decision::Act(Action::Migrate { .. }) => Ok(false),
            Decision::Act(action) => {
                self.note(rollout, Fact::Acting { action: action.clone() }).await?;
                self.change(rollout, action).await?;
                Ok(true)
            }
            Decision::Wait(_) => Ok(true),
            Decision::Record(_) | Decision::Finish(_) => Ok(false),
        }
    }
}

/// What is asked about.
struct Inquiry {
    release: Release,
    filling: Filling,
    id: String,
    /// When it is asked, in milliseconds since 1970.
    since: i64,
    /// How long it was asked by a process that died meanwhile.
    spent: Duration,
}

impl Inquiry {
    async fn answer(
        &self,
        target: &impl Target,
        collector: &impl Collector,
        step: &Step,
        say: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Judgement, TargetError> {
        match step {
            Step::Verify { direct, checks } => {
                let checks: Vec<_> = checks.iter().map(|check| check.filled(&self.filling)).collect();
                verified(target, collector, direct.then_some(&self.release.id), &checks).await
            }
            Step::Gate { direct, gate } => {
                let address = target.address(direct.then_some(&self.release.id)).await;
                let gate = gate.filled(&self.filling);
                Ok(self.asked(collector, &gate, address.as_deref(), say).await)
            }
            _ => Ok(verify::judge(&[], &[])),
        }
    }

    /// Asks a gate until its answer is final, or its time is over. What it says meanwhile is told once.
    async fn asked(
        &self,
        collector: &impl Collector,
        gate: &Gate,
        address: Option<&str>,
        say: &(dyn Fn(String) + Send + Sync),
    ) -> Judgement {
        // What is left of its time, and time for one answer.
        let end = Instant::now() + gate.at_most.saturating_sub(self.spent).max(ONE_MORE.min(gate.at_most));
        let mut samples = Vec::new();
        let told = Mutex::new(HashSet::new());
        // Each sentence once, and no more than so many: all of them stand in the journal.
        let say = &|sentence: String| {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.len() < SENTENCES && told.insert(sentence.clone()) {
                say(sentence);
            }
        };
        loop {
            let within = end.saturating_duration_since(Instant::now());
            let question = Question {
                gate,
                filling: &self.filling,
                release: &self.release,
                address,
                id: &self.id,
                within,
                since: self.since,
            };
            match tokio::time::timeout(within, collector.ask(question, say)).await {
                // What was ended for want of time has said nothing more than was said before.
                Ok(Sample::Silent { lasting: true, .. })
                    if !samples.is_empty() && end.saturating_duration_since(Instant::now()) < LATE => {}
                Ok(sample) => samples.push(sample),
                Err(_) if samples.is_empty() => {
                    let why = format!("no answer within {within:?}");
                    samples.push(Sample::Silent { why, lasting: true });
                }
                // The rest of the time was too short for one more answer: those before it count.
                Err(_) => {}
            }
            let judgement = gate::judge(gate, &samples);
            let is_final = matches!(judgement.verdict, Verdict::Pass | Verdict::Fail)
                || gate::is_lasting(&samples)
                || Instant::now() + gate.every >= end;
            if is_final {
                return judgement;
            }
            say(judgement.sentence);
            tokio::time::sleep(gate.every).await;
        }
    }
}

/// Runs declared requests; an answer other than the expected one is asked for again, for what has only just started.
async fn verified(
    target: &impl Target,
    collector: &impl Collector,
    release: Option<&ReleaseId>,
    checks: &[Check],
) -> Result<Judgement, TargetError> {
    let mut tries = 0;
    loop {
        let Some(address) = target.address(release).await else {
            return Err(TargetError {
                code: "no-address",
                sentence: "no ready instance has an address to send the requests to".to_owned(),
                hint: None,
                fatal: false,
            });
        };
        let judgement = verify::judge(checks, &collector.collect(&address, checks).await);
        tries += 1;
        if judgement.verdict == Verdict::Pass || tries >= TRIES {
            return Ok(judgement);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
