//! The main job, from end to end: a push and its workflow, run by act, build the image with BuildKit, bring it to the cluster under load,
//! and tell GitHub.

use std::fs::File;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testbed::github::{Commit, Deployment, GitHub, Issue, Pull, Repository, World};

use super::stage::{Door, Stage};
use crate::github::kit::token;
use crate::parts::action::until;
use crate::parts::checkout::Checkout;
use crate::parts::kube::{Namespace, image, workload};
use crate::parts::run;
use crate::tiers::tell;

const WORKFLOW: &str = r#"on: { push: { branches: [develop], tags: ["v*"] } }
jobs:
  ship:
    runs-on: ubuntu-latest
    steps:
    - uses: actions/checkout@v4
    - id: ship
      uses: ./
      with: { binary: "PROGRAM" }
    - if: always()
      run: printf '%s\n' "$OUTCOME" "$REASON" "$ENVIRONMENT" "$VERSION" "$DIGEST" > "$OUT"
      env:
        OUTCOME: "${{ steps.ship.outputs.outcome }}"
        REASON: "${{ steps.ship.outputs.reason }}"
        ENVIRONMENT: "${{ steps.ship.outputs.environment }}"
        VERSION: "${{ steps.ship.outputs.version }}"
        DIGEST: "${{ steps.ship.outputs.digest }}"
"#;

const JUDGED: &str = "{ canary: { weights: [25, 50], compare: { errors: 1%, slower-than: 500ms, slow: 5%, inconclusive: pass }, at-most: 20s } }";

/// A shop with a staging and a production in the cluster, and a GitHub that hears of both.
struct Shop {
    stage: Stage,
    staging: Namespace,
    checkout: Checkout,
    builder: String,
    github: GitHub,
}

impl Shop {
    async fn open() -> Option<Self> {
        let stage = Stage::open("the main job", "ship", Door::Gateway).await?;
        let builder = format!("tidegate-ship-{}", std::process::id());
        let socket = format!("unix://{}", testbed::run("buildkitd.sock").display());
        run(stage.bed.docker().args(["buildx", "create", "--name", &builder, "--driver", "remote", &socket]));
        let github =
            GitHub::start(World::new().repository(Repository::new("acme/shop")).token(token())).await;
        let staging = Namespace::new(&stage.bed, "ship-staging");
        let shop =
            Self { stage, staging, checkout: Checkout::new(WORKFLOW), builder, github: github.unwrap() };
        let app = workload("shop", "ship:latest", 2, "/health", "")
            .replace("terminationGracePeriodSeconds: 2", "terminationGracePeriodSeconds: 20");
        shop.checkout.write("deploy/app.yaml", &app.replace("ship:latest", &shop.name()));
        shop.stage.manifests("sample:1.0.0");
        let all = std::fs::read_to_string(shop.stage.dir.path().join("deploy/shop.yaml")).unwrap();
        let route = all.split("---\n").find(|part| part.contains("HTTPRoute")).unwrap().to_owned();
        shop.checkout.write("route.yaml", &route);
        Some(shop)
    }

    fn name(&self) -> String {
        format!("ship-{}", std::process::id())
    }

    /// Commits an app that behaves like that; gives the commit.
    fn commit(&self, canary: &str, behaves: &str) -> String {
        let image = image(&self.name());
        let target = |namespace: &str, more: &str| {
            let kubeconfig = self.stage.bed.kubeconfig("admin");
            format!(
                "{{ kubernetes: {{ namespace: {namespace}, kubeconfig: {}, drain: 2s, {more} }} }}",
                kubeconfig.display()
            )
        };
        let text = format!(
            "app: shop
image:
  repository: {image}
  build: {{ builder: {} }}
environments:
  staging:
    on: {{ push: develop }}
    target: {}
    strategy: rolling
  production:
    on: {{ tag: 'v*' }}
    after: staging
    target: {}
    strategy: {canary}
    keep: 0s
",
            self.builder,
            target(&self.staging.name, "manifests: deploy/app.yaml"),
            target(
                &self.stage.space.name,
                "manifests: [deploy/app.yaml, route.yaml], traffic: { gateway-api: { route: shop } }"
            ),
        );
        self.checkout.write("tidegate.yaml", &text);
        let dockerfile = format!("FROM {}\n{behaves}\n", crate::parts::kube::image("sample:1.0.0"));
        self.checkout.write("Dockerfile", &dockerfile);
        self.checkout.write(".dockerignore", "*\n");
        let commit = self.checkout.commit("A shop `::add-path::/tmp/x` $(id) @all <!--");
        let changed = self.github.change("acme/shop", |known| {
            known.push("develop", Commit::new(&commit, "A shop"));
            let pull = Pull::new(("develop", &commit), ("main", &commit));
            known.issues.insert(7, Issue::new(7, "Faster").pull(pull));
        });
        changed.unwrap();
        commit
    }

    /// act for the push of a ref at what is checked out.
    fn push(&self, reference: &str, commit: &str) -> Command {
        let payload = json!({ "ref": reference, "after": commit, "deleted": false,
            "head_commit": { "id": commit, "message": "A shop", "timestamp": "2026-01-02T03:04:05Z" },
            "repository": { "full_name": "acme/shop", "default_branch": "main", "private": false,
                "html_url": "https://github.com/acme/shop", "description": null, "license": null } });
        std::fs::write(self.checkout.beside("event.json"), payload.to_string()).unwrap();
        let _ = std::fs::remove_file(self.checkout.beside("out"));
        let mut act = self.checkout.act("push");
        act.arg("-e").arg(self.checkout.beside("event.json")).args(["-s", "GITHUB_TOKEN=ghs_secret"]);
        let docker = self.stage.bed.home().docker_config();
        for (name, value) in
            [("GITHUB_API_URL", self.github.url()), ("DOCKER_CONFIG", docker.display().to_string())]
        {
            act.args(["--env", &format!("{name}={value}")]);
        }
        let docker = self.stage.bed.home().debian("usr/bin");
        act.env("PATH", format!("{}:{}", std::env::var("PATH").unwrap(), docker.display()));
        act
    }

    /// The conclusion of the newest check run, its title, and how the newest deployment stands.
    fn told(&self) -> (Option<String>, Option<String>, String) {
        let known = self.github.repository("acme/shop").unwrap();
        let run = known.check_runs.last().unwrap();
        let deployment = known.deployments.last().unwrap();
        (
            run.conclusion.clone(),
            run.title.clone(),
            format!("{} {}", deployment.environment, deployment.state()),
        )
    }

    fn comments(&self) -> String {
        let known = self.github.repository("acme/shop").unwrap();
        known.issues[&7].comments.iter().map(|comment| comment.body.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The digest that an environment's Deployment wants.
    fn digest(&self, space: &Namespace) -> String {
        let deployment: Value = space.json(&["get", "deployment", "shop"]);
        let image =
            deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
        image.split_once('@').unwrap().1.to_owned()
    }

    /// To staging by a push, then to production by a tag.
    fn release(&self, tag: &str, commit: &str) -> Vec<String> {
        let log = run(&mut self.push("refs/heads/develop", commit));
        let staged = self.checkout.out();
        assert_eq!(staged[..4], ["promoted", "promoted", "staging", &commit[..12]], "{log}");
        assert_eq!(self.digest(&self.staging), staged[4]);
        let output = self.push(&format!("refs/tags/{tag}"), commit).output().unwrap();
        let shipped = self.checkout.out();
        assert_eq!(shipped[4], staged[4], "the same digest:\n{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(output.status.success(), shipped[0] == "promoted");
        let log = String::from_utf8_lossy(&output.stdout);
        assert!(log.contains("Summary - ## ") && log.contains(&format!("shop {tag} → production")), "{log}");
        shipped
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.stage.bed.docker().args(["buildx", "rm", "--keep-daemon", &self.builder]).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_goes_to_staging_and_production_and_back_and_everybody_is_told() {
    let Some(shop) = Shop::open().await else { return };
    let first = shop.commit(JUDGED, "ENV TIDEGATE_VERSION=v1");
    assert_eq!(shop.release("v1", &first)[..4], ["promoted", "promoted", "production", "v1"]);
    let visitors = shop.stage.visitors(100).await;

    let second = shop.commit(JUDGED, "ENV TIDEGATE_VERSION=v2");
    assert_eq!(shop.release("v2", &second)[..4], ["promoted", "promoted", "production", "v2"]);
    let live = shop.digest(&shop.stage.space);
    let (conclusion, title, deployment) = shop.told();
    assert_eq!((conclusion.as_deref(), deployment.as_str()), (Some("success"), "production success"));
    assert_eq!(title.as_deref(), Some("v2 is live in production, in place of v1"));

    let bad = shop.commit(JUDGED, "ENV TIDEGATE_VERSION=v3\nENV SAMPLE_FAIL=0.05");
    let shipped = shop.release("v3", &bad);
    assert_eq!(shipped[..4], ["rolled-back", "errors-worse", "production", "v3"]);
    let (conclusion, title, deployment) = shop.told();
    assert_eq!((conclusion.as_deref(), deployment.as_str()), (Some("failure"), "production failure"));
    let why = title.unwrap();
    tell(&format!("the main job: {why}"));
    assert!(why.contains("v3 was taken back"), "{why}");
    assert!(shop.comments().contains("| fail |") && shop.comments().contains("v3"), "{}", shop.comments());
    assert_eq!(shop.digest(&shop.stage.space), live);

    let slow =
        shop.commit("{ canary: { weights: [20], compare: false, at-most: 10m } }", "ENV TIDEGATE_VERSION=v4");
    run(&mut shop.push("refs/heads/develop", &slow));
    let told = shop.checkout.beside("log");
    let mut act = shop.push("refs/tags/v4", &slow);
    act.stdout(File::create(&told).unwrap()).stderr(Stdio::null());
    let mut act = act.spawn().unwrap();
    until(&told, "gets 20 %", &mut act);
    kill_process(Pid::from_child(&act), Signal::INT).unwrap();
    assert!(!act.wait().unwrap().success());
    let log = std::fs::read_to_string(&told).unwrap();
    assert_eq!(shop.digest(&shop.stage.space), live, "{log}");
    let (conclusion, _, deployment) = shop.told();
    assert_eq!(
        (conclusion.as_deref(), deployment.as_str()),
        (Some("cancelled"), "production inactive"),
        "{log}"
    );
    let open = shop.github.repository("acme/shop").unwrap();
    assert!(open.check_runs.iter().all(|run| run.conclusion.is_some()), "{:#?}", open.check_runs);
    let live = |one: &&Deployment| one.environment == "production" && one.state() == "success";
    let shas: Vec<_> = open.deployments.iter().filter(live).map(|one| one.sha.as_str()).collect();
    assert_eq!(shas, [second.as_str()], "what GitHub takes for live is what is");

    let ledger = visitors.stop().await;
    tell(&format!("the main job: {ledger}"));
    assert_eq!(ledger.lost, 0, "{:?}", ledger.losses);
    assert!(!shop.comments().contains("ghs_secret"), "{}", shop.comments());
    shop.github.check().unwrap();
}
