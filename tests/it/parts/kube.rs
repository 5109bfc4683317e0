//! Objects in the cluster, for the time of a test.

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use testbed::{Bed, address};

use super::{run, tried};

/// How long anything in the cluster may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A namespace of a test's own. It goes, without being waited for, when the test ends.
pub struct Namespace {
    bed: Bed,
    pub name: String,
}

impl Namespace {
    pub fn new(bed: &Bed, name: &str) -> Self {
        let new = Self { bed: bed.clone(), name: format!("{name}-{}", std::process::id()) };
        run(bed.kubectl("admin").args(["create", "namespace", &new.name]));
        new
    }

    /// Applies manifests as the administrator.
    pub fn apply(&self, manifests: &str) {
        let mut command = self.bed.kubectl("admin");
        command.args(["-n", &self.name, "apply", "--server-side", "-f", "-"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(manifests.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "cannot apply\n{manifests}");
    }

    /// `kubectl` in this namespace as the administrator.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        run(self.bed.kubectl("admin").args(["-n", &self.name]).args(arguments))
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.kubectl(&[arguments, &["-o", "json"]].concat())).unwrap()
    }

    /// The address of a Service, once it answers: the nodes learn of a Service after its pods are ready.
    pub async fn service(&self, name: &str) -> String {
        let address = self.json(&["get", "service", name])["spec"]["clusterIP"].clone();
        let address = format!("{}:80", address.as_str().unwrap());
        until(&format!("the Service {name} answers"), || {
            let mut ask = std::process::Command::new("curl");
            tried(ask.args(["-s", "-m", "1", &format!("http://{address}/")])).status.success().then_some(())
        })
        .await;
        address
    }

    /// Waits until every replica of a Deployment is there.
    pub fn rolled_out(&self, deployment: &str) {
        self.kubectl(&["rollout", "status", &format!("deployment/{deployment}"), "--timeout=60s"]);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let mut delete = self.bed.kubectl("admin");
        let _ = tried(delete.args(["delete", "namespace", &self.name, "--wait=false"]));
    }
}

/// Waits until `look` finds something; fails with `what` after a minute.
pub async fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within {} s: {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The name of an image in the testbed's registry.
pub fn image(name: &str) -> String {
    format!("{}/{name}", address::bed(address::REGISTRY))
}

/// A Deployment and a Service of the same name for an image that serves on 8080. `extra` goes into the container, indented by
/// eight. Node 3 is left to the test that cuts it off.
pub fn workload(name: &str, image_name: &str, replicas: u32, health: &str, extra: &str) -> String {
    format!(
        r#"apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {name} }}
spec:
  replicas: {replicas}
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata:
      labels: {{ app: {name} }}
      annotations: {{ prometheus.io/scrape: "true", prometheus.io/port: "8080" }}
    spec:
      terminationGracePeriodSeconds: 2
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
            - matchExpressions: [{{ key: kubernetes.io/hostname, operator: NotIn, values: [node3] }}]
      containers:
      - name: app
        image: {}
        env: [{{ name: PORT, value: "8080" }}]
        ports: [{{ containerPort: 8080 }}]
        readinessProbe: {{ httpGet: {{ path: {health}, port: 8080 }}, periodSeconds: 1 }}
{extra}
---
apiVersion: v1
kind: Service
metadata: {{ name: {name} }}
spec:
  selector: {{ app: {name} }}
  ports: [{{ port: 80, targetPort: 8080 }}]
"#,
        image(image_name)
    )
}
