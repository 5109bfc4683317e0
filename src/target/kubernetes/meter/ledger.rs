//! The sums by release, from what each pod says of itself. Pure: no clock, no network.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::pods::Instance;
use super::prometheus::By;
use super::routers::Router;
use super::text::Reading;
use crate::rollout::{Counts, ReleaseId};

/// The sums by release, and what they rest on. They never go backwards: what a pod has counted stays when it is gone.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The pods, or the Services, that there are now; of routers, each Service once for each router, with both in its uid.
    instances: Vec<Instance>,
    slow_bound: Option<Duration>,
    teller: Teller,
    is_begun: bool,
    /// Every pod that was ever there, by its uid.
    pods: HashMap<String, Known>,
    /// Where routers tell: what they are asked about, and who they are.
    services: Vec<Instance>,
    routers: Vec<Router>,
    /// Every router that was ever there, by its uid.
    known_routers: BTreeSet<String>,
    /// Why it is not known which routers there are.
    no_routers: Option<String>,
    sums: BTreeMap<ReleaseId, Counts>,
}

/// Whose counts are taken in.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Teller {
    /// The pods themselves, where they offer that.
    #[default]
    Pods,
    /// A Prometheus that may have asked many.
    Prometheus(By),
    /// The pods of a router, each for itself.
    Routers,
}

/// What is known of one pod.
#[derive(Debug, Default)]
struct Known {
    /// The last reading, where the next one is to be measured by it.
    last: Option<Reading>,
    /// It has answered visitors before its first reading that do not count.
    has_past: bool,
    /// What came of its last reading.
    fate: Fate,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Unread,
    Read,
    Failed(String),
}

/// What one visit to a pod gave.
pub(super) enum Visit {
    /// Its counts.
    Read(Reading),
    /// It has not counted any request yet, or counts them in another way.
    Nothing(String),
    /// It could not be read.
    Failed(String),
}

impl Ledger {
    /// Of what the pods themselves tell.
    pub(super) fn of_pods() -> Self {
        Self::default()
    }

    /// Of what somebody else tells of them: whether they offer anything has no meaning. What is known of a Service is older than the
    /// rollout: its first reading is where counting begins.
    pub(super) fn of_another(by: By) -> Self {
        Self { teller: Teller::Prometheus(by), ..Self::default() }
    }

    /// Of what each pod of a router tells of Services. What a router that was there before counts of any of them may be older than the
    /// rollout; a router that comes later begins at zero.
    pub(super) fn of_routers() -> Self {
        Self { teller: Teller::Routers, ..Self::default() }
    }

    /// These pods are there now, and requests over the bound are slow. The pods of the first call have a past; those that are
    /// seen later count from zero.
    pub(super) fn watch(&mut self, instances: Vec<Instance>, slow_bound: Option<Duration>) {
        if slow_bound != self.slow_bound {
            self.slow_bound = slow_bound;
            // Counts by another bound cannot be measured by those that are known.
            for pod in self.pods.values_mut() {
                (pod.last, pod.has_past) = (None, true);
            }
        }
        if self.teller == Teller::Routers {
            if self.services.is_empty() && !instances.is_empty() {
                // Nobody has looked for a while: what there is by now is where counting begins.
                self.pods.values_mut().for_each(|pod| (pod.last, pod.has_past) = (None, true));
                (self.routers, self.is_begun) = (Vec::new(), false);
            }
            self.services = instances;
            self.spread();
        } else {
            self.see(instances);
        }
    }

    /// These routers are there now; or why that is not known, and those from before stay.
    pub(super) fn through(&mut self, routers: Result<Vec<Router>, String>) {
        match routers {
            Ok(routers) => (self.routers, self.no_routers) = (routers, None),
            Err(why) => self.no_routers = Some(why),
        }
        self.spread();
    }

    /// Nobody wants to know anything.
    pub(super) fn rests(&self) -> bool {
        self.services.is_empty()
    }

    /// What each router is to be asked about, by the name of its pod, and the bound to read it by.
    pub(super) fn by_router(&self) -> (Vec<(String, Vec<Instance>)>, Option<Duration>) {
        let of = |router: &Router| self.services.iter().map(|one| one.through(router)).collect();
        (self.routers.iter().map(|router| (router.pod.clone(), of(router))).collect(), self.slow_bound)
    }

    fn spread(&mut self) {
        let each = self.routers.iter().flat_map(|router| self.services.iter().map(|one| one.through(router)));
        let instances: Vec<Instance> = each.collect();
        let has_asked = !instances.is_empty();
        self.see(instances);
        if has_asked {
            self.known_routers.extend(self.routers.iter().map(|router| router.uid.clone()));
        }
    }

    fn see(&mut self, instances: Vec<Instance>) {
        let is_first = !self.is_begun;
        self.is_begun |= !instances.is_empty();
        for instance in &instances {
            let is_old = match self.teller {
                Teller::Pods | Teller::Prometheus(By::Pod) => false,
                Teller::Prometheus(By::Service) => true,
                Teller::Routers => instance
                    .uid
                    .split_once('/')
                    .is_some_and(|(router, _)| self.known_routers.contains(router)),
            };
            let new = Known { has_past: is_first || is_old, ..Known::default() };
            self.pods.entry(instance.uid.clone()).or_insert(new);
        }
        self.instances = instances;
    }

    /// The pods to visit, and the bound to read them by.
    pub(super) fn wanted(&self) -> (Vec<Instance>, Option<Duration>) {
        let wanted = self.instances.iter().filter(|one| self.teller != Teller::Pods || one.offer.is_some());
        (wanted.cloned().collect(), self.slow_bound)
    }

    /// Takes in what a visit gave, read by that bound. True when it changed a sum.
    pub(super) fn take(&mut self, from: &Instance, bound: Option<Duration>, visit: Visit) -> bool {
        let Some(pod) = self.pods.get_mut(&from.uid).filter(|_| bound == self.slow_bound) else {
            return false;
        };
        let mut reading = match visit {
            Visit::Failed(why) => {
                pod.fate = Fate::Failed(why);
                return false;
            }
            Visit::Nothing(why) => {
                // Nothing was counted up to now: whatever comes is new.
                pod.has_past &= pod.last.is_some();
                pod.fate = Fate::Failed(why);
                return false;
            }
            Visit::Read(reading) => reading,
        };
        pod.fate = Fate::Read;
        // The sum of several routers falls when one of them is not read, and then comes back with all that it ever was. A router that begins anew
        // tells nothing until it has counted as much as before: the comparison waits.
        if self.teller == Teller::Prometheus(By::Service)
            && pod.last.is_some_and(|last| reading.counts.is_behind(last.counts))
        {
            return false;
        }
        let before = match pod.last {
            None if pod.has_past => reading.counts,
            None => Counts::default(),
            // Other names came in view, which tell the same requests.
            Some(last) if last.family != reading.family && last.counts.requests > 0 => reading.counts,
            // What another tells of a pod may be older than what it told before, or lack one of its parts: that is no new pod. A router may have
            // forgotten a part of what it led to a Service, and is not taken for one that began anew.
            Some(last)
                if matches!(self.teller, Teller::Prometheus(By::Pod) | Teller::Routers)
                    && reading.counts.is_behind(last.counts) =>
            {
                reading.counts
            }
            Some(last) => last.counts,
        };
        let since = reading.counts.since(before);
        // Errors that came in view before their requests count with those.
        let (errors, slow) = (since.errors.min(since.requests), since.slow.min(since.requests));
        let new = Counts { errors, slow, ..since };
        reading.counts.errors -= since.errors - errors;
        reading.counts.slow -= since.slow - slow;
        pod.last = Some(reading);
        *self.sums.entry(from.release.clone()).or_default() += new;
        new != Counts::default()
    }

    /// The sums.
    pub(super) fn counts(&self) -> BTreeMap<ReleaseId, Counts> {
        self.sums.clone()
    }

    /// Why nothing is known of a release that has pods: none of them could be read the last time.
    pub(super) fn why_silent(&self) -> Option<String> {
        if let (Some(why), true) = (&self.no_routers, self.routers.is_empty() && !self.rests()) {
            return Some(why.clone());
        }
        let releases: BTreeSet<&ReleaseId> = self.instances.iter().map(|one| &one.release).collect();
        let mut why: Vec<String> =
            releases.into_iter().filter_map(|release| self.silence_of(release)).collect();
        why.dedup();
        (!why.is_empty()).then(|| why.join("; "))
    }

    fn silence_of(&self, release: &ReleaseId) -> Option<String> {
        let own = || self.instances.iter().filter(|one| one.release == *release);
        if self.teller == Teller::Pods && own().all(|one| one.offer.is_none()) {
            return Some(format!(
                "no pod of release {release} offers metrics: annotate its pods with `prometheus.io/scrape: \"true\"` and \
                 `prometheus.io/port`"
            ));
        }
        let fates = || own().filter_map(|one| self.pods.get(&one.uid)).map(|pod| &pod.fate);
        if fates().any(|fate| *fate == Fate::Read) {
            return None;
        }
        fates().find_map(|fate| match fate {
            Fate::Failed(why) => Some(why.clone()),
            Fate::Read | Fate::Unread => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::pods::Offer;
    use super::*;

    const BOUND: Option<Duration> = Some(Duration::from_millis(500));

    fn instance(uid: &str, release: &str) -> Instance {
        let offer = Offer { is_https: false, port: 80, path: "/metrics".to_owned(), aside: Vec::new() };
        let release = ReleaseId::new(release);
        Instance {
            pod: format!("pod-{uid}"),
            uid: uid.to_owned(),
            release,
            offer: Some(offer),
            ports: Vec::new(),
        }
    }

    fn read(requests: u64, errors: u64) -> Visit {
        Visit::Read(Reading { family: "http_requests_total", counts: Counts { requests, errors, slow: 0 } })
    }

    #[test]
    fn of_a_service_only_what_is_new_counts_whatever_routers_are_read() {
        let mut ledger = Ledger::of_another(By::Service);
        let (web, own) = (instance("web", "old"), instance("own", "new"));
        ledger.watch(vec![web.clone()], None);
        assert!(!ledger.take(&web, None, read(2_000_000, 5_000)), "two routers have been there for long");
        assert!(ledger.take(&web, None, read(2_000_100, 5_001)));
        // One of them is not read, and comes back.
        assert!(!ledger.take(&web, None, read(1_000_050, 2_500)));
        assert!(ledger.take(&web, None, read(2_000_200, 5_001)));
        assert_eq!(sum(&ledger, "old"), (200, 1));
        // What is seen later has a past, too: a candidate may have been tried before.
        ledger.watch(vec![web, own.clone()], None);
        assert!(!ledger.take(&own, None, Visit::Failed("no series".to_owned())));
        assert!(!ledger.take(&own, None, read(40, 40)));
        assert!(ledger.take(&own, None, read(60, 41)));
        assert_eq!(sum(&ledger, "new"), (20, 1));
    }

    #[test]
    fn each_router_counts_for_itself_and_only_what_is_new() {
        let router = |uid: &str| Router { pod: format!("envoy-{uid}"), uid: uid.to_owned() };
        let (web, own) = (instance("web", "old"), instance("own", "new"));
        let at = |router: &Router, one: &Instance| one.through(router);
        let (a, b) = (router("a"), router("b"));
        let mut ledger = Ledger::of_routers();
        assert!(ledger.rests());
        ledger.watch(vec![web.clone()], None);
        ledger.through(Err("no pod of Contour runs".to_owned()));
        assert_eq!(ledger.why_silent().as_deref(), Some("no pod of Contour runs"));
        ledger.through(Ok(vec![a.clone()]));
        assert_eq!(ledger.why_silent(), None);
        assert!(!ledger.take(&at(&a, &web), None, read(1_000, 5)), "it has been there for long");
        assert!(ledger.take(&at(&a, &web), None, read(1_010, 6)));
        // The candidate was tried before, and this router still knows it; another router only comes now.
        ledger.watch(vec![web.clone(), own.clone()], None);
        ledger.through(Ok(vec![a.clone(), b.clone()]));
        assert_eq!(ledger.by_router().0.len(), 2);
        assert!(!ledger.take(&at(&a, &own), None, read(40, 40)));
        assert!(ledger.take(&at(&a, &own), None, read(60, 41)));
        assert!(ledger.take(&at(&b, &own), None, read(3, 1)));
        assert_eq!((sum(&ledger, "old"), sum(&ledger, "new")), ((10, 1), (23, 2)));
        // A router begins anew, or forgets a part: what it tells then is where counting goes on from. And one goes.
        assert!(!ledger.take(&at(&a, &own), None, read(2, 0)));
        assert!(ledger.take(&at(&a, &own), None, read(4, 0)));
        ledger.through(Ok(vec![a.clone()]));
        assert_eq!(sum(&ledger, "new"), (25, 2));
        // Nothing yet of a Service that nobody has tried: then all that comes is new.
        let third = instance("third", "third");
        ledger.watch(vec![third.clone()], None);
        ledger.take(&at(&a, &third), None, Visit::Nothing("nothing".to_owned()));
        assert!(ledger.take(&at(&a, &third), None, read(7, 0)));
        assert_eq!(sum(&ledger, "third"), (7, 0));
        // After a rest nothing counts that came meanwhile, whoever has counted it.
        ledger.watch(Vec::new(), None);
        ledger.watch(vec![third.clone()], None);
        assert!(ledger.by_router().0.is_empty());
        ledger.through(Ok(vec![a.clone(), router("c")]));
        assert!(!ledger.take(&at(&a, &third), None, read(500, 100)));
        assert!(!ledger.take(&at(&router("c"), &third), None, read(900, 100)));
        assert_eq!(sum(&ledger, "third"), (7, 0));
    }

    fn sum(ledger: &Ledger, release: &str) -> (u64, u64) {
        let counts = ledger.counts().get(&ReleaseId::new(release)).copied().unwrap_or_default();
        (counts.requests, counts.errors)
    }

    #[test]
    fn pods_that_were_there_count_from_their_first_reading_and_later_ones_from_zero() {
        let (old, new) = (instance("1", "old"), instance("2", "new"));
        let mut ledger = Ledger::of_pods();
        ledger.watch(Vec::new(), BOUND);
        ledger.watch(vec![old.clone()], BOUND);
        assert!(!ledger.take(&old, BOUND, read(1000, 10)));
        ledger.watch(vec![old.clone(), new.clone()], BOUND);
        assert!(ledger.take(&old, BOUND, read(1050, 11)));
        assert!(ledger.take(&new, BOUND, read(7, 1)));
        assert!(!ledger.take(&new, BOUND, read(7, 1)));
        assert_eq!((sum(&ledger, "old"), sum(&ledger, "new")), ((50, 1), (7, 1)));
    }

    #[test]
    fn sums_stay_when_pods_go_and_go_on_when_they_begin_anew() {
        let (one, two) = (instance("1", "new"), instance("2", "new"));
        let mut ledger = Ledger::of_pods();
        ledger.watch(vec![instance("0", "old")], BOUND);
        ledger.watch(vec![one.clone(), two.clone()], BOUND);
        ledger.take(&one, BOUND, read(100, 5));
        ledger.take(&two, BOUND, read(10, 0));
        ledger.watch(vec![two.clone()], BOUND);
        assert_eq!(sum(&ledger, "new"), (110, 5));
        // The container was started again.
        ledger.take(&two, BOUND, read(3, 1));
        assert_eq!(sum(&ledger, "new"), (113, 6));
        // A visit that was under way when the pod went.
        ledger.take(&one, BOUND, read(104, 5));
        assert_eq!(sum(&ledger, "new"), (117, 6));
    }

    #[test]
    fn another_bound_or_another_family_counts_nothing_twice() {
        let one = instance("1", "new");
        let mut ledger = Ledger::of_pods();
        ledger.watch(vec![instance("0", "old")], None);
        ledger.watch(vec![one.clone()], None);
        ledger.take(&one, None, read(100, 5));
        ledger.watch(vec![one.clone()], BOUND);
        assert!(!ledger.take(&one, None, read(120, 5)), "read by the bound of before");
        ledger.take(&one, BOUND, read(120, 5));
        assert_eq!(sum(&ledger, "new"), (100, 5));
        let other = |requests| {
            let counts = Counts { requests, ..Counts::default() };
            Visit::Read(Reading { family: "http_request_duration_seconds", counts })
        };
        ledger.take(&one, BOUND, other(90));
        assert_eq!(sum(&ledger, "new"), (100, 5));
        ledger.take(&one, BOUND, other(95));
        assert_eq!(sum(&ledger, "new"), (105, 5));
    }

    #[test]
    fn a_pod_that_had_counted_nothing_has_no_past() {
        let one = instance("1", "old");
        let mut ledger = Ledger::of_pods();
        ledger.watch(vec![one.clone()], BOUND);
        ledger.take(&one, BOUND, Visit::Nothing("pod pod-1 counts no requests".to_owned()));
        assert_eq!(ledger.why_silent().as_deref(), Some("pod pod-1 counts no requests"));
        ledger.take(&one, BOUND, read(4, 0));
        assert_eq!((sum(&ledger, "old"), ledger.why_silent()), ((4, 0), None));
    }

    #[test]
    fn errors_that_come_in_view_before_their_requests_wait_for_those() {
        let (old, new) = (instance("0", "old"), instance("1", "new"));
        let mut ledger = Ledger::of_another(By::Pod);
        ledger.watch(vec![old], BOUND);
        ledger.watch(vec![new.clone()], BOUND);
        ledger.take(&new, BOUND, read(100, 5));
        assert!(!ledger.take(&new, BOUND, read(100, 9)));
        assert_eq!(sum(&ledger, "new"), (100, 5));
        ledger.take(&new, BOUND, read(102, 9));
        assert_eq!(sum(&ledger, "new"), (102, 7));
        ledger.take(&new, BOUND, read(150, 9));
        assert_eq!(sum(&ledger, "new"), (150, 9));
    }

    #[test]
    fn what_another_tells_needs_no_offer_of_the_pods() {
        let one = Instance { offer: None, ..instance("1", "new") };
        let other = Instance { offer: None, ..instance("2", "old") };
        let mut ledger = Ledger::of_another(By::Pod);
        ledger.watch(vec![one.clone(), other.clone()], BOUND);
        assert_eq!((ledger.wanted().0.len(), ledger.why_silent()), (2, None));
        for pod in [&one, &other] {
            ledger.take(pod, BOUND, Visit::Failed("nobody answers".to_owned()));
        }
        assert_eq!(ledger.why_silent().as_deref(), Some("nobody answers"), "once, though it is so of both");
    }

    #[test]
    fn a_release_is_silent_when_none_of_its_pods_could_be_read() {
        let (one, two, mute) = (instance("1", "new"), instance("2", "new"), instance("3", "old"));
        let mute = Instance { offer: None, ..mute };
        let mut ledger = Ledger::of_pods();
        assert_eq!(ledger.why_silent(), None);
        ledger.watch(vec![one.clone(), two.clone()], BOUND);
        assert_eq!(ledger.why_silent(), None);
        ledger.take(&one, BOUND, Visit::Failed("cannot read pod-1".to_owned()));
        assert_eq!(ledger.why_silent().as_deref(), Some("cannot read pod-1"));
        ledger.take(&two, BOUND, read(0, 0));
        assert_eq!(ledger.why_silent(), None);
        ledger.watch(vec![one, two, mute], BOUND);
        let why = ledger.why_silent().unwrap();
        assert!(why.starts_with("no pod of release old offers metrics: annotate"), "{why}");
        assert_eq!(ledger.wanted().0.len(), 2);
    }
}
