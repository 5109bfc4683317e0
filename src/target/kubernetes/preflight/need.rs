//! The rights that Tidegate itself needs, as data: asked for before a rollout, and written down in `docs/rbac.md`.

/// Something that Tidegate does in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// `status`, `history` and reports: the journal, the lock and what runs, only looked at.
    Look,
    /// To deploy at all: to write the journal, to hold the lock, to tell why a pod does not come up.
    Deploy,
    /// To keep releases that hold a Secret.
    Secrets,
    /// Two sets of one workload beside each other: canary and blue-green.
    Sets,
    /// To divide traffic by an HTTPRoute.
    GatewayApi,
    /// To divide traffic by a second Ingress.
    IngressNginx,
    /// To divide traffic by a TraefikService.
    Traefik,
    /// To divide traffic by a VirtualService.
    Istio,
    /// To compare what releases answer, by their pods' own metrics.
    Comparison,
    /// To compare them by what the pods of a router have counted, in the namespace of those.
    RouterCounts,
    /// To send requests of gates to the pods themselves.
    DirectChecks,
    /// To run migrations or gates as Jobs.
    Jobs,
    /// To leave a Job that ends a rollout whose runner dies.
    Watchdog,
    /// To make previews of pull requests and take them away.
    Previews,
    /// To give previews databases of their own.
    OwnDatabase,
    /// To have a pod of Tidegate stand before previews, for passwords and sleep.
    Front,
}

/// Rights on resources of one API group in a namespace, as a rule of a Role has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// Resources in the plural, such as `pods` or `pods/log`.
    pub resources: &'static [&'static str],
    /// Verbs.
    pub verbs: &'static [&'static str],
    /// What for.
    pub why: &'static str,
}

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "update", "patch", "delete"];

const fn need(
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    why: &'static str,
) -> Need {
    Need { group, resources, verbs, why }
}

const LOOK: &[Need] = &[
    need("", &["configmaps"], READ, "the journal"),
    need("coordination.k8s.io", &["leases"], READ, "who holds the lock"),
    need("", &["pods", "services"], READ, "what runs, and what leads traffic to it"),
    need("apps", &["deployments", "replicasets", "statefulsets", "daemonsets"], READ, "what runs"),
    need("discovery.k8s.io", &["endpointslices"], READ, "which pods get traffic"),
];
const DEPLOY: &[Need] = &[
    need("", &["configmaps"], WRITE, "the journal and the requests of people"),
    need("coordination.k8s.io", &["leases"], WRITE, "the lock"),
    need("", &["pods/log"], &["get"], "the last lines of what does not come up"),
];
// By whatever names, and so for all Secrets; those that nobody goes back to any more are found by a list.
const SECRETS: &[Need] = &[need(
    "",
    &["secrets"],
    &["get", "list", "create", "delete"],
    "the objects of earlier releases, to go back to",
)];
const SETS: &[Need] = &[
    need("apps", &["replicasets"], &["create", "patch", "delete"], "a set of its own for each release"),
    need("batch", &["jobs"], &["get", "create", "delete"], "the arranged end of a set that is kept"),
];
const GATEWAY_API: &[Need] = &[need(
    "gateway.networking.k8s.io",
    &["httproutes"],
    &["get", "list", "watch", "patch"],
    "the weights of a route",
)];
const INGRESS_NGINX: &[Need] = &[need(
    "networking.k8s.io",
    &["ingresses"],
    &["get", "list", "watch", "create", "patch", "delete"],
    "a second Ingress with a weight, for the time of the rollout",
)];
const TRAEFIK: &[Need] = &[
    need(
        "traefik.io",
        &["ingressroutes"],
        &["get", "list", "watch", "patch"],
        "what the rules of an IngressRoute lead to",
    ),
    need(
        "traefik.io",
        &["traefikservices"],
        &["get", "list", "watch", "create", "patch", "delete"],
        "the weights, for the time of the rollout",
    ),
];
const ISTIO: &[Need] = &[need(
    "networking.istio.io",
    &["virtualservices"],
    &["get", "list", "watch", "patch"],
    "the weights of destinations",
)];
const COMPARISON: &[Need] =
    &[need("", &["pods/proxy"], &["get"], "the pods' own counts of requests and errors")];
const ROUTER_COUNTS: &[Need] = &[
    need("", &["pods"], &["list"], "which pods the router has"),
    need("", &["pods/proxy"], &["get"], "their counts of requests and errors"),
];
// By WebSocket it is `get` up to Kubernetes 1.34 and `create` from 1.35 on.
const DIRECT_CHECKS: &[Need] =
    &[need("", &["pods/portforward"], &["create", "get"], "requests of gates to the pods themselves")];

const JOBS: &[Need] = &[need(
    "batch",
    &["jobs"],
    &["get", "list", "watch", "create", "delete"],
    "the Jobs of migrations and of gates",
)];
const WATCHDOG: &[Need] = &[
    need("batch", &["jobs"], &["create", "delete"], "the watchdog"),
    need("", &["configmaps"], &["create", "delete"], "the tidegate.yaml that it works by"),
];
const PREVIEWS: &[Need] = &[
    need("", &["namespaces"], &["get", "list", "watch", "create", "patch", "delete"], "a namespace for each"),
    need("", &["resourcequotas", "limitranges"], &["get", "create", "patch"], "what each may use"),
    need("networking.k8s.io", &["networkpolicies"], &["get", "create", "patch"], "whom each may reach"),
];
const OWN_DATABASE: &[Need] =
    &[need("", &["secrets"], &["get", "create", "patch"], "the URL of a preview's own database")];

// What the front's own account may do, whoever makes its Role must be able to do.
const FRONT: &[Need] = &[
    need("", &["serviceaccounts"], MADE, "whom the front is to the API server"),
    need("rbac.authorization.k8s.io", &["roles", "rolebindings"], MADE, "what it may do"),
    need("", &["secrets"], MADE, "what opens the preview"),
    need("", &["configmaps"], MADE, "what sleeps"),
    need("apps", &["deployments"], MADE, "its pod"),
    need("apps", &["deployments/scale"], &["patch"], "the sleep of the others"),
    need("networking.k8s.io", &["networkpolicies"], MADE, "its way to the API server"),
];
const MADE: &[&str] = &["get", "create", "patch", "delete"];

impl Feature {
    /// Every feature.
    pub const ALL: [Self; 16] = [
        Self::Look,
        Self::Deploy,
        Self::Secrets,
        Self::Sets,
        Self::GatewayApi,
        Self::IngressNginx,
        Self::Traefik,
        Self::Istio,
        Self::Comparison,
        Self::RouterCounts,
        Self::DirectChecks,
        Self::Jobs,
        Self::Watchdog,
        Self::Previews,
        Self::OwnDatabase,
        Self::Front,
    ];

    /// What it needs beyond the others. Whoever deploys looks, too.
    #[must_use]
    pub fn needs(self) -> &'static [Need] {
        match self {
            Self::Look => LOOK,
            Self::Deploy => DEPLOY,
            Self::Secrets => SECRETS,
            Self::Sets => SETS,
            Self::GatewayApi => GATEWAY_API,
            Self::IngressNginx => INGRESS_NGINX,
            Self::Traefik => TRAEFIK,
            Self::Istio => ISTIO,
            Self::Comparison => COMPARISON,
            Self::RouterCounts => ROUTER_COUNTS,
            Self::DirectChecks => DIRECT_CHECKS,
            Self::Jobs => JOBS,
            Self::Watchdog => WATCHDOG,
            Self::Previews => PREVIEWS,
            Self::OwnDatabase => OWN_DATABASE,
            Self::Front => FRONT,
        }
    }
}

impl Need {
    /// What each object of the manifests needs, by its own group and resource. The API server asks for `create` when what is
    /// applied is not there yet.
    pub const OF_OBJECTS: &'static [&'static str] = &["get", "create", "patch", "delete"];

    /// What is looked at before a rollout where the right is given, in the environment's namespace.
    pub const USEFUL: &'static [Self] = &[
        need("", &["resourcequotas", "limitranges"], &["list"], "whether the pods fit into the quotas"),
        need("", &["serviceaccounts"], &["get"], "which secrets images are pulled with"),
        need("", &["events"], &["list"], "whether a node is on its way for a pod that no node takes"),
    ];

    /// The same, for what is in no namespace.
    pub const USEFUL_CLUSTER: &'static [Self] = &[
        need("", &["namespaces"], &["get"], "whether the namespace is there"),
        need("", &["nodes"], &["list"], "whether there is a node for each image, and a large enough one"),
    ];
}
