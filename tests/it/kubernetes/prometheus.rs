//! A canary that is judged by what a Prometheus says of its pods, and what becomes of it when that is silent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::SocketAddr;
use std::time::Duration;

use testbed::{Part, address};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::stage::{Door, ROLLING, Said, Stage, said};
use crate::parts::bed;
use crate::tiers::tell;

const TOKEN: &str = "c2VjcmV0LW9mLWEtdGVzdA";

pub(super) fn judged(compare: &str, at_most: &str) -> String {
    let compare = format!("errors: 1%, slower-than: 500ms, slow: 5%, inconclusive: pass{compare}");
    format!(
        "strategy: {{ canary: {{ weights: [25, 50], compare: {{ {compare} }}, at-most: {at_most} }} }}\n    keep: 0s"
    )
}

fn by(prometheus: SocketAddr) -> String {
    by_with(prometheus, "")
}

fn by_with(prometheus: SocketAddr, more: &str) -> String {
    format!("metrics: {{ prometheus: {{ address: \"http://{prometheus}\"{more} }} }}")
}

/// A stage with a Prometheus that scrapes its pods, and the first release on it.
async fn stage(test: &str, name: &str) -> Option<Stage> {
    bed(test, &[Part::Prometheus]).await?;
    let stage = Stage::open(test, name, Door::Gateway).await?;
    stage.settings(ROLLING);
    stage.deploy("1.0.0").await.exits(0);
    Some(stage)
}

/// The rollout was taken back because nobody knew anything, and the sentence says who did not.
#[track_caller]
fn was_silent(said: Said, whose: SocketAddr, why: &str) {
    let answer = said.exits(4).json();
    tell(&format!("prometheus: {}, {}", answer["seconds"], answer["sentence"]));
    assert_eq!(answer["reason"], "silent", "{answer}");
    let sentence = answer["sentence"].as_str().unwrap();
    assert!(sentence.contains(&format!("Prometheus at http://{whose} {why}")), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_judged_by_what_a_prometheus_has_scraped() {
    let Some(stage) = stage("canaries are judged by a Prometheus", "scraped").await else { return };
    let visitors = stage.visitors(100).await;
    stage.settings_with(&judged("", "30s"), &by(address::bed(address::PROMETHEUS)));
    for (tag, reason) in [("2.0.0-failing", "errors-worse"), ("2.0.0-slow", "slow-worse")] {
        let answer = stage.deploy(tag).await.exits(4).json();
        tell(&format!("prometheus: {tag}: {}, {}", answer["seconds"], answer["sentence"]));
        assert_eq!(answer["reason"], reason, "{answer}");
        stage.is_as_written("1.0.0");
    }
    stage.settings_with(
        &judged("", "30s"),
        &by_with(address::bed(address::PROMETHEUS), ", token: $METRICS_TOKEN"),
    );
    let refused = stage.deploy("2.0.0").await.exits(2);
    assert_eq!(refused.reason(), "variable-not-set");
    stage.run(&["status"]).await.exits(0);
    let deploy = ["deploy", "--version", "2.0.0"];
    let deployed = stage.command(&deploy).env("METRICS_TOKEN", TOKEN).spawn().unwrap();
    let deployed = said(deployed, &deploy).await.exits(0);
    let answer = deployed.json();
    tell(&format!("prometheus: 2.0.0: {}, {}", answer["seconds"], answer["sentence"]));
    let kept = stage.space.kubectl(&["get", "configmaps,secrets,leases,deployments,pods", "-o", "yaml"]);
    for told in [&deployed.out, &deployed.err, &kept] {
        assert!(!told.contains(TOKEN), "a secret is told");
        assert!(!told.contains(&STANDARD.encode(TOKEN)), "a secret is kept");
    }
    let gates = answer["gates"].as_array().unwrap();
    assert!(!gates.is_empty() && gates.iter().all(|gate| gate["verdict"] != "no-data"), "{answer}");
    stage.is_as_written("2.0.0");
    numbers_are_gates(&stage).await;
    each_point_of_a_range_counts(&stage).await;
    let ledger = visitors.stop().await;
    assert_eq!(ledger.lost, 0, "{:?}", ledger.losses);
}

/// Releases whose pods tell nothing: the bad ones are taken back for what they do, and the good one passes.
pub(super) async fn bad_ones_are_stopped(stage: &Stage, by: &str) {
    for (tag, code, reason) in
        [("2.0.0-failing", 4, "errors-worse"), ("2.0.0-slow", 4, "slow-worse"), ("2.0.0", 0, "promoted")]
    {
        stage.manifests_that_tell_nothing(&format!("sample:{tag}"));
        let answer = stage.run(&["deploy", "--version", tag]).await.exits(code).json();
        tell(&format!("{by}: {tag}: {}, {}", answer["seconds"], answer["sentence"]));
        assert_eq!(answer["reason"], reason, "{answer}");
        let gates = answer["gates"].as_array().unwrap();
        assert!(!gates.is_empty() && gates.iter().all(|gate| gate["verdict"] != "no-data"), "{answer}");
    }
    stage.is_as_written("2.0.0");
}

/// The pods tell nothing at all: Envoy counts what it leads to each of the two Services.
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_judged_by_what_the_router_counts() {
    let Some(stage) = stage("canaries are judged by what Envoy counts", "counted").await else { return };
    let visitors = stage.visitors(100).await;
    let of = |counter: &str| by_with(address::bed(address::PROMETHEUS), &format!(", counter: {counter}"));
    stage.settings_with(&judged("", "30s"), &of("contour"));
    bad_ones_are_stopped(&stage, "by Envoy").await;
    let ledger = visitors.stop().await;
    assert_eq!(ledger.lost, 0, "{:?}", ledger.losses);
    // Who counts by Service has nothing to count where no router divides.
    stage.settings_with(&judged("", "30s"), &of("traefik"));
    let refused = stage.deploy("3.0.0").await.exits(2);
    assert_eq!(refused.reason(), "configuration");
}

/// One series within its bounds passes; another value fails; several series, none, and no PromQL tell nothing.
async fn numbers_are_gates(stage: &Stage) {
    let (address, own) = (address::bed(address::PROMETHEUS), &stage.space.name);
    let metric = |query: &str| {
        format!(
            "{{ metric: {{ prometheus: {{ address: \"http://{address}\", query: '{query}' }}, min: 1 }} }}"
        )
    };
    let counts = format!("http_requests_total{{namespace=\"{own}\"}}");
    let queries = [
        format!("sum({counts})"),
        format!("0 * sum({counts})"),
        // Several also of a single pod, should the other's scrape be late.
        format!("{{__name__=~\"http_request.+\",namespace=\"{own}\"}}"),
        "nothing_of_this_name{version=\"{{version}}\"}".to_owned(),
        "sum(".to_owned(),
    ];
    let gates: Vec<String> = queries.iter().map(|query| metric(query)).collect();
    stage.settings(&format!("{ROLLING}\n    verify: [{}]", gates.join(", ")));
    let answer = stage.run(&["gate", "check", "production"]).await.exits(3).json();
    let asked = &answer["gates"].as_array().unwrap()[1..];
    let verdicts: Vec<_> = asked.iter().map(|gate| gate["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["pass", "fail", "no-data", "no-data", "no-data"], "{answer:#}");
    assert!(asked[3]["sentence"].as_str().unwrap().contains("the query gives no series"), "{answer:#}");
    stage.settings(&format!("{ROLLING}\n    verify: [{}]", gates[0]));
    stage.run(&["gate", "check", "production"]).await.exits(0);
}

/// Whoever asks for all points needs few questions: one bad second is met, and ten good ones in a row are there after two.
async fn each_point_of_a_range_counts(stage: &Stage) {
    let prometheus = address::bed(address::PROMETHEUS);
    let began = jiff::Timestamp::now().as_second();
    let gate = |query: &str, passes: u32| {
        let asked = format!("address: \"http://{prometheus}\", query: \"{query}\", step: 1s");
        let metric = format!("prometheus: {{ {asked} }}, max: 0, passes: {passes}, failures: 1");
        format!("{ROLLING}\n    verify: [{{ metric: {{ {metric} }}, every: 20s, within: 90s }}]")
    };
    stage.settings(&gate(&format!("vector((time() - {began}) % 30 >= bool 28)"), 60));
    stage.manifests("sample:1.1.0");
    let answer = stage.run(&["deploy", "--version", "1.1.0"]).await.exits(4).json();
    assert_eq!(answer["reason"], "gate-failed", "{answer}");
    // Asked for the moment alone, there would be five readings within its time.
    stage.settings(&gate("vector(0)", 10));
    let answer = stage.run(&["deploy", "--version", "1.1.0"]).await.exits(0).json();
    assert_eq!(answer["reason"], "promoted", "{answer}");
    stage.is_as_written("1.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_that_is_silent_lets_nothing_pass() {
    let Some(stage) = stage("a Prometheus is silent", "unscraped").await else { return };
    let visitors = stage.visitors(100).await;

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    stage.settings_with(&judged("", "3s"), &by(nobody));
    was_silent(stage.deploy("2.0.0").await, nobody, "does not answer: ");
    stage.is_as_written("1.0.0");

    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap();
    stage.settings_with(&judged("", "8s"), &by(address));
    was_silent(stage.deploy("2.0.0").await, address, "does not answer within 4s");
    stage.is_as_written("1.0.0");

    // It goes while the rollout has evidence, but not enough.
    let (address, gone) = for_a_while(address::bed(address::PROMETHEUS), Duration::from_secs(8)).await;
    stage.settings_with(&judged(", min-requests: 1000000", "15s"), &by(address));
    stage.manifests("sample:2.0.0");
    let deploy = ["deploy", "--version", "2.0.0"];
    was_silent(said(stage.spawn(&deploy), &deploy).await, address, "does not answer: ");
    assert!(gone.is_finished(), "the Prometheus was there to the end");
    stage.is_as_written("1.0.0");

    let ledger = visitors.stop().await;
    assert_eq!(ledger.lost, 0, "{:?}", ledger.losses);
}

/// An address that leads to another one for so long after it is first asked; then nobody is there any more.
async fn for_a_while(to: SocketAddr, time: Duration) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut links = JoinSet::new();
        let mut link = |mut from: TcpStream| {
            links.spawn(async move {
                let mut onward = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut from, &mut onward).await;
            });
        };
        link(listener.accept().await.unwrap().0);
        let all = async {
            loop {
                link(listener.accept().await.unwrap().0);
            }
        };
        let _ = tokio::time::timeout(time, all).await;
    });
    (address, task)
}
