//! Routers in front of a Service that divide requests by weight: what each is told, and what it says of itself. Pure.
//!
//! ```text
//! the user's object + backends with weights ──divided──→ objects to apply
//! what the watches show ──shares, accepted, helpers──→ the shares in force, and what is there for the rollout only
//! ```
//! A router whose object is changed gets it back as it was written. What a router needs besides (a second Ingress, a
//! TraefikService) is made for the time of the rollout: it bears the label of what Tidegate manages, and goes with it.

mod gateway_api;
mod ingress_nginx;
mod istio;
mod live;
#[cfg(test)]
mod tests;
mod traefik;

use std::collections::BTreeMap;
use std::fmt;

use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manifests::{Key, Object};
use super::names::{MANAGED_BY, RELEASE};
use crate::rollout::{ReleaseId, Weight};

pub(super) use live::Live;

/// Who manages what is made for the time of a rollout, by its label.
const TIDEGATE: &str = "tidegate";

/// The kinds of routers that can be told to divide requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouterKind {
    /// The Gateway API, whoever implements it: the weights of an HTTPRoute's backends.
    GatewayApi,
    /// ingress-nginx: a second Ingress beside the user's.
    IngressNginx,
    /// Traefik: a TraefikService that weighs, in the rules of an IngressRoute.
    Traefik,
    /// Istio: the weights of a VirtualService's destinations.
    Istio,
}

/// The object whose traffic is divided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Router {
    /// Whose object it is.
    pub kind: RouterKind,
    /// Its name.
    pub name: String,
}

/// Which requests go elsewhere than their share says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Requests with this header (its name and value) go to the candidate.
    pub header: Option<(String, String)>,
    /// Requests with this cookie go to the candidate if its value is `always`, and never if it is `never`.
    pub cookie: Option<String>,
    /// The cookie that keeps a visitor with the release that answered first.
    pub sticky_cookie: Option<String>,
}

/// A Service with its share of the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    /// The Service.
    pub(super) service: String,
    /// The release that it was made for; none for the Service of the manifests.
    pub(super) release: Option<ReleaseId>,
    /// Its share.
    pub(super) weight: Weight,
}

/// How the requests to a Service are to be divided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Division<'a> {
    /// The Service of the manifests.
    pub(super) service: &'a str,
    /// What is to be led to in its place: it comes first.
    pub(super) backends: &'a [Backend],
    /// Which requests go elsewhere than their share says.
    pub(super) rules: &'a Rules,
    /// The release that those go to.
    pub(super) candidate: Option<&'a ReleaseId>,
    /// The environment's namespace.
    pub(super) namespace: &'a str,
    /// The labels of what is made for the time of the rollout.
    pub(super) labels: &'a BTreeMap<String, String>,
}

/// Services that are led to, with their weights, in whatever unit the router has.
pub(super) type Shares = Vec<(String, u64)>;

impl Division<'_> {
    /// The labels of what is made for a release for the time of the rollout.
    fn labels_for(&self, release: &ReleaseId) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        labels.insert(MANAGED_BY.to_owned(), TIDEGATE.to_owned());
        labels.insert(RELEASE.to_owned(), release.to_string());
        labels
    }

    /// The Service of the candidate, where it has one with a share: where the rules lead.
    fn chosen(&self) -> Option<&str> {
        let is_candidate = |backend: &&Backend| {
            backend.weight > Weight::ZERO
                && backend.release.is_some()
                && backend.release.as_ref() == self.candidate
        };
        self.backends.iter().find(is_candidate).map(|backend| backend.service.as_str())
    }
}

impl RouterKind {
    /// The kinds of objects that it reads, as the API server knows them; the first is the user's.
    pub(super) fn resources(self) -> Vec<ApiResource> {
        let (group, main) = self.main();
        match self {
            Self::GatewayApi => vec![resource(group, "v1", main, "httproutes")],
            Self::IngressNginx => vec![resource(group, "v1", main, "ingresses")],
            Self::Traefik => vec![
                resource(group, "v1alpha1", main, "ingressroutes"),
                resource(group, "v1alpha1", traefik::HELPER, "traefikservices"),
            ],
            Self::Istio => vec![resource(group, "v1", main, "virtualservices")],
        }
    }

    /// The API group and the kind of the user's object.
    const fn main(self) -> (&'static str, &'static str) {
        match self {
            Self::GatewayApi => ("gateway.networking.k8s.io", "HTTPRoute"),
            Self::IngressNginx => ("networking.k8s.io", "Ingress"),
            Self::Traefik => ("traefik.io", "IngressRoute"),
            Self::Istio => ("networking.istio.io", "VirtualService"),
        }
    }

    /// The way to name one of several Services in the settings.
    pub(super) const fn naming(self) -> &'static str {
        match self {
            Self::GatewayApi => "traffic: { gateway-api: { route: …, service: NAME } }",
            Self::IngressNginx => "traffic: { ingress-nginx: { ingress: …, service: NAME } }",
            Self::Traefik => "traffic: { traefik: { ingress-route: …, service: NAME } }",
            Self::Istio => "traffic: { istio: { virtual-service: …, service: NAME } }",
        }
    }

    /// Whether it says itself when it has taken an object as it is now.
    pub(super) const fn answers(self) -> bool {
        matches!(self, Self::GatewayApi)
    }

    /// Whether the user's object stays as it is written, and another one beside it divides.
    pub(super) const fn is_beside(self) -> bool {
        matches!(self, Self::IngressNginx)
    }
}

impl Router {
    /// Whether an object is the user's one.
    pub(super) fn is(&self, key: &Key) -> bool {
        (key.group(), key.kind.as_str()) == self.kind.main() && key.name == self.name
    }

    /// The Services that the user's object leads to.
    pub(super) fn services(&self, written: &Value, namespace: &str) -> Vec<String> {
        match self.kind {
            RouterKind::GatewayApi => gateway_api::services(written),
            RouterKind::IngressNginx => ingress_nginx::services(written),
            RouterKind::Traefik => traefik::services(written, namespace),
            RouterKind::Istio => istio::services(written, namespace),
        }
    }

    /// What is to be applied, in this order, to have the requests divided so.
    pub(super) fn divided(&self, written: &Object, division: &Division<'_>) -> Vec<Object> {
        match self.kind {
            RouterKind::GatewayApi => vec![gateway_api::divided(written, division)],
            // The first one as it is: so it bears the environment's labels, by which it is seen.
            RouterKind::IngressNginx => {
                std::iter::once(written.clone()).chain(ingress_nginx::divided(written, division)).collect()
            }
            RouterKind::Traefik => traefik::divided(written, division),
            RouterKind::Istio => vec![istio::divided(written, division)],
        }
    }

    /// The shares that the live objects want; nothing where the user's object is not there.
    pub(super) fn shares(&self, live: &Live, service: &str) -> Option<Shares> {
        let main = live.find(self.kind.main().1, &self.name)?;
        Some(match self.kind {
            RouterKind::GatewayApi => gateway_api::shares(main, service),
            RouterKind::IngressNginx => ingress_nginx::shares(live, service),
            RouterKind::Traefik => traefik::shares(main, live, service),
            RouterKind::Istio => istio::shares(main, service),
        })
    }

    /// Whether the user's object is in force as it is now, by the router's own word; where it gives none, that it is there.
    pub(super) fn is_accepted(&self, live: &Live) -> bool {
        let main = live.find(self.kind.main().1, &self.name);
        main.is_some_and(|main| self.kind != RouterKind::GatewayApi || gateway_api::is_accepted(main))
    }

    /// What is there for the time of a rollout only.
    pub(super) fn helpers(&self, live: &Live) -> Vec<Key> {
        let key = |one: &DynamicObject, api_version: &str, kind: &str| Key {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: one.namespace(),
            name: one.name_any(),
        };
        match self.kind {
            RouterKind::GatewayApi | RouterKind::Istio => Vec::new(),
            RouterKind::IngressNginx => {
                ingress_nginx::helpers(live).map(|one| key(one, "networking.k8s.io/v1", "Ingress")).collect()
            }
            RouterKind::Traefik => {
                let all = traefik::helpers(live);
                all.map(|one| key(one, "traefik.io/v1alpha1", traefik::HELPER)).collect()
            }
        }
    }
}

/// Whether an object was made for the time of a rollout.
fn is_helper(live: &DynamicObject) -> bool {
    live.labels().get(MANAGED_BY).is_some_and(|by| by == TIDEGATE)
}

impl fmt::Display for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.main().1, self.name)
    }
}

fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: format!("{group}/{version}"),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}
