//! The life of one instance: start, become ready, stay well, come back after a fall, drain, stop. One task each.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::core::Event;
use super::health::{self, Unwell};
use super::launch::Recipe;
use super::logs;
use super::ports::{self, Ports};
use crate::rollout::Trouble;
use crate::target::local::process::{Process, ProcessId};
use crate::target::local::proxy::Proxy;
use crate::target::local::spec::Health;

const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_LAST: Duration = Duration::from_secs(30);
/// After this time of running the next fall is treated as the first.
const WELL_AFTER: Duration = Duration::from_secs(60);
const CHECK_FIRST: Duration = Duration::from_millis(20);
/// Failed checks in a row that make a ready instance unready, and answers with another version that are fatal.
const STRIKES: u32 = 3;
const TAIL_LINES: usize = 20;

/// What the supervisor wants of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Run, as one of this many.
    Run {
        of: u32,
    },
    Stop,
}

/// What an instance tells the supervisor.
#[derive(Debug)]
pub(crate) enum Report {
    Started {
        process: ProcessId,
        port: u16,
        log_start: u64,
    },
    Ready,
    /// No longer ready.
    Unready(Trouble),
    /// Not ready yet, and this is why.
    Trouble(Trouble),
    Exited(Trouble),
    /// Stopped as ordered; nothing of it is left.
    Gone,
}

/// One instance.
pub(crate) struct Instance {
    pub(crate) id: u64,
    pub(crate) number: u32,
    pub(crate) port: u16,
    pub(crate) recipe: Arc<Recipe>,
    pub(crate) ports: Arc<Ports>,
    pub(crate) proxy: Proxy,
    pub(crate) events: mpsc::UnboundedSender<Event>,
    pub(crate) orders: watch::Receiver<Order>,
    /// True once no earlier supervisor passes requests to instances.
    pub(crate) alone: watch::Receiver<bool>,
    pub(crate) ready: bool,
    pub(crate) was_ready: bool,
    pub(crate) restarts: u32,
    pub(crate) log_start: u64,
}

/// Falls in a row.
#[derive(Debug)]
struct Falls {
    count: u32,
    wait: Duration,
}

impl Falls {
    const fn none() -> Self {
        Self { count: 0, wait: BACKOFF_FIRST }
    }

    /// Counts a fall after `lasted` and gives the time to wait.
    fn fell(&mut self, lasted: Duration) -> Duration {
        if lasted >= WELL_AFTER {
            *self = Self::none();
        }
        self.count += 1;
        let wait = self.wait;
        self.wait = (wait * 2).min(BACKOFF_LAST);
        wait
    }
}

impl Instance {
    fn who(&self) -> String {
        let place = match *self.orders.borrow() {
            Order::Run { of } => format!("{} of {of}", self.number),
            Order::Stop => self.number.to_string(),
        };
        format!("instance {place} (version {})", self.recipe.version)
    }

    fn report(&self, report: Report) {
        // With nobody listening the supervisor is ending; then there is nobody to tell.
        let _ = self.events.send(Event::Instance(self.id, report));
    }

    /// Runs until ordered to stop. Begins with `process` where there is one already.
    pub(crate) async fn run(mut self, mut process: Option<Process>) {
        let mut falls = Falls::none();
        loop {
            let began = Instant::now();
            let trouble = match self.process(process.take()).await {
                Err(trouble) => trouble,
                Ok(mut running) => {
                    let Some(ending) = self.attend(&mut running, began).await else {
                        self.stop(&mut running).await;
                        break;
                    };
                    // Whatever it left behind in its group would hold its port.
                    running.signal(Signal::KILL);
                    self.fallen(&ending.to_string(), began.elapsed(), falls.count + 1)
                }
            };
            self.ready = false;
            let wait = falls.fell(began.elapsed());
            self.report(Report::Exited(trouble));
            if self.ordered_to_stop_within(wait).await {
                break;
            }
            self.restarts += 1;
        }
        self.ports.give_back(self.port);
        self.report(Report::Gone);
    }

    async fn process(&mut self, adopted: Option<Process>) -> Result<Process, Trouble> {
        if let Some(process) = adopted {
            return Ok(process);
        }
        if !ports::free(self.port)
            && let Some(port) = self.ports.take()
        {
            self.ports.give_back(self.port);
            self.port = port;
        }
        let started = self.recipe.start(self.number, self.restarts, self.port).await;
        let (process, log_start) = started.map_err(|e| self.recipe.start_trouble(&self.who(), &e))?;
        self.log_start = log_start;
        self.report(Report::Started { process: process.id.clone(), port: self.port, log_start });
        Ok(process)
    }

    /// Watches a process until it ends (how) or is to be stopped (`None`).
    async fn attend(
        &mut self,
        process: &mut Process,
        began: Instant,
    ) -> Option<crate::target::local::process::Ending> {
        let mut orders = self.orders.clone();
        let mut checks = Checks::new(self.recipe.spec.health(), began, self.ready);
        let address = ports::address(self.port);
        let version = self.recipe.version.clone();
        let health = checks.health.clone();
        loop {
            let check = async {
                sleep_until(checks.next).await;
                health::probe(address, &health, &version).await
            };
            tokio::select! {
                biased;
                _ = orders.wait_for(|o| *o == Order::Stop) => return None,
                ending = process.ended() => return Some(ending),
                outcome = check => {
                    if let Some(finding) = checks.take(outcome, Instant::now()) {
                        self.tell(finding);
                    }
                }
            }
        }
    }

    fn tell(&mut self, finding: Finding) {
        match finding {
            Finding::Well => {
                self.ready = true;
                self.was_ready = true;
                self.report(Report::Ready);
            }
            Finding::Fell(unwell) => {
                self.ready = false;
                let trouble = self.trouble(&unwell, "is no longer ready", false);
                self.report(Report::Unready(trouble));
            }
            Finding::Late(unwell, after) => {
                let trouble = self.trouble(&unwell, &format!("is not ready after {after:?}"), true);
                self.report(Report::Trouble(trouble));
            }
            Finding::Wrong(unwell) => {
                let trouble = self.trouble(&unwell, "runs another version", true);
                self.report(Report::Trouble(trouble));
            }
        }
    }

    fn trouble(&self, unwell: &Unwell, what: &str, fatal: bool) -> Trouble {
        Trouble {
            code: unwell.code.to_owned(),
            sentence: format!("{} {what}: {}", self.who(), unwell.sentence),
            fatal,
            log_tail: self.tail(),
        }
    }

    fn tail(&self) -> Vec<String> {
        logs::tail(&self.recipe.log(self.number), self.log_start, TAIL_LINES, &self.recipe.hidden())
    }

    fn fallen(&self, ending: &str, lasted: Duration, times: u32) -> Trouble {
        let tail = self.tail();
        let mut sentence = format!("{} {ending} within {:.1} s", self.who(), lasted.as_secs_f64());
        let _ = match times {
            0 | 1 => Ok(()),
            2 => write!(sentence, ", twice"),
            n => write!(sentence, ", {n} times in a row"),
        };
        let _ = match tail.last() {
            Some(words) => write!(sentence, "; its last words: {words}"),
            None => write!(sentence, " and wrote nothing"),
        };
        let fatal = times >= 2 && !self.was_ready;
        Trouble { code: "exited".to_owned(), sentence, fatal, log_tail: tail }
    }

    async fn ordered_to_stop_within(&mut self, time: Duration) -> bool {
        timeout(time, self.orders.wait_for(|o| *o == Order::Stop)).await.is_ok()
    }

    /// Waits for the requests in flight, then ends the process and its group.
    async fn stop(&mut self, process: &mut Process) {
        let drain = self.recipe.spec.drain;
        let key = self.recipe.key(self.number, self.restarts);
        let drained = async {
            self.proxy.wait_drained(&key, drain).await;
            // An earlier supervisor that gave way may still be passing requests that it had taken.
            let _ = self.alone.wait_for(|alone| *alone).await;
        };
        tokio::select! {
            _ = process.ended() => {}
            _ = timeout(drain, drained) => {
                process.signal(Signal::TERM);
                if timeout(self.recipe.spec.stop_grace, process.ended()).await.is_err() {
                    tracing::warn!("{} did not end within {:?}; killed", self.who(), self.recipe.spec.stop_grace);
                }
            }
        }
        process.signal(Signal::KILL);
        // Only a process that hangs in the kernel outlasts this.
        let _ = timeout(Duration::from_secs(5), process.ended()).await;
    }
}

/// What a row of checks showed.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    Well,
    Fell(Unwell),
    Late(Unwell, Duration),
    Wrong(Unwell),
}

/// The checks of one process.
#[derive(Debug)]
struct Checks {
    health: Health,
    began: Instant,
    next: Instant,
    pace: Duration,
    ready: bool,
    failures: u32,
    wrong: u32,
    late: bool,
}

impl Checks {
    fn new(health: Health, began: Instant, ready: bool) -> Self {
        Self { health, began, next: began, pace: CHECK_FIRST, ready, failures: 0, wrong: 0, late: false }
    }

    /// Takes one outcome and arranges the next check; gives what is new.
    fn take(&mut self, outcome: Result<(), Unwell>, now: Instant) -> Option<Finding> {
        self.pace = if self.ready { self.health.every } else { (self.pace * 3 / 2).min(self.health.every) };
        let finding = match outcome {
            Ok(()) => {
                self.failures = 0;
                self.wrong = 0;
                let news = !self.ready;
                self.ready = true;
                self.pace = self.health.every;
                news.then_some(Finding::Well)
            }
            Err(unwell) => self.failed(unwell, now),
        };
        self.next = now + self.pace;
        finding
    }

    fn failed(&mut self, unwell: Unwell, now: Instant) -> Option<Finding> {
        self.failures += 1;
        if unwell.code == "wrong-version" {
            self.wrong += 1;
        }
        if self.ready {
            // Seen once, a failure is looked into at a quicker pace.
            self.pace = self.health.every.min(Duration::from_millis(250));
            if self.failures < STRIKES {
                return None;
            }
            self.ready = false;
            return Some(Finding::Fell(unwell));
        }
        if unwell.code == "wrong-version" {
            return (self.wrong == STRIKES).then_some(Finding::Wrong(unwell));
        }
        let lasted = now - self.began;
        if !self.late && lasted >= self.health.start_within {
            self.late = true;
            return Some(Finding::Late(unwell, self.health.start_within));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwell(code: &'static str) -> Result<(), Unwell> {
        Err(Unwell { code, sentence: "s".into() })
    }

    #[test]
    fn falls_wait_longer_each_time_and_are_forgiven_after_a_minute() {
        let mut falls = Falls::none();
        let waits: Vec<u64> =
            (0..10).map(|_| u64::try_from(falls.fell(Duration::ZERO).as_millis()).unwrap()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(falls.fell(WELL_AFTER), BACKOFF_FIRST);
        assert_eq!(falls.count, 1);
    }

    #[tokio::test]
    async fn a_ready_instance_falls_at_the_third_failure_and_recovers() {
        let now = Instant::now();
        let mut checks = Checks::new(Health::default(), now, false);
        assert_eq!(checks.take(unwell("unhealthy"), now), None);
        assert_eq!(checks.take(Ok(()), now), Some(Finding::Well));
        assert_eq!(checks.take(Ok(()), now), None);
        assert_eq!(checks.take(unwell("unhealthy"), now), None);
        assert_eq!(checks.take(unwell("unhealthy"), now), None);
        assert!(matches!(checks.take(unwell("unhealthy"), now), Some(Finding::Fell(_))));
        assert_eq!(checks.take(unwell("unhealthy"), now), None);
        assert_eq!(checks.take(Ok(()), now), Some(Finding::Well));
    }

    #[tokio::test]
    async fn a_new_instance_is_late_once_and_wrong_at_third_sight() {
        let now = Instant::now();
        let mut checks = Checks::new(Health::default(), now, false);
        let limit = checks.health.start_within;
        assert_eq!(checks.take(unwell("unhealthy"), now + limit / 2), None);
        assert!(matches!(checks.take(unwell("unhealthy"), now + limit), Some(Finding::Late(..))));
        assert_eq!(checks.take(unwell("unhealthy"), now + limit * 2), None);
        let mut checks = Checks::new(Health::default(), now, false);
        assert_eq!(checks.take(unwell("wrong-version"), now), None);
        assert_eq!(checks.take(unwell("wrong-version"), now), None);
        assert!(matches!(checks.take(unwell("wrong-version"), now), Some(Finding::Wrong(_))));
        assert_eq!(checks.take(unwell("wrong-version"), now), None);
    }

    #[tokio::test]
    async fn checks_are_fast_at_first_and_slow_down() {
        let now = Instant::now();
        let mut checks = Checks::new(Health::default(), now, false);
        let mut paces = Vec::new();
        for _ in 0..14 {
            checks.take(unwell("unhealthy"), now);
            paces.push(checks.pace);
        }
        assert_eq!(paces[0], Duration::from_millis(30));
        assert!(paces.is_sorted());
        assert_eq!(paces[13], checks.health.every);
    }
}
