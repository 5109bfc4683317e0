//! kwok: nodes and pods in numbers, without kubelet, on the real control plane.

use testbed::Part;

use super::bed;
use super::kube::{Namespace, image, until};

const NODES: usize = 20;
const PODS: u64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_simulated_pods_run_on_simulated_nodes() {
    let Some(bed) = bed("simulated pods", &[Part::Kwok]).await else { return };
    let space = Namespace::new(&bed, "simulated");
    let nodes: String = (0..NODES).map(|number| node(&space.name, number)).collect();
    space.apply(&nodes);
    space.apply(&deployment(&space.name));
    until("all simulated pods are ready", || {
        let deployment = space.json(&["get", "deployment", "crowd"]);
        (deployment["status"]["readyReplicas"] == PODS).then_some(())
    })
    .await;
    let pods = space.json(&["get", "pods"]);
    let on = |pod: &serde_json::Value| pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
    let all = pods["items"].as_array().unwrap();
    assert!(all.iter().all(|pod| on(pod).starts_with(&space.name)), "a simulated pod is on a real node");
    space.kubectl(&["delete", "node", "-l", &format!("crowd={}", space.name), "--wait=false"]);
}

fn node(space: &str, number: usize) -> String {
    format!(
        r#"apiVersion: v1
kind: Node
metadata:
  name: {space}-{number}
  annotations: {{ kwok.x-k8s.io/node: fake }}
  labels: {{ crowd: {space} }}
spec: {{ taints: [{{ key: simulated, value: "true", effect: NoSchedule }}] }}
status:
  allocatable: {{ cpu: "32", memory: 256Gi, pods: "110" }}
  capacity: {{ cpu: "32", memory: 256Gi, pods: "110" }}
---
"#
    )
}

fn deployment(space: &str) -> String {
    format!(
        r#"apiVersion: apps/v1
kind: Deployment
metadata: {{ name: crowd }}
spec:
  replicas: {PODS}
  selector: {{ matchLabels: {{ app: crowd }} }}
  template:
    metadata: {{ labels: {{ app: crowd }} }}
    spec:
      nodeSelector: {{ crowd: {space} }}
      tolerations: [{{ key: simulated, operator: Exists }}]
      containers: [{{ name: app, image: "{}" }}]
"#,
        image("sample:1.0.0")
    )
}
