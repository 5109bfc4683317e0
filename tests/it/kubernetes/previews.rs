//! Previews in the cluster: a namespace a pull request, behind Envoy, closed, and gone without a trace.

use std::time::Duration;

use serde_json::Value;

use tidegate::target::kubernetes::preflight::{Feature, Need};

use super::stage::{Door, Said, Stage};
use crate::parts::kube::{until, workload};
use crate::parts::{run, tried};
use crate::rbac::{PREVIEWS, rules};

/// Namespaces of a test's previews, which go when it ends.
pub struct Previews {
    pub stage: Stage,
    pub prefix: String,
    /// Who Tidegate is, to the cluster.
    identity: &'static str,
}

impl Previews {
    pub async fn open(test: &str, name: &str) -> Option<Self> {
        let stage = Stage::open(test, name, Door::Gateway).await?;
        let prefix = format!("{}-pr", stage.space.name);
        let previews = Self { stage, prefix, identity: "admin" };
        previews.write("sample:1.0.0", "");
        Some(previews)
    }

    /// The configuration, and manifests of an image of the sample app, which name a namespace and a host of their own.
    pub fn write(&self, image: &str, more: &str) {
        let folder = self.stage.dir.path();
        std::fs::create_dir_all(folder.join("deploy")).unwrap();
        std::fs::write(folder.join("tidegate.yaml"), self.settings(more)).unwrap();
        std::fs::write(folder.join("deploy/shop.yaml"), manifests(image)).unwrap();
    }

    pub fn settings(&self, more: &str) -> String {
        let kubeconfig = self.stage.bed.kubeconfig(self.identity);
        format!(
            "app: {}
environments:
  preview:
    on: {{ pull_request: {{ labels: [preview] }} }}
    url: \"http://{{slug}}-{{number}}.{}.test\"
    limit: 30
    target: {{ kubernetes: {{ manifests: deploy, namespace: \"{}-{{number}}\", kubeconfig: {}, drain: 1s }} }}
    budgets: {{ back: 40s }}
    {more}
",
            self.stage.space.name,
            self.stage.space.name,
            self.prefix,
            kubeconfig.display()
        )
    }

    pub async fn run(&self, arguments: &[&str]) -> Said {
        self.stage.run(arguments).await
    }

    /// `kubectl` as the administrator.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        run(self.stage.bed.kubectl("admin").args(arguments))
    }

    pub fn namespace(&self, number: u64) -> String {
        format!("{}-{number}", self.prefix)
    }

    /// How a branch is called in an address.
    pub fn slug(&self, branch: &str) -> String {
        tidegate::preview::slug(branch)
    }

    pub fn is_there(&self, number: u64) -> bool {
        let mut get = self.stage.bed.kubectl("admin");
        tried(get.args(["get", "namespace", &self.namespace(number)])).status.success()
    }

    /// The version that answers at a host behind Envoy.
    pub async fn answering(&self, url: &str) -> String {
        let gateway = testbed::address::bed(testbed::address::GATEWAY);
        let host = url.strip_prefix("http://").unwrap().to_owned();
        until(&format!("{host} answers"), || {
            let mut ask = std::process::Command::new("curl");
            ask.args([
                "-sif",
                "-m",
                "2",
                "-H",
                &format!("Host: {host}"),
                &format!("http://{gateway}/version"),
            ]);
            let output = tried(&mut ask);
            let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
            text.lines()
                .find_map(|line| line.strip_prefix("x-sample-version: ").map(|it| it.trim().to_owned()))
        })
        .await
    }

    /// From now on Tidegate has the rights of the documentation for previews of such manifests, and no more.
    pub fn limit(&mut self, more: &[Feature]) {
        self.identity = "deployer";
        let verbs = Need::OF_OBJECTS.join(", ");
        let route = format!(
            "- apiGroups: [gateway.networking.k8s.io]\n  resources: [httproutes]\n  verbs: [{verbs}]\n"
        );
        let (name, rules) = (&self.prefix, rules(&[&PREVIEWS[..], more].concat(), true) + &route);
        self.stage.space.apply(&format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{ name: {name} }}\nrules:\n{rules}---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{ name: {name} }}\n\
             roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name} }}\n\
             subjects: [{{ kind: User, name: deployer, apiGroup: rbac.authorization.k8s.io }}]\n"
        ));
    }
}

impl Drop for Previews {
    fn drop(&mut self) {
        let roles = ["delete", "clusterrole,clusterrolebinding", &self.prefix, "--ignore-not-found"];
        let _ = tried(self.stage.bed.kubectl("admin").args(roles));
        let mut all = self.stage.bed.kubectl("admin");
        let output = tried(all.args(["get", "namespaces", "-o", "name"]));
        let names = String::from_utf8_lossy(&output.stdout).into_owned();
        for name in names.lines().filter(|name| name.contains(&format!("/{}-", self.prefix))) {
            let _ = tried(self.stage.bed.kubectl("admin").args(["delete", name, "--wait=false"]));
        }
    }
}

/// A Deployment, a Service and an `HTTPRoute` as they stand for production.
pub fn manifests(image: &str) -> String {
    let route = "---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: shop, namespace: production }
spec:
  parentRefs: [{ name: gateway, namespace: testbed }]
  hostnames: [shop.example.com]
  rules: [{ backendRefs: [{ name: shop, port: 80 }] }]
";
    workload("shop", image, 1, "/health", "") + route
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_comes_up_closed_and_behind_its_own_host_and_goes_whole() {
    let Some(mut previews) = Previews::open("previews", "previews").await else { return };
    previews.limit(&[]);
    previews.write("sample:1.0.0", "");
    let up = previews
        .run(&["preview", "up", "7", "--branch", "Feature/X", "--version", "1.0.0"])
        .await
        .exits(0)
        .json();
    let url = up["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("http://feature-x-") && up["environment"] == "preview-7", "{up}");
    assert_eq!(previews.answering(&url).await, "1.0.0");
    let space = previews.namespace(7);
    let get = |kind: &str| -> Value {
        serde_json::from_str(&previews.kubectl(&[
            "-n",
            &space,
            "get",
            kind,
            "tidegate-preview",
            "-o",
            "json",
        ]))
        .unwrap()
    };
    assert_eq!(get("resourcequota")["spec"]["hard"]["pods"], "30");
    assert_eq!(get("limitrange")["spec"]["limits"][0]["default"]["memory"], "512Mi");
    assert_eq!(get("networkpolicy")["spec"]["policyTypes"], serde_json::json!(["Ingress", "Egress"]));
    // A push, and another pull request of a branch of the same name beside it.
    previews.write("sample:2.0.0", "");
    previews.run(&["preview", "up", "7", "--branch", "Feature/X", "--version", "2.0.0"]).await.exits(0);
    assert_eq!(previews.answering(&url).await, "2.0.0");
    let other = previews
        .run(&["preview", "up", "8", "--branch", "Feature/X", "--version", "2.0.0"])
        .await
        .exits(0)
        .json();
    assert_ne!(other["url"].as_str(), Some(url.as_str()));
    let list = previews.run(&["preview", "list"]).await.exits(0).json();
    let all = list["previews"].as_array().unwrap();
    let stages: Vec<&str> = all.iter().map(|one| one["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["up", "up"]);
    let down = previews.run(&["preview", "down", "7"]).await.exits(0);
    assert!(
        down.json()["sentence"].as_str().unwrap().starts_with("the preview of pull request 7 is gone"),
        "{down:?}"
    );
    assert!(!previews.is_there(7) && previews.is_there(8));
    previews.run(&["preview", "down", "8"]).await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tidegate_has_not_made_it_does_not_touch_and_what_hangs_is_named() {
    let Some(previews) = Previews::open("previews that hang", "hanging").await else { return };
    // Somebody's namespace has the name, the label and even a record.
    let theirs = previews.namespace(9);
    previews.kubectl(&["create", "namespace", &theirs]);
    let refused = previews.run(&["preview", "up", "9", "--version", "1.0.0"]).await.exits(3);
    assert_eq!(refused.reason(), "foreign-namespace");
    let app = &previews.stage.space.name;
    previews.kubectl(&[
        "label",
        "namespace",
        &theirs,
        &format!("tidegate.dev/app={app}"),
        "tidegate.dev/preview=9",
    ]);
    let record = format!(
        "tidegate.dev/preview-record={{\"app\":\"{app}\",\"number\":9,\"name\":\"preview-9\",\"branch\":\"x\",\"created\":\"2026-01-01T00:00:00Z\",\
         \"touched\":\"2026-01-01T00:00:00Z\",\"expires\":\"2026-01-02T00:00:00Z\",\"stage\":\"up\"}}"
    );
    previews.kubectl(&["annotate", "namespace", &theirs, &record]);
    previews.run(&["preview", "sweep"]).await.exits(0);
    assert!(previews.is_there(9), "it is not ours");
    // What hangs on a finalizer is named, and gone once that is.
    previews.write("sample:1.0.0", "ttl: 1h");
    previews.run(&["preview", "up", "7", "--version", "1.0.0"]).await.exits(0);
    let space = previews.namespace(7);
    previews.kubectl(&["-n", &space, "create", "configmap", "held"]);
    let hold = "{\"metadata\":{\"finalizers\":[\"example.com/hold\"]}}";
    previews.kubectl(&["-n", &space, "patch", "configmap", "held", "--type=merge", "-p", hold]);
    let text = previews.settings("ttl: 1h").replace("back: 40s", "back: 20s");
    std::fs::write(previews.stage.dir.path().join("tidegate.yaml"), text).unwrap();
    let stuck = previews.run(&["preview", "down", "7"]).await.exits(5);
    assert_eq!(stuck.reason(), "still-there");
    assert!(stuck.out.contains("example.com/hold"), "{}", stuck.out);
    let again = previews.run(&["preview", "up", "7", "--version", "1.0.0"]).await.exits(1);
    assert_eq!(again.reason(), "still-going");
    let swept = previews.run(&["preview", "sweep"]).await.exits(5);
    assert!(swept.out.contains("example.com/hold"), "a failed teardown is loud: {}", swept.out);
    let free = "{\"metadata\":{\"finalizers\":null}}";
    previews.kubectl(&["-n", &space, "patch", "configmap", "held", "--type=merge", "-p", free]);
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while previews.is_there(7) {
        assert!(std::time::Instant::now() < end, "it is still there");
        previews.run(&["preview", "sweep"]).await;
    }
    assert!(previews.is_there(9), "it is not ours");
}
