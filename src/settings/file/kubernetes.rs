//! The `kubernetes` target as it is written.

use schemars::{JsonSchema, Schema, json_schema};
use serde::Deserialize;

use super::local::Header;
use super::many::{Kind, OneOrMany};
use super::{Metrics, Policy, Time};

/// Plain manifests, applied to a cluster in which nothing need be installed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of a kubernetes target"
)]
pub(in crate::settings) struct Kubernetes {
    /// Manifests: a file or folder, or a list of them, relative to the folder of this file. Of a folder all `.yaml`, `.yml` and
    /// `.json` files are read, those of its own folders not. Either this or `kustomization` is given.
    pub(in crate::settings) manifests: Option<Paths>,
    /// A folder with a kustomization, relative to the folder of this file. `kubectl kustomize` renders it, or else `kustomize build`.
    pub(in crate::settings) kustomization: Option<String>,
    /// Namespace of the objects that name none, and of Tidegate's own. By default that of the kubeconfig's context.
    #[schemars(regex(
        pattern = "^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?|[a-z0-9{}-]*[{](number|name)[}][a-z0-9{}-]*)$"
    ))]
    pub(in crate::settings) namespace: Option<String>,
    /// The kubeconfig, relative to the folder of this file; `$NAME` takes the path from that environment variable. By default what
    /// `KUBECONFIG` names, else `~/.kube/config`, else the service account of the pod that Tidegate runs in.
    #[schemars(length(min = 1))]
    pub(in crate::settings) kubeconfig: Option<String>,
    /// The context in the kubeconfig. By default its current one.
    #[schemars(length(min = 1))]
    pub(in crate::settings) context: Option<String>,
    /// Who Tidegate is to the cluster in a workflow: the job itself, by the OIDC token that GitHub gives it, so that no secret is kept. The
    /// job needs `permissions: { id-token: write }`. Outside of a workflow the kubeconfig's own user counts.
    pub(in crate::settings) oidc: Option<Oidc>,
    /// How traffic reaches the instances, and so how it is divided.
    #[schemars(extend("default" = "service"))]
    pub(in crate::settings) traffic: Option<Traffic>,
    /// Who counts the requests that a comparison goes by. By default the pods themselves, through the API server.
    pub(in crate::settings) metrics: Option<Metrics>,
    /// Public address of the app, such as `https://shop.example`: scheme, host and port, without a path. `verify` needs it.
    #[schemars(regex(pattern = "^https?://[^/?#@]+/?$"))]
    pub(in crate::settings) url: Option<String>,
    /// Take over fields of the objects that another tool owns. Without it, such a field is a conflict, which is told.
    #[schemars(extend("default" = false))]
    pub(in crate::settings) take_over: Option<bool>,
    /// How long an instance goes on to answer after the routers were told to leave it.
    #[schemars(extend("default" = "5s"))]
    pub(in crate::settings) drain: Option<Time>,
    /// How long a trouble of an instance may last before it counts.
    pub(in crate::settings) graces: Option<Graces>,
    /// How much each rule for manifests weighs. What a rule is about, and what to write, is in `docs/reasons.md`.
    pub(in crate::settings) policy: Option<Policy>,
}

/// The job's own token.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a mapping with `audience`")]
pub(in crate::settings) struct Oidc {
    /// For whom the token is: what the cluster, or its cloud, expects in the claim `aud`, such as `sts.amazonaws.com`.
    #[schemars(length(min = 1))]
    pub(in crate::settings) audience: String,
    /// The variable in which the program that the kubeconfig's user names (`exec`) finds the path of a file with the token, such as
    /// `AWS_WEB_IDENTITY_TOKEN_FILE` or `AZURE_FEDERATED_TOKEN_FILE`. By default the API server itself is given the token.
    #[schemars(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub(in crate::settings) token_file: Option<String>,
}

/// How traffic reaches the instances, and so how it is divided.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(transform = allow_name)]
pub(in crate::settings) enum Traffic {
    /// A plain Service: its selector switches all at once; shares go by the number of instances.
    Service(Service),
    /// An HTTPRoute of the Gateway API: shares by request.
    GatewayApi(GatewayApi),
    /// ingress-nginx, by a second Ingress for the time of the rollout: shares by request.
    IngressNginx(IngressNginx),
    /// Traefik 3, by a TraefikService for the time of the rollout: shares by request.
    Traefik(Traefik),
    /// Istio, by the weights of a VirtualService: shares by request.
    Istio(Istio),
}

/// `service` alone stands for its defaults; the others cannot do without settings.
fn allow_name(schema: &mut Schema) {
    let names = json_schema!({ "type": "string", "enum": ["service"] });
    if let Some(serde_json::Value::Array(forms)) = schema.get_mut("oneOf") {
        forms.insert(0, names.to_value());
    }
}

/// A plain Service: its selector switches all at once; shares go by the number of instances.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of `service`"
)]
pub(in crate::settings) struct Service {
    /// Name of the Service. By default the only one that selects a workload of the release.
    #[schemars(length(min = 1))]
    pub(in crate::settings) name: Option<String>,
}

/// An HTTPRoute of the Gateway API: shares by request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of `gateway-api`"
)]
pub(in crate::settings) struct GatewayApi {
    /// Name of the HTTPRoute.
    #[schemars(required, length(min = 1))]
    pub(in crate::settings) route: Option<String>,
    /// The Service in its rules whose traffic is divided. By default the only one that selects a workload of the release.
    #[schemars(length(min = 1))]
    pub(in crate::settings) service: Option<String>,
    /// During a canary, requests with this header and value go to the candidate, whatever the weights say.
    pub(in crate::settings) header: Option<Header>,
}

/// ingress-nginx, by a second Ingress for the time of the rollout: shares by request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of `ingress-nginx`"
)]
pub(in crate::settings) struct IngressNginx {
    /// Name of the Ingress. It is left as it is; the second one is `NAME-RELEASE`.
    #[schemars(required, length(min = 1))]
    pub(in crate::settings) ingress: Option<String>,
    /// The Service in its rules whose traffic is divided. By default the only one that selects a workload of the release.
    #[schemars(length(min = 1))]
    pub(in crate::settings) service: Option<String>,
    /// During a canary, requests with this header and value go to the candidate, whatever the weights say.
    pub(in crate::settings) header: Option<Header>,
    /// During a canary, requests with this cookie go to the candidate if its value is `always`, and never if it is `never`.
    #[schemars(length(min = 1))]
    pub(in crate::settings) cookie: Option<String>,
    /// How long a change takes until it is in force: ingress-nginx does not tell.
    #[schemars(extend("default" = "5s"))]
    pub(in crate::settings) settle: Option<Time>,
}

/// Traefik 3, by a TraefikService for the time of the rollout: shares by request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of `traefik`"
)]
pub(in crate::settings) struct Traefik {
    /// Name of the IngressRoute.
    #[schemars(required, length(min = 1))]
    pub(in crate::settings) ingress_route: Option<String>,
    /// The Service in its rules whose traffic is divided. By default the only one that selects a workload of the release.
    #[schemars(length(min = 1))]
    pub(in crate::settings) service: Option<String>,
    /// Cookie that keeps a visitor, during a canary, on the release that answered first. Without it, each request is divided anew.
    #[schemars(length(min = 1))]
    pub(in crate::settings) sticky_cookie: Option<String>,
    /// How long a change takes until it is in force: Traefik does not tell. Longer than its `providersThrottleDuration`.
    #[schemars(extend("default" = "3s"))]
    pub(in crate::settings) settle: Option<Time>,
}

/// Istio, by the weights of a VirtualService: shares by request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a mapping with the settings of `istio`")]
pub(in crate::settings) struct Istio {
    /// Name of the VirtualService. Its HTTP rules are divided.
    #[schemars(required, length(min = 1))]
    pub(in crate::settings) virtual_service: Option<String>,
    /// The Service in its rules whose traffic is divided. By default the only one that selects a workload of the release.
    #[schemars(length(min = 1))]
    pub(in crate::settings) service: Option<String>,
    /// During a canary, requests with this header and value go to the candidate, whatever the weights say.
    pub(in crate::settings) header: Option<Header>,
    /// How long a change takes until it is in force: Istio does not tell.
    #[schemars(extend("default" = "3s"))]
    pub(in crate::settings) settle: Option<Time>,
}

/// How long a trouble of an instance may last before it counts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with how long each trouble may last"
)]
pub(in crate::settings) struct Graces {
    /// A Secret, ConfigMap or key that is not there.
    #[schemars(extend("default" = "10s"))]
    pub(in crate::settings) configuration: Option<Time>,
    /// A registry that does not answer, or asks to come later.
    #[schemars(extend("default" = "60s"))]
    pub(in crate::settings) registry: Option<Time>,
    /// The cluster refuses to make pods: quota, admission.
    #[schemars(extend("default" = "10s"))]
    pub(in crate::settings) refusal: Option<Time>,
    /// A pod that no node takes: until that is told.
    #[schemars(extend("default" = "15s"))]
    pub(in crate::settings) unscheduled_warned: Option<Time>,
    /// A pod that no node takes: until it is fatal, unless the cluster is adding a node.
    #[schemars(extend("default" = "90s"))]
    pub(in crate::settings) unscheduled: Option<Time>,
    /// A readiness probe that fails: the least time until it is fatal. A probe that may take longer by its own settings gets that.
    #[schemars(extend("default" = "30s"))]
    pub(in crate::settings) readiness: Option<Time>,
}

/// Paths.
#[derive(Debug, Clone)]
pub(in crate::settings) struct OfPaths;

impl Kind for OfPaths {
    const EXPECTED: &'static str = "a path, such as `deploy/`, or a list of paths";
    const NAME: &'static str = "paths";
}

/// A path, or a list of paths.
pub(in crate::settings) type Paths = OneOrMany<OfPaths>;
