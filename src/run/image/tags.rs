//! `image tags`: reads what the workflow gives, applies the rules, and asks registries before `latest` moves.

use super::inputs::Settings;
use super::{facts, latest};
use crate::cli::TagsArgs;
use crate::error::{Error, ErrorKind};
use crate::image::metadata::{Context, Fault, Rules};
use crate::run::answer::{Separators, TagsAnswer};

/// Where git is asked.
const HERE: &str = ".";

/// What an image is called and labelled, by the event and the inputs.
///
/// # Errors
/// When an input is wrong, or what GitHub gives cannot be read.
pub(super) async fn tags(arguments: &TagsArgs) -> Result<TagsAnswer, Error> {
    let settings = Settings::read(arguments)?;
    let rules = Rules::read(&settings.inputs)?;
    let event = facts::event(settings.source, settings.at_head, HERE.as_ref())?;
    let repository = facts::repository(&event).await;
    let commit_date = facts::commit_date(&event, settings.now, rules.want_commit_date(), HERE.as_ref());
    let (now, short_sha) = (settings.now, settings.short_sha);
    let context = Context { event, repository, now, commit_date, short_sha };
    let mut metadata = rules.apply(&context)?;
    for note in &metadata.notes {
        tracing::warn!("{note}");
    }
    if metadata.names.is_empty() {
        let (event, reference) = (&context.event.name, &context.event.reference);
        tracing::warn!("no tag comes of the inputs for the event `{event}` with the ref `{reference}`");
    } else if metadata.has_images && metadata.images.is_empty() {
        tracing::warn!("no image is enabled, so there are no tags with names");
    }
    if settings.asks_registry {
        latest::check(&mut metadata).await?;
    }
    Ok(TagsAnswer {
        tags: metadata.tags(),
        tag_names: metadata.tag_names(),
        version: metadata.version,
        labels: metadata.labels,
        annotations: metadata.annotations,
        separators: Separators {
            tags: arguments.sep_tags.clone().filter(|text| !text.is_empty()),
            labels: arguments.sep_labels.clone().filter(|text| !text.is_empty()),
            annotations: arguments.sep_annotations.clone().filter(|text| !text.is_empty()),
        },
    })
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let error = Self::new(ErrorKind::Usage, "bad-input", fault.to_string());
        match fault.cure {
            Some(cure) => error.hint(cure),
            None => error,
        }
    }
}
