//! The report in Markdown: what happened, on what evidence, from the same events as everything else.

use std::fmt::Write as _;

use super::words;
use crate::rollout::{Event, Fact, OutcomeKind, Rollout};

/// The report of one rollout.
#[must_use]
pub fn render(rollout: &Rollout, events: &[Event]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, rollout, events);
    text
}

/// A text that is no rollout's, as a report: a title, and the text as it is.
#[must_use]
pub fn note(title: &str, text: &str) -> String {
    let lines: Vec<String> = text.lines().map(super::lines::printable).collect();
    let fence = fence(&lines);
    format!("## {}\n\n{fence}text\n{}\n{fence}\n", escape(title), lines.join("\n"))
}

fn write(text: &mut String, rollout: &Rollout, events: &[Event]) -> std::fmt::Result {
    let plan = &rollout.plan;
    let sign = match rollout.outcome.as_ref().map(|(_, outcome)| outcome.kind) {
        Some(OutcomeKind::Promoted) => "✅",
        Some(OutcomeKind::RolledBack | OutcomeKind::Failed) => "↩️",
        Some(OutcomeKind::Stuck) => "🛑",
        _ => "⏸️",
    };
    writeln!(
        text,
        "## {sign} {} {} → {}\n",
        escape(&plan.app),
        escape(&plan.candidate.version),
        escape(&plan.environment)
    )?;
    if let Some((_, outcome)) = &rollout.outcome {
        writeln!(text, "**{}**\n", escape(&outcome.sentence))?;
    }
    writeln!(text, "| | |\n| --- | --- |")?;
    writeln!(text, "| Rollout | `{}` |", rollout.id)?;
    writeln!(text, "| Strategy | {} |", plan.strategy)?;
    let before = plan.stable.as_ref().map_or("none", |release| release.version.as_str());
    writeln!(text, "| Before | {} |", escape(before))?;
    writeln!(text, "| Release | `{}` |", plan.candidate.id)?;
    let end = rollout
        .outcome
        .as_ref()
        .map_or_else(|| events.last().map_or(rollout.started, |e| e.at), |(at, _)| *at);
    writeln!(text, "| Time | {:.1} s |", end.duration_since(rollout.started).as_secs_f64())?;
    gates(text, rollout)?;
    log_tail(text, rollout)?;
    writeln!(text, "\n<details><summary>What happened</summary>\n\n| Time | |\n| --- | --- |")?;
    for event in events {
        if let Some(sentence) =
            words::sentence(rollout, event).filter(|_| !matches!(event.fact, Fact::Started { .. }))
        {
            let since = event.at.duration_since(rollout.started).as_secs_f64();
            writeln!(text, "| {since:.1} s | {} |", escape(&sentence))?;
        }
    }
    writeln!(text, "\n</details>")
}

fn gates(text: &mut String, rollout: &Rollout) -> std::fmt::Result {
    if rollout.judgements.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n| Step | Gate | Evidence |\n| --- | --- | --- |")?;
    for (step, judgement) in &rollout.judgements {
        let verdict = words::verdict(judgement.verdict);
        writeln!(text, "| {} | {verdict} | {} |", step + 1, escape(&judgement.sentence))?;
    }
    Ok(())
}

fn log_tail(text: &mut String, rollout: &Rollout) -> std::fmt::Result {
    let Some(cause) = rollout.cause.as_ref().filter(|cause| !cause.log_tail.is_empty()) else {
        return Ok(());
    };
    let fence = fence(&cause.log_tail);
    writeln!(text, "\nThe instance's last words:\n\n{fence}text")?;
    for line in &cause.log_tail {
        writeln!(text, "{}", super::lines::printable(line))?;
    }
    writeln!(text, "{fence}")
}

/// A fence longer than any in the text, so that the text cannot end it.
fn fence(lines: &[String]) -> String {
    let ticks = |line: &String| line.trim_start().chars().take_while(|c| *c == '`').count();
    "`".repeat(lines.iter().map(ticks).max().unwrap_or(0).max(2) + 1)
}

/// Text from outside, so that it is shown as it is: no markup, no table cell, no mention, no line break.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' => {
                safe.push('\\');
                safe.push(c);
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '@' => safe.push_str("@\u{200b}"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::{escape, note};

    #[test]
    fn a_note_cannot_leave_its_fence() {
        assert_eq!(note("a|b", "x\n  ```\n<b>\u{1b}"), "## a\\|b\n\n````text\nx\n  ```\n<b>\u{fffd}\n````\n");
    }

    #[test]
    fn hostile_text_is_only_text() {
        let hostile = "v1|`x`<img src=x>@all\n## big";
        assert_eq!(escape(hostile), "v1\\|\\`x\\`&lt;img src=x&gt;@\u{200b}all \\#\\# big");
    }
}
