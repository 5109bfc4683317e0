//! Routers in front of a Service that divide requests by weight: what each is told, and what it says of itself. Pure.
//!
//! ```text
//! the user's object + backends with weights ──divided──→ objects to apply
//! what the watches show ──shares, accepted──→ the shares in force
//! ```
//! A router whose object is changed gets it back as it was written.

mod gateway_api;
mod live;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use kube::api::ApiResource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manifests::{Key, Object};
use crate::rollout::{ReleaseId, Weight};

pub(super) use live::Live;

/// The kinds of routers that can be told to divide requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouterKind {
    /// The Gateway API, whoever implements it: the weights of an HTTPRoute's backends.
    GatewayApi,
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
}

/// Services that are led to, with their weights, in whatever unit the router has.
pub(super) type Shares = Vec<(String, u64)>;

impl Division<'_> {
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
        match self {
            Self::GatewayApi => vec![resource("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")],
        }
    }

    /// The API group and the kind of the user's object.
    const fn main(self) -> (&'static str, &'static str) {
        match self {
            Self::GatewayApi => ("gateway.networking.k8s.io", "HTTPRoute"),
        }
    }

    /// The way to name one of several Services in the settings.
    pub(super) const fn naming(self) -> &'static str {
        match self {
            Self::GatewayApi => "traffic: { gateway-api: { route: …, service: NAME } }",
        }
    }

    /// How long it usually takes to bring what it has seen to all of its data plane.
    #[must_use]
    pub const fn settles(self) -> Duration {
        match self {
            Self::GatewayApi => Duration::from_millis(500),
        }
    }
}

impl Router {
    /// Whether an object is the user's one.
    pub(super) fn is(&self, key: &Key) -> bool {
        (key.group(), key.kind.as_str()) == self.kind.main() && key.name == self.name
    }

    /// The Services that the user's object leads to.
    pub(super) fn services(&self, written: &Value, _namespace: &str) -> Vec<String> {
        match self.kind {
            RouterKind::GatewayApi => gateway_api::services(written),
        }
    }

    /// The user's object and what else is to be applied, in this order, to have the requests divided so.
    pub(super) fn divided(&self, written: &Object, division: &Division<'_>) -> Vec<Object> {
        match self.kind {
            RouterKind::GatewayApi => vec![gateway_api::divided(written, division)],
        }
    }

    /// The shares that the live objects want; nothing where the user's object is not there.
    pub(super) fn shares(&self, live: &Live, service: &str) -> Option<Shares> {
        let main = live.find(self.kind.main().1, &self.name)?;
        Some(match self.kind {
            RouterKind::GatewayApi => gateway_api::shares(main, service),
        })
    }

    /// Whether the user's object is in force as it is now, by the router's own word; where it gives none, that it is there.
    pub(super) fn is_accepted(&self, live: &Live) -> bool {
        let main = live.find(self.kind.main().1, &self.name);
        main.is_some_and(|main| match self.kind {
            RouterKind::GatewayApi => gateway_api::is_accepted(main),
        })
    }
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
