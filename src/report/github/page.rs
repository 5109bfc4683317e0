//! What the comment says: the newest rollout in full, those before it in a line each, the newest first.
//!
//! The lines of earlier rollouts are taken over from the comment as it was. They stand behind a mark that no text from outside can
//! write, for outside text has no `<` here.

use std::time::Duration;

use super::told::{About, AboutPart, AboutPreview, View};
use crate::github::comments::LONGEST;
use crate::report::story::{Standing, Story};
use crate::report::{markdown, safe};
use crate::rollout::release::Artifact;

/// What the rollout in full may take of a comment.
const NEWEST: usize = 40_000;
/// So many earlier rollouts are kept.
const EARLIER: usize = 50;
/// So much of a digest tells it from others: `sha256:` and 12 digits.
const DIGEST: usize = 19;
/// So many workloads of a preview are shown.
const PARTS: usize = 30;
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
    let artifacts = newest.map_or(&[][..], |story| &story.rollout.plan.candidate.artifacts);
    let life = view
        .about
        .preview
        .as_ref()
        .map(|preview| table(preview, artifacts) + &life(preview))
        .unwrap_or_default();
    let mut text = format!("{}\n{full}\n{life}{LINES}{hidden}-->\n", marker(&view.about));
    let mut earlier: Vec<String> =
        view.stories.iter().rev().skip(1).map(|story| line(story, around.run.as_deref())).collect();
    let is_told = |line: &str| view.stories.iter().any(|story| line.ends_with(&end(story)));
    earlier.extend(before.map(lines).into_iter().flatten().filter(|line| !is_told(line)));
    fold(&mut text, &earlier);
    text
}

/// What runs of a preview, a line each.
fn table(preview: &AboutPreview, artifacts: &[Artifact]) -> String {
    if preview.parts.is_empty() {
        return String::new();
    }
    let line = |part: &AboutPart| {
        let addresses: Vec<String> = part.addresses.iter().map(|at| markdown::link(at, at)).collect();
        let image =
            part.image.as_deref().map(|image| safe::text(&pinned(image, artifacts))).unwrap_or_default();
        let (name, size) = (safe::text(&part.name), safe::text(&part.size));
        format!("| {name} | {} | {image} | {size} |\n", addresses.join("<br>"))
    };
    let lines: String = preview.parts.iter().take(PARTS).map(line).collect();
    format!("| Service | Address | Image | Size |\n| --- | --- | --- | --- |\n{lines}\n")
}

/// An image as it runs: by the digest that was put in, where one was.
fn pinned(image: &str, artifacts: &[Artifact]) -> String {
    let is_its = |artifact: &&Artifact| {
        image.strip_prefix(&artifact.name).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']))
    };
    match artifacts.iter().find(is_its) {
        Some(artifact) => {
            let short: String = artifact.digest.chars().take(DIGEST).collect();
            format!("{} {short}", artifact.name)
        }
        None => image.to_owned(),
    }
}

/// How long a preview lives, and what to write to change that.
fn life(preview: &AboutPreview) -> String {
    let sleep = preview.sleeps.map(|after| {
        format!("It sleeps after {} without a visitor, and the next one wakes it. ", time(after))
    });
    format!(
        "This preview goes with the pull request, or {} after the last push to it. {}`/preview extend 48h` gives it longer, \
         `/preview stop` takes it away, `/preview` brings it again.\n\n",
        time(preview.lives),
        sleep.unwrap_or_default()
    )
}

fn time(time: Duration) -> String {
    match time.as_secs() {
        hours if hours >= 3600 && hours % 3600 < 60 => format!("{} h", hours / 3600),
        hours if hours >= 3600 => format!("{} h {} min", hours / 3600, hours % 3600 / 60),
        minutes if minutes >= 60 => format!("{} min", minutes / 60),
        seconds => format!("{seconds} s"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_of_a_preview_is_a_line_each() {
        let part = |name: &str, addresses: &[&str], image: Option<&str>| AboutPart {
            name: name.to_owned(),
            addresses: addresses.iter().map(|one| (*one).to_owned()).collect(),
            image: image.map(str::to_owned),
            size: "2 pods, 100m CPU".to_owned(),
        };
        let preview = AboutPreview {
            lives: Duration::from_secs(72 * 3600),
            sleeps: Some(Duration::from_secs(1800)),
            parts: vec![
                part("web", &["https://a.test", "https://b.test"], Some("r.test/web:1")),
                part("work|er", &[], None),
            ],
        };
        let digest = format!("sha256:0123456789ab{}", "c".repeat(52));
        let artifacts = [Artifact { name: "r.test/web".to_owned(), digest }];
        assert_eq!(
            table(&preview, &artifacts),
            "| Service | Address | Image | Size |\n| --- | --- | --- | --- |\n\
             | web | <https://a.test><br><https://b.test> | r.test/web sha256:0123456789ab | 2 pods, 100m CPU |\n\
             | work\\|er |  |  | 2 pods, 100m CPU |\n\n"
        );
        assert!(
            life(&preview)
                .contains("or 72 h after the last push to it. It sleeps after 30 min without a visitor")
        );
        assert_eq!(table(&AboutPreview::default(), &[]), "");
        assert_eq!(time(Duration::from_secs(5400)), "1 h 30 min");
    }
}
