//! What stands in the namespace of a preview for its front: the Deployment, whom it is to the API server, and what opens.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::{Api, Client, Error};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{ACCESS, HEALTH, NAME, NAMESPACE, PART, rest};
use crate::cluster::{patiently, trouble};
use crate::target::TargetError;
use crate::target::kubernetes::apply::{MANAGER, told};
use crate::target::kubernetes::names::MANAGED_BY;

/// The key of the Secret with what opens.
const KEY: &str = "access";
/// What lasts is told after this time.
const SOON: Duration = Duration::from_secs(5);
/// The condition of a Deployment whose pods the API server does not take.
const REFUSED: &str = "ReplicaFailure";
/// Reasons that do not go by themselves.
const LASTING: [&str; 6] = [
    REFUSED,
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "CrashLoopBackOff",
];
/// Ports at which API servers are had.
const API: [u16; 4] = [443, 6443, 8443, 16443];
/// Between two looks at whether it has come up.
const PAUSE: Duration = Duration::from_millis(500);

/// What is to stand before a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// An image with the program `/tidegate`.
    pub image: String,
    /// After so long without a request the app sleeps.
    pub sleep: Option<Duration>,
    /// What opens, as its process reads it: digests only.
    pub access: Option<String>,
    /// The network of the preview is closed: it gets a way to the API server.
    pub is_closed: bool,
}

impl Standing {
    /// What stands there before its Deployment.
    fn ground(&self, namespace: &str) -> Vec<(ApiResource, Value)> {
        let account = json!({ "kind": "ServiceAccount", "name": NAME, "namespace": namespace });
        let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME });
        let mut all = vec![
            object("", "ServiceAccount", "serviceaccounts", json!({})),
            object("rbac.authorization.k8s.io", "Role", "roles", json!({ "rules": self.rules() })),
            object(
                "rbac.authorization.k8s.io",
                "RoleBinding",
                "rolebindings",
                json!({ "subjects": [account], "roleRef": role }),
            ),
        ];
        if let Some(access) = &self.access {
            all.push(object("", "Secret", "secrets", json!({ "stringData": { KEY: access } })));
        }
        if self.is_closed {
            let ports = API.map(|port| json!({ "protocol": "TCP", "port": port }));
            let open = json!({ "ports": ports });
            let spec = json!({ "podSelector": { "matchLabels": { PART: "true" } },
                "policyTypes": ["Egress"], "egress": [open] });
            all.push(object(
                "networking.k8s.io",
                "NetworkPolicy",
                "networkpolicies",
                json!({ "spec": spec }),
            ));
        }
        if self.sleep.is_some() {
            all.push(object("", "ConfigMap", "configmaps", json!({})));
        }
        all
    }

    /// Its Deployment; `secret` tells one Secret with what opens from the next.
    fn workload(&self, secret: &str) -> (ApiResource, Value) {
        object("apps", "Deployment", "deployments", json!({ "spec": self.deployment(secret) }))
    }

    /// It sees the Services that lead to it and the pods behind them; to have the app sleep it scales its Deployments, unless a lock is held.
    fn rules(&self) -> Value {
        let rule = |group: &str, resource: &str, verbs: &[&str]| json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs });
        let mut rules = vec![
            rule("", "services", &["get", "list", "watch"]),
            rule("discovery.k8s.io", "endpointslices", &["get", "list", "watch"]),
        ];
        if self.sleep.is_some() {
            rules.push(rule("apps", "deployments", &["get", "list"]));
            rules.push(rule("apps", "deployments/scale", &["patch"]));
            rules.push(rule("coordination.k8s.io", "leases", &["get", "list"]));
            let mut own = rule("", "configmaps", &["get", "patch"]);
            own["resourceNames"] = json!([NAME]);
            rules.push(own);
        }
        json!(rules)
    }

    fn deployment(&self, secret: &str) -> Value {
        let mut command = vec!["/tidegate".to_owned(), "front".to_owned()];
        if let Some(after) = self.sleep {
            command.extend(["--sleep".to_owned(), format!("{}s", after.as_secs().max(1))]);
        }
        let field = json!({ "fieldRef": { "fieldPath": "metadata.namespace" } });
        let mut env = vec![json!({ "name": NAMESPACE, "valueFrom": field })];
        if self.access.is_some() {
            let key = json!({ "secretKeyRef": { "name": NAME, "key": KEY } });
            env.push(json!({ "name": ACCESS, "valueFrom": key }));
        }
        let labels = json!({ PART: "true", MANAGED_BY: MANAGER });
        json!({
            "replicas": 1,
            "selector": { "matchLabels": { PART: "true" } },
            "template": {
                // Another password is another pod.
                "metadata": { "labels": labels, "annotations": { "tidegate.dev/access": secret } },
                "spec": {
                    "serviceAccountName": NAME,
                    "terminationGracePeriodSeconds": 75,
                    "securityContext": {
                        "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
                        "seccompProfile": { "type": "RuntimeDefault" },
                    },
                    "containers": [{
                        "name": "front",
                        "image": self.image,
                        "command": command,
                        "env": env,
                        "readinessProbe": { "tcpSocket": { "port": HEALTH }, "periodSeconds": 2 },
                        "securityContext": {
                            "allowPrivilegeEscalation": false,
                            "readOnlyRootFilesystem": true,
                            "capabilities": { "drop": ["ALL"] },
                        },
                        "resources": {
                            "requests": { "cpu": "10m", "memory": "32Mi" },
                            "limits": { "cpu": "500m", "memory": "128Mi" },
                        },
                    }],
                },
            },
        })
    }
}

fn object(group: &str, kind: &str, plural: &str, rest: Value) -> (ApiResource, Value) {
    let api_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let mut object = json!({ "apiVersion": api_version, "kind": kind,
        "metadata": { "name": NAME, "labels": { MANAGED_BY: MANAGER, PART: "true" } } });
    if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
        object.extend(rest);
    }
    (ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural), object)
}

/// Puts it there, has whatever sleeps wake for the run that is about to begin, and returns when the front serves.
///
/// # Errors
/// `front-not-ready` with what its pod lacks, when it is not there within `patience`; what the API server says.
pub async fn raise(
    client: &Client,
    namespace: &str,
    standing: &Standing,
    patience: Duration,
) -> Result<(), TargetError> {
    let mut secret = String::new();
    for (resource, object) in standing.ground(namespace) {
        let applied = apply(client, namespace, &resource, &object).await?;
        if resource.kind == "Secret" {
            // Another password is another pod; what opens is not to be guessed from what the pod bears.
            secret = applied.metadata.resource_version.unwrap_or_default();
        }
    }
    let (resource, object) = standing.workload(&secret);
    apply(client, namespace, &resource, &object).await?;
    rest::wake(client, namespace, true).await?;
    let (api, begun) = (Api::<Deployment>::namespaced(client.clone(), namespace), Instant::now());
    loop {
        let seen = patiently(|| api.get(NAME)).await;
        let seen = seen.map_err(|error| told(trouble("read", &format!("deployment {NAME}"), &error)))?;
        if is_up(&seen) {
            return Ok(());
        }
        let is_over = begun.elapsed() > patience;
        if is_over || begun.elapsed() > SOON {
            let lacks = lacks(client, namespace, &seen, &standing.image).await;
            if is_over || lacks.as_ref().is_some_and(Lack::is_lasting) {
                return Err(absent(lacks, begun.elapsed()));
            }
        }
        sleep(PAUSE).await;
    }
}

async fn apply(
    client: &Client,
    namespace: &str,
    resource: &ApiResource,
    object: &Value,
) -> Result<DynamicObject, TargetError> {
    let options =
        PatchParams { field_manager: Some(MANAGER.to_owned()), force: true, ..PatchParams::default() };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
    let change = Patch::Apply(object);
    let applied = patiently(|| api.patch(NAME, &options, &change)).await;
    applied.map_err(|error| told(trouble("apply", &format!("{} {NAME}", resource.kind), &error)))
}

fn is_up(deployment: &Deployment) -> bool {
    let Some(status) = &deployment.status else { return false };
    let is_current = status.observed_generation >= deployment.metadata.generation;
    // With another password or image, the former pod does not count.
    is_current
        && status.updated_replicas >= Some(1)
        && status.available_replicas >= Some(1)
        && status.replicas == status.updated_replicas
}

/// What its pod lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Lack {
    reason: String,
    message: String,
}

impl Lack {
    /// Whether it does not go by itself.
    fn is_lasting(&self) -> bool {
        LASTING.contains(&self.reason.as_str())
    }
}

/// What keeps it from coming up, as far as that is told.
async fn lacks(client: &Client, namespace: &str, deployment: &Deployment, image: &str) -> Option<Lack> {
    let conditions = deployment.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let refused = conditions
        .filter(|one| one.type_ == REFUSED && one.status == "True")
        .find_map(|one| Some(Lack { reason: REFUSED.to_owned(), message: one.message.clone()? }));
    if refused.is_some() {
        return refused;
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let selector = format!("{PART}=true");
    let listed = pods.list(&ListParams::default().labels(&selector)).await.ok()?;
    // What an earlier image lacked says nothing of this one.
    let is_current = |pod: &&Pod| {
        let spec = pod.spec.iter().flat_map(|spec| &spec.containers);
        spec.filter_map(|container| container.image.as_deref()).any(|its| its == image)
    };
    listed.items.iter().filter(is_current).find_map(lack)
}

fn lack(pod: &Pod) -> Option<Lack> {
    let status = pod.status.as_ref()?;
    let of_container = status.container_statuses.iter().flatten().find_map(|container| {
        let state = container.state.as_ref()?;
        let waiting = state.waiting.as_ref().map(|it| (it.reason.clone(), it.message.clone()));
        let (reason, message) = waiting
            .or_else(|| state.terminated.as_ref().map(|it| (it.reason.clone(), it.message.clone())))?;
        Some(Lack { reason: reason.unwrap_or_default(), message: message.unwrap_or_default() })
    });
    of_container.or_else(|| {
        let conditions = status.conditions.iter().flatten();
        let message = conditions.filter(|one| one.status == "False").find_map(|one| one.message.clone())?;
        Some(Lack { reason: "Pending".to_owned(), message })
    })
}

fn absent(lacks: Option<Lack>, after: Duration) -> TargetError {
    let why = match lacks {
        Some(Lack { reason, message }) if message.is_empty() => reason,
        Some(Lack { reason, message }) => format!("{reason}: {message}"),
        None => "its pod is not ready".to_owned(),
    };
    TargetError {
        code: "front-not-ready",
        sentence: format!("the front of the preview has not come up in {} s: {why}", after.as_secs()),
        hint: Some(
            "see that `front` names an image of Tidegate which the cluster can pull and run".to_owned(),
        ),
        fatal: true,
    }
}

/// Takes away what stood before a preview, once what sleeps is awake; nothing where there is none.
///
/// # Errors
/// What the API server says.
pub async fn remove(client: &Client, namespace: &str) -> Result<(), TargetError> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let there = patiently(|| api.get_opt(NAME)).await;
    let there = there.map_err(|error| told(trouble("read", &format!("deployment {NAME}"), &error)))?;
    if there.is_none() {
        return Ok(());
    }
    let every = Standing {
        image: String::new(),
        sleep: Some(Duration::ZERO),
        access: Some(String::new()),
        is_closed: true,
    };
    rest::wake(client, namespace, true).await?;
    // The Deployment last: as long as it is there, so is the rest of the work.
    for (resource, _) in every.ground(namespace).into_iter().chain([every.workload("")]) {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let options = DeleteParams::default();
        match patiently(|| api.delete(NAME, &options)).await {
            Ok(_) => {}
            Err(Error::Api(status)) if status.code == 404 => {}
            Err(error) => {
                return Err(told(trouble("delete", &format!("{} {NAME}", resource.kind), &error)));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Standing {
        Standing {
            image: "registry.example/tidegate:1".into(),
            sleep: Some(Duration::from_secs(1800)),
            access: Some("{}".into()),
            is_closed: true,
        }
    }

    #[test]
    fn it_has_the_rights_that_it_needs_and_no_more() {
        let kinds = |standing: &Standing| -> Vec<String> {
            standing.ground("x").iter().map(|(resource, _)| resource.kind.clone()).collect()
        };
        let all = ["ServiceAccount", "Role", "RoleBinding", "Secret", "NetworkPolicy", "ConfigMap"];
        assert_eq!(kinds(&standing()), all);
        let open = Standing { sleep: None, access: None, is_closed: false, ..standing() };
        assert_eq!(kinds(&open), ["ServiceAccount", "Role", "RoleBinding"]);
        assert_eq!(open.rules().as_array().unwrap().len(), 2, "it looks, and changes nothing");
        let rules = standing().rules();
        let told: Vec<(String, String)> = rules
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| (rule["resources"].to_string(), rule["verbs"].to_string()))
            .collect();
        let look = "[\"get\",\"list\",\"watch\"]";
        let wanted = [
            ("[\"services\"]", look),
            ("[\"endpointslices\"]", look),
            ("[\"deployments\"]", "[\"get\",\"list\"]"),
            ("[\"deployments/scale\"]", "[\"patch\"]"),
            ("[\"leases\"]", "[\"get\",\"list\"]"),
            ("[\"configmaps\"]", "[\"get\",\"patch\"]"),
        ];
        assert_eq!(told, wanted.map(|(resource, verbs)| (resource.to_owned(), verbs.to_owned())));
        assert_eq!(rules[5]["resourceNames"], json!([NAME]));
    }

    #[test]
    fn another_password_is_another_pod_and_stands_in_no_template() {
        let standing = Standing { access: Some("{\"basic\":\"digest\"}".into()), ..standing() };
        assert_ne!(standing.deployment("1")["template"], standing.deployment("2")["template"]);
        assert!(!standing.deployment("1").to_string().contains("digest"));
        let container = &standing.deployment("1")["template"]["spec"]["containers"][0];
        assert_eq!(container["command"], json!(["/tidegate", "front", "--sleep", "1800s"]));
    }

    #[test]
    fn what_does_not_go_by_itself_is_told_soon() {
        let pod = |state: Value| -> Pod {
            serde_json::from_value(
                json!({ "status": { "containerStatuses": [{ "name": "front", "image": "x", "imageID": "",
                "ready": false, "restartCount": 0, "state": state }] } }),
            )
            .unwrap()
        };
        let said = |state: Value| lack(&pod(state)).unwrap();
        let pulls = said(json!({ "waiting": { "reason": "ErrImagePull", "message": "not found" } }));
        assert!(!pulls.is_lasting(), "it is tried again");
        let never = said(json!({ "waiting": { "reason": "ImagePullBackOff", "message": "not found" } }));
        assert!(never.is_lasting());
        let error = absent(Some(never), Duration::from_secs(7));
        let words = "the front of the preview has not come up in 7 s: ImagePullBackOff: not found";
        assert_eq!((error.code, error.sentence.as_str()), ("front-not-ready", words));
        let open = json!({ "status": { "conditions": [{ "type": "PodScheduled", "status": "False", "message": "no node" }] } });
        let pending = lack(&serde_json::from_value(open).unwrap()).unwrap();
        assert!(!pending.is_lasting() && pending.message == "no node");
    }

    #[test]
    fn it_is_up_when_the_pod_of_what_was_applied_is_there_alone() {
        let seen = |status: Value| -> Deployment {
            serde_json::from_value(json!({ "metadata": { "generation": 2 }, "status": status })).unwrap()
        };
        let good =
            json!({ "observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1 });
        assert!(is_up(&seen(good.clone())));
        for (key, value) in
            [("observedGeneration", 1), ("replicas", 2), ("updatedReplicas", 0), ("availableReplicas", 0)]
        {
            let mut status = good.clone();
            status[key] = json!(value);
            assert!(!is_up(&seen(status)), "{key}");
        }
        assert!(!is_up(&seen(json!({}))));
    }
}
