//! A cluster as the ground of an environment: state in its own objects.

use std::path::PathBuf;
use std::sync::Arc;

use kube::Client;

use super::identity::Identity;
use crate::cluster::{Access, connect};
use crate::error::{Error, ErrorKind};
use crate::journal::kubernetes::{MapJournal, Scope};
use crate::prometheus::Token;
use crate::settings::{
    self, CountingRouter, GraceSettings, KubeconfigSource, KubernetesSettings, ManifestSource,
    MetricsSettings, PreviewInstance, PrometheusSettings, RuleLevel, TrafficSettings,
};
use crate::target::kubernetes::diagnose::Graces;
use crate::target::kubernetes::policy::{Level, Policy, Rule};
use crate::target::kubernetes::router::{Router, RouterKind, Rules};
use crate::target::kubernetes::{
    By, CountSource, Credential, KubernetesConfig, KubernetesTarget, PrometheusSource, Queries, RouterCounts,
    RouterSource, Traffic,
};

/// A cluster as the ground of an environment.
#[derive(Clone)]
pub struct Cluster {
    /// What reaches it.
    pub client: Client,
    /// The environment's name in it.
    pub scope: Scope,
    /// How it is worked on.
    pub config: KubernetesConfig,
    /// Where the objects of a release are written down.
    pub manifests: ManifestSource,
    /// How much the rules for manifests weigh.
    pub policy: Policy,
    /// By what token it is reached, where that is the job's own; kept fresh as long as anybody works there.
    #[expect(dead_code, reason = "held, not read: it renews the token")]
    identity: Option<Arc<Identity>>,
}

impl Cluster {
    /// Reads the kubeconfig. The cluster is not asked yet.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used, or the variable that names it is not set.
    pub async fn reach(
        app: &str,
        environment: &str,
        settings: &KubernetesSettings,
        preview: Option<&PreviewInstance>,
    ) -> Result<Self, Error> {
        let kubeconfig = match &settings.kubeconfig {
            Some(KubeconfigSource::File(file)) => Some(file.clone()),
            Some(KubeconfigSource::FromEnvironment(name)) => Some(named(environment, name)?),
            None => None,
        };
        let identity = match &settings.oidc {
            Some(oidc) => Identity::of_job(environment, oidc).await?.map(Arc::new),
            None => None,
        };
        let token = identity.as_ref().map(|identity| identity.token_file());
        let access = Access { kubeconfig, context: settings.context.clone(), token };
        let (client, usual) = connect(&access).await?;
        let namespace = settings.namespace.clone().unwrap_or(usual);
        let scope =
            Scope { app: app.to_owned(), environment: environment.to_owned(), namespace: namespace.clone() };
        let config = config(app, environment, namespace, settings);
        let (manifests, policy) = (settings.manifests.clone(), policy(settings, preview));
        Ok(Self { client, scope, config, manifests, policy, identity })
    }

    /// Its journal.
    #[must_use]
    pub fn journal(&self) -> MapJournal {
        MapJournal::new(&self.client, self.scope.clone())
    }

    /// Whether all is known that a rollout will ask with. A way back is not held up by that: it compares nothing.
    ///
    /// # Errors
    /// When the variable with the token of the Prometheus is not set.
    pub fn is_told_its_token(&self) -> Result<(), Error> {
        let CountSource::Prometheus(source) = &self.config.counts else { return Ok(()) };
        let Credential::Missing(name) = &source.token else { return Ok(()) };
        let sentence = format!(
            "the token for Prometheus of {} is to be ${name}, which is not set",
            self.config.environment
        );
        Err(Error::new(ErrorKind::Usage, "variable-not-set", sentence)
            .hint(format!("set {name} in the environment of this command")))
    }

    /// Its target.
    #[must_use]
    pub fn target(&self) -> KubernetesTarget {
        KubernetesTarget::new(self.client.clone(), self.config.clone())
    }
}

/// How an environment in a cluster is to be worked on, by its settings; the namespace may be that of the kubeconfig.
#[must_use]
pub fn config(
    app: &str,
    environment: &str,
    namespace: String,
    settings: &KubernetesSettings,
) -> KubernetesConfig {
    KubernetesConfig {
        app: app.to_owned(),
        environment: environment.to_owned(),
        namespace,
        traffic: traffic(&settings.traffic),
        take_over: settings.take_over,
        drain: settings.drain,
        graces: graces(&settings.graces),
        url: settings.url.clone(),
        counts: counts(settings.metrics.as_ref()),
    }
}

/// How much the rules for manifests weigh. What closes a preview does what some of them ask the manifests for.
#[must_use]
pub fn policy(settings: &KubernetesSettings, preview: Option<&PreviewInstance>) -> Policy {
    let seen_to = preview.map_or(&[][..], |preview| {
        let all = &["no-limits", "no-requests", "no-network-policy"];
        if preview.isolation.is_closed { &all[..] } else { &all[..2] }
    });
    let usual = seen_to.iter().filter_map(|name| Rule::named(name));
    let usual = usual.fold(Policy::default(), |policy, rule| policy.with(rule, Level::Off));
    let given = settings.policy.iter().filter_map(|(name, level)| Some((Rule::named(name)?, *level)));
    given.fold(usual, |policy, (rule, level)| {
        let level = match level {
            RuleLevel::Off => Level::Off,
            RuleLevel::Warn => Level::Warn,
            RuleLevel::Refuse => Level::Refuse,
        };
        policy.with(rule, level)
    })
}

fn named(environment: &str, name: &str) -> Result<PathBuf, Error> {
    std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from).ok_or_else(|| {
        let sentence = format!("`kubeconfig` of {environment} is to be ${name}, which is not set");
        Error::new(ErrorKind::Usage, "variable-not-set", sentence)
            .hint(format!("set {name} in the environment of this command"))
    })
}

fn counts(settings: Option<&MetricsSettings>) -> CountSource {
    match settings {
        None => CountSource::Pods,
        Some(MetricsSettings::Prometheus(settings)) => CountSource::Prometheus(prometheus(settings)),
        Some(MetricsSettings::Routers(settings)) => CountSource::Routers(RouterSource {
            counts: match settings.counter {
                CountingRouter::Contour => RouterCounts::Contour,
                CountingRouter::IngressNginx => RouterCounts::IngressNginx,
                CountingRouter::Traefik => RouterCounts::Traefik,
            },
            namespace: settings.namespace.clone(),
            selector: settings.selector.clone(),
            port: settings.port,
        }),
    }
}

/// The Prometheus, with what this command's environment gives for it.
fn prometheus(settings: &PrometheusSettings) -> PrometheusSource {
    let token = match &settings.token {
        None => Credential::Open,
        Some(name) => match std::env::var(name) {
            Ok(token) if !token.trim().is_empty() => Credential::Token(Token::new(&token)),
            _ => Credential::Missing(name.clone()),
        },
    };
    let asked = &settings.queries;
    let queries = Queries {
        requests: asked.requests.clone(),
        errors: asked.errors.clone(),
        slow: asked.slow.clone(),
        by: match asked.by {
            settings::CountedBy::Pod => By::Pod,
            settings::CountedBy::Service => By::Service,
        },
    };
    PrometheusSource { address: settings.address.clone(), token, queries }
}

fn traffic(settings: &TrafficSettings) -> Traffic {
    match settings {
        TrafficSettings::Service { name } => Traffic::Service { name: name.clone() },
        TrafficSettings::Router { router, name, service, header, cookie, sticky_cookie, settle } => {
            Traffic::Router {
                router: Router { kind: kind(*router), name: name.clone() },
                service: service.clone(),
                rules: Rules {
                    header: header.clone(),
                    cookie: cookie.clone(),
                    sticky_cookie: sticky_cookie.clone(),
                },
                settles: *settle,
            }
        }
    }
}

const fn kind(router: settings::RouterKind) -> RouterKind {
    match router {
        settings::RouterKind::GatewayApi => RouterKind::GatewayApi,
        settings::RouterKind::IngressNginx => RouterKind::IngressNginx,
        settings::RouterKind::Traefik => RouterKind::Traefik,
        settings::RouterKind::Istio => RouterKind::Istio,
    }
}

const fn graces(settings: &GraceSettings) -> Graces {
    Graces {
        configuration: settings.configuration,
        registry: settings.registry,
        refusal: settings.refusal,
        unscheduled_warned: settings.unscheduled_warned,
        unscheduled: settings.unscheduled,
        readiness: settings.readiness,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::{TargetSettings, parse};

    #[test]
    fn every_rule_can_be_set_by_its_name() {
        let rules: Vec<String> = Rule::ALL.iter().map(|rule| format!("{rule}: refuse")).collect();
        let target = format!("kubernetes: {{ manifests: deploy, policy: {{ {} }} }}", rules.join(", "));
        let text = format!("app: shop\nenvironments: {{ e: {{ target: {{ {target} }} }} }}\n");
        let settings = parse(Path::new("tidegate.yaml"), &text).unwrap_or_else(|error| panic!("{error}"));
        let TargetSettings::Kubernetes(cluster) = &settings.environments[0].target else { panic!() };
        assert_eq!(cluster.policy.len(), Rule::ALL.len());
        let policy = policy(cluster, None);
        assert!(Rule::ALL.into_iter().all(|rule| policy.of(rule) == Level::Refuse));
    }

    #[test]
    fn what_closes_a_preview_is_not_asked_of_its_manifests_unless_the_settings_do() {
        let levels = |more: &str| -> Vec<Level> {
            let text = format!(
                "app: shop\nenvironments:\n  preview:\n    target: {{ kubernetes: {{ manifests: deploy{more} }} }}\n    isolation: {{ network: false }}\n"
            );
            let settings = parse(std::path::Path::new("tidegate.yaml"), &text).unwrap();
            let sample = settings.preview.unwrap().sample;
            let TargetSettings::Kubernetes(cluster) = &sample.target else { panic!() };
            let policy = policy(cluster, sample.preview.as_deref());
            let rules = ["no-limits", "no-requests", "no-network-policy"];
            rules.into_iter().map(|name| policy.of(Rule::named(name).unwrap())).collect()
        };
        assert_eq!(levels(""), [Level::Off, Level::Off, Level::Warn]);
        assert_eq!(levels(", policy: { no-limits: refuse }"), [Level::Refuse, Level::Off, Level::Warn]);
    }
}
