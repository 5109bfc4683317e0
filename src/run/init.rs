//! `init` and `schema`.

use std::path::{Path, PathBuf};

use super::answer::{self, NoteAnswer};
use crate::cli::{Common, InitArgs, SchemaKind};
use crate::error::{Error, ErrorKind};
use crate::settings;

/// Writes a configuration to begin with.
///
/// # Errors
/// When one is there already, or it cannot be written.
pub fn init(common: &Common, arguments: &InitArgs) -> Result<NoteAnswer, Error> {
    let file = common.file.clone().unwrap_or_else(|| PathBuf::from("tidegate.yaml"));
    if file.exists() && !arguments.force {
        let sentence = format!("{} is there already", file.display());
        return Err(Error::new(ErrorKind::Usage, "file-exists", sentence).hint("`--force` overwrites it"));
    }
    let app = arguments.app.clone().unwrap_or_else(|| app_name(&file));
    let text = settings::template(&app, arguments.command.as_deref());
    if let Err(error) = settings::parse(&file, &text) {
        // What was asked for cannot be said in a configuration, such as a command with an open quote.
        return Err(Error::new(ErrorKind::Usage, "configuration", error.to_string()));
    }
    std::fs::write(&file, text).map_err(|error| {
        Error::new(ErrorKind::Failed, "not-writable", format!("cannot write {}: {error}", file.display()))
    })?;
    let sentence = format!("{} is written; `tidegate deploy` rolls {app} out", file.display());
    Ok(NoteAnswer { sentence, findings: Vec::new() })
}

/// The directory's name as a DNS label.
fn app_name(file: &Path) -> String {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let name = file.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().to_lowercase());
    let fine = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = name.unwrap_or_default().chars().map(fine).take(40).collect();
    let name = name.trim_matches('-').to_owned();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { "app".to_owned() }
}

/// The schema of that kind.
#[must_use]
pub fn schema(kind: SchemaKind) -> serde_json::Value {
    match kind {
        SchemaKind::Config => settings::schema(),
        SchemaKind::Output => answer::schema(),
    }
}
