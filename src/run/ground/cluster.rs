//! A cluster as the ground of an environment: state in its own objects.

use std::path::PathBuf;

use kube::Client;

use crate::cluster::{Access, connect};
use crate::error::{Error, ErrorKind};
use crate::journal::kubernetes::{MapJournal, Scope};
use crate::settings::{
    self, GraceSettings, KubeconfigSource, KubernetesSettings, ManifestSource, TrafficSettings,
};
use crate::target::kubernetes::diagnose::Graces;
use crate::target::kubernetes::router::{Router, RouterKind, Rules};
use crate::target::kubernetes::{KubernetesConfig, KubernetesTarget, Traffic};

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
}

impl Cluster {
    /// Reads the kubeconfig. The cluster is not asked yet.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used, or the variable that names it is not set.
    pub async fn reach(app: &str, environment: &str, settings: &KubernetesSettings) -> Result<Self, Error> {
        let kubeconfig = match &settings.kubeconfig {
            Some(KubeconfigSource::File(file)) => Some(file.clone()),
            Some(KubeconfigSource::FromEnvironment(name)) => Some(named(environment, name)?),
            None => None,
        };
        let access = Access { kubeconfig, context: settings.context.clone() };
        let (client, usual) = connect(&access).await?;
        let namespace = settings.namespace.clone().unwrap_or(usual);
        let (app, environment) = (app.to_owned(), environment.to_owned());
        let scope =
            Scope { app: app.clone(), environment: environment.clone(), namespace: namespace.clone() };
        let config = KubernetesConfig {
            app,
            environment,
            namespace,
            traffic: traffic(&settings.traffic),
            take_over: settings.take_over,
            drain: settings.drain,
            graces: graces(&settings.graces),
            url: settings.url.clone(),
        };
        Ok(Self { client, scope, config, manifests: settings.manifests.clone() })
    }

    /// Its journal.
    #[must_use]
    pub fn journal(&self) -> MapJournal {
        MapJournal::new(&self.client, self.scope.clone())
    }

    /// Its target.
    #[must_use]
    pub fn target(&self) -> KubernetesTarget {
        KubernetesTarget::new(self.client.clone(), self.config.clone())
    }
}

fn named(environment: &str, name: &str) -> Result<PathBuf, Error> {
    std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from).ok_or_else(|| {
        let sentence = format!("`kubeconfig` of {environment} is to be ${name}, which is not set");
        Error::new(ErrorKind::Usage, "variable-not-set", sentence)
            .hint(format!("set {name} in the environment of this command"))
    })
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
