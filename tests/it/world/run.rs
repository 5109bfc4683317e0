//! Runs rollouts in the world.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tidegate::engine::{Cancel, Clock, Engine, EngineError};
use tidegate::gate::{Collector, Question};
use tidegate::report::Sink;
use tidegate::rollout::analysis::verify::Answer;
use tidegate::rollout::event::{Asked, Cause, Request};
use tidegate::rollout::gate::Sample;
use tidegate::rollout::step::{Check, Load};
use tidegate::rollout::strategy::{self, Setting, Strategy};
use tidegate::rollout::{
    Budgets, Environment, Event, Fact, Outcome, OutcomeKind, Phase, Plan, Release, Rollout, Weight,
};

use super::{Behaviour, Fault, MemoryJournal, MemoryLock, MemoryTarget, migration};

/// When every world begins.
const BEGAN: &str = "2026-01-01T00:00:00Z";

/// A release of that version.
pub fn release(version: &str) -> Release {
    Release::new("shop", version, None, Vec::new(), json!({"version": version}), BEGAN.parse().unwrap())
}

/// Four instances, nothing to verify, the old set kept for a minute.
pub fn setting() -> Setting {
    Setting { instances: 4, verify: Vec::new(), keep: Duration::from_secs(60) }
}

/// Answers every declared request with a status, and gates with one sample after the other, the last one for ever.
pub struct Answers {
    pub status: u16,
    pub samples: Vec<Sample>,
    /// The identities of the questions to gates that were asked.
    pub asked: Mutex<Vec<String>>,
}

impl Collector for Answers {
    async fn collect(&self, _address: &str, checks: &[Check]) -> Vec<Answer> {
        let came = || Answer::Came {
            status: self.status,
            body: Vec::new(),
            took: Duration::from_millis(2),
            headers: BTreeMap::new(),
            certificate: None,
        };
        checks.iter().map(|_| came()).collect()
    }

    async fn ask(&self, question: Question<'_>, _say: &(dyn Fn(String) + Send + Sync)) -> Sample {
        let mut asked = self.asked.lock().unwrap();
        asked.push(question.id.to_owned());
        let nth = asked.len() - 1;
        self.samples.get(nth).or(self.samples.last()).cloned().unwrap_or(Sample::Number(0.0))
    }

    fn send(&self, _address: &str, _load: Load) -> impl Future<Output = ()> + Send + 'static {
        std::future::ready(())
    }
}

/// A world with version v1 live.
pub struct World {
    pub target: MemoryTarget,
    pub journal: MemoryJournal,
    pub lock: MemoryLock,
    pub setting: Setting,
    pub budgets: Budgets,
    pub answers: Answers,
    /// Releases have migrations.
    pub is_migrating: bool,
    pub clock: Clock,
    /// The live state after every event, in order.
    pub states: Arc<Mutex<Vec<Rollout>>>,
    began: std::cell::Cell<u32>,
}

/// Keeps the live states.
struct States(Arc<Mutex<Vec<Rollout>>>);

impl Sink for States {
    fn publish(&mut self, rollout: &Rollout, _event: &Event) {
        self.0.lock().unwrap().push(rollout.clone());
    }
}

impl World {
    /// Nothing deployed yet.
    pub fn empty(behaviours: &[(&str, Behaviour)], rate: f64, fault: Option<Fault>) -> Self {
        Self::empty_of(behaviours, rate, fault, setting().instances)
    }

    fn empty_of(behaviours: &[(&str, Behaviour)], rate: f64, fault: Option<Fault>, instances: u32) -> Self {
        let behaviours: BTreeMap<_, _> = behaviours.iter().map(|(v, b)| (release(v).id, *b)).collect();
        let setting = Setting { instances, ..setting() };
        let budgets = Budgets {
            step: Duration::from_secs(20),
            back: Duration::from_secs(60),
            restore: Duration::from_secs(5),
            total: Duration::from_secs(3600),
        };
        Self {
            target: MemoryTarget::new(behaviours, setting.instances, rate, fault),
            journal: MemoryJournal::default(),
            lock: MemoryLock::default(),
            setting,
            budgets,
            answers: Answers { status: 200, samples: Vec::new(), asked: Mutex::default() },
            is_migrating: false,
            clock: Clock::beginning(BEGAN.parse().unwrap()),
            states: Arc::default(),
            began: std::cell::Cell::new(0),
        }
    }

    /// Version v1 is live. `fault` counts actions from here on.
    pub async fn with_v1(behaviours: &[(&str, Behaviour)], rate: f64, fault: Option<Fault>) -> Self {
        Self::with_v1_of(behaviours, rate, fault, setting().instances).await
    }

    /// The same with another number of instances.
    pub async fn with_v1_of(
        behaviours: &[(&str, Behaviour)],
        rate: f64,
        fault: Option<Fault>,
        instances: u32,
    ) -> Self {
        let shifted = fault.map(|fault| match fault {
            Fault::Refuse { nth, times, fatal } => Fault::Refuse { nth: nth + 2, times, fatal },
            Fault::Twice => Fault::Twice,
        });
        let world = Self::empty_of(behaviours, rate, shifted, instances);
        let outcome = world.deploy("v1", &Strategy::by_name(strategy::StrategyName::Recreate)).await.unwrap();
        assert_eq!(outcome.kind, tidegate::rollout::OutcomeKind::Promoted, "{}", outcome.sentence);
        world
    }

    /// The plan for that version at this moment.
    pub fn plan(&self, version: &str, strategy: &Strategy) -> Plan {
        let environment = Environment::replay(&self.journal.all()).unwrap();
        let candidate = release(version);
        let seen = self.target.now();
        let kept = seen.sets.get(&candidate.id).map_or(0, |set| set.ready);
        let stable = environment.stable().cloned();
        let steps = match &stable {
            None => strategy::first(&self.setting),
            Some(_) if kept >= self.setting.instances => strategy::at_once(&self.setting),
            Some(_) => strategy.compile(&self.setting),
        };
        let steps = if self.is_migrating && kept < self.setting.instances {
            strategy::migrating(steps, &migration(), &[Phase::Expand, Phase::Contract])
        } else {
            steps
        };
        Plan {
            app: "shop".to_owned(),
            environment: "test".to_owned(),
            strategy: strategy.name(),
            candidate,
            stable,
            instances: self.setting.instances,
            kept,
            keep: self.setting.keep,
            in_place: false,
            returns: false,
            steps,
            budgets: self.budgets,
        }
    }

    fn engine(&self) -> Engine<'_, MemoryTarget, MemoryJournal, Answers, MemoryTarget> {
        let (told, cancel) = Cancel::channel();
        std::mem::forget(told);
        Engine {
            target: &self.target,
            journal: &self.journal,
            collector: &self.answers,
            migrator: &self.target,
            lock: &self.lock,
            clock: self.clock,
            cancel,
            sinks: vec![Box::new(States(Arc::clone(&self.states)))],
            loading: None,
            unseen: None,
        }
    }

    /// Rolls that version out.
    pub async fn deploy(&self, version: &str, strategy: &Strategy) -> Result<Outcome, EngineError> {
        let plan = self.plan(version, strategy);
        self.run(plan).await
    }

    /// Runs that plan.
    pub async fn run(&self, plan: Plan) -> Result<Outcome, EngineError> {
        self.began.set(self.began.get() + 1);
        // Rollout identities sort by the millisecond in which they began.
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok(self.engine().start(plan, "a test", self.began.get()).await?.1)
    }

    /// Ends whatever is left, as the commands do: an open rollout goes on, a paused one gets this request first, a stuck one is
    /// taken up again. Gives up after ten rounds.
    pub async fn settle(&self, when_paused: &Request) -> Outcome {
        for _ in 0..10 {
            let rollout = self.last().expect("a rollout has begun");
            match &rollout.outcome {
                Some((_, outcome)) if outcome.kind != OutcomeKind::Stuck => return outcome.clone(),
                Some(_) => {
                    let cause = rollout.cause.clone().unwrap_or_else(|| Cause::new("stuck", "it was stuck"));
                    let mut rollout = rollout;
                    let first = Some(Fact::TurnedBack { cause });
                    let _ = self.engine().resume(&mut rollout, "a test", first).await;
                }
                None => {
                    if rollout.paused.is_some() {
                        self.ask(when_paused.clone()).await;
                    }
                    let _ = self.resume().await;
                }
            }
        }
        self.last().expect("a rollout has begun").outcome.expect("it ends within ten rounds").1
    }

    /// Goes on with the rollout that is open, as another process would.
    pub async fn resume(&self) -> Result<Outcome, EngineError> {
        let Some(mut rollout) = self.last().filter(Rollout::open) else {
            return Ok(self.last().unwrap().outcome.unwrap().1);
        };
        self.engine().resume(&mut rollout, "a test", None).await
    }

    /// Leaves a request.
    pub async fn ask(&self, request: Request) {
        use tidegate::journal::Journal as _;
        self.began.set(self.began.get() + 1);
        let id = format!("r{}", self.began.get());
        let asked = Asked { id, request, by: "ann".to_owned(), reason: None };
        self.journal.ask(&asked).await.unwrap();
    }

    /// The last rollout, replayed.
    pub fn last(&self) -> Option<Rollout> {
        self.journal.all().last().map(|events| Rollout::replay(events).unwrap())
    }

    /// The share of the traffic that this version gets.
    pub fn weight(&self, version: &str) -> Weight {
        self.target.now().weights.get(&release(version).id).copied().unwrap_or_default()
    }

    /// Ready instances of this version.
    pub fn ready(&self, version: &str) -> u32 {
        self.target.now().sets.get(&release(version).id).map_or(0, |set| set.ready)
    }

    /// All of the traffic is on `version` with all its instances ready, and `other` is gone or only kept.
    pub fn is_all(&self, version: &str, other: &str) -> bool {
        let other = self.target.now().sets.get(&release(other).id).cloned();
        let gone = other.is_none_or(|set| set.retire_at.is_some());
        self.weight(version) == Weight::FULL && self.ready(version) == self.setting.instances && gone
    }
}
