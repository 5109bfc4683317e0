//! `init` and `schema`.

use std::path::{Path, PathBuf};

use super::answer::{self, NoteAnswer};
use crate::cli::{Common, InitArgs, SchemaKind};
use crate::error::{Error, ErrorKind};
use crate::settings;

/// The workflow that is written; docs/action.md shows the same.
const WORKFLOW: &str = include_str!("workflow.yml");

/// The line of it about pull requests.
const PULLS: &str = "  pull_request: {}\n";

/// What stands in its place where pull requests have previews; docs/previews.md shows the same.
const PREVIEWS: &str = "  pull_request:
    types: [opened, synchronize, reopened, ready_for_review, converted_to_draft, labeled, unlabeled, edited, closed]
  # Takes away what nobody wants any more, and brings up what was missed.
  schedule: [{ cron: \"17 * * * *\" }]
";

/// What its runs wait for each other by.
const GROUP: &str = "github.event.comment.id || github.ref";

/// The same where pull requests have previews: a closed one does not wait for what came before, nor is it dropped for what comes after.
const GROUP_OF_PULLS: &str =
    "github.event.comment.id || github.event.pull_request && github.run_id || github.ref";

/// Where it goes, from the folder of the configuration.
const PLACE: &str = ".github/workflows/tidegate.yml";

/// Writes a configuration to begin with, and a workflow where that is wanted.
///
/// # Errors
/// When one is there already, or it cannot be written.
pub fn init(common: &Common, arguments: &InitArgs) -> Result<NoteAnswer, Error> {
    let file = common.file.clone().unwrap_or_else(|| PathBuf::from("tidegate.yaml"));
    let mut sentences = Vec::new();
    if !arguments.workflow || arguments.force || !file.exists() {
        let app = arguments.app.clone().unwrap_or_else(|| app_name(&file));
        let text = settings::template(&app, arguments.command.as_deref());
        if let Err(error) = settings::parse(&file, &text) {
            // What was asked for cannot be said in a configuration, such as a command with an open quote.
            return Err(Error::new(ErrorKind::Usage, "configuration", error.to_string()));
        }
        write(&file, &text, arguments.force)?;
        sentences.push(format!("{} is written; `tidegate deploy` rolls {app} out", file.display()));
    }
    if arguments.workflow {
        let place = file.parent().map(|folder| folder.join(PLACE)).unwrap_or_else(|| PathBuf::from(PLACE));
        let has_previews = settings::load(&file).is_ok_and(|settings| settings.preview.is_some());
        write(&place, &workflow(&arguments.action, has_previews)?, arguments.force)?;
        sentences.push(format!(
            "{} is written; the rules for its events are `on` in {}",
            place.display(),
            file.display()
        ));
    }
    Ok(NoteAnswer { sentence: sentences.join("\n"), findings: Vec::new() })
}

/// The workflow with that action in it, and the events that previews live by.
fn workflow(action: &str, has_previews: bool) -> Result<String, Error> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._/@-# ".contains(c);
    let is_remote = action.split_once('@').is_some_and(|(name, at)| name.contains('/') && !at.is_empty());
    let is_action = is_remote || action.starts_with("./");
    if !is_action || !action.chars().all(fine) {
        let sentence = format!("`{}` names no action", action.escape_debug());
        return Err(Error::new(ErrorKind::Usage, "usage", sentence)
            .hint("write it as OWNER/NAME@REF, or as ./FOLDER"));
    }
    let text = if has_previews {
        WORKFLOW.replace(PULLS, PREVIEWS).replace(GROUP, GROUP_OF_PULLS)
    } else {
        WORKFLOW.to_owned()
    };
    Ok(text.replace("tidegate/tidegate@v1", action))
}

fn write(file: &Path, text: &str, force: bool) -> Result<(), Error> {
    if file.exists() && !force {
        let sentence = format!("{} is there already", file.display());
        return Err(Error::new(ErrorKind::Usage, "file-exists", sentence).hint("`--force` overwrites it"));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(file, text)).map_err(
        |error| {
            Error::new(ErrorKind::Failed, "not-writable", format!("cannot write {}: {error}", file.display()))
        },
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_previews_the_workflow_hears_of_what_they_live_by() {
        let without = workflow("a/b@v1", false).unwrap();
        assert!(without.contains(PULLS) && !without.contains("schedule"));
        let with = workflow("a/b@v1", true).unwrap();
        assert!(with.contains(PREVIEWS) && !with.contains(PULLS) && with.contains(GROUP_OF_PULLS));
        assert!(without.contains(GROUP));
        let page = include_str!("../../../docs/previews.md");
        assert!(page.contains(GROUP_OF_PULLS));
        PREVIEWS.lines().for_each(|line| assert!(page.contains(line), "docs/previews.md lacks {line}"));
    }
}
