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

use std::path::{self, Path};

use crate::yaml;
pub use crate::yaml::{Diagnostic, Severity, render};
pub use error::SettingsError;
pub use find::{LARGEST, NAMES, find, load};
pub use init::template;
pub use model::{
    AssemblySettings, BuildSettings, CacheKind, EmailSettings, EnvValue, EnvironmentSettings, FreezeSettings,
    GraceSettings, HealthSettings, ImageSettings, ImageSource, KubeconfigSource, KubernetesSettings,
    LocalSettings, LogOptions, MailSecurity, ManifestSource, MigrateSettings, MigrationRunner, NOTIFY_FIELDS,
    NotifyChannel, NotifySettings, OnSettings, Patterns, PrometheusSettings, ProxyOptions, QuerySettings,
    RefPattern, RouterKind, RuleLevel, SecretSource, Settings, TargetSettings, TrafficSettings,
    UnknownEnvironment,
};
pub use schema::schema;

/// Reads settings from a text. `file` names it in diagnostics; its folder is what relative directories start from. Nothing
/// is read from the disk.
///
/// # Errors
/// [`SettingsError::Invalid`] with all that is wrong.
pub fn parse(file: &Path, text: &str) -> Result<Settings, SettingsError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let absolute = path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let folder = absolute.parent().unwrap_or(&absolute);
    let (tree, mut findings) = yaml::load(text);
    let mut resolved = None;
    if let Some(tree) = tree {
        let (raw, damaged) = read::read(&tree, &mut findings);
        if let Some(raw) = raw {
            let mut check = resolve::Findings::new(&tree, damaged, &mut findings);
            resolved = resolve::resolve(raw, folder, &mut check);
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
        Some(resolve::Resolved { app, image, environments }) if !faulty => {
            Ok(Settings { app, file: absolute, image, environments, warnings: diagnostics })
        }
        _ => Err(SettingsError::Invalid(diagnostics)),
    }
}
