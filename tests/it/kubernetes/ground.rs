//! What is in a namespace, to be compared before and after a command.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::stage::Stage;

/// Kinds of which nothing may come, go or change when a command writes nothing.
const KINDS: &str =
    "deployments,statefulsets,replicasets,services,configmaps,secrets,leases,jobs,poddisruptionbudgets";

/// Every object with its version.
pub(super) fn state(stage: &Stage) -> BTreeMap<String, String> {
    let all = stage.space.json(&["get", KINDS]);
    let one = |object: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let name = format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]));
        (name, text(&object["metadata"]["resourceVersion"]))
    };
    // The cluster puts it into each namespace, a moment after the namespace.
    let own = |(name, _): &(String, String)| name != "ConfigMap kube-root-ca.crt";
    all["items"].as_array().unwrap().iter().map(one).filter(own).collect()
}

/// What is there but the lock.
pub(super) fn objects(stage: &Stage) -> Vec<String> {
    state(stage).into_keys().filter(|name| !name.starts_with("Lease ")).collect()
}

/// Every object with its version, once the Deployment has all of its pods, and the cluster's own controllers have nothing more to write.
pub(super) async fn settled(stage: &Stage) -> BTreeMap<String, String> {
    stage.space.rolled_out("shop");
    let mut last = state(stage);
    loop {
        tokio::time::sleep(Duration::from_secs(4)).await;
        let now = state(stage);
        if now == last {
            return now;
        }
        last = now;
    }
}

/// The changes of a plan, as `CHANGE KIND NAME`, by what is done and then by kind.
pub(super) fn changes(plan: &Value) -> Vec<String> {
    let line =
        |one: &Value| format!("{} {}", one["change"].as_str().unwrap(), one["object"].as_str().unwrap());
    let mut all: Vec<String> = plan["changes"].as_array().unwrap().iter().map(line).collect();
    let rank = |line: &String| ["create", "update", "remove"].iter().position(|word| line.starts_with(word));
    all.sort_by_key(|line| (rank(line), line.clone()));
    all
}

/// Binds a role with these rules, and waits until one of its rights is in force.
pub(super) async fn bind(stage: &Stage, identity: &str, rules: &str, right: &[&str]) {
    stage.space.apply(&format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{ name: some }}\nrules:\n{rules}---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{ name: some }}\n\
         roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: Role, name: some }}\n\
         subjects: [{{ kind: User, name: {identity}, apiGroup: rbac.authorization.k8s.io }}]\n"
    ));
    crate::parts::kube::until("the role is in force", || {
        let mut ask = stage.bed.kubectl(identity);
        let answer = crate::parts::tried(ask.args(["-n", &stage.space.name, "auth", "can-i"]).args(right));
        answer.status.success().then_some(())
    })
    .await;
}
