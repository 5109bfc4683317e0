//! Which environment is meant.

use super::payload::shown;
use super::{Intent, refused};
use crate::settings::EnvironmentSettings;
use crate::yaml::words::{listed, nearest};

/// The environment of that name; without a name, the only one there is.
pub(super) fn environment<'a>(
    name: Option<&str>,
    all: &'a [EnvironmentSettings],
) -> Result<&'a EnvironmentSettings, Box<Intent>> {
    let names = || all.iter().map(|one| one.name.as_str());
    match (name, all) {
        (None, [only]) => Ok(only),
        (None, _) => {
            let why = format!("there are {} environments, and none is named", all.len());
            Err(Box::new(refused("which-environment", why, format!("name one of {}", listed(names())))))
        }
        (Some(name), _) => all.iter().find(|one| one.name == name).ok_or_else(|| {
            let hint = match nearest(name, names()) {
                Some(meant) => format!("did you mean `{meant}`? (there are {})", listed(names())),
                None => format!("there are {}", listed(names())),
            };
            Box::new(refused(
                "unknown-environment",
                format!("there is no environment `{}`", shown(name)),
                hint,
            ))
        }),
    }
}

/// What stands at a ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name<'a> {
    Branch(&'a str),
    Tag(&'a str),
    /// Either of them, or a commit: a person wrote it.
    Unknown(&'a str),
    /// A pull request.
    Pull(u64),
    /// A commit that no name leads to.
    Commit(&'a str),
    /// None of these: a queue of merges, nothing.
    Other,
}

impl<'a> Name<'a> {
    /// What a full ref names.
    pub(super) fn of(reference: &'a str) -> Self {
        match (reference.strip_prefix("refs/heads/"), reference.strip_prefix("refs/tags/")) {
            (Some(branch), _) if !branch.is_empty() => Self::Branch(branch),
            (_, Some(tag)) if !tag.is_empty() => Self::Tag(tag),
            _ => Self::Other,
        }
    }

    /// In words.
    pub(super) fn shown(self) -> String {
        match self {
            Self::Branch(name) => format!("branch `{}`", shown(name)),
            Self::Tag(name) => format!("tag `{}`", shown(name)),
            Self::Unknown(name) | Self::Commit(name) => format!("`{}`", shown(name)),
            Self::Pull(number) => format!("pull request {number}"),
            Self::Other => "what is neither branch nor tag".to_owned(),
        }
    }
}

/// Whether the rules of an environment take that by themselves.
pub(super) fn takes(environment: &EnvironmentSettings, name: Name<'_>) -> bool {
    let Some(on) = &environment.on else { return false };
    match name {
        Name::Branch(branch) => on.push.fit(branch),
        Name::Tag(tag) => on.tag.fit(tag),
        Name::Unknown(either) => on.push.fit(either) || on.tag.fit(either),
        Name::Pull(_) | Name::Commit(_) | Name::Other => false,
    }
}

/// Whether a person may have that deployed to an environment by hand: without rules, or where they say so, anything.
pub(super) fn allows(environment: &EnvironmentSettings, name: Name<'_>) -> Result<(), Box<Intent>> {
    let Some(on) = &environment.on else { return Ok(()) };
    if on.dispatch || takes(environment, name) {
        return Ok(());
    }
    let why = format!("{} takes {}, and not {}", environment.name, rules(environment), name.shown());
    let hint = "name what fits, or allow anything by hand with `dispatch: true` under `on`";
    Err(Box::new(refused("not-by-rule", why, hint)))
}

/// What an environment takes, in words.
pub(super) fn rules(environment: &EnvironmentSettings) -> String {
    let Some(on) = &environment.on else { return "what the workflow names it for".to_owned() };
    let mut all = Vec::new();
    if !on.push.0.is_empty() {
        all.push(format!("branches {}", on.push.shown()));
    }
    if !on.tag.0.is_empty() {
        all.push(format!("tags {}", on.tag.shown()));
    }
    match (all.is_empty(), on.dispatch) {
        (true, _) => "what is deployed by hand".to_owned(),
        (false, _) => all.join(" and "),
    }
}
