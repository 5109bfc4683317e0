//! Deploys and plans that events ask for by themselves.

use super::choice::{self, Name};
use super::payload::{is, is_commit, is_from_fork, number, shown, skip_word, text};
use super::{Deploy, Intent, Occasion, Source, nothing, preview};
use crate::settings::EnvironmentSettings;

/// How many digits of a commit are a version.
const SHORT: usize = 12;

/// The full ref: the runner's, or else the payload's.
pub(super) fn reference<'a>(occasion: &Occasion<'a>) -> &'a str {
    if occasion.reference.is_empty() { text(occasion.payload, "/ref") } else { occasion.reference }
}

/// The commit: the runner's, or else the payload's.
pub(super) fn commit<'a>(occasion: &Occasion<'a>) -> Option<&'a str> {
    [occasion.sha, text(occasion.payload, "/after")].into_iter().find(|sha| is_commit(sha))
}

/// The version of what stands at a ref: a tag's name, or else the short commit.
pub(super) fn version(name: Name<'_>, commit: Option<&str>) -> Option<String> {
    match name {
        Name::Tag(tag) => Some(tag.to_owned()),
        _ => commit.map(|commit| commit[..SHORT].to_owned()),
    }
}

/// A push to a branch, or of a tag.
pub(super) fn pushed(occasion: &Occasion<'_>, all: &[EnvironmentSettings]) -> Intent {
    let name = Name::of(reference(occasion));
    if is(occasion.payload, "/deleted") {
        return nothing(format!("{} was deleted, and what is deployed stays", name.shown()));
    }
    let Some(commit) = commit(occasion) else { return nothing("the push names no commit") };
    if name == Name::Other {
        return nothing("the push is neither to a branch nor of a tag");
    }
    // Who pushes a tag says with it that its commit is to be released.
    if let (Name::Branch(_), Some(word)) = (name, skip_word(text(occasion.payload, "/head_commit/message"))) {
        return nothing(format!("the commit's message says `{word}`"));
    }
    let environment = match chosen(occasion, name, all) {
        Ok(environment) => environment,
        Err(other) => return *other,
    };
    Intent::Deploy(Deploy {
        environment: environment.name.clone(),
        version: occasion.wish.version.clone().or_else(|| version(name, Some(commit))),
        source: Source::Commit(commit.to_owned()),
        asked: None,
    })
}

/// The environment that takes it: the one that the step names, or else the first whose rules do.
fn chosen<'a>(
    occasion: &Occasion<'_>,
    name: Name<'_>,
    all: &'a [EnvironmentSettings],
) -> Result<&'a EnvironmentSettings, Box<Intent>> {
    if let Some(named) = occasion.wish.environment.as_deref() {
        let environment = choice::environment(Some(named), all)?;
        if environment.on.is_none() || choice::takes(environment, name) {
            return Ok(environment);
        }
        let rules = choice::rules(environment);
        return Err(Box::new(nothing(format!("{named} takes {rules}, and not {}", name.shown()))));
    }
    all.iter()
        .find(|environment| choice::takes(environment, name))
        .ok_or_else(|| Box::new(none_takes(name, all)))
}

fn none_takes(name: Name<'_>, all: &[EnvironmentSettings]) -> Intent {
    if all.iter().all(|environment| environment.on.is_none()) {
        return nothing(
            "no environment has rules for events: give one `on`, or name one by the input `environment`",
        );
    }
    nothing(format!("no environment takes {}", name.shown()))
}

/// A pull request: its preview comes up or goes, or, where there are none, what its merge would deploy is shown.
pub(super) fn pull_request(occasion: &Occasion<'_>, all: &[EnvironmentSettings]) -> Intent {
    if let Some(rules) = occasion.previews.filter(|_| occasion.wish.environment.is_none()) {
        return preview::by_event(occasion, rules);
    }
    let payload = occasion.payload;
    let pull = &payload["pull_request"];
    let which = match number(payload, "/number").or_else(|| number(pull, "/number")) {
        Some(number) => format!("pull request {number}"),
        None => return nothing("the payload does not tell which pull request it is about"),
    };
    match text(payload, "/action") {
        "opened" | "synchronize" | "reopened" | "ready_for_review" => {}
        "closed" if is(pull, "/merged") => {
            return nothing(format!("{which} was merged: the push that this makes is what deploys"));
        }
        "closed" => return nothing(format!("{which} was closed, and nothing runs for it")),
        other => return nothing(format!("{which} is {}, which changes nothing to deploy", shown(other))),
    }
    if is_from_fork(pull) {
        return nothing(format!("{which} comes from a fork, and what comes from there meets no secret"));
    }
    if occasion.actor == "dependabot[bot]" {
        return nothing(format!("{which} is Dependabot's, whose runs get no secrets"));
    }
    if is(pull, "/draft") {
        return nothing(format!("{which} is a draft"));
    }
    let commit = commit(occasion).or_else(|| Some(text(pull, "/head/sha")).filter(|sha| is_commit(sha)));
    planned(occasion, text(pull, "/base/ref"), commit, all)
}

/// A queue of merges: what the merge would deploy is shown.
pub(super) fn merge_group(occasion: &Occasion<'_>, all: &[EnvironmentSettings]) -> Intent {
    let payload = occasion.payload;
    match text(payload, "/action") {
        "checks_requested" => {}
        other => return nothing(format!("the merge group is {}, which asks for nothing", shown(other))),
    }
    let base = text(payload, "/merge_group/base_ref");
    let head = text(payload, "/merge_group/head_sha");
    let commit = [occasion.sha, head].into_iter().find(|sha| is_commit(sha));
    planned(occasion, base.strip_prefix("refs/heads/").unwrap_or(base), commit, all)
}

/// The plan for the environment that a branch deploys to, or that the step names.
fn planned(
    occasion: &Occasion<'_>,
    branch: &str,
    commit: Option<&str>,
    all: &[EnvironmentSettings],
) -> Intent {
    let name = Name::Branch(branch);
    let environment = match occasion.wish.environment.as_deref() {
        Some(named) => choice::environment(Some(named), all),
        None => all
            .iter()
            .find(|environment| choice::takes(environment, name))
            .ok_or_else(|| Box::new(none_takes(name, all))),
    };
    match environment {
        Ok(environment) => Intent::Plan(Deploy {
            environment: environment.name.clone(),
            version: occasion.wish.version.clone().or_else(|| version(name, commit)),
            source: commit.map_or(Source::CheckedOut, |commit| Source::Commit(commit.to_owned())),
            asked: None,
        }),
        Err(other) => *other,
    }
}

/// A workflow that has run, and built what is to be deployed. Only what was pushed to this repository is: a pull request's run has
/// the branch's name that its author chose, and code that nobody has read.
pub(super) fn workflow_run(occasion: &Occasion<'_>, all: &[EnvironmentSettings]) -> Intent {
    let payload = occasion.payload;
    if text(payload, "/action") != "completed" {
        return nothing("the other workflow has not completed yet");
    }
    let run = &payload["workflow_run"];
    let (conclusion, event) = (text(run, "/conclusion"), text(run, "/event"));
    if conclusion != "success" {
        return nothing(format!("the other workflow ended with `{}`", shown(conclusion)));
    }
    let (from, to) = (text(run, "/head_repository/full_name"), text(payload, "/repository/full_name"));
    if event != "push" || from.is_empty() || from != to {
        return nothing(format!(
            "the other workflow was started by `{}` from `{}`: only what was pushed to this repository is deployed",
            shown(event),
            shown(from)
        ));
    }
    let (branch, commit) = (text(run, "/head_branch"), text(run, "/head_sha"));
    if branch.is_empty() || !is_commit(commit) {
        return nothing("the payload does not tell what the other workflow ran for");
    }
    // Of a tag the payload has the name in the same field: only GitHub can say what it is.
    let named = occasion.wish.environment.as_deref();
    let takes =
        |name| all.iter().any(|one| named.is_none_or(|named| one.name == named) && choice::takes(one, name));
    let as_tag = takes(Name::Tag(branch)) && !takes(Name::Branch(branch));
    let name = if as_tag { Name::Tag(branch) } else { Name::Branch(branch) };
    let (which, commit) = (branch.to_owned(), commit.to_owned());
    match chosen(occasion, name, all) {
        Ok(environment) => Intent::Deploy(Deploy {
            environment: environment.name.clone(),
            version: occasion.wish.version.clone().or_else(|| version(name, Some(&commit))),
            source: if as_tag {
                Source::Tagged { tag: which, commit }
            } else {
                Source::Tip { branch: which, commit }
            },
            asked: None,
        }),
        Err(other) => *other,
    }
}
