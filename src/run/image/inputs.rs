//! The inputs of `image tags`: flags, which go before variables of the environment. An empty one is none, for that is how a workflow
//! gives what nobody has set.

use jiff::Timestamp;

use crate::cli::TagsArgs;
use crate::error::Error;
use crate::image::metadata::{Fault, Inputs};

/// How many characters a short commit has.
pub(super) const SHORT_SHA: usize = 7;

/// The inputs, with what is not about rules already understood.
pub(super) struct Settings {
    pub(super) inputs: Inputs,
    pub(super) source: Source,
    pub(super) now: Timestamp,
    pub(super) short_sha: usize,
    pub(super) at_head: bool,
    pub(super) asks_registry: bool,
}

/// Where ref and commit come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The workflow, or git where there is none.
    Either,
    Workflow,
    Git,
}

impl Settings {
    pub(super) fn read(arguments: &TagsArgs) -> Result<Self, Error> {
        let inputs = Inputs {
            images: arguments.images.join("\n"),
            tags: arguments.tags.join("\n"),
            flavor: arguments.flavor.join("\n"),
            labels: arguments.labels.join("\n"),
            annotations: arguments.annotations.join("\n"),
            levels: arguments.annotation_levels.clone().unwrap_or_default(),
        };
        Ok(Self {
            inputs,
            source: source(given(arguments.context.as_deref()))?,
            now: now(given(arguments.now.as_deref()))?,
            short_sha: short_sha(given(arguments.short_sha_length.as_deref()))?,
            at_head: at_head(given(arguments.pr_head_sha.as_deref()))?,
            asks_registry: asks_registry(given(arguments.latest_check.as_deref()))?,
        })
    }
}

pub(super) fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn cannot_be(input: &'static str, text: &str, cure: &str) -> Fault {
    let cause = format!("`{}` is nothing that it can be", text.escape_debug());
    Fault { input, line: None, cause, cure: Some(cure.to_owned()) }
}

fn source(text: Option<&str>) -> Result<Source, Fault> {
    match text {
        None => Ok(Source::Either),
        Some("workflow") => Ok(Source::Workflow),
        Some("git") => Ok(Source::Git),
        Some(other) => Err(cannot_be("context", other, "it is `workflow` or `git`")),
    }
}

pub(super) fn now(text: Option<&str>) -> Result<Timestamp, Fault> {
    const CURE: &str = "write 2020-01-10T00:30:00Z, or seconds since 1970";
    if let Some(text) = text {
        return moment(text).ok_or_else(|| cannot_be("now", text, CURE));
    }
    let epoch = std::env::var("SOURCE_DATE_EPOCH").unwrap_or_default();
    match given(Some(&epoch)) {
        Some(text) => {
            moment(text).ok_or_else(|| cannot_be("SOURCE_DATE_EPOCH", text, "write seconds since 1970"))
        }
        None => Ok(Timestamp::now()),
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    match text.parse() {
        Ok(seconds) => Timestamp::from_second(seconds).ok(),
        Err(_) => text.parse().ok(),
    }
}

pub(super) fn short_sha(text: Option<&str>) -> Result<usize, Fault> {
    let Some(text) = text else { return Ok(SHORT_SHA) };
    let length = text.parse().ok().filter(|length| *length > 0);
    length.ok_or_else(|| {
        cannot_be("DOCKER_METADATA_SHORT_SHA_LENGTH", text, "write a number of characters, at least 1")
    })
}

pub(super) fn at_head(text: Option<&str>) -> Result<bool, Fault> {
    let Some(text) = text else { return Ok(false) };
    match text.to_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(cannot_be("DOCKER_METADATA_PR_HEAD_SHA", text, "it is `true` or `false`")),
    }
}

pub(super) fn asks_registry(text: Option<&str>) -> Result<bool, Fault> {
    match text {
        None | Some("registry") => Ok(true),
        Some("off") => Ok(false),
        Some(other) => Err(cannot_be("latest-check", other, "it is `registry` or `off`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_either_way() {
        let second = |text: &str| now(Some(text)).map(|at| at.as_second()).map_err(|fault| fault.to_string());
        assert_eq!(second("1578616200"), Ok(1_578_616_200));
        assert_eq!(second("2020-01-10T09:30:00+09:00"), Ok(1_578_616_200));
        assert_eq!(second("yesterday"), Err("now: `yesterday` is nothing that it can be".to_owned()));
        assert!(second("99999999999999").is_err());
    }

    #[test]
    fn what_it_cannot_be_is_told_with_what_it_can() {
        assert!(
            short_sha(Some("0")).is_err() && short_sha(Some("x")).is_err() && short_sha(Some("12")) == Ok(12)
        );
        assert!(
            at_head(Some("TRUE")) == Ok(true)
                && at_head(Some("maybe")).is_err()
                && at_head(None) == Ok(false)
        );
        assert!(asks_registry(Some("off")) == Ok(false) && asks_registry(Some("no")).is_err());
        assert!(source(Some("git")) == Ok(Source::Git) && source(Some("svn")).is_err());
    }
}
