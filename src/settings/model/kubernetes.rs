//! The `kubernetes` target.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::MetricsSettings;

/// Plain manifests, applied to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesSettings {
    /// Where the objects of a release are written down.
    pub manifests: ManifestSource,
    /// The namespace of objects that name none; `None` is that of the kubeconfig's context.
    pub namespace: Option<String>,
    /// The kubeconfig; `None` is the usual one.
    pub kubeconfig: Option<KubeconfigSource>,
    /// The context in it; `None` is its current one.
    pub context: Option<String>,
    /// The job's own token, in a workflow; `None` is the kubeconfig's user everywhere.
    pub oidc: Option<OidcSettings>,
    /// How traffic reaches the instances.
    pub traffic: TrafficSettings,
    /// Who counts requests for a comparison; `None` has the pods tell their own counts.
    pub metrics: Option<MetricsSettings>,
    /// The public address: scheme, host and port, without a path or a final slash.
    pub url: Option<String>,
    /// Take over fields that another tool owns.
    pub take_over: bool,
    /// How long an instance goes on to answer after the routers were told to leave it.
    pub drain: Duration,
    /// How long a trouble may last before it counts.
    pub graces: GraceSettings,
    /// How much the rules for manifests weigh whose names are given; every other one warns.
    pub policy: BTreeMap<&'static str, RuleLevel>,
}

/// The token by which a job proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// For whom it is.
    pub audience: String,
    /// The variable that tells the kubeconfig's program where the token is; `None` gives it to the API server itself.
    pub variable: Option<String>,
}

/// What follows from what a rule for manifests finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleLevel {
    /// Nothing: it is not told.
    Off,
    /// It is told.
    Warn,
    /// Nothing is deployed.
    Refuse,
}

/// Where the objects of a release are written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestSource {
    /// Files and folders, absolute; at least one.
    Files(Vec<PathBuf>),
    /// The folder of a kustomization, absolute.
    Kustomization(PathBuf),
}

/// Where the kubeconfig is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KubeconfigSource {
    /// This file, absolute.
    File(PathBuf),
    /// The file that the variable of this name names.
    FromEnvironment(String),
}

/// How traffic reaches the instances, and so how it is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrafficSettings {
    /// A plain Service.
    Service {
        /// Its name; `None` is the only one that selects a workload.
        name: Option<String>,
    },
    /// A router in front of the Service.
    Router {
        /// Which one.
        router: RouterKind,
        /// Its object.
        name: String,
        /// The Service whose traffic is divided; `None` is the only one that selects a workload.
        service: Option<String>,
        /// Requests with this header (its name and value) go to the candidate.
        header: Option<(String, String)>,
        /// Requests with this cookie go to the candidate, or never, as its value says.
        cookie: Option<String>,
        /// The cookie that keeps a visitor with the release that answered first.
        sticky_cookie: Option<String>,
        /// How long a change takes until it is in force.
        settle: Duration,
    },
}

/// A router that can be told to divide requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouterKind {
    /// An HTTPRoute of the Gateway API.
    GatewayApi,
    /// An Ingress of ingress-nginx.
    IngressNginx,
    /// An IngressRoute of Traefik's.
    Traefik,
    /// A VirtualService of Istio's.
    Istio,
}

impl RouterKind {
    /// Its name in the settings.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::GatewayApi => "gateway-api",
            Self::IngressNginx => "ingress-nginx",
            Self::Traefik => "traefik",
            Self::Istio => "istio",
        }
    }

    /// How long a change usually takes until it is in force. Implementations of the Gateway API say before that they have seen it.
    /// ingress-nginx gathers changes for up to 3.3 s (`--sync-rate-limit`), and its workers ask for them each second. Traefik takes
    /// one configuration in 2 s (`providersThrottleDuration`). Istio gathers changes until a tenth of a second brings no more, then
    /// has to reach all proxies.
    #[must_use]
    pub const fn settles(self) -> Duration {
        match self {
            Self::GatewayApi => Duration::from_millis(500),
            Self::IngressNginx => Duration::from_secs(5),
            Self::Traefik | Self::Istio => Duration::from_secs(3),
        }
    }
}

/// How long a trouble may last before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraceSettings {
    /// A Secret, ConfigMap or key that is not there.
    pub configuration: Duration,
    /// A registry that does not answer.
    pub registry: Duration,
    /// The cluster refuses to make pods.
    pub refusal: Duration,
    /// No node takes a pod: until that is told.
    pub unscheduled_warned: Duration,
    /// No node takes a pod: until it is fatal.
    pub unscheduled: Duration,
    /// The least time for which a readiness probe may fail.
    pub readiness: Duration,
}

impl Default for GraceSettings {
    fn default() -> Self {
        Self {
            configuration: Duration::from_secs(10),
            registry: Duration::from_secs(60),
            refusal: Duration::from_secs(10),
            unscheduled_warned: Duration::from_secs(15),
            unscheduled: Duration::from_secs(90),
            readiness: Duration::from_secs(30),
        }
    }
}
