//! What the documentation says are the least rights is enough to deploy.

use tidegate::target::kubernetes::preflight::Need;

use super::stage::{BLUE_GREEN, CANARY, Door, ROLLING, Stage};
use crate::rbac::{USES, rules};

fn role(subject: &str, rules: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{ name: tidegate }}\nrules:\n{rules}---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{ name: tidegate }}\n\
         roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: Role, name: tidegate }}\n\
         subjects: [{subject}]\n"
    )
}

/// The rules of the documentation for a use, and those for the HTTPRoute of the manifests, where there is one.
fn rules_for(name: &str, door: Door) -> String {
    let (_, _, features, applies) = USES.into_iter().find(|(other, ..)| *other == name).unwrap();
    let route = format!(
        "- apiGroups: [gateway.networking.k8s.io]\n  resources: [httproutes]\n  verbs: [{}]\n",
        Need::OF_OBJECTS.join(", ")
    );
    rules(features, applies) + if door == Door::Gateway { &route } else { "" }
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
        stage.identity = "deployer";
        let subject = "{ kind: User, name: deployer, apiGroup: rbac.authorization.k8s.io }";
        stage.space.apply(&role(subject, &rules_for(name, *door)));
        stage.settings(&strategy.replace("keep: 0s", "keep: 20s"));
        stage.deploy("1.0.0").await.exits(0);
        stage.deploy("2.0.0").await.exits(0);
        stage.run(&["rollback"]).await.exits(0);
        stage.deploy("2.0.0-crashing").await.exits(4);
        stage.run(&["status"]).await.exits(0);
    });
    futures_util::future::join_all(runs).await;
}
