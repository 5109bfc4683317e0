//! What the image of tidegate.yaml is called: by its rules, for a version.
//!
//! `tidegate build` tags by it and `tidegate deploy` looks up by it, so the two agree.

use std::path::Path;

use super::facts;
use super::inputs::{self, SHORT_SHA, Source};
use crate::error::{Error, ErrorKind};
use crate::github::Event;
use crate::image::metadata::{Context, Inputs, Rules};
use crate::run::release::commit;
use crate::settings::ImageSettings;

/// For which version an image is made, or looked up.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// The folder of the configuration, where git is asked.
    pub folder: &'a Path,
    /// The version.
    pub version: &'a str,
    /// Whether a person has named it. Else it is what is checked out, and in a workflow the event tells more of that.
    pub is_given: bool,
}

/// The one tag by which the image of a version is looked up.
///
/// # Errors
/// `no-image-tag` when the rules give none for it, and when what GitHub and git tell cannot be read.
pub async fn tag_of(image: &ImageSettings, occasion: &Occasion<'_>) -> Result<String, Error> {
    let (rules, context) = known(image, occasion).await?;
    let metadata = rules.apply(&context)?;
    let names = || metadata.names.iter().filter(|name| !name.is_latest).map(|name| name.text.as_str());
    // A tag that names the commit goes before one that moves with a branch.
    let short: String = context.event.sha.chars().take(context.short_sha).collect();
    let of_commit =
        names().find(|name| is_commit(occasion.version, &context.event.sha) && name.contains(&short));
    of_commit.or_else(|| names().next()).map(str::to_owned).ok_or_else(|| no_tag(occasion, &context.event))
}

/// The rules of the image, and what is known for them.
///
/// # Errors
/// When what GitHub and git tell cannot be read.
pub(super) async fn known(image: &ImageSettings, occasion: &Occasion<'_>) -> Result<(Rules, Context), Error> {
    let tags = match &image.tags {
        Some(tags) => tags.clone(),
        None => format!("type=raw,value={}", occasion.version),
    };
    let inputs = Inputs {
        images: image.repository.clone(),
        tags,
        flavor: image.flavor.clone(),
        labels: image.labels.clone(),
        annotations: image.annotations.clone(),
        levels: facts::variable("DOCKER_METADATA_ANNOTATIONS_LEVELS"),
    };
    let rules = Rules::read(&inputs)?;
    let event = event(occasion)?;
    let repository = facts::repository(&event).await;
    let now = inputs::now(None)?;
    let commit_date = facts::commit_date(&event, now, rules.want_commit_date(), occasion.folder);
    let short_sha =
        inputs::short_sha(inputs::given(Some(&facts::variable("DOCKER_METADATA_SHORT_SHA_LENGTH"))))?;
    Ok((rules, Context { event, repository, now, commit_date, short_sha }))
}

/// What has happened: in a workflow what it says, unless a person has named a version. A version that is no commit is a tag.
fn event(occasion: &Occasion<'_>) -> Result<Event, Error> {
    let commit = commit(occasion.folder).unwrap_or_default();
    let is_tag = !is_commit(occasion.version, &commit) && (occasion.is_given || !facts::is_workflow());
    match is_tag {
        true => facts::tagged(occasion.version, &commit),
        // What the workflow says is of its own commit, and not of this one.
        false if facts::is_of_another(&commit)? => facts::of_commit(&commit),
        false => {
            let is_head =
                inputs::at_head(inputs::given(Some(&facts::variable("DOCKER_METADATA_PR_HEAD_SHA"))))?;
            facts::event(Source::Either, is_head, occasion.folder)
        }
    }
}

/// Whether a version is the begin of a commit's hash, or all of it.
fn is_commit(version: &str, commit: &str) -> bool {
    version.len() >= SHORT_SHA && commit.starts_with(version)
}

/// The rules give nothing to call it by.
pub(super) fn no_tag(occasion: &Occasion<'_>, event: &Event) -> Error {
    let of = if event.reference.is_empty() { String::new() } else { format!(" ({})", event.reference) };
    let sentence =
        format!("`image.tags` gives no tag of its own for version {}{}", occasion.version, of.escape_debug());
    Error::new(ErrorKind::Usage, "no-image-tag", sentence).hint(
        "add a rule that gives one, such as `type=sha`, or take `tags` out: then it is the version itself",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_commit_where_it_begins_its_hash() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert!(is_commit("0123456789ab", commit) && is_commit(commit, commit));
        assert!(!is_commit("0123", commit), "too short to be told from a number");
        assert!(!is_commit("v1.2.3", commit) && !is_commit("1234567", commit) && !is_commit("v1.2.3", ""));
    }
}
