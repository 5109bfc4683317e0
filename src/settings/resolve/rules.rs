//! What may deploy to an environment, and when: patterns, order, windows.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Findings, required};
use crate::settings::file::{Events, Freeze, NamePatterns, On};
use crate::settings::model::{EnvironmentSettings, FreezeSettings, OnSettings, Patterns, RefPattern};
use crate::yaml::Path;
use crate::yaml::words::{listed, nearest};

pub(super) fn on(raw: Option<On>, path: &Path, findings: &mut Findings<'_>) -> Option<OnSettings> {
    let Events { push, tag, dispatch, .. } = match raw? {
        On::Dispatch => return Some(OnSettings { dispatch: true, ..OnSettings::default() }),
        // Told where environments and previews are told apart.
        On::PullRequest | On::Events(Events { pull_request: Some(_), .. }) => return None,
        On::Events(events) => events,
    };
    if push.is_none() && tag.is_none() && dispatch.is_none() {
        findings.empty(
            path,
            "`on` names nothing that deploys",
            "write `on: { push: BRANCH }`, or `on: dispatch`",
        );
    }
    if dispatch == Some(false) {
        let help = "take it out; without it, only what fits the patterns is deployed by hand";
        findings.error(&path.key("dispatch"), "`dispatch: false` has no effect", help);
    }
    Some(OnSettings {
        push: patterns(push, &path.key("push"), findings),
        tag: patterns(tag, &path.key("tag"), findings),
        dispatch: dispatch == Some(true),
    })
}

pub(super) fn patterns(raw: Option<NamePatterns>, path: &Path, findings: &mut Findings<'_>) -> Patterns {
    let (texts, is_list) = match raw {
        None => return Patterns::default(),
        Some(NamePatterns { texts, is_list, .. }) => (texts, is_list),
    };
    if texts.is_empty() {
        findings.empty(path, "there is no pattern", "name a branch or tag, or take the key out");
    }
    let mut all = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let at = if is_list { path.index(index) } else { path.clone() };
        match RefPattern::read(text) {
            Ok(pattern) if all.contains(&pattern) => {
                findings.error(&at, format!("`{text}` stands there already"), "take it out");
            }
            Ok(pattern) => all.push(pattern),
            Err(sentence) => {
                let (sentence, help) = sentence.split_once('\n').unwrap_or((&sentence, ""));
                findings.error(&at, sentence, help);
            }
        }
    }
    if all.first().is_some_and(RefPattern::is_except) {
        let at = if is_list { path.index(0) } else { path.clone() };
        let help = "name first what fits, such as `**`";
        findings.error(&at, "an exception from nothing has no effect", help);
    }
    Patterns(all)
}

pub(super) fn freeze(
    raw: Option<Vec<Freeze>>,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Vec<FreezeSettings> {
    if raw.as_ref().is_some_and(Vec::is_empty) {
        findings.empty(path, "there is no window", "name one, or take the key out");
    }
    let raw = raw.unwrap_or_default().into_iter().enumerate();
    raw.filter_map(|(index, window)| window_of(window, &path.index(index), findings)).collect()
}

fn window_of(raw: Freeze, path: &Path, findings: &mut Findings<'_>) -> Option<FreezeSettings> {
    const HOW: &str = "write a day such as `2026-12-24`, or a moment such as `2026-12-24T18:00:00+01:00`";
    let from = required(raw.from, &path.key("from"), HOW, findings);
    let to = required(raw.to, &path.key("to"), HOW, findings);
    let reason = required(raw.reason, &path.key("reason"), "say why: whoever is refused reads it", findings);
    if reason.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        findings.error(&path.key("reason"), "the reason is empty", "say why: whoever is refused reads it");
    }
    let mut read = |text: Option<String>, key: &str| {
        let text = text?;
        let at = moment(&text);
        if at.is_none() {
            findings.error(&path.key(key), format!("`{text}` is no moment"), HOW);
        }
        at
    };
    let (from, to) = (read(from, "from"), read(to, "to"));
    let (from, to) = (from?, to?);
    if from >= to {
        let help = "make `to` later; a day ends where the next one begins";
        findings.conflict(&path.key("to"), "the window has no effect: it ends before it begins", help);
    }
    Some(FreezeSettings { from, to, reason: reason? })
}

fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let day: Date = (text.len() == 10).then(|| text.parse().ok())??;
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// What is wrong between environments: rules that never decide, and orders that never end.
pub(super) fn check(all: &[EnvironmentSettings], path: &Path, findings: &mut Findings<'_>) {
    for (index, later) in all.iter().enumerate() {
        let at = path.key(&later.name);
        for earlier in &all[..index] {
            unreachable(earlier, later, &at.key("on"), findings);
        }
        after(all, later, &at.key("after"), findings);
    }
}

/// The first environment in the file whose rule fits takes an event: a later rule for the same names never gets any.
fn unreachable(
    earlier: &EnvironmentSettings,
    later: &EnvironmentSettings,
    path: &Path,
    findings: &mut Findings<'_>,
) {
    let (Some(first), Some(second)) = (&earlier.on, &later.on) else { return };
    for (key, first, second) in [("push", &first.push, &second.push), ("tag", &first.tag, &second.tag)] {
        if first.cover(second) {
            let name = &earlier.name;
            let message = format!(
                "this rule never decides: `{name}` stands before it and takes {} by {}",
                second.shown(),
                first.shown()
            );
            let help = "an event deploys to one environment; let the narrower rule stand first, or take this one out";
            findings.conflict(&path.key(key), message, help);
        }
    }
}

fn after(
    all: &[EnvironmentSettings],
    environment: &EnvironmentSettings,
    path: &Path,
    findings: &mut Findings<'_>,
) {
    let Some(before) = &environment.after else { return };
    let names = || all.iter().map(|one| one.name.as_str()).filter(|name| *name != environment.name);
    if !names().any(|name| name == before) {
        let help = match (nearest(before, names()), names().next()) {
            (Some(name), _) => format!("did you mean `{name}`?"),
            (None, Some(_)) => format!("there are {}", listed(names())),
            (None, None) => "there is no other environment: take it out".to_owned(),
        };
        findings.conflict(path, format!("there is no other environment `{before}`"), &help);
        return;
    }
    let mut seen = vec![environment.name.as_str()];
    let mut next = Some(before.as_str());
    while let Some(name) = next {
        if seen.contains(&name) {
            if name == environment.name {
                let message = format!("`{name}` would come after itself");
                findings.conflict(path, message, "let one of them come first");
            }
            return;
        }
        seen.push(name);
        next = all.iter().find(|one| one.name == name).and_then(|one| one.after.as_deref());
    }
}
