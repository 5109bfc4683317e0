//! Nodes that can be cut off, names of Services, addresses of Services, and an API server that comes back.

use std::time::Duration;

use testbed::{Bed, Part, Request};
use tidegate::sample::load::{Kind, Load, Mix, VersionIn};

use super::kube::{Namespace, until, workload};
use super::{bed, run, tried};

/// What a node's Ready condition says.
fn readiness(bed: &Bed, node: &str) -> String {
    let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
    run(bed.kubectl("admin").args(["get", "node", node, "-o", path]))
}

/// Node 3 is this test's alone: nothing else is pinned to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_is_seen_not_ready_and_comes_back() {
    let Some(bed) = bed("a node is cut off", &[Part::Node(3)]).await else { return };
    assert_eq!(readiness(&bed, "node3"), "True");
    bed.ask(Request::Cut("node3".into()), &|_| ()).await.unwrap();
    until("node3 is not Ready", || (readiness(&bed, "node3") == "Unknown").then_some(())).await;
    bed.ask(Request::Join("node3".into()), &|_| ()).await.unwrap();
    until("node3 is Ready again", || (readiness(&bed, "node3") == "True").then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_reaches_a_service_by_its_name_and_a_visitor_by_its_address() {
    let parts = [Part::Node(1), Part::Node(2), Part::Dns];
    let Some(bed) = bed("names of Services", &parts).await else { return };
    let space = Namespace::new(&bed, "names");
    space.apply(&workload("sample", "sample:1.1.0", 1, "/health", ""));
    let backend = format!("http://sample.{}.svc.cluster.local/upload", space.name);
    let arguments = format!("        args: [--port=8080, --backend-url={backend}]");
    // podinfo tells its version at / as well as it says ready.
    space.apply(&workload("podinfo", "podinfo:1.0.0", 2, "/readyz", &arguments));
    space.rolled_out("sample");
    space.rolled_out("podinfo");

    // podinfo passes what comes to /echo on to its backend, which it finds by name.
    let address = space.service("podinfo").await;
    until(
        "podinfo's backend counts five bytes: the nodes learn of a Service after its pods are ready",
        || {
            let mut ask = std::process::Command::new("curl");
            let answer =
                tried(ask.args(["-sf", "-m", "5", "-d", "hello", &format!("http://{address}/echo")]));
            let echo = String::from_utf8_lossy(&answer.stdout);
            (answer.status.success() && echo.contains("bytes") && echo.contains('5')).then_some(())
        },
    )
    .await;

    // And the plain Service path: kube-proxy on the nodes, no router.
    let load = Load {
        mix: Mix::only(Kind::NewConnection),
        version_in: VersionIn::Json("version"),
        ..Load::new(address.parse().unwrap(), 50)
    };
    let visitors = load.start();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let ledger = visitors.stop().await;
    assert_eq!(ledger.lost, 0, "{:?}", ledger.losses);
    assert!(ledger.by_version["1.0.0"].requests > 80, "{ledger}");
}
