//! The target: instance sets that take time to become ready and to drain, and visitors who ask at a steady rate.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use tidegate::rollout::{Action, Counts, Observation, Release, ReleaseId, SetView, Trouble, Weight};
use tidegate::target::{Target, TargetError};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Database;

/// How a release behaves.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    /// From start to ready.
    pub start: Duration,
    /// From the word to stop to gone.
    pub drain: Duration,
    /// Share of its answers that are errors.
    pub errors: f64,
    /// Its instances never become ready; after this long the target gives up on them.
    pub never_ready: Option<Duration>,
    /// Its instances are ready, and after this long they are not, for good.
    pub dies_after: Option<Duration>,
}

impl Default for Behaviour {
    fn default() -> Self {
        let (start, drain) = (Duration::from_millis(300), Duration::from_millis(200));
        Self { start, drain, errors: 0.0, never_ready: None, dies_after: None }
    }
}

/// What goes wrong with actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The nth action (from 0) is refused, this many times in a row.
    Refuse { nth: usize, times: usize, fatal: bool },
    /// Every action is done twice.
    Twice,
}

#[derive(Debug, Clone, Copy)]
struct Instance {
    started: Instant,
    stopping: Option<Instant>,
}

#[derive(Debug, Default)]
struct Set {
    desired: u32,
    instances: Vec<Instance>,
    retire_at: Option<jiff::Timestamp>,
}

#[derive(Debug)]
struct State {
    sets: BTreeMap<ReleaseId, Set>,
    weights: BTreeMap<ReleaseId, Weight>,
    traffic: BTreeMap<ReleaseId, Counts>,
    parts: HashMap<ReleaseId, (f64, f64)>,
    until: Instant,
    generation: u64,
    last: Option<Observation>,
    actions: usize,
    refused: usize,
    lost: f64,
    violations: Vec<String>,
}

/// The target.
pub struct MemoryTarget {
    behaviours: BTreeMap<ReleaseId, Behaviour>,
    fault: Mutex<Option<Fault>>,
    needed: u32,
    rate: f64,
    state: Mutex<State>,
    killed: Notify,
    epoch: u64,
    mute_from: Mutex<Option<Instant>>,
    /// What the releases share.
    pub database: Mutex<Database>,
}

impl MemoryTarget {
    /// An empty target whose visitors send `rate` requests a second, which `needed` instances can carry.
    pub fn new(
        behaviours: BTreeMap<ReleaseId, Behaviour>,
        needed: u32,
        rate: f64,
        fault: Option<Fault>,
    ) -> Self {
        let state = State {
            sets: BTreeMap::new(),
            weights: BTreeMap::new(),
            traffic: BTreeMap::new(),
            parts: HashMap::new(),
            until: Instant::now(),
            generation: 0,
            last: None,
            actions: 0,
            refused: 0,
            lost: 0.0,
            violations: Vec::new(),
        };
        Self {
            behaviours,
            fault: Mutex::new(fault),
            needed,
            rate,
            state: Mutex::new(state),
            killed: Notify::new(),
            epoch: 7,
            mute_from: Mutex::default(),
            database: Mutex::default(),
        }
    }

    /// Nothing goes wrong from here on.
    pub fn heal(&self) {
        *self.fault.lock().unwrap() = None;
    }

    /// After this long nobody tells any more what was answered.
    pub fn mute_after(&self, time: Duration) {
        *self.mute_from.lock().unwrap() = Some(Instant::now() + time);
    }

    fn is_mute(&self) -> bool {
        self.rate == 0.0 || self.mute_from.lock().unwrap().is_some_and(|from| Instant::now() >= from)
    }

    /// Requests that met a release with no ready instance.
    pub fn lost(&self) -> f64 {
        self.state.lock().unwrap().lost
    }

    /// Broken rules, in words.
    pub fn violations(&self) -> Vec<String> {
        self.state.lock().unwrap().violations.clone()
    }

    /// A rule was broken elsewhere.
    pub fn violation(&self, what: String) {
        self.state.lock().unwrap().violations.push(what);
    }

    /// Kills `count` instances of a release at once.
    pub fn kill(&self, release: &ReleaseId, count: usize) {
        let mut state = self.state.lock().unwrap();
        self.advance(&mut state);
        if let Some(set) = state.sets.get_mut(release) {
            let now = Instant::now();
            for instance in set.instances.iter_mut().filter(|i| i.stopping.is_none()).take(count) {
                instance.started = now;
            }
        }
        self.killed.notify_waiters();
    }

    /// What is there now.
    pub fn now(&self) -> Observation {
        let mut state = self.state.lock().unwrap();
        self.advance(&mut state);
        self.view(&mut state)
    }

    fn behaviour(&self, release: &ReleaseId) -> Behaviour {
        self.behaviours.get(release).copied().unwrap_or_default()
    }

    fn ready(&self, release: &ReleaseId, set: &Set, at: Instant) -> u32 {
        let behaviour = self.behaviour(release);
        if behaviour.never_ready.is_some() {
            return 0;
        }
        let lives = |i: &Instance| behaviour.dies_after.is_none_or(|after| at < i.started + after);
        let ready = |i: &&Instance| i.stopping.is_none() && at >= i.started + behaviour.start && lives(i);
        set.instances.iter().filter(ready).count() as u32
    }

    /// Brings the visitors' requests up to now and removes what has drained.
    fn advance(&self, state: &mut State) {
        let now = Instant::now();
        let seconds = now.duration_since(state.until).as_secs_f64();
        state.until = now;
        for (release, weight) in state.weights.clone() {
            let requests = self.rate * seconds * f64::from(weight.basis_points()) / 10_000.0;
            let ready = state.sets.get(&release).map_or(0, |set| self.ready(&release, set, now));
            if ready == 0 {
                state.lost += requests;
                continue;
            }
            let part = state.parts.entry(release.clone()).or_default();
            part.0 += requests;
            part.1 += requests * self.behaviour(&release).errors;
            let (requests, errors) = (part.0 as u64, part.1 as u64);
            if !self.is_mute() {
                state.traffic.insert(release, Counts { requests, errors, slow: 0 });
            }
        }
        let at = jiff::Timestamp::MAX;
        for (release, set) in &mut state.sets {
            let drain = self.behaviours.get(release).copied().unwrap_or_default().drain;
            set.instances.retain(|i| i.stopping.is_none_or(|since| now < since + drain));
            if set.retire_at.is_some_and(|due| due > at) {
                set.desired = 0;
            }
        }
        state.sets.retain(|_, set| set.desired > 0 || !set.instances.is_empty());
    }

    fn trouble(&self, release: &ReleaseId, set: &Set) -> Option<Trouble> {
        let behaviour = self.behaviour(release);
        let patience = behaviour.never_ready.or(behaviour.dies_after)?;
        let oldest = set.instances.iter().map(|i| i.started).min()?;
        let sentence = "instance 1 exited with code 7, twice".to_owned();
        (Instant::now() >= oldest + patience).then(|| Trouble {
            code: "exited".to_owned(),
            sentence,
            fatal: true,
            log_tail: vec!["panic: no database".to_owned()],
        })
    }

    fn view(&self, state: &mut State) -> Observation {
        let now = Instant::now();
        let sets = state.sets.iter().map(|(release, set)| {
            let view = SetView {
                desired: set.desired,
                running: set.instances.len() as u32,
                ready: self.ready(release, set, now),
                in_flight: 0,
                retire_at: set.retire_at,
                trouble: self.trouble(release, set),
            };
            (release.clone(), view)
        });
        let mut seen = Observation {
            generation: 0,
            sets: sets.collect(),
            weights: state.weights.clone(),
            traffic: BTreeMap::new(),
            epoch: self.epoch,
            silence: self.is_mute().then(|| "no instance tells its counts".to_owned()),
        };
        if state.last.as_ref() != Some(&seen) {
            state.last = Some(seen.clone());
            state.generation += 1;
        }
        seen.generation = state.generation;
        seen.traffic.clone_from(&state.traffic);
        seen
    }

    fn apply(&self, state: &mut State, action: &Action) {
        match action {
            Action::Scale { release, instances } => self.scale(state, release, *instances),
            Action::Retire { release, at: Some(at) } => {
                if let Some(set) = state.sets.get_mut(release) {
                    set.retire_at = Some(*at);
                }
            }
            Action::Retire { release, at: None } => self.scale(state, release, 0),
            Action::Route { weights } => self.route(state, weights),
            Action::Migrate { .. } | Action::Verify { .. } => {}
        }
    }

    fn scale(&self, state: &mut State, release: &ReleaseId, instances: u32) {
        let weight = state.weights.get(release).copied().unwrap_or_default();
        if instances == 0 && weight > Weight::ZERO {
            state.violations.push(format!("{release} is taken away with {weight} of the traffic"));
        }
        let now = Instant::now();
        let set = state.sets.entry(release.clone()).or_default();
        set.desired = instances;
        set.retire_at = None;
        let live = set.instances.iter().filter(|i| i.stopping.is_none()).count();
        for _ in live..instances as usize {
            set.instances.push(Instance { started: now, stopping: None });
        }
        let surplus = live.saturating_sub(instances as usize);
        let start = self.behaviours.get(release).copied().unwrap_or_default().start;
        // Those that are not ready yet go first.
        set.instances.sort_by_key(|i| now >= i.started + start);
        for instance in set.instances.iter_mut().filter(|i| i.stopping.is_none()).take(surplus) {
            instance.stopping = Some(now);
        }
    }

    fn route(&self, state: &mut State, weights: &BTreeMap<ReleaseId, Weight>) {
        let now = Instant::now();
        let total: u32 = weights.values().map(|w| u32::from(w.basis_points())).sum();
        if !weights.is_empty() && total != 10_000 {
            state.violations.push(format!("the weights add up to {total} of 10000: {weights:?}"));
        }
        for (release, weight) in weights {
            let ready = state.sets.get(release).map_or(0, |set| self.ready(release, set, now));
            let raised = *weight > state.weights.get(release).copied().unwrap_or_default();
            if raised && ready == 0 {
                state.violations.push(format!("{release} gets {weight} with no ready instance"));
            }
            if raised && weights.len() > 1 && *weight > Weight::carried_by(ready, self.needed) {
                state
                    .violations
                    .push(format!("{release} gets {weight} with {ready} of {} ready", self.needed));
            }
        }
        state.weights =
            weights.iter().filter(|(_, w)| **w > Weight::ZERO).map(|(r, w)| (r.clone(), *w)).collect();
    }

    /// The next moment at which an instance becomes ready, has drained, or is given up.
    fn next_change(&self) -> Instant {
        let now = Instant::now();
        let state = self.state.lock().unwrap();
        let moments = state.sets.iter().flat_map(|(release, set)| {
            let behaviour = self.behaviour(release);
            set.instances.iter().flat_map(move |instance| {
                let gone = instance.stopping.map(|since| since + behaviour.drain);
                let given_up = behaviour.never_ready.or(behaviour.dies_after);
                let given_up = given_up.map(|patience| instance.started + patience);
                [Some(instance.started + behaviour.start), gone, given_up]
            })
        });
        let next = moments.flatten().filter(|moment| *moment > now).min();
        next.unwrap_or(now + Duration::from_secs(3600))
    }

    fn refuses(&self, state: &mut State) -> Option<TargetError> {
        let Some(Fault::Refuse { nth, times, fatal }) = *self.fault.lock().unwrap() else { return None };
        if state.actions != nth || state.refused >= times {
            return None;
        }
        state.refused += 1;
        let sentence = "the target said no".to_owned();
        Some(TargetError { code: "refused", sentence, hint: None, fatal })
    }
}

impl Target for MemoryTarget {
    async fn observe(&self, newer_than: Option<u64>, patience: Duration) -> Result<Observation, TargetError> {
        let end = Instant::now() + patience;
        loop {
            let seen = self.now();
            if newer_than.is_none_or(|generation| seen.generation > generation) || Instant::now() >= end {
                return Ok(seen);
            }
            tokio::select! {
                () = tokio::time::sleep_until(self.next_change().min(end)) => {}
                () = self.killed.notified() => {}
            }
        }
    }

    async fn address(&self, _release: Option<&ReleaseId>) -> Option<String> {
        Some("in.memory:80".to_owned())
    }

    async fn act(&self, action: &Action, _releases: &[&Release]) -> Result<(), TargetError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut state = self.state.lock().unwrap();
        self.advance(&mut state);
        if let Some(error) = self.refuses(&mut state) {
            return Err(error);
        }
        state.actions += 1;
        self.apply(&mut state, action);
        if *self.fault.lock().unwrap() == Some(Fault::Twice) {
            self.apply(&mut state, action);
        }
        self.advance(&mut state);
        Ok(())
    }
}
