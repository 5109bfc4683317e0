//! Canaries by routers of which no controller runs here: what is written for them at each stage, as a real API server takes it by
//! the routers' own definitions, and that everything is as the user wrote it afterwards; with the rights of the documentation
//! alone. And by the Gateway API with a header, which is served.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use testbed::{Bed, Home, address};
use tokio::process::Child;

use super::rights::limit;
use super::stage::{Door, Stage, said};
use crate::parts::kube::until;
use crate::parts::{run, tried};

const STRATEGY: &str = "strategy: { canary: { weights: [{ weight: 0.5%, confirm: true }, { weight: 60, confirm: true }], \
                        compare: false, at-most: 100ms } }\n    keep: 0s";

/// A router with an object of the user's.
struct Case {
    /// What the stage is called.
    name: &'static str,
    /// The setting `traffic`.
    traffic: &'static str,
    /// The group and the resource of the user's object.
    resource: (&'static str, &'static str),
    /// The user's object.
    written: &'static str,
    /// The resource of what is made besides.
    helper: Option<&'static str>,
    /// What is there at a share of the candidate's Service, in parts of 10,000.
    divided: fn(&Stage, &str, u64),
}

fn definitions(bed: &Bed) {
    let file = Home::of_user().unwrap().router_definitions();
    assert!(file.exists(), "{} is not there: run tests/testbed/install.sh", file.display());
    run(bed.kubectl("admin").args(["apply", "--server-side", "--force-conflicts", "-f"]).arg(&file));
    let mut wait = bed.kubectl("admin");
    run(wait.args(["wait", "--for=condition=Established", "--timeout=30s", "-f"]).arg(&file));
}

/// The Service of the candidate alone: its name, and that it selects by release.
fn own_service(stage: &Stage) -> String {
    let names = stage.left("services");
    let [name] = names.as_slice() else { panic!("{names:?}") };
    let service = stage.space.json(&["get", "service", name]);
    let release = &service["spec"]["selector"]["tidegate.dev/release"];
    assert_eq!(*name, format!("shop-{}", release.as_str().unwrap()));
    name.clone()
}

async fn deploy(stage: &Stage, case: &Case, tag: &str) -> super::stage::Said {
    stage.manifests_with(&format!("sample:{tag}"), "", case.written);
    stage.run(&["deploy", "--version", tag]).await
}

fn written(stage: &Stage, case: &Case) -> Value {
    let (group, resource) = case.resource;
    let object = stage.space.json(&["get", &format!("{resource}.{group}"), "shop"]);
    json!([object["spec"], object["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]])
}

/// Everything is as the user wrote it, and nothing is left of the rollout.
fn is_as_written(stage: &Stage, case: &Case, tag: &str, before: &Value) {
    stage.is_as_written(tag);
    assert_eq!(written(stage, case), *before);
    if let Some(helper) = case.helper {
        assert_eq!(stage.left(helper), Vec::<String>::new());
    }
}

async fn canary(case: &Case) {
    let Some(mut stage) = Stage::open(case.name, case.name, Door::Service).await else { return };
    definitions(&stage.bed);
    limit(&mut stage, &format!("tidegate-{}", case.name), Some(case.resource));
    stage.settings_with(STRATEGY, case.traffic);
    deploy(&stage, case, "1.0.0").await.exits(0);
    let before = written(&stage, case);
    is_as_written(&stage, case, "1.0.0", &before);

    // Back from the first share.
    deploy(&stage, case, "2.0.0").await.exits(6);
    (case.divided)(&stage, &own_service(&stage), 50);
    stage.run(&["abort"]).await.exits(0);
    is_as_written(&stage, case, "1.0.0", &before);

    // And through all of them.
    deploy(&stage, case, "2.0.0").await.exits(6);
    (case.divided)(&stage, &own_service(&stage), 50);
    stage.run(&["promote"]).await.exits(6);
    (case.divided)(&stage, &own_service(&stage), 6000);
    stage.run(&["promote"]).await.exits(0);
    is_as_written(&stage, case, "2.0.0", &before);
}

#[tokio::test(flavor = "multi_thread")]
async fn ingress_nginx_gets_a_second_ingress_for_the_time_of_the_rollout() {
    canary(&Case {
        name: "ingress-nginx",
        traffic: "traffic: { ingress-nginx: { ingress: shop, header: { name: X-Canary, value: always }, cookie: early, settle: 1s } }",
        resource: ("networking.k8s.io", "ingresses"),
        written: "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: shop, annotations: { nginx.ingress.kubernetes.io/proxy-body-size: 8m } }
spec:
  ingressClassName: nginx
  rules:
  - host: shop.test
    http:
      paths:
      - { path: /, pathType: Prefix, backend: { service: { name: shop, port: { number: 80 } } } }
      - { path: /other, pathType: Prefix, backend: { service: { name: other, port: { number: 80 } } } }
",
        helper: Some("ingress"),
        divided: |stage, own, points| {
            let names = stage.left("ingress");
            assert_eq!(names, [own], "it is called as the Ingress, with the release");
            let second = stage.space.json(&["get", "ingress", own]);
            let says = |name: &str| {
                second["metadata"]["annotations"][&format!("nginx.ingress.kubernetes.io/{name}")].clone()
            };
            assert_eq!(says("canary"), "true");
            assert_eq!(says("canary-weight"), points.to_string());
            assert_eq!(says("canary-weight-total"), "10000");
            assert_eq!([says("canary-by-header"), says("canary-by-header-value")], ["X-Canary", "always"]);
            assert_eq!(says("canary-by-cookie"), "early");
            assert_eq!(second["spec"]["ingressClassName"], "nginx");
            let paths = &second["spec"]["rules"][0]["http"]["paths"];
            assert_eq!(paths.as_array().unwrap().len(), 1, "{paths}");
            assert_eq!(paths[0]["backend"]["service"]["name"], own);
            let first = stage.space.json(&["get", "ingress", "shop"]);
            assert_eq!(first["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"], "shop");
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traefik_gets_a_traefik_service_that_weighs_for_the_time_of_the_rollout() {
    canary(&Case {
        name: "traefik",
        traffic: "traffic: { traefik: { ingress-route: shop, sticky-cookie: seen, settle: 1s } }",
        resource: ("traefik.io", "ingressroutes"),
        written: "---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: { name: shop }
spec:
  entryPoints: [web]
  routes:
  - match: Host(`shop.test`)
    kind: Rule
    services: [{ name: shop, port: 80, passHostHeader: true }]
  - match: Host(`shop.test`) && PathPrefix(`/other`)
    kind: Rule
    services: [{ name: shop, port: 80, passHostHeader: true, weight: 3 }, { name: other, port: 80, weight: 1 }]
",
        helper: Some("traefikservices.traefik.io"),
        divided: |stage, own, points| {
            assert_eq!(stage.left("traefikservices.traefik.io"), [own]);
            let weighing = stage.space.json(&["get", "traefikservices.traefik.io", own]);
            let services = &weighing["spec"]["weighted"]["services"];
            assert_eq!([&services[0]["name"], &services[1]["name"]], ["shop", own]);
            assert_eq!([&services[0]["weight"], &services[1]["weight"]], [10_000 - points, points]);
            assert_eq!([&services[0]["nativeLB"], &services[1]["nativeLB"]], [&Value::Null, &json!(true)]);
            assert_eq!(weighing["spec"]["weighted"]["sticky"]["cookie"]["name"], "seen");
            let route = stage.space.json(&["get", "ingressroutes.traefik.io", "shop"]);
            let led = json!({ "kind": "TraefikService", "name": own });
            assert_eq!(route["spec"]["routes"][0]["services"], json!([led]));
            let among = json!({ "kind": "TraefikService", "name": own, "weight": 3 });
            let other = json!({ "name": "other", "port": 80, "weight": 1 });
            assert_eq!(route["spec"]["routes"][1]["services"], json!([among, other]));
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn istio_gets_weighted_destinations_for_the_time_of_the_rollout() {
    canary(&Case {
        name: "istio",
        traffic: "traffic: { istio: { virtual-service: shop, header: { name: X-Canary, value: always }, settle: 1s } }",
        resource: ("networking.istio.io", "virtualservices"),
        written: "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec:
  hosts: [shop.test]
  gateways: [outside]
  http:
  - match: [{ uri: { prefix: /other } }]
    route: [{ destination: { host: other, port: { number: 80 } } }]
  - timeout: 5s
    route: [{ destination: { host: shop, port: { number: 80 } } }]
",
        helper: None,
        divided: |stage, own, points| {
            let service = stage.space.json(&["get", "virtualservices.networking.istio.io", "shop"]);
            let http = service["spec"]["http"].as_array().unwrap();
            assert_eq!(http.len(), 3, "{http:?}");
            assert_eq!(http[1]["match"], json!([{ "headers": { "x-canary": { "exact": "always" } } }]));
            assert_eq!(
                http[1]["route"],
                json!([{ "destination": { "host": own, "port": { "number": 80 } } }])
            );
            let route = &http[2]["route"];
            assert_eq!([&route[0]["destination"]["host"], &route[1]["destination"]["host"]], ["shop", own]);
            let weights = if points == 6000 { [40, 60] } else { [10_000 - points, points] };
            assert_eq!([&route[0]["weight"], &route[1]["weight"]], weights);
            assert_eq!(http[2]["timeout"], "5s");
        },
    })
    .await;
}

/// A stage with ingress-nginx that gets so much time for a change, and 2.0.0 on its way to one half, written a moment ago.
async fn settling(test: &str, name: &str, canary: &str, settle: Duration) -> Option<(Stage, Child)> {
    let stage = Stage::open(test, name, Door::Service).await?;
    let seconds = settle.as_secs();
    stage.settings_with(
        &format!("strategy: {{ canary: {{ {canary}, compare: false }} }}\n    keep: 0s"),
        &format!("traffic: {{ ingress-nginx: {{ ingress: shop, settle: {seconds}s }} }}"),
    );
    let ingress = "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: shop }
spec: { defaultBackend: { service: { name: shop, port: { number: 80 } } } }
";
    stage.manifests_with("sample:1.0.0", "", ingress);
    stage.run(&["deploy", "--version", "1.0.0"]).await.exits(0);
    stage.manifests_with("sample:2.0.0", "", ingress);
    let deploys = stage.spawn(&["deploy", "--version", "2.0.0"]);
    until("the candidate has its share", || has_weight(&stage, "5000")).await;
    Some((stage, deploys))
}

/// Whether a second Ingress asks for that weight.
fn has_weight(stage: &Stage, weight: &str) -> Option<()> {
    let all = stage.space.json(&["get", "ingresses"]);
    let name = "nginx.ingress.kubernetes.io/canary-weight";
    let says = |one: &Value| one["metadata"]["annotations"][name] == weight;
    all["items"].as_array().unwrap().iter().any(says).then_some(())
}

/// Of a router that does not say what it has taken nothing is waited for before the way back.
#[tokio::test(flavor = "multi_thread")]
async fn traffic_leaves_a_release_before_the_router_had_its_time_to_bring_it() {
    let settle = Duration::from_secs(8);
    let open =
        settling("back before a router settles", "settling", "weights: [50], at-most: 2m", settle).await;
    let Some((stage, deploys)) = open else { return };
    let begun = Instant::now();
    let aborts = stage.spawn(&["abort"]);
    until("the candidate has no share", || has_weight(&stage, "0")).await;
    let lasted = begun.elapsed();
    assert!(lasted < Duration::from_secs(5), "{lasted:?}, of which the router's time may be no part");
    said(aborts, &["abort"]).await.exits(0);
    said(deploys, &["deploy"]).await.exits(4);
    stage.is_as_written("1.0.0");
    assert_eq!(stage.left("ingress"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_runner_changed_gets_its_time_when_it_is_taken_up() {
    let settle = Duration::from_secs(4);
    let canary = "weights: [{ weight: 50, confirm: true }], at-most: 100ms";
    let open = settling("a dead runner's change", "unsettled", canary, settle).await;
    let Some((stage, mut deploys)) = open else { return };
    deploys.kill().await.unwrap();
    stage.run(&["resume"]).await.exits(6);
    let history = stage.run(&["history", "--events"]).await.exits(0).out;
    let at = |words: &str| -> Timestamp {
        let line = history.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{history}"));
        line.trim().trim_start_matches('"').split(' ').next().unwrap().parse().unwrap()
    };
    let lasted = at("step 3 of 8").duration_since(at("takes it up again"));
    assert!(lasted.unsigned_abs() >= settle, "{lasted:?}, though nobody knows when the change was made");
    has_weight(&stage, "5000").unwrap();
    stage.run(&["abort"]).await.exits(0);
    stage.is_as_written("1.0.0");
    assert_eq!(stage.left("ingress"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_the_header_reach_the_candidate_through_the_gateway_whatever_its_share() {
    let Some(stage) = Stage::open("a header leads to the candidate", "headed", Door::Gateway).await else {
        return;
    };
    stage.settings(STRATEGY);
    let file = stage.dir.path().join("tidegate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("route: shop }", "route: shop, header: { name: X-Canary, value: always } }");
    std::fs::write(&file, text).unwrap();
    stage.deploy("1.0.0").await.exits(0);
    stage.deploy("2.0.0").await.exits(6);
    let (host, gateway) = (format!("Host: {}", stage.host().unwrap()), address::bed(address::GATEWAY));
    let answers = |header: &str| {
        let mut ask = std::process::Command::new("curl");
        let answer =
            tried(ask.args(["-s", "-m", "2", "-H", &host, "-H", header, &format!("http://{gateway}/")]));
        String::from_utf8_lossy(&answer.stdout).into_owned()
    };
    until("the header leads to the candidate", || {
        answers("X-Canary: always").contains("2.0.0").then_some(())
    })
    .await;
    let asked = 40;
    let led = (0..asked).filter(|_| answers("X-Canary: always").contains("2.0.0")).count();
    assert_eq!(led, asked, "of {asked} requests with the header");
    let others = (0..asked).filter(|_| answers("X-Canary: never").contains("2.0.0")).count();
    assert!(others < asked / 4, "{others} of {asked} at 0.5 %");
    stage.run(&["abort"]).await.exits(0);
    stage.is_as_written("1.0.0");
    assert!(answers("X-Canary: always").contains("1.0.0"));
}
