//! A canary that is judged by what the router's own pods have counted, asked through the API server: no Prometheus, and nothing of the app.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testbed::address;
use tidegate::sample::load::{Kind, Load, Mix};

use super::prometheus::{bad_ones_are_stopped, judged};
use super::stage::{Door, ROLLING, Stage, TIDEGATE};
use crate::parts::kube::{Namespace, image, until};
use crate::parts::{run, tried};

/// What Envoy is linked with, and what links it.
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
const LIBRARIES: &str = "/lib/x86_64-linux-gnu";

/// Envoy as a pod: the testbed's own one is none, and so no API server leads to it.
async fn envoy(stage: &Stage, space: &Namespace) -> SocketAddr {
    let image = image(&format!("envoy:{}", space.name));
    let folder = tempfile::tempdir().unwrap();
    let put = |from: &Path| {
        let to = folder.path().join(from.strip_prefix("/").unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    };
    std::fs::copy(stage.bed.home().program("envoy"), folder.path().join("envoy")).unwrap();
    put(Path::new(LOADER));
    for library in ["libm.so.6", "librt.so.1", "libdl.so.2", "libpthread.so.0", "libc.so.6"] {
        put(&Path::new(LIBRARIES).join(library));
    }
    let bootstrap = folder.path().join("bootstrap.json");
    let mut make = Command::new(stage.bed.home().program("contour"));
    make.args(["bootstrap", &format!("--xds-address={}", address::BED), "--xds-port=8001"]);
    run(make.args(["--xds-resource-version=v3", "--admin-address=/tmp/admin.sock"]).arg(&bootstrap));
    std::fs::create_dir(folder.path().join("tmp")).unwrap();
    let mut push = Command::new(TIDEGATE);
    push.args(["image", "push", "--at", "/", "--compression", "none", "--no-sbom", "--user", "0:0"]);
    push.args(["--entrypoint", LOADER, "--entrypoint", "--library-path", "--entrypoint", LIBRARIES]);
    for word in [
        "/envoy",
        "-c",
        "/bootstrap.json",
        "--service-cluster",
        "testbed",
        "--service-node",
        "pod",
        "--concurrency",
        "1",
    ] {
        push.args(["--entrypoint", word]);
    }
    run(push.arg(folder.path()).arg(&image));

    let pod = format!(
        "apiVersion: v1
kind: Pod
metadata: {{ name: envoy, labels: {{ app: envoy }} }}
spec:
  terminationGracePeriodSeconds: 0
  nodeSelector: {{ kubernetes.io/hostname: node2 }}
  containers:
  - name: envoy
    image: {image}
    ports: [{{ containerPort: 8002 }}]
"
    );
    space.apply(&pod);
    let host = stage.host().unwrap();
    until("Envoy in a pod leads to the app", || {
        let pod: Value = serde_json::from_str(&space.kubectl(&["get", "pod", "envoy", "-o", "json"])).ok()?;
        let ip = pod["status"]["podIP"].as_str()?;
        let door: SocketAddr = format!("{ip}:8080").parse().ok()?;
        let mut ask = Command::new("curl");
        ask.args(["-sf", "-m", "2", "-H", &format!("Host: {host}"), &format!("http://{door}/health")]);
        tried(&mut ask).status.success().then_some(door)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_judged_by_what_the_routers_pods_have_counted() {
    let Some(stage) = Stage::open("canaries are judged by Envoy's pods", "routed", Door::Gateway).await
    else {
        return;
    };
    stage.settings(ROLLING);
    stage.deploy("1.0.0").await.exits(0);
    let space = Namespace::new(&stage.bed, "envoys");
    let door = envoy(&stage, &space).await;
    let mix = Mix::default().with(Kind::Get, 8).with(Kind::NewConnection, 2);
    let visitors = Load { mix, host: stage.host(), ..Load::new(door, 100) }.start();

    let metrics = format!("metrics: {{ routers: {{ counter: contour, namespace: {} }} }}", space.name);
    stage.settings_with(&judged("", "30s"), &metrics);
    bad_ones_are_stopped(&stage, "by Envoy's pod").await;
    let ledger = visitors.stop().await;
    assert_eq!(ledger.lost, 0, "{:?}", ledger.losses);

    // Where nothing would be known, no candidate gets any traffic.
    let nowhere = metrics.replace("counter: contour", "counter: contour, selector: app=nothing");
    stage.settings_with(&judged("", "3s"), &nowhere);
    stage.manifests_that_tell_nothing("sample:1.1.0");
    let refused = stage.run(&["deploy", "--version", "1.1.0"]).await.exits(1);
    assert_eq!(refused.reason(), "router-silent");
    let why = format!("no pod of Contour runs in namespace {} with the labels app=nothing", space.name);
    assert!(refused.err.contains(&why) || refused.out.contains(&why), "{refused:?}");
    let elsewhere = metrics.replace("counter: contour", "counter: contour, port: 8099");
    stage.settings_with(&judged("", "3s"), &elsewhere);
    assert_eq!(stage.run(&["deploy", "--version", "1.1.0"]).await.exits(1).reason(), "router-silent");
    stage.is_as_written("2.0.0");
}
