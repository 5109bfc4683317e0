//! What the documentation says are the least rights is enough to deploy.

use tidegate::target::kubernetes::preflight::Need;

use super::stage::{BLUE_GREEN, CANARY, Door, ROLLING, Stage, said};
use crate::parts::kube::until;
use crate::rbac::{USES, rules};
use crate::tiers::tell;

fn role(subject: &str, rules: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{ name: tidegate }}\nrules:\n{rules}---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{ name: tidegate }}\n\
         roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: Role, name: tidegate }}\n\
         subjects: [{subject}]\n"
    )
}

/// The rules of the documentation for a use, and those for objects of one more group and resource in the manifests.
fn rules_for(name: &str, more: Option<(&str, &str)>) -> String {
    let (_, _, features, applies) = USES.into_iter().find(|(other, ..)| *other == name).unwrap();
    let verbs = Need::OF_OBJECTS.join(", ");
    let more = more.map(|(group, resource)| {
        format!("- apiGroups: [{group}]\n  resources: [{resource}]\n  verbs: [{verbs}]\n")
    });
    rules(features, applies) + &more.unwrap_or_default()
}

/// From now on Tidegate has the rights of the documentation for a use, and no more but those for the objects of one more group
/// and resource in the manifests.
pub(super) fn limit(stage: &mut Stage, name: &str, more: Option<(&str, &str)>) {
    stage.identity = "deployer";
    let subject = "{ kind: User, name: deployer, apiGroup: rbac.authorization.k8s.io }";
    stage.space.apply(&role(subject, &rules_for(name, more)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_roles_are_enough_to_deploy_and_roll_back() {
    let uses = [
        ("tidegate-rolling", Door::Service, ROLLING),
        ("tidegate-sets", Door::Service, BLUE_GREEN),
        ("tidegate-sets", Door::Service, CANARY),
        ("tidegate-gateway", Door::Gateway, CANARY),
    ];
    let runs = uses.iter().enumerate().map(|(at, (name, door, strategy))| async move {
        let open = Stage::open("the least rights", &format!("rights-{at}"), *door).await;
        let Some(mut stage) = open else { return };
        let route = (*door == Door::Gateway).then_some(("gateway.networking.k8s.io", "httproutes"));
        limit(&mut stage, name, route);
        stage.settings(&strategy.replace("keep: 0s", "keep: 20s"));
        stage.deploy("1.0.0").await.exits(0);
        stage.deploy("2.0.0").await.exits(0);
        stage.run(&["rollback"]).await.exits(0);
        stage.deploy("2.0.0-crashing").await.exits(4);
        stage.run(&["status"]).await.exits(0);
    });
    futures_util::future::join_all(runs).await;
}

/// The runner dies in the middle of a canary, and a Job in the cluster ends it, with the rights of the documentation.
#[tokio::test(flavor = "multi_thread")]
async fn a_watchdog_ends_what_a_dead_runner_left() {
    let Some(stage) = Stage::open("a watchdog takes over", "watchdog", Door::Service).await else { return };
    stage.settings(ROLLING);
    stage.deploy("1.0.0").await.exits(0);
    let rules = rules_for("tidegate-sets", None);
    let subject =
        format!("{{ kind: ServiceAccount, name: tidegate-watchdog, namespace: {} }}", stage.space.name);
    stage.space.apply(&role(&subject, &rules));
    stage.space.kubectl(&["create", "serviceaccount", "tidegate-watchdog"]);
    stage.settings("strategy: { canary: { weights: [50], compare: false, at-most: 40s } }\n    keep: 0s");
    stage.manifests("sample:2.0.0");
    let image = crate::parts::kube::image("sample:2.0.0");
    let mut runner = stage.spawn(&["deploy", "--version", "2.0.0", "--watchdog", &image]);
    until("the watchdog is there", || {
        let pods = stage.space.kubectl(&[
            "get",
            "pods",
            "-l",
            "job-name",
            "-o",
            "jsonpath={.items[*].status.phase}",
        ]);
        (pods == "Running").then_some(())
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    runner.kill().await.unwrap();
    let began = std::time::Instant::now();
    let _ = said(runner, &["deploy"]).await;
    for _ in 0..120 {
        let status = stage.run(&["status"]).await.exits(0).json();
        if status["live"] == "2.0.0" && status["rollout"].is_null() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let seen = stage.space.kubectl(&["logs", "-l", "job-name", "--tail=-1"]);
    assert_eq!(stage.run(&["status"]).await.exits(0).json()["live"], "2.0.0", "the watchdog says:\n{seen}");
    tell(&format!("a watchdog: 2.0.0 is live {:?} after its runner was killed", began.elapsed()));
    stage.is_as_written("2.0.0");
    let history = stage.run(&["history", "--events"]).await.exits(0).out;
    assert!(history.contains("the watchdog takes it up again"), "{history}");
}
