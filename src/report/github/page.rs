//! What the comment says: the newest rollout in full, those before it in a line each, the newest first.
//!
//! The lines of earlier rollouts are taken over from the comment as it was. They stand behind a mark that no text from outside can
//! write, for outside text has no `<` here.

use std::time::Duration;

use super::told::{About, View};
use crate::github::comments::LONGEST;
use crate::report::story::{Standing, Story};
use crate::report::{markdown, safe};

/// What the rollout in full may take of a comment.
const NEWEST: usize = 40_000;
/// So many earlier rollouts are kept.
const EARLIER: usize = 50;
/// So many characters of a sentence stand in a line.
const SENTENCE: usize = 300;
/// Before the line of the newest rollout, which is hidden, and the lines of those before.
const LINES: &str = "<!-- tidegate:lines\n";

/// By which the comment of that app and environment is found again.
pub(super) fn marker(about: &About) -> String {
    marker_of(&about.app, &about.environment)
}

/// The same, by their names.
pub(in crate::report) fn marker_of(app: &str, environment: &str) -> String {
    // Names have no characters that could end it: settings see to that, and this for whatever comes from elsewhere.
    let name = |text: &str| crate::github::segment(text).replace("--", "-%2D");
    format!("<!-- tidegate:{}/{} -->", name(app), name(environment))
}

/// The comment in whole; `before` is what it was.
pub(super) fn render(view: &View, before: Option<&str>) -> String {
    let around = view.about.around();
    let newest = view.stories.last();
    let full = match (newest, &view.ending) {
        (Some(story), _) => markdown::head(&story.rollout) + &markdown::evidence(&story.rollout, &around),
        (None, Some(ending)) => {
            let (app, environment) = (safe::text(&view.about.app), safe::text(&view.about.environment));
            format!("## ⏸️ {app} → {environment}\n\n**{}**\n", safe::text(&ending.sentence))
        }
        (None, None) => String::new(),
    };
    let pointer = match &around.run {
        Some(run) => format!("… the rest is in [the log of the run](<{run}>) and its summary."),
        None => "… the rest is in the log of the run.".to_owned(),
    };
    let full = safe::cut(&full, NEWEST, &pointer);
    let hidden = newest.map(|story| line(story, around.run.as_deref())).unwrap_or_default();
    let life = view.about.lives.map(life).unwrap_or_default();
    let mut text = format!("{}\n{full}\n{life}{LINES}{hidden}-->\n", marker(&view.about));
    let mut earlier: Vec<String> =
        view.stories.iter().rev().skip(1).map(|story| line(story, around.run.as_deref())).collect();
    let is_told = |line: &str| view.stories.iter().any(|story| line.ends_with(&end(story)));
    earlier.extend(before.map(lines).into_iter().flatten().filter(|line| !is_told(line)));
    fold(&mut text, &earlier);
    text
}

/// How long a preview lives, and what to write to change that.
fn life(lives: Duration) -> String {
    let hours = lives.as_secs() / 3600;
    let time = if hours > 0 { format!("{hours} h") } else { format!("{} min", lives.as_secs().div_ceil(60)) };
    format!(
        "This preview goes with the pull request, or {time} after the last push to it. `/preview extend 48h` gives it longer, \
         `/preview stop` takes it away, `/preview` brings it again.\n\n"
    )
}

/// The lines that a comment holds, the newest first: that of its newest rollout too.
fn lines(comment: &str) -> Vec<String> {
    let at = comment.rfind(LINES).map_or(comment.len(), |at| at + LINES.len());
    let is_line = |line: &&str| line.starts_with("| 2") && line.ends_with("` |");
    comment[at..].lines().filter(is_line).map(|line| format!("{line}\n")).collect()
}

/// The earlier rollouts of a comment, folded, for one that tells of none.
pub(in crate::report) fn lines_of(comment: &str) -> String {
    let mut text = format!("\n{LINES}-->\n");
    fold(&mut text, &lines(comment));
    text
}

/// Adds as many lines, folded, as fit.
fn fold(text: &mut String, earlier: &[String]) {
    const BEGIN: &str = "\n<details><summary>Earlier rollouts</summary>\n\n| Begun | Version | How it ended | Run | Rollout |\n\
                         | --- | --- | --- | --- | --- |\n";
    const END: &str = "\n</details>\n";
    let mut room = LONGEST.saturating_sub(text.len() + BEGIN.len() + END.len());
    let fitting = earlier.iter().take(EARLIER).take_while(|line| {
        let fits = line.len() <= room;
        room = room.saturating_sub(line.len());
        fits
    });
    let lines: String = fitting.map(String::as_str).collect();
    if !lines.is_empty() {
        text.push_str(&format!("{BEGIN}{lines}{END}"));
    }
}

/// A rollout in one line of a table.
fn line(story: &Story, run: Option<&str>) -> String {
    let rollout = &story.rollout;
    let sentence = match story.standing() {
        Standing::Ended(kind) => format!("{kind}: {}", story.sentence()),
        _ => story.sentence(),
    };
    let short: String = sentence.chars().take(SENTENCE).collect();
    let dots = if short.len() < sentence.len() { "…" } else { "" };
    let run = run.and_then(safe::address).map_or_else(String::new, |run| format!("[log](<{run}>)"));
    // Within a hidden part a `>` would end it.
    let run = run.replace(['<', '>'], "");
    let (began, version) = (rollout.started.strftime("%F %T"), safe::text(&rollout.plan.candidate.version));
    format!("| {began} | {version} | {}{dots} | {run}{}", safe::text(&short), end(story))
}

/// What the line of a rollout ends with, and no other one.
fn end(story: &Story) -> String {
    format!(" | `{}` |\n", story.rollout.id)
}
