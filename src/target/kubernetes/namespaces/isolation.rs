//! What a preview may use, and whom it may reach: a quota, limits for containers that have none, and a closed network.

use std::collections::BTreeMap;

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::PREVIEW;
use crate::cluster::{patiently, trouble};
use crate::target::TargetError;
use crate::target::kubernetes::apply::{MANAGER, told};
use crate::target::kubernetes::names::MANAGED_BY;

/// The name of each of the objects.
const NAME: &str = "tidegate-preview";

/// What all of a preview may use where the settings do not say.
const QUOTA: [(&str, &str); 5] = [
    ("pods", "30"),
    ("requests.cpu", "4"),
    ("requests.memory", "8Gi"),
    ("limits.memory", "16Gi"),
    ("persistentvolumeclaims", "10"),
];
/// What a container may use that says nothing of it, where the settings do not say.
const LIMITS: [(&str, &str); 2] = [("cpu", "1"), ("memory", "512Mi")];
/// What such a container is counted with.
const REQUESTS: [(&str, &str); 2] = [("cpu", "50m"), ("memory", "64Mi")];

/// Networks that are nobody's but their owner's: RFC 1918, RFC 6598, link-local (RFC 3927; metadata services live there).
const PRIVATE: [&str; 5] =
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"];
/// The same of IPv6: unique local (RFC 4193), link-local (RFC 4291).
const PRIVATE_6: [&str; 2] = ["fc00::/7", "fe80::/10"];

/// What a preview may use, and whom it may reach.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Isolation {
    /// What all of it may use together; empty takes the usual.
    pub quota: BTreeMap<String, String>,
    /// What a container may use that says nothing of it; empty takes the usual.
    pub defaults: BTreeMap<String, String>,
    /// Namespaces that may reach it; nothing is all that hold no preview.
    pub from: Option<Vec<String>>,
    /// Networks that it may reach besides the usual, in CIDR notation.
    pub to: Vec<String>,
    /// Whether its network is closed at all.
    pub is_closed: bool,
}

fn usual(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Isolation {
    /// The objects.
    fn objects(&self) -> Vec<(ApiResource, Value)> {
        let object = |api_version: &str, kind: &str, spec: Value| {
            json!({ "apiVersion": api_version, "kind": kind, "spec": spec,
                "metadata": { "name": NAME, "labels": { MANAGED_BY: MANAGER } } })
        };
        let resource = |group: &str, kind: &str, plural: &str| {
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural)
        };
        let quota = if self.quota.is_empty() { usual(&QUOTA) } else { self.quota.clone() };
        let limits = if self.defaults.is_empty() { usual(&LIMITS) } else { self.defaults.clone() };
        // A container may not want more than it may have: with limits of the user's, those are what it is counted with.
        let requests = if self.defaults.is_empty() { usual(&REQUESTS) } else { self.defaults.clone() };
        let item = json!({ "type": "Container", "default": limits, "defaultRequest": requests });
        let mut all = vec![
            (
                resource("", "ResourceQuota", "resourcequotas"),
                object("v1", "ResourceQuota", json!({ "hard": quota })),
            ),
            (
                resource("", "LimitRange", "limitranges"),
                object("v1", "LimitRange", json!({ "limits": [item] })),
            ),
        ];
        if self.is_closed {
            all.push((
                resource("networking.k8s.io", "NetworkPolicy", "networkpolicies"),
                object("networking.k8s.io/v1", "NetworkPolicy", self.policy()),
            ));
        }
        all
    }

    /// Nobody comes in but its own pods and whom `from` names; nothing goes out but to its own pods, name servers, the public internet and
    /// where `to` says.
    fn policy(&self) -> Value {
        let mut from = vec![json!({ "podSelector": {} })];
        match &self.from {
            None => from.push(json!({ "namespaceSelector": {
                "matchExpressions": [{ "key": PREVIEW, "operator": "DoesNotExist" }] } })),
            Some(names) if names.is_empty() => {}
            Some(names) => from.push(json!({ "namespaceSelector": {
                "matchExpressions": [{ "key": "kubernetes.io/metadata.name", "operator": "In", "values": names }] } })),
        }
        let mut to = vec![
            json!({ "podSelector": {} }),
            json!({ "ipBlock": { "cidr": "0.0.0.0/0", "except": PRIVATE } }),
            json!({ "ipBlock": { "cidr": "::/0", "except": PRIVATE_6 } }),
        ];
        to.extend(self.to.iter().map(|network| json!({ "ipBlock": { "cidr": network } })));
        let names =
            json!({ "ports": [{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 53 }] });
        json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"],
            "ingress": [{ "from": from }], "egress": [{ "to": to }, names] })
    }

    pub(super) async fn apply(&self, client: &Client, namespace: &str) -> Result<(), TargetError> {
        let options =
            PatchParams { field_manager: Some(MANAGER.to_owned()), force: true, ..PatchParams::default() };
        for (resource, object) in self.objects() {
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
            let change = Patch::Apply(&object);
            let applied = patiently(|| api.patch(NAME, &options, &change)).await;
            applied.map_err(|error| told(trouble("apply", &format!("{} {NAME}", resource.kind), &error)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_closed_to_other_previews_and_to_private_networks() {
        let isolation = Isolation { is_closed: true, to: vec!["10.9.0.0/24".into()], ..Isolation::default() };
        let policy = isolation.policy();
        assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
        assert_eq!(policy["ingress"][0]["from"].as_array().unwrap().len(), 2);
        assert_eq!(
            policy["ingress"][0]["from"][1]["namespaceSelector"]["matchExpressions"][0],
            json!({ "key": "tidegate.dev/preview", "operator": "DoesNotExist" })
        );
        let to = policy["egress"][0]["to"].as_array().unwrap();
        assert_eq!(to[1]["ipBlock"]["except"][0], "10.0.0.0/8");
        assert_eq!(to[3]["ipBlock"]["cidr"], "10.9.0.0/24");
        let named = Isolation { from: Some(vec!["gateway".into()]), ..isolation.clone() }.policy();
        assert_eq!(
            named["ingress"][0]["from"][1]["namespaceSelector"]["matchExpressions"][0]["values"],
            json!(["gateway"])
        );
        let nobody = Isolation { from: Some(Vec::new()), ..isolation }.policy();
        assert_eq!(nobody["ingress"][0]["from"], json!([{ "podSelector": {} }]));
    }

    #[test]
    fn what_is_not_said_has_a_usual_measure_and_an_open_network_no_policy() {
        let kinds = |isolation: &Isolation| -> Vec<String> {
            isolation.objects().iter().map(|(resource, _)| resource.kind.clone()).collect()
        };
        assert_eq!(kinds(&Isolation::default()), ["ResourceQuota", "LimitRange"]);
        let quota = BTreeMap::from([("pods".to_owned(), "3".to_owned())]);
        let own = Isolation { quota, is_closed: true, ..Isolation::default() };
        assert_eq!(kinds(&own).len(), 3);
        assert_eq!(own.objects()[0].1["spec"]["hard"], json!({ "pods": "3" }));
        assert_eq!(Isolation::default().objects()[0].1["spec"]["hard"]["pods"], "30");
    }
}
