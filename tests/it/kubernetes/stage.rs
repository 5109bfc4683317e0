//! An environment of its own in the testbed's cluster: a namespace, a folder with `tidegate.yaml` and manifests, and the binary.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use testbed::{Bed, Part, address};
use tidegate::sample::load::{Kind, Load, LoadHandle, Mix};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::parts::bed;
use crate::parts::kube::{Namespace, until, workload};

/// No command of these tests takes longer on a machine that works.
const PATIENCE: Duration = Duration::from_secs(240);

pub const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// How visitors come to the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// By the address of its Service.
    Service,
    /// Through Envoy, by an HTTPRoute.
    Gateway,
}

/// A strategy in words that make it quick.
pub const ROLLING: &str = "strategy: rolling";
pub const BLUE_GREEN: &str = "strategy: blue-green\n    keep: 0s";
pub const CANARY: &str =
    "strategy: { canary: { weights: [20, 60], compare: false, at-most: 600ms } }\n    keep: 0s";

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}\n{}\n{}", self.out, self.err))
    }

    /// The reason of the answer, or of the error.
    #[track_caller]
    pub fn reason(&self) -> String {
        let answer = self.json();
        let reason = answer["reason"].as_str().or_else(|| answer["error"]["code"].as_str());
        reason.unwrap_or_else(|| panic!("no reason in {answer}")).to_owned()
    }
}

pub struct Stage {
    pub bed: Bed,
    pub space: Namespace,
    pub dir: TempDir,
    pub door: Door,
    pub replicas: u32,
    /// Who Tidegate is, to the cluster.
    pub identity: &'static str,
}

impl Stage {
    /// A stage with these parts; nothing when the tier is not wanted.
    pub async fn open(test: &str, name: &str, door: Door) -> Option<Self> {
        let mut parts = vec![Part::Node(1), Part::Node(2)];
        if door == Door::Gateway {
            parts.push(Part::Gateway);
        }
        let bed = bed(test, &parts).await?;
        let space = Namespace::new(&bed, name);
        Some(Self { bed, space, dir: tempfile::tempdir().unwrap(), door, replicas: 2, identity: "admin" })
    }

    /// Writes the settings: a strategy, with whatever else belongs to the environment.
    pub fn settings(&self, strategy: &str) {
        self.settings_with(strategy, "");
    }

    /// As [`Stage::settings`], with more settings of the target, each on a line of its own.
    pub fn settings_with(&self, strategy: &str, target: &str) {
        let traffic = match self.door {
            Door::Gateway if !strategy.contains("rolling") && !strategy.contains("recreate") => {
                "\n        traffic: { gateway-api: { route: shop } }"
            }
            _ => "",
        };
        let text = format!(
            "app: shop
environments:
  production:
    target:
      kubernetes:
        namespace: {}
        kubeconfig: {}
        manifests: deploy
        drain: 2s{traffic}
        {target}
    {strategy}
",
            self.space.name,
            self.bed.kubeconfig(self.identity).display(),
        );
        std::fs::write(self.dir.path().join("tidegate.yaml"), text).unwrap();
    }

    /// Writes the manifests of a version of the sample app.
    pub fn manifests(&self, image: &str) {
        self.manifests_with(image, "", "");
    }

    /// As [`Stage::manifests`], with more in the container, indented by eight, and more documents.
    pub fn manifests_with(&self, image: &str, container: &str, documents: &str) {
        let text = workload("shop", image, self.replicas, "/health", container);
        // Time to end in on a machine that is very busy: what is answering is not to be killed.
        let mut text = text.replace("terminationGracePeriodSeconds: 2", "terminationGracePeriodSeconds: 20");
        if self.door == Door::Gateway {
            text += &format!(
                "---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{ name: shop }}
spec:
  parentRefs: [{{ name: gateway, namespace: testbed }}]
  hostnames: [{}.test]
  rules: [{{ backendRefs: [{{ name: shop, port: 80 }}] }}]
",
                self.space.name
            );
        }
        let folder = self.dir.path().join("deploy");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("shop.yaml"), text + documents).unwrap();
    }

    /// As [`Stage::manifests`], of pods that offer no metrics.
    pub fn manifests_that_tell_nothing(&self, image: &str) {
        self.manifests(image);
        let file = self.dir.path().join("deploy/shop.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("prometheus.io/scrape: \"true\"", "some: thing")).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(TIDEGATE);
        let form = if arguments.contains(&"--output") { &[][..] } else { &["--output", "json"] };
        command.args(arguments).args(form).current_dir(self.dir.path());
        command.env("USER", "ada").env_remove("GITHUB_ACTOR").env_remove("GITHUB_RUN_ID");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Said {
        said(self.spawn(arguments), arguments).await
    }

    /// The same, with the answer in words.
    pub(super) async fn run_text(&self, arguments: &[&str]) -> Said {
        let child = self.command(&[arguments, &["--output", "text"]].concat()).spawn().unwrap();
        said(child, arguments).await
    }

    /// Deploys an image of the sample app under its tag as the version.
    pub async fn deploy(&self, tag: &str) -> Said {
        self.manifests(&format!("sample:{tag}"));
        self.run(&["deploy", "--version", tag]).await
    }

    /// Visitors at the app's door, once it answers there.
    pub async fn visitors(&self, rate: u32) -> LoadHandle {
        let mix = Mix::default().with(Kind::Get, 8).with(Kind::NewConnection, 2);
        Load { mix, host: self.host(), ..Load::new(self.door_address().await, rate) }.start()
    }

    pub fn host(&self) -> Option<String> {
        (self.door == Door::Gateway).then(|| format!("{}.test", self.space.name))
    }

    pub async fn door_address(&self) -> SocketAddr {
        match self.door {
            Door::Service => self.space.service("shop").await.parse().unwrap(),
            Door::Gateway => {
                let gateway = address::bed(address::GATEWAY);
                let host = self.host().unwrap();
                until("the gateway leads to the app", || {
                    let mut ask = std::process::Command::new("curl");
                    ask.args([
                        "-sf",
                        "-m",
                        "2",
                        "-H",
                        &format!("Host: {host}"),
                        &format!("http://{gateway}/health"),
                    ]);
                    crate::parts::tried(&mut ask).status.success().then_some(())
                })
                .await;
                gateway
            }
        }
    }

    /// The names of the objects of a kind that Tidegate made for the time of a rollout and left.
    pub fn left(&self, kind: &str) -> Vec<String> {
        let wanted = "app.kubernetes.io/managed-by=tidegate,!tidegate.dev/kept-release,!tidegate.dev/journal";
        let list = self.space.json(&["get", kind, "-l", wanted]);
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Checks that the cluster has what the manifests say and nothing else: a Deployment of that name at that version, with
    /// all of its pods, and a Service that selects as it is written.
    #[track_caller]
    pub fn is_as_written(&self, tag: &str) {
        let differs = self.differs(tag);
        assert!(differs.is_empty(), "{differs:#?}\n{}", self.course());
    }

    /// The last rollout, event by event, for one that did not end as it should.
    fn course(&self) -> String {
        let mut history = std::process::Command::new(TIDEGATE);
        history.args(["history", "--events", "-n", "1"]).current_dir(self.dir.path());
        let output = crate::parts::tried(&mut history);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// What is in the cluster otherwise than the manifests have it.
    pub fn differs(&self, tag: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut is = |what: &str, seen: &Value, wanted: Value| {
            if *seen != wanted {
                found.push(format!("{what} is {seen} and not {wanted}"));
            }
        };
        let deployment = self.space.json(&["get", "deployment", "shop"]);
        let (spec, status) = (&deployment["spec"], &deployment["status"]);
        let image = spec["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
        is("the image", &image.rsplit('/').next().into(), format!("sample:{tag}").into());
        is("the number of updated replicas", &status["updatedReplicas"], self.replicas.into());
        is("the number of available replicas", &status["availableReplicas"], self.replicas.into());
        is("the pause", &spec["paused"], Value::Null);
        is("the strategy", &spec["strategy"]["type"], "RollingUpdate".into());
        let service = self.space.json(&["get", "service", "shop"]);
        is("the selector", &service["spec"]["selector"], serde_json::json!({ "app": "shop" }));
        let names = self.space.json(&["get", "services,deployments"])["items"].as_array().map(Vec::len);
        is("the number of Services and Deployments", &names.into(), 2.into());
        is("what stands beside", &self.left("replicasets").into(), Value::Array(Vec::new()));
        if self.door == Door::Gateway {
            let route = self.space.json(&["get", "httproute", "shop"]);
            let backends = route["spec"]["rules"][0]["backendRefs"].as_array().cloned().unwrap_or_default();
            let names = backends.iter().map(|backend| backend["name"].clone()).collect();
            is("the route's backends", &Value::Array(names), serde_json::json!(["shop"]));
        }
        if !found.is_empty() {
            found.push(status.to_string());
        }
        found
    }

    /// The names of the app's pods that run and are to go on, sorted.
    pub(super) fn pods(&self) -> Vec<String> {
        let pods =
            self.space.json(&["get", "pods", "-l", "app=shop", "--field-selector", "status.phase=Running"]);
        let stays = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
        let all = pods["items"].as_array().unwrap().iter().filter(stays);
        let mut names: Vec<String> =
            all.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// Deploys the sample app of that tag, with more in its container, as a version.
    pub(super) async fn deploy_as(&self, version: &str, tag: &str, container: &str) -> Said {
        self.manifests_with(&format!("sample:{tag}"), container, "");
        self.run(&["deploy", "--version", version]).await
    }
}

/// What a command that was started says in the end.
pub async fn said(child: Child, arguments: &[&str]) -> Said {
    let output = timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.unwrap_or_else(|_| panic!("{arguments:?} did not end")).unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
