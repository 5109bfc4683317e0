//! The report in Markdown: what happened, on what evidence, from the same events as everything else.
//!
//! Its parts are what the check run, the comment on a pull request and the job summary are put together from, so that all of them
//! say the same.

use std::fmt::Write as _;

use super::{safe, words};
use crate::rollout::migration::ARTIFACT;
use crate::rollout::{Event, Fact, OutcomeKind, Rollout};

/// So many digits of a commit tell it from others.
const COMMIT: usize = 12;

/// What is known beside the rollout itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Around {
    /// The public address.
    pub url: Option<String>,
    /// Where the log of the run is.
    pub run: Option<String>,
}

/// The report of one rollout.
#[must_use]
pub fn render(rollout: &Rollout, events: &[Event]) -> String {
    head(rollout) + &evidence(rollout, &Around::default()) + "\n" + &course(rollout, events)
}

/// A text that is no rollout's, as a report: a title, and the text as it is.
#[must_use]
pub fn note(title: &str, text: &str) -> String {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    format!("## {}\n\n{}", safe::text(title), safe::fenced(&lines))
}

/// One line with what is rolled out where and, by a sign, how it stands.
#[must_use]
pub fn heading(rollout: &Rollout) -> String {
    let sign = match rollout.outcome.as_ref().map(|(_, outcome)| outcome.kind) {
        Some(OutcomeKind::Promoted) => "✅",
        Some(OutcomeKind::RolledBack | OutcomeKind::Failed) => "↩️",
        Some(OutcomeKind::Stuck) => "🛑",
        None if rollout.paused.is_none() => "⏳",
        _ => "⏸️",
    };
    let plan = &rollout.plan;
    let (app, version) = (safe::text(&plan.app), safe::text(&plan.candidate.version));
    format!("{sign} {app} {version} → {}", safe::text(&plan.environment))
}

/// The heading, and how it stands in one sentence.
#[must_use]
pub fn head(rollout: &Rollout) -> String {
    format!("## {}\n\n**{}**\n\n", heading(rollout), safe::text(&words::standing(rollout)))
}

/// The facts, the gates' evidence and a failing instance's last words.
#[must_use]
pub fn evidence(rollout: &Rollout, around: &Around) -> String {
    facts(rollout, around) + &gates(rollout) + &log_tail(rollout)
}

fn facts(rollout: &Rollout, around: &Around) -> String {
    let plan = &rollout.plan;
    let before = plan.stable.as_ref().map_or("none", |release| release.version.as_str());
    let mut rows = vec![
        ("Rollout", format!("`{}`", rollout.id)),
        ("Strategy", plan.strategy.to_string()),
        ("Before", safe::text(before)),
        ("Release", format!("`{}`", plan.candidate.id)),
    ];
    let commit = plan.candidate.commit.as_ref().map(|commit| commit.chars().take(COMMIT).collect::<String>());
    rows.extend(commit.map(|commit| ("Commit", safe::text(&commit))));
    let programs = plan.candidate.artifacts.iter().filter(|artifact| artifact.name != ARTIFACT);
    rows.extend(programs.take(3).map(|artifact| ("Digest", safe::text(&artifact.digest))));
    rows.extend(rollout.migrated.iter().map(|migrated| ("Database", safe::text(&migrated.sentence))));
    rows.extend(around.url.as_ref().map(|url| ("Address", link(url, url))));
    // One that goes on is told of only when there is news.
    let time = rollout.outcome.as_ref().map(|(at, _)| at.duration_since(rollout.started).as_secs_f64());
    rows.extend(time.map(|time| ("Time", format!("{time:.1} s"))));
    rows.push(("Way back", safe::text(&words::way_back(rollout))));
    rows.extend(around.run.as_ref().map(|run| ("Run", link("log of the run", run))));
    let rows: String = rows.into_iter().map(|(name, value)| format!("| {name} | {value} |\n")).collect();
    format!("| | |\n| --- | --- |\n{rows}")
}

/// A link, or the text alone where the address is none that may be linked.
pub(super) fn link(text: &str, address: &str) -> String {
    match safe::address(address) {
        Some(address) if text == address => format!("<{address}>"),
        Some(address) => format!("[{}](<{address}>)", safe::text(text)),
        None => safe::text(text),
    }
}

fn gates(rollout: &Rollout) -> String {
    if rollout.judgements.is_empty() {
        return String::new();
    }
    let mut text = "\n| Step | Gate | Evidence |\n| --- | --- | --- |\n".to_owned();
    for (step, judgement) in &rollout.judgements {
        let verdict = words::verdict(judgement.verdict);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} | {verdict} | {} |", step + 1, safe::text(&judgement.sentence));
    }
    text
}

fn log_tail(rollout: &Rollout) -> String {
    match rollout.cause.as_ref().filter(|cause| !cause.log_tail.is_empty()) {
        Some(cause) => format!("\nThe instance's last words:\n\n{}", safe::fenced(&cause.log_tail)),
        None => String::new(),
    }
}

/// Every event in words, folded.
#[must_use]
pub fn course(rollout: &Rollout, events: &[Event]) -> String {
    let mut text = "<details><summary>What happened</summary>\n\n| Time | |\n| --- | --- |\n".to_owned();
    for event in events.iter().filter(|event| !matches!(event.fact, Fact::Started { .. })) {
        if let Some(sentence) = words::sentence(rollout, event) {
            let since = event.at.duration_since(rollout.started).as_secs_f64();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| {since:.1} s | {} |", safe::text(&sentence));
        }
    }
    text + "\n</details>\n"
}
