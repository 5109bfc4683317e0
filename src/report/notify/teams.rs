//! A message as an Adaptive Card (<https://adaptivecards.io/explorer/>), for a webhook of Microsoft Teams (a workflow "when a webhook
//! request is received").
//!
//! Words from outside stand in `TextRun` only, in which no Markdown is read; a `TextBlock` would read it.

use serde_json::{Value, json};

use super::Message;
use super::message::cut;
use crate::rollout::OutcomeKind;

/// Teams takes 28 KB in all (<https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>);
/// three texts of so many characters, each of at most four bytes, stay below.
const TEXT: usize = 2000;
const TITLE: usize = 300;

/// The body.
pub(super) fn body(message: &Message, text: &str) -> Value {
    let colour = match message.outcome {
        OutcomeKind::Promoted => "good",
        OutcomeKind::Paused | OutcomeKind::RolledBack => "warning",
        OutcomeKind::Failed | OutcomeKind::Stuck | OutcomeKind::Nothing => "attention",
    };
    let title = json!({
        "type": "TextRun", "text": cut(&message.title(), TITLE), "weight": "bolder", "size": "large", "color": colour,
    });
    let mut parts = vec![block(&title)];
    if !text.trim().is_empty() {
        parts.push(block(&json!({ "type": "TextRun", "text": cut(text, TEXT) })));
    }
    if !message.log.is_empty() {
        let lines = cut(&message.log.join("\n"), TEXT);
        parts.push(block(
            &json!({ "type": "TextRun", "text": lines, "fontType": "monospace", "size": "small" }),
        ));
    }
    let facts =
        format!("{} · {} · {} · by {}", message.strategy, message.reason, message.rollout, message.by);
    parts.push(block(
        &json!({ "type": "TextRun", "text": cut(&facts, TITLE), "isSubtle": true, "size": "small" }),
    ));
    let links: Vec<Value> = [("Log", &message.run), ("Address", &message.url)]
        .into_iter()
        .filter_map(|(name, url)| {
            Some(json!({ "type": "Action.OpenUrl", "title": name, "url": url.as_ref()? }))
        })
        .collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": parts,
                "actions": links,
            },
        }],
    })
}

fn block(run: &Value) -> Value {
    json!({ "type": "RichTextBlock", "inlines": [run] })
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::hostile;
    use super::*;

    #[test]
    fn words_from_outside_are_in_runs_of_text_only() {
        let body = body(&hostile(), "[x](http://evil)");
        let card = &body["attachments"][0]["content"];
        for part in card["body"].as_array().unwrap() {
            assert_eq!(
                (part["type"].as_str(), part["inlines"][0]["type"].as_str()),
                (Some("RichTextBlock"), Some("TextRun"))
            );
        }
        assert_eq!(card["body"][1]["inlines"][0]["text"], "[x](http://evil)");
        assert_eq!(card["actions"][0]["url"], "https://ci.example/1");
    }

    #[test]
    fn the_largest_message_is_within_the_limit() {
        let long = "\u{1f600}".repeat(20_000);
        let message =
            Message { version: long.clone(), log: vec![long.clone()], by: long.clone(), ..hostile() };
        assert!(body(&message, &long).to_string().len() < 28_000);
    }
}
