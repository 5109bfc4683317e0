//! `tidegate.yaml`: read strictly, checked as a whole, every fault told at its line and column.
//!
//! # The flow
//! ```text
//! text → tree with places (yaml) → types as written (file) → complete, checked Settings (resolve, model)
//!              └──────────── findings ────────────┴──────────────┴→ diagnostics
//! ```
//! Reading does not stop at a fault: what is wrong is left out and the rest is read on, so that one run tells all. What has no
//! effect is a fault too. The JSON Schema for editors is made from the types as written.

mod error;
mod file;
mod find;
mod init;
mod model;
mod read;
mod resolve;
mod schema;
mod shell;
mod template;

use std::path::{self, Path};

use crate::preview::Values;
use crate::yaml;
pub use crate::yaml::{Diagnostic, Severity, render};
pub use error::SettingsError;
pub use find::{LARGEST, NAMES, find, load};
pub use init::template;
pub use model::{
    AccessSettings, AssemblySettings, BuildSettings, CacheKind, CountedBy, Counter, CountingRouter,
    DatabaseSettings, EmailSettings, EnvValue, EnvironmentSettings, FreezeSettings, FrontSettings,
    GraceSettings, HealthSettings, ImageSettings, ImageSource, IsolationSettings, KubeconfigSource,
    KubernetesSettings, LocalSettings, LogOptions, MailSecurity, ManifestSource, MetricsSettings,
    MigrateSettings, MigrationRunner, NOTIFY_FIELDS, NotifyChannel, NotifySettings, OidcSettings, OnSettings,
    Patterns, PreviewInstance, PreviewSettings, PrometheusSettings, ProxyOptions, PullFacts, PullRules,
    QuerySettings, RefPattern, RouterKind, RoutersSettings, RuleLevel, SecretSource, Settings,
    TargetSettings, TrafficSettings, UnknownEnvironment,
};
pub use schema::schema;

/// Reads settings from a text. `file` names it in diagnostics; its folder is what relative directories start from. Nothing
/// is read from the disk.
///
/// # Errors
/// [`SettingsError::Invalid`] with all that is wrong.
pub fn parse(file: &Path, text: &str) -> Result<Settings, SettingsError> {
    parse_for(file, text, None)
}

/// The settings of one preview, made of the template that these settings have.
///
/// # Errors
/// [`SettingsError::Invalid`] where what it comes to does not do, such as a host name that is too long.
pub fn preview(settings: &Settings, values: &Values) -> Result<Option<EnvironmentSettings>, SettingsError> {
    let Some(preview) = &settings.preview else { return Ok(None) };
    let of_it = parse_for(&settings.file, &preview.text, Some(values))?;
    Ok(of_it.preview.map(|preview| *preview.sample))
}

/// Reads a duration as the settings have them, such as `48h`.
///
/// # Errors
/// A sentence, and the cure in a second line.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    file::Time::read(text).map(|time| time.0)
}

fn parse_for(file: &Path, text: &str, values: Option<&Values>) -> Result<Settings, SettingsError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let absolute = path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let folder = absolute.parent().unwrap_or(&absolute);
    let (tree, mut findings) = yaml::load(text);
    let mut resolved = None;
    if let Some(tree) = tree {
        let tree = template::fill_in(&tree, values, &mut findings);
        let (raw, damaged) = read::read(&tree, &mut findings);
        if let Some(raw) = raw {
            let mut check = resolve::Findings::new(&tree, damaged, &mut findings);
            resolved = resolve::resolve(raw, values, folder, &mut check);
        }
    } else if findings.is_empty() {
        findings.push(read::empty());
    }
    let secrets: Vec<_> =
        findings.iter().filter(|finding| finding.secret).map(|finding| finding.at).collect();
    let faulty = findings.iter().any(|finding| finding.severity == Severity::Error);
    yaml::tidy(&mut findings);
    let tell = |finding| Diagnostic::new(file, text, &secrets, finding);
    let diagnostics = findings.into_iter().map(tell).collect();
    match resolved {
        Some(resolve::Resolved { app, image, others, environments, preview }) if !faulty => {
            let preview = preview.map(|preview| PreviewSettings { text: text.to_owned(), ..preview });
            Ok(Settings { app, file: absolute, image, others, environments, preview, warnings: diagnostics })
        }
        _ => Err(SettingsError::Invalid(diagnostics)),
    }
}
