//! The `kubernetes` target.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use super::local::{text_path, tidy};
use super::{Findings, env, label, metrics, traffic};
use crate::rollout::Condition;
use crate::rollout::strategy::Strategy;
use crate::settings::file::{self, Graces, Kubernetes, Level, Paths, Policy, Time};
use crate::settings::model::{
    EnvValue, GraceSettings, KubeconfigSource, KubernetesSettings, ManifestSource, OidcSettings, RuleLevel,
    TrafficSettings,
};
use crate::yaml::Path;

pub(super) fn resolve(
    raw: Kubernetes,
    folder: &FilePath,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<KubernetesSettings> {
    let manifests = manifests(raw.manifests, raw.kustomization, folder, path, findings);
    if let Some(namespace) = &raw.namespace {
        label(namespace, "a namespace", findings, |findings, message, help| {
            findings.error(&path.key("namespace"), message, help)
        });
    }
    let kubeconfig = raw.kubeconfig.map(|text| kubeconfig(text, folder, &path.key("kubeconfig"), findings));
    named(raw.context.as_deref(), &path.key("context"), findings);
    let oidc = raw.oidc.map(|raw| oidc(raw, &path.key("oidc"), findings));
    let traffic = match raw.traffic {
        Some(raw) => traffic::resolve(raw, &path.key("traffic"), findings),
        None => Some(TrafficSettings::Service { name: None }),
    };
    let metrics = raw.metrics.map(|raw| metrics::resolve(raw, &path.key("metrics"), findings));
    let url = raw.url.map(|text| url(&text, &path.key("url"), findings));
    Some(KubernetesSettings {
        manifests: manifests?,
        namespace: raw.namespace,
        kubeconfig,
        context: raw.context,
        oidc,
        traffic: traffic?,
        metrics: match metrics {
            Some(metrics) => Some(metrics?),
            None => None,
        },
        url,
        take_over: raw.take_over.unwrap_or(false),
        drain: raw.drain.map_or(Duration::from_secs(5), |time| time.0),
        graces: graces(raw.graces, &path.key("graces"), findings),
        policy: raw.policy.as_ref().map(policy).unwrap_or_default(),
    })
}

fn policy(raw: &Policy) -> BTreeMap<&'static str, RuleLevel> {
    let level = |level| match level {
        Level::Off => RuleLevel::Off,
        Level::Warn => RuleLevel::Warn,
        Level::Refuse => RuleLevel::Refuse,
    };
    raw.given().map(|(name, given)| (name, level(given))).collect()
}

/// Settings of the environment that a cluster does not need, because the manifests say it.
pub(super) fn check_use(
    health: bool,
    strategy: Option<&file::Strategy>,
    path: &Path,
    findings: &mut Findings<'_>,
) {
    if health {
        let message = "`health` has no effect: in a cluster the readiness probes of the manifests tell";
        findings.conflict(
            &path.key("health"),
            message,
            "take it out, and give the containers a `readinessProbe`",
        );
    }
    let Some(file::Strategy::Rolling(rolling)) = strategy else { return };
    let at = path.key("strategy").key("rolling");
    let given = [
        (rolling.max_surge.is_some(), "max-surge", "`strategy.rollingUpdate.maxSurge`"),
        (rolling.max_unavailable.is_some(), "max-unavailable", "`strategy.rollingUpdate.maxUnavailable`"),
        (rolling.wait.is_some(), "wait", "`minReadySeconds`"),
    ];
    for (_, key, theirs) in given.into_iter().filter(|(given, ..)| *given) {
        let message = format!("`{key}` has no effect: the cluster replaces the pods as the Deployment says");
        findings.conflict(&at.key(key), message, &format!("take it out, and set {theirs} in the Deployment"));
    }
}

/// Requests to the public address need one.
pub(super) fn check_verify(verifies: bool, url: Option<&str>, path: &Path, findings: &mut Findings<'_>) {
    if verifies && url.is_none() {
        let message = "`verify` sends its requests to the public address, which is not known";
        let help = "add `url: https://…` to `target.kubernetes`";
        findings.conflict_with(&path.key("verify"), &path.key("target"), message, help);
    }
}

/// What is asked at each weight goes where visitors go.
pub(super) fn check_gates(strategy: &Strategy, url: Option<&str>, path: &Path, findings: &mut Findings<'_>) {
    if url.is_none() && strategy.gates().iter().any(Condition::sends) {
        let message = "`gates` sends requests to the public address, which is not known";
        let help = "add `url: https://…` to `target.kubernetes`";
        findings.conflict_with(&path.key("strategy"), &path.key("target"), message, help);
    }
}

/// A load goes where visitors go.
pub(super) fn check_load(strategy: &Strategy, url: Option<&str>, path: &Path, findings: &mut Findings<'_>) {
    let has_load = strategy.comparison().is_some_and(|comparison| comparison.load.is_some());
    if has_load && url.is_none() {
        let message = "`load` sends its requests to the public address, which is not known";
        let help = "add `url: https://…` to `target.kubernetes`";
        findings.conflict_with(&path.key("strategy"), &path.key("target"), message, help);
    }
}

fn manifests(
    manifests: Option<Paths>,
    kustomization: Option<String>,
    folder: &FilePath,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<ManifestSource> {
    let at = path.key("manifests");
    match (manifests, kustomization) {
        (Some(_), Some(_)) => {
            let message = "`manifests` and `kustomization` are both given";
            findings.conflict(&path.key("kustomization"), message, "keep one of the two");
            None
        }
        (None, Some(text)) => {
            text_path(&text, &path.key("kustomization"), findings);
            Some(ManifestSource::Kustomization(tidy(&folder.join(text))))
        }
        (Some(Paths { texts, is_list: false, .. }), None) => {
            texts.iter().for_each(|text| text_path(text, &at, findings));
            Some(ManifestSource::Files(texts.iter().map(|text| tidy(&folder.join(text))).collect()))
        }
        (Some(Paths { texts, .. }), None) => several(texts, folder, &at, findings),
        (None, None) => {
            findings.missing_one(
                &at,
                &path.key("kustomization"),
                "write `manifests: FOLDER`, or `kustomization: FOLDER`",
            );
            None
        }
    }
}

fn several(
    texts: Vec<String>,
    folder: &FilePath,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<ManifestSource> {
    if texts.is_empty() {
        findings.empty(path, "there is no manifest", "name at least one file or folder");
        return None;
    }
    let mut all: Vec<PathBuf> = Vec::new();
    for (index, text) in texts.into_iter().enumerate() {
        text_path(&text, &path.index(index), findings);
        let file = tidy(&folder.join(&text));
        if all.contains(&file) {
            findings.error(&path.index(index), format!("`{text}` is listed twice"), "list it once");
        }
        all.push(file);
    }
    Some(ManifestSource::Files(all))
}

fn kubeconfig(text: String, folder: &FilePath, path: &Path, findings: &mut Findings<'_>) -> KubeconfigSource {
    match env::value(text) {
        EnvValue::FromEnvironment(name) => KubeconfigSource::FromEnvironment(name),
        EnvValue::Literal(text) => {
            if text.starts_with('~') || env::mentions_variable(&text) {
                let message = format!("`{text}` is not expanded: no shell reads it");
                let help = "write the whole path, or exactly `$NAME` for what that variable holds";
                findings.error(path, message, help);
            }
            text_path(&text, path, findings);
            KubeconfigSource::File(tidy(&folder.join(text)))
        }
    }
}

fn oidc(raw: file::Oidc, path: &Path, findings: &mut Findings<'_>) -> OidcSettings {
    named(Some(&raw.audience), &path.key("audience"), findings);
    if let Some(name) = raw.token_file.as_deref().filter(|name| !env::is_name(name)) {
        let message = format!("`{name}` is no name of a variable");
        findings.error(
            &path.key("token-file"),
            message,
            "write the name alone, such as `AWS_WEB_IDENTITY_TOKEN_FILE`",
        );
    }
    OidcSettings { audience: raw.audience, variable: raw.token_file }
}

/// A name may not be empty. What else it must be, the cluster says.
pub(super) fn named(name: Option<&str>, path: &Path, findings: &mut Findings<'_>) {
    if name.is_some_and(str::is_empty) {
        findings.error(path, "an empty text is no name", "give a name, or take it out");
    }
}

/// Scheme, host and port, without a final slash.
fn url(text: &str, path: &Path, findings: &mut Findings<'_>) -> String {
    let plain = text.strip_suffix('/').unwrap_or(text);
    let rest = plain.strip_prefix("http://").or_else(|| plain.strip_prefix("https://"));
    let Some(rest) = rest else {
        let message = format!("`{text}` is not the address of a website");
        findings.error(path, message, "write it with its scheme, such as `https://shop.example`");
        return plain.to_owned();
    };
    if rest.contains(['/', '?', '#', '@']) {
        let message = format!("`{text}` has more than scheme, host and port");
        findings.error(path, message, "write it without a path; the requests of `verify` name theirs");
        return plain.to_owned();
    }
    let authority = rest.parse::<http::uri::Authority>();
    let fits = authority.is_ok_and(|one| {
        let port = rest.strip_prefix(one.host()).unwrap_or_default();
        !one.host().is_empty() && (port.is_empty() || one.port_u16().is_some_and(|port| port != 0))
    });
    if !fits {
        let message = format!("`{rest}` is not a host with a port");
        findings.error(path, message, "write it as `shop.example` or `shop.example:8443`");
    }
    plain.to_owned()
}

fn graces(raw: Option<Graces>, path: &Path, findings: &mut Findings<'_>) -> GraceSettings {
    let default = GraceSettings::default();
    let Some(raw) = raw else { return default };
    let warned_given = raw.unscheduled_warned.is_some();
    let read = |raw: Option<Time>, default| raw.map_or(default, |time: Time| time.0);
    let unscheduled = read(raw.unscheduled, default.unscheduled);
    let mut unscheduled_warned = read(raw.unscheduled_warned, default.unscheduled_warned);
    if !warned_given {
        // A default gives way to what is written.
        unscheduled_warned = unscheduled_warned.min(unscheduled);
    }
    if unscheduled_warned > unscheduled {
        let message = format!(
            "`unscheduled-warned` has no effect: it is fatal before, after {} (`unscheduled`)",
            Time(unscheduled)
        );
        let help = "make it shorter, or `unscheduled` longer";
        findings.conflict(&path.key("unscheduled-warned"), message, help);
    }
    GraceSettings {
        configuration: read(raw.configuration, default.configuration),
        registry: read(raw.registry, default.registry),
        refusal: read(raw.refusal, default.refusal),
        unscheduled_warned,
        unscheduled,
        readiness: read(raw.readiness, default.readiness),
    }
}
