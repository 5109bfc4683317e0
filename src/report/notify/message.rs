//! What there is to tell of an outcome.

use jiff::Timestamp;

use super::Around;
use crate::report::safe;
use crate::rollout::{Event, Fact, OutcomeKind, Rollout};

/// The names of the fields that a text may have, in `{…}`.
pub const FIELDS: [&str; 14] = [
    "app",
    "environment",
    "version",
    "previous-version",
    "outcome",
    "reason",
    "sentence",
    "strategy",
    "rollout",
    "by",
    "url",
    "run",
    "seconds",
    "log",
];

/// An outcome. All words from outside are made plain: no control characters, no line ends but between the lines of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its identity: the same in each try.
    pub id: String,
    /// When it came to that.
    pub at: Timestamp,
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The version that was rolled out.
    pub version: String,
    /// The version before.
    pub previous_version: Option<String>,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// Stable reason code.
    pub reason: String,
    /// One sentence.
    pub sentence: String,
    /// The strategy.
    pub strategy: String,
    /// The rollout's identity.
    pub rollout: String,
    /// Who began it.
    pub by: String,
    /// The public address.
    pub url: Option<String>,
    /// The workflow run.
    pub run: Option<String>,
    /// From start to end, in seconds.
    pub seconds: f64,
    /// The last lines that a failing instance wrote.
    pub log: Vec<String>,
}

impl Message {
    /// What the event is to be told as; nothing where it is no outcome.
    pub(super) fn of(rollout: &Rollout, event: &Event, around: &Around) -> Option<(OutcomeKind, Self)> {
        let (kind, reason, sentence) = match &event.fact {
            Fact::Finished { outcome } if outcome.kind != OutcomeKind::Nothing => {
                (outcome.kind, outcome.reason.as_str(), outcome.sentence.as_str())
            }
            Fact::Paused { sentence } => (OutcomeKind::Paused, "paused", sentence.as_str()),
            _ => return None,
        };
        let plan = &rollout.plan;
        let log = rollout.cause.iter().flat_map(|cause| &cause.log_tail).map(|line| safe::plain(line));
        let address = |text: &Option<String>| text.as_deref().and_then(safe::address).map(str::to_owned);
        let message = Self {
            id: format!("{}-{kind}-{}", safe::plain(rollout.id.as_str()), event.at.as_millisecond()),
            at: event.at,
            app: safe::plain(&plan.app),
            environment: safe::plain(&plan.environment),
            version: safe::plain(&plan.candidate.version),
            previous_version: plan.stable.as_ref().map(|release| safe::plain(&release.version)),
            outcome: kind,
            reason: reason.to_owned(),
            sentence: safe::plain(sentence),
            strategy: plan.strategy.to_string(),
            rollout: rollout.id.to_string(),
            by: safe::plain(&rollout.by),
            url: address(&around.url),
            run: address(&around.run),
            seconds: event.at.duration_since(rollout.started).as_secs_f64(),
            log: log.collect(),
        };
        Some((kind, message))
    }

    /// One line: what ended where, and how.
    pub(super) fn title(&self) -> String {
        let Self { app, environment, version, .. } = self;
        match self.outcome {
            OutcomeKind::Promoted => format!("{app} {version} is live in {environment}"),
            OutcomeKind::RolledBack => format!("{app} {version} was rolled back in {environment}"),
            OutcomeKind::Stuck => format!("{app} {version} is stuck in {environment}: a person is needed"),
            OutcomeKind::Paused => format!("{app} {version} waits for a person in {environment}"),
            OutcomeKind::Failed | OutcomeKind::Nothing => {
                format!("{app} {version} failed in {environment}, and nothing is changed")
            }
        }
    }

    /// The value of a field; nothing where there is none of that name. What is not known is empty.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let text = |text: &str| text.to_owned();
        let maybe = |text: &Option<String>| text.clone().unwrap_or_default();
        Some(match name {
            "app" => text(&self.app),
            "environment" => text(&self.environment),
            "version" => text(&self.version),
            "previous-version" => maybe(&self.previous_version),
            "outcome" => text(self.outcome.as_str()),
            "reason" => text(&self.reason),
            "sentence" => text(&self.sentence),
            "strategy" => text(&self.strategy),
            "rollout" => text(&self.rollout),
            "by" => text(&self.by),
            "url" => maybe(&self.url),
            "run" => maybe(&self.run),
            "seconds" => format!("{:.0}", self.seconds),
            "log" => self.log.join("\n"),
            _ => return None,
        })
    }
}

/// The text, cut to so many characters at most.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A message in which everything from outside wants to be more than text.
    pub(in crate::report::notify) fn hostile() -> Message {
        let evil = "<!channel> *v* <b>&amp;</b> [x](http://evil) \\n";
        Message {
            id: "r1-rolled-back-0".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            app: "shop".to_owned(),
            environment: "production".to_owned(),
            version: evil.to_owned(),
            previous_version: Some("v1".to_owned()),
            outcome: OutcomeKind::RolledBack,
            reason: "errors-worse".to_owned(),
            sentence: format!("it failed: {evil}"),
            strategy: "canary".to_owned(),
            rollout: "r1".to_owned(),
            by: "ada".to_owned(),
            url: Some("https://shop.example".to_owned()),
            run: Some("https://ci.example/1".to_owned()),
            seconds: 61.4,
            log: vec![evil.to_owned(), "```".to_owned()],
        }
    }

    #[test]
    fn every_field_has_a_value() {
        for name in FIELDS {
            assert!(hostile().field(name).is_some(), "{name}");
        }
        assert_eq!(hostile().field("nothing"), None);
        assert_eq!(hostile().field("seconds").as_deref(), Some("61"));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüx", 3), "äö…");
    }
}
