//! Types as written to settings: defaults filled in, what does not fit together told.

use std::path::Path as FilePath;
use std::time::Duration;

use super::file::{self, Environment, File, Target, Time};
use super::model::{EnvironmentSettings, HealthSettings, ImageSettings, PreviewSettings, TargetSettings};
use crate::preview::Values;
use crate::rollout::strategy::{Strategy, StrategyName};
use crate::rollout::{Budgets, Condition};
use crate::yaml::Path;

mod address;
mod check;
mod comparison;
mod env;
mod findings;
mod front;
mod gate;
mod http;
mod image;
mod kubernetes;
mod load;
mod local;
mod metrics;
mod migrate;
mod notify;
mod preview;
mod rules;
mod strategy;
mod traffic;

pub(super) use findings::Findings;

/// What the file says.
pub(super) struct Resolved {
    /// The app.
    pub(super) app: String,
    /// Its image.
    pub(super) image: Option<ImageSettings>,
    /// Its other images.
    pub(super) others: Vec<ImageSettings>,
    /// Its environments.
    pub(super) environments: Vec<EnvironmentSettings>,
    /// Its previews.
    pub(super) preview: Option<PreviewSettings>,
}

/// The app and its environments, or `None` where something required is missing; then a finding says so. `values` are those of the preview
/// that is wanted; without them, one stands for all.
pub(super) fn resolve(
    file: File,
    values: Option<&Values>,
    folder: &FilePath,
    findings: &mut Findings<'_>,
) -> Option<Resolved> {
    let root = Path::default();
    let app = required(file.app, &root.key("app"), "write `app: NAME`", findings);
    if let Some(app) = &app {
        label(app, "an app", findings, |findings, message, help| {
            findings.error(&root.key("app"), message, help)
        });
    }
    let is_image_given = file.image.is_some();
    let image = file.image.and_then(|raw| image::resolve(raw, folder, &root.key("image"), findings));
    let others =
        image::others(file.images, image.as_ref(), is_image_given, folder, &root.key("images"), findings);
    let is_told = file.notify.is_some();
    let for_all = notify::resolve(file.notify.unwrap_or_default(), &root.key("notify"), findings);
    let all = root.key("environments");
    let entries = required(file.environments, &all, "name at least one, such as `development`", findings)?.0;
    if entries.is_empty() {
        findings.empty(&all, "there is no environment", "name at least one, such as `development`");
    }
    let (mut environments, mut own, mut preview) = (Vec::new(), Vec::new(), None);
    let has_cluster = entries.iter().any(|(_, raw)| !matches!(raw.target, Some(Target::Local(_))));
    if let Some(image) = &image {
        image::check_is_wanted(image, has_cluster, &root.key("image"), findings);
    }
    for (name, image) in &others {
        image::check_is_wanted(image, has_cluster, &root.key("images").key(name), findings);
    }
    for (name, mut raw) in entries {
        let path = all.key(&name);
        let is_preview = name == "preview";
        if !is_preview {
            check_name(&name, &path, findings);
            preview::check_elsewhere(&raw, &path, findings);
        }
        let notify = match raw.notify.take() {
            Some(list) => {
                own.push(name.clone());
                notify::resolve(list, &path.key("notify"), findings)
            }
            None => for_all.clone(),
        };
        if is_preview {
            let app = app.as_deref().unwrap_or("app");
            preview = preview::resolve(raw, app, values, folder, &path, findings);
            if let Some(preview) = &mut preview {
                preview.sample.notify = notify;
            }
            continue;
        }
        let settings = environment(name, raw, folder, &path, findings);
        environments.extend(settings.map(|settings| EnvironmentSettings { notify, ..settings }));
    }
    if is_told {
        let mut all: Vec<String> = environments.iter().map(|environment| environment.name.clone()).collect();
        all.extend(preview.iter().map(|_| "preview".to_owned()));
        notify::check_use(&all, &own, &root.key("notify"), findings);
    }
    if let Some(preview) = &preview {
        preview::check_names(preview, app.as_deref().unwrap_or("app"), &environments, &all, findings);
    }
    address::distinct(&environments, &all, findings);
    rules::check(&environments, &all, findings);
    if is_image_given && image.is_none() {
        return None;
    }
    let others = others.into_iter().map(|(_, image)| image).collect();
    Some(Resolved { app: app?, image, others, environments, preview })
}

/// The value, or a finding that it is missing.
fn required<T>(value: Option<T>, path: &Path, help: &str, findings: &mut Findings<'_>) -> Option<T> {
    if value.is_none() {
        findings.missing(path, help);
    }
    value
}

fn check_name(name: &str, path: &Path, findings: &mut Findings<'_>) {
    label(name, "an environment", findings, |findings, message, help| {
        findings.error_at_key(path, message, help)
    });
}

/// Checks a name by the rule for DNS labels (RFC 1123, section 2.1, in small letters): it stands in host names and paths.
fn label(
    name: &str,
    whose: &str,
    findings: &mut Findings<'_>,
    tell: impl Fn(&mut Findings<'_>, String, &str),
) {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let inner = !name.starts_with('-') && !name.ends_with('-');
    if name.is_empty() || name.len() > 63 || !inner || !name.bytes().all(allowed) {
        let message = format!("`{name}` cannot be the name of {whose}");
        tell(findings, message, "use small letters, digits and inner dashes, at most 63 characters");
    }
}

fn environment(
    name: String,
    raw: Environment,
    folder: &FilePath,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<EnvironmentSettings> {
    if let Some(Target::Local(_)) = &raw.target {
        check_jobs(&raw, path, findings);
    }
    let budgets = budgets(raw.budgets, &path.key("budgets"), findings);
    let health_given = raw.health.is_some();
    let health = raw.health.and_then(|raw| health(raw, &path.key("health"), &budgets, findings));
    let target = required(raw.target, &path.key("target"), "write `target: { local: { … } }`", findings);
    if let Some(Target::Kubernetes(cluster)) = &target {
        kubernetes::check_use(health_given, raw.strategy.as_ref(), path, findings);
        traffic::check_use(cluster.traffic.as_ref(), raw.strategy.as_ref(), path, findings);
    }
    let migrate =
        raw.migrate.and_then(|raw| migrate::resolve(raw, target.as_ref(), &path.key("migrate"), findings));
    let target = target.and_then(|raw| resolve_target(raw, folder, &path.key("target"), findings));
    let instances = match &target {
        Some(TargetSettings::Local(local)) => Some(local.instances),
        _ => None,
    };
    let at = path.key("strategy");
    let strategy = match raw.strategy {
        Some(raw) => strategy::resolve(raw, instances, &budgets, &at, findings),
        None => Strategy::by_name(StrategyName::BlueGreen),
    };
    let verify = check::resolve_all(raw.verify, &path.key("verify"), &budgets, findings);
    if let Some(target) = &target {
        check_fit(target, &strategy, &verify, &budgets, path, findings);
    }
    let keep = keep(raw.keep, &strategy, &path.key("keep"), findings);
    let history = raw.history.unwrap_or(50);
    if !(1..=10_000).contains(&history) {
        findings.error(
            &path.key("history"),
            "`history` takes 1 to 10000",
            "give how many rollouts the journal keeps",
        );
    }
    let history = usize::try_from(history).unwrap_or(usize::MAX);
    let on = rules::on(raw.on, &path.key("on"), findings);
    let freeze = rules::freeze(raw.freeze, &path.key("freeze"), findings);
    let (after, target) = (raw.after, target?);
    let production = raw.production.unwrap_or_else(|| is_production(&name));
    Some(EnvironmentSettings {
        name,
        on,
        production,
        after,
        freeze,
        target,
        health,
        strategy,
        migrate,
        verify,
        keep,
        budgets,
        history,
        notify: Vec::new(),
        preview: None,
    })
}

/// Whether an environment of that name is one that end users meet.
fn is_production(name: &str) -> bool {
    let first = name.split('-').next().unwrap_or_default();
    ["production", "prod", "live"].contains(&first)
}

/// Jobs where there is no cluster.
fn check_jobs(raw: &Environment, path: &Path, findings: &mut Findings<'_>) {
    check::check_jobs(raw.verify.as_ref(), &path.key("verify"), findings);
    let at = path.key("strategy");
    let lists = match &raw.strategy {
        Some(file::Strategy::BlueGreen(own)) => {
            [("blue-green", "before", own.before.as_ref()), ("", "", None)]
        }
        Some(file::Strategy::Canary(own)) => {
            [("canary", "before", own.before.as_ref()), ("canary", "gates", own.gates.as_ref())]
        }
        _ => return,
    };
    for (name, key, list) in lists {
        check::check_jobs(list, &at.key(name).key(key), findings);
    }
}

/// What has no effect, or no place, with this target.
fn check_fit(
    target: &TargetSettings,
    strategy: &Strategy,
    verify: &[Condition],
    budgets: &Budgets,
    path: &Path,
    findings: &mut Findings<'_>,
) {
    let is_tls = match target {
        TargetSettings::Local(local) => {
            let at = path.key("target").key("local").key("proxy");
            local::check_use(local, strategy.name(), &at, findings);
            false
        }
        TargetSettings::Kubernetes(cluster) => {
            let url = cluster.url.as_deref();
            kubernetes::check_verify(verify.iter().any(Condition::sends), url, path, findings);
            kubernetes::check_gates(strategy, url, path, findings);
            kubernetes::check_load(strategy, url, path, findings);
            metrics::check_use(cluster.metrics.as_ref(), &cluster.traffic, strategy, path, findings);
            traffic::check_time(&cluster.traffic, strategy.name(), budgets, path, findings);
            url.is_none_or(|url| url.starts_with("https"))
        }
    };
    if !is_tls {
        let why = "the public address is without TLS";
        check::check_certificates(verify, why, &path.key("verify"), findings);
        let gates = path.key("strategy").key(strategy.name().as_str()).key("gates");
        check::check_certificates(strategy.gates(), why, &gates, findings);
    }
}

fn resolve_target(
    raw: Target,
    folder: &FilePath,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<TargetSettings> {
    match raw {
        Target::Local(raw) => {
            local::resolve(*raw, folder, &path.key("local"), findings).map(TargetSettings::Local)
        }
        Target::Kubernetes(raw) => kubernetes::resolve(*raw, folder, &path.key("kubernetes"), findings)
            .map(TargetSettings::Kubernetes),
    }
}

/// How long the former release stays: strategies that take it away piece by piece have none to keep.
fn keep(raw: Option<file::Time>, strategy: &Strategy, path: &Path, findings: &mut Findings<'_>) -> Duration {
    match (strategy, raw) {
        (Strategy::Rolling(_) | Strategy::Recreate(_), Some(_)) => {
            let message =
                format!("`keep` has no effect: `{}` leaves no former release to keep", strategy.name());
            findings.conflict(path, message, "take it out, or use `blue-green` or `canary`");
            Duration::ZERO
        }
        (Strategy::Rolling(_) | Strategy::Recreate(_), None) => Duration::ZERO,
        (_, raw) => raw.map_or(Duration::from_secs(600), |time| time.0),
    }
}

/// A duration that may not be zero, or its default.
fn positive(
    raw: Option<file::Time>,
    default: Duration,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Duration {
    match raw {
        Some(file::Time(time)) if time.is_zero() => {
            let message =
                format!("`{}` must be longer than zero", path.last_key().unwrap_or("this duration"));
            findings.error(path, message, "give it a longer time, or take it out for the default");
            default
        }
        Some(file::Time(time)) => time,
        None => default,
    }
}

fn budgets(raw: Option<file::Budgets>, path: &Path, findings: &mut Findings<'_>) -> Budgets {
    let default = Budgets::default();
    let Some(raw) = raw else { return default };
    let (total_given, step_given) = (raw.total.is_some(), raw.step.is_some());
    let (back_given, restore_given) = (raw.back.is_some(), raw.restore.is_some());
    let mut read = |raw, default, key: &str| positive(raw, default, &path.key(key), findings);
    let mut budgets = Budgets {
        step: read(raw.step, default.step, "step"),
        back: read(raw.back, default.back, "back"),
        restore: read(raw.restore, default.restore, "restore"),
        total: read(raw.total, default.total, "total"),
    };
    // A default gives way to what is written.
    if !step_given {
        budgets.step = budgets.step.min(budgets.total);
    }
    if !restore_given {
        budgets.restore = budgets.restore.min(budgets.back);
    }
    if budgets.step > budgets.total {
        let cause = if total_given { "than `total`" } else { "than the default of `total` (1h)" };
        let message = format!("`step` has no effect: it is longer {cause}");
        findings.conflict(&path.key("step"), message, "make `step` shorter or `total` longer");
    }
    if budgets.restore > budgets.back {
        let cause = if back_given { "than `back`" } else { "than the default of `back` (5m)" };
        let message = format!("`restore` has no effect: it is longer {cause}");
        findings.conflict(&path.key("restore"), message, "make `restore` shorter or `back` longer");
    }
    budgets
}

fn health(
    raw: file::Health,
    path: &Path,
    budgets: &Budgets,
    findings: &mut Findings<'_>,
) -> Option<HealthSettings> {
    let get = required(raw.get, &path.key("get"), "write `get: /health`, or the path that answers", findings);
    if let Some(get) = &get {
        check::request_path(get, &path.key("get"), findings);
    }
    let start_given = raw.start_within.is_some();
    let mut read =
        |raw, seconds, key: &str| positive(raw, Duration::from_secs(seconds), &path.key(key), findings);
    let within = read(raw.within, 2, "within");
    let every = read(raw.every, 1, "every");
    let start_within = read(raw.start_within, 60, "start-within");
    if start_given && start_within > budgets.step {
        let message = format!(
            "`start-within` has no effect: `budgets.step` ends the start after {}",
            Time(budgets.step)
        );
        findings.conflict(&path.key("start-within"), message, "make it shorter, or `budgets.step` longer");
    }
    if within > start_within {
        let message = format!("`within` is longer than the whole start may take ({})", Time(start_within));
        findings.conflict(&path.key("within"), message, "make `within` shorter or `start-within` longer");
    }
    Some(HealthSettings { path: get?, within, every, start_within, version: raw.version.unwrap_or(true) })
}
