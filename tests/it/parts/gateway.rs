//! Pods answer through Envoy by the weights of their HTTPRoute.

use std::time::Duration;

use serde_json::Value;
use testbed::{Part, address};

use super::kube::{Namespace, until, workload};
use super::traffic::{AtWeight, Traffic};
use super::{bed, run};
use crate::tiers::tell;

/// Two standard deviations of a share of 1/4 in 400 requests, and some more.
const TOLERANCE: f64 = 0.09;

#[tokio::test(flavor = "multi_thread")]
async fn pods_answer_through_envoy_by_the_weight_of_their_route_and_nothing_is_lost() {
    let parts = [Part::Node(1), Part::Node(2), Part::Gateway];
    let Some(bed) = bed("weights of a route through Envoy", &parts).await else { return };
    let space = Namespace::new(&bed, "weights");
    space.apply(&workload("old", "sample:1.0.0", 2, "/health", ""));
    space.apply(&workload("new", "sample:2.0.0", 2, "/health", ""));
    space.apply(&route(&space.name, 0));
    space.rolled_out("old");
    space.rolled_out("new");

    let host = format!("{}.test", space.name);
    let gateway = address::bed(address::GATEWAY);
    until("Envoy knows the route", || {
        let answer = run(std::process::Command::new("curl").args([
            "-s",
            "-H",
            &format!("Host: {host}"),
            &format!("http://{gateway}/"),
        ]));
        answer.contains("1.0.0").then_some(())
    })
    .await;
    let mut traffic = Traffic::start(gateway, &host, 100);
    for percent in [25, 50, 100] {
        space.apply(&route(&space.name, percent));
        until("the route is accepted as it is now", || accepted(&space.json(&["get", "httproute", "shop"])))
            .await;
        // From the word of Contour to Envoy's it takes a moment.
        tokio::time::sleep(Duration::from_millis(500)).await;
        traffic.at_weight(percent, Duration::from_secs(4)).await;
    }
    let story = traffic.end().await;
    assert_eq!(story.ledger.lost, 0, "{:?}", story.ledger.losses);
    let shares = story.at_each_weight("2.0.0");
    assert_eq!(shares.len(), 3);
    for AtWeight { percent, own, all } in shares {
        let share = f64::from(own) / f64::from(all);
        tell(&format!("gateway: at {percent} % the new version gave {own} of {all} answers"));
        assert!(all > 200, "only {all} answers at {percent} %");
        assert!(
            (share - f64::from(percent) / 100.0).abs() < TOLERANCE,
            "{share} of the answers at {percent} %"
        );
    }
}

/// Whether the route's conditions are of its present generation and say yes.
fn accepted(route: &Value) -> Option<()> {
    let generation = &route["metadata"]["generation"];
    let conditions = route["status"]["parents"][0]["conditions"].as_array()?;
    let accepted = conditions.iter().find(|condition| condition["type"] == "Accepted")?;
    (accepted["status"] == "True" && &accepted["observedGeneration"] == generation).then_some(())
}

fn route(space: &str, percent: u32) -> String {
    format!(
        r"apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{ name: shop }}
spec:
  parentRefs: [{{ name: gateway, namespace: testbed }}]
  hostnames: [{space}.test]
  rules:
  - backendRefs:
    - {{ name: old, port: 80, weight: {} }}
    - {{ name: new, port: 80, weight: {percent} }}
",
        100 - percent
    )
}
