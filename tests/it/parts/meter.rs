//! What releases answer is counted from their pods' own metrics, through nothing but the API server.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use testbed::{Bed, Part};
use tidegate::cluster::{Access, connect};
use tidegate::rollout::event::{Event, Fact};
use tidegate::rollout::step::Comparison;
use tidegate::rollout::strategy::{Setting, Strategy, StrategyName, in_place};
use tidegate::rollout::{Action, Budgets, Counts, Observation, Plan, Release, Rollout, RolloutId, Step};
use tidegate::sample::load::{Kind, Load, Mix};
use tidegate::target::Target;
use tidegate::target::kubernetes::bundle::Bundle;
use tidegate::target::kubernetes::diagnose::Graces;
use tidegate::target::kubernetes::manifests::parse;
use tidegate::target::kubernetes::{KubernetesConfig, KubernetesTarget, Traffic};

use super::kube::{Namespace, workload};
use super::{bed, run};

/// The app `shop` in a namespace of its own.
struct Shop {
    space: Namespace,
    config: KubernetesConfig,
    target: KubernetesTarget,
}

impl Shop {
    async fn new(bed: &Bed, name: &str) -> Self {
        let space = Namespace::new(bed, name);
        let access = Access { kubeconfig: Some(bed.kubeconfig("admin")), ..Access::default() };
        let (client, _) = connect(&access).await.unwrap();
        let config = KubernetesConfig {
            app: "shop".to_owned(),
            environment: "test".to_owned(),
            namespace: space.name.clone(),
            traffic: Traffic::Service { name: None },
            take_over: false,
            drain: Duration::from_secs(1),
            graces: Graces::default(),
            url: None,
            counts: Default::default(),
        };
        let target = KubernetesTarget::new(client, config.clone());
        Self { space, config, target }
    }

    /// The release of that version, kept in the cluster.
    async fn release(&self, version: &str, manifests: &str) -> Release {
        let objects = parse(Path::new("shop.yaml"), manifests).unwrap_or_else(|error| panic!("{error}"));
        let bundle = Bundle::new(objects, &self.config).unwrap();
        let release =
            Release::new("shop", version, None, bundle.artifacts(None), bundle.spec(), Timestamp::now());
        self.target.keep(&release, bundle).await.unwrap();
        release
    }

    /// Begins a rollout: in place where there is no stable release, or else a comparison of the two.
    fn begin(&self, stable: Option<&Release>, candidate: &Release, compare: bool) {
        let setting = Setting { instances: 2, verify: Vec::new(), keep: Duration::ZERO };
        let strategy = if compare { StrategyName::Canary } else { StrategyName::Rolling };
        let mut steps =
            if compare { Strategy::by_name(strategy).compile(&setting) } else { in_place(&setting, false) };
        for step in &mut steps {
            if let Step::Analyze { comparison, .. } = step {
                let slower_than = Some(Duration::from_millis(500));
                *comparison = Comparison { slower_than, ..comparison.clone() };
            }
        }
        let plan = Plan {
            app: "shop".to_owned(),
            environment: "test".to_owned(),
            strategy,
            candidate: candidate.clone(),
            stable: stable.cloned(),
            instances: 2,
            kept: 0,
            keep: Duration::ZERO,
            in_place: !compare,
            returns: false,
            steps,
            budgets: Budgets::default(),
        };
        let fact = Fact::Started { hash: plan.hash(), plan: Box::new(plan), by: "a test".to_owned() };
        let rollout = RolloutId::new(format!("rollout-{compare}"));
        let event = Event { seq: 0, at: Timestamp::now(), rollout, fact };
        self.target.begin(&Rollout::replay([&event]).unwrap());
    }

    async fn scale(&self, release: &Release, instances: u32) {
        let action = Action::Scale { release: release.id.clone(), instances };
        self.target.act(&action, &[release]).await.unwrap();
    }

    /// Looks, at every change, until it is as wanted.
    async fn until(&self, what: &str, holds: impl Fn(&Observation) -> bool) -> Observation {
        let end = Instant::now() + Duration::from_secs(60);
        let mut known = None;
        loop {
            let seen = self.target.observe(known, Duration::from_millis(500)).await.unwrap();
            if holds(&seen) {
                return seen;
            }
            assert!(Instant::now() < end, "not within 60 s: {what}\n{seen:#?}");
            known = Some(seen.generation);
        }
    }

    /// Puts a load on all pods of a release itself for a while; the requests and the errors that the visitors saw.
    async fn visit(&self, release: &Release, rate: u32, time: Duration) -> (u64, u64) {
        let label = format!("tidegate.dev/release={}", release.id);
        let pods = self.space.json(&["get", "pods", "-l", &label]);
        let loads = pods["items"].as_array().unwrap().iter().map(|pod| {
            let address: SocketAddr =
                format!("{}:8080", pod["status"]["podIP"].as_str().unwrap()).parse().unwrap();
            Load { mix: Mix::only(Kind::Get), ..Load::new(address, rate) }.start()
        });
        let loads: Vec<_> = loads.collect();
        tokio::time::sleep(time).await;
        let mut seen = (0, 0);
        for load in loads {
            let ledger = load.stop().await;
            assert_eq!(ledger.lost, 0, "{:?}", ledger.losses);
            let errors: u64 = ledger.by_version.values().map(|tally| tally.errors).sum();
            seen = (seen.0 + ledger.answered, seen.1 + errors);
        }
        seen
    }
}

fn counts(seen: &Observation, release: &Release) -> Counts {
    seen.traffic.get(&release.id).copied().unwrap_or_default()
}

fn ready(seen: &Observation, release: &Release) -> u32 {
    seen.sets.get(&release.id).map_or(0, |set| set.ready)
}

#[tokio::test(flavor = "multi_thread")]
async fn both_releases_are_counted_and_the_set_beside_follows_its_deployment() {
    let Some(bed) = bed("counts of releases", &[Part::Node(1), Part::Node(2)]).await else { return };
    let shop = Shop::new(&bed, "counts").await;
    let stable = shop.release("1.0.0", &workload("shop", "sample:1.0.0", 2, "/health", "")).await;
    let bad = workload("shop", "sample:2.0.0-failing", 2, "/health", "");
    let candidate = shop.release("2.0.0-failing", &bad).await;

    shop.begin(None, &stable, false);
    shop.scale(&stable, 2).await;
    let seen = shop.until("the stable release is ready", |seen| ready(seen, &stable) == 2).await;
    assert!(seen.traffic.is_empty() && seen.epoch == 0, "nothing is compared yet: {seen:?}");
    shop.visit(&stable, 50, Duration::from_secs(1)).await;

    shop.begin(Some(&stable), &candidate, true);
    // What was answered before the comparison counts for nothing.
    let seen = shop.until("the first reading", |seen| seen.traffic.contains_key(&stable.id)).await;
    assert_eq!(counts(&seen, &stable), Counts::default());
    shop.scale(&candidate, 1).await;
    shop.until("the candidate is ready", |seen| ready(seen, &candidate) == 1).await;

    let time = Duration::from_secs(6);
    let (by_stable, by_candidate) =
        tokio::join!(shop.visit(&stable, 40, time), shop.visit(&candidate, 100, time));
    let before = Instant::now();
    let seen = shop
        .until("all answers are counted", |seen| {
            counts(seen, &stable).requests >= by_stable.0
                && counts(seen, &candidate).requests >= by_candidate.0
        })
        .await;
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    let told = |counts: Counts| (counts.requests, counts.errors);
    assert_eq!(told(counts(&seen, &stable)), by_stable);
    assert_eq!(told(counts(&seen, &candidate)), by_candidate);
    assert_eq!(by_stable.1, 0);
    let share = by_candidate.1 as f64 / by_candidate.0 as f64;
    assert!((0.02..0.09).contains(&share), "{share}");

    let pod = shop.space.json(&["get", "pods", "-l", &format!("tidegate.dev/release={}", candidate.id)]);
    let address = pod["items"][0]["status"]["podIP"].as_str().unwrap().to_owned();
    let slow = counts(&seen, &candidate).slow;
    for _ in 0..3 {
        run(Command::new("curl").args(["-s", "-m", "5", &format!("http://{address}:8080/slow?ms=700")]));
    }
    let seen = shop.until("slow answers are counted", |seen| counts(seen, &candidate).slow > slow + 1).await;
    let (epoch, last) = (seen.epoch, counts(&seen, &candidate));

    // A person, or an autoscaler, decides on the Deployment.
    shop.space.kubectl(&["scale", "deployment/shop", "--replicas=4"]);
    let follows = |seen: &Observation| seen.sets.get(&candidate.id).is_some_and(|set| set.running > 0);
    let set = format!("replicaset/shop-{}", candidate.id);
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        shop.until("the candidate is there", follows).await;
        if shop.space.json(&["get", &set])["spec"]["replicas"] == 2 {
            break;
        }
        assert!(Instant::now() < end, "the set beside does not follow");
    }

    shop.space.kubectl(&["delete", &set, "--wait=false"]);
    let gone = |seen: &Observation| !seen.sets.contains_key(&candidate.id);
    let seen = shop.until("the candidate is gone", gone).await;
    assert_eq!(seen.epoch, epoch);
    assert!(counts(&seen, &candidate).requests >= last.requests, "what was counted stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_tells_no_counts_is_told_with_the_cause() {
    let Some(bed) = bed("silent releases", &[Part::Node(1), Part::Node(2)]).await else { return };
    let shop = Shop::new(&bed, "silent").await;
    let mute = workload("shop", "sample:1.0.0", 1, "/health", "")
        .replace("      annotations: { prometheus.io/scrape: \"true\", prometheus.io/port: \"8080\" }\n", "");
    assert!(!mute.contains("prometheus"));
    let stable = shop.release("1.0.0", &mute).await;
    let candidate = shop.release("2.0.0", &mute.replace("sample:1.0.0", "sample:2.0.0")).await;
    shop.begin(None, &stable, false);
    shop.scale(&stable, 2).await;
    shop.until("the stable release is ready", |seen| ready(seen, &stable) > 0).await;

    shop.begin(Some(&stable), &candidate, true);
    let says = async |what: &'static str| {
        shop.until(what, |seen| seen.silence.as_ref().is_some_and(|why| why.contains(what))).await;
    };
    says("offers metrics: annotate its pods").await;
    let annotate =
        |all: &[&str]| shop.space.kubectl(&[&["annotate", "pods", "--all", "--overwrite"], all].concat());
    annotate(&["prometheus.io/scrape=true", "prometheus.io/port=9"]);
    says("connection refused").await;
    annotate(&["prometheus.io/port=8080", "prometheus.io/path=/"]);
    says("counts no requests under a known name").await;
    annotate(&["prometheus.io/path=/metrics"]);
    shop.until("it tells its counts", |seen| seen.silence.is_none()).await;
}
