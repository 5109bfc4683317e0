//! A message in Slack's Block Kit (<https://docs.slack.dev/reference/block-kit/blocks>), for an incoming webhook.
//!
//! Words from outside stand in `plain_text` only, in which Slack reads neither markup nor mentions.

use serde_json::{Value, json};

use super::Message;
use super::message::cut;
use crate::rollout::OutcomeKind;

/// The longest header and the longest text that Slack takes, in characters.
const HEADER: usize = 150;
const TEXT: usize = 3000;

/// The body.
pub(super) fn body(message: &Message, text: &str) -> Value {
    let sign = match message.outcome {
        OutcomeKind::Promoted => "✅",
        OutcomeKind::Paused => "⏸️",
        OutcomeKind::RolledBack => "↩️",
        OutcomeKind::Failed | OutcomeKind::Stuck | OutcomeKind::Nothing => "❌",
    };
    let plain = |text: &str, most| json!({ "type": "plain_text", "emoji": false, "text": cut(text, most) });
    let title = message.title();
    let mut blocks = vec![json!({ "type": "header", "text": plain(&format!("{sign} {title}"), HEADER) })];
    if !text.trim().is_empty() {
        blocks.push(json!({ "type": "section", "text": plain(text, TEXT) }));
    }
    if !message.log.is_empty() {
        let lines = plain(&message.log.join("\n"), TEXT);
        // The one block in which a text has the letters of a program, and no markup.
        blocks.push(json!({ "type": "section", "text": lines }));
    }
    let facts =
        format!("{} · {} · {} · by {}", message.strategy, message.reason, message.rollout, message.by);
    blocks.push(json!({ "type": "context", "elements": [plain(&facts, TEXT)] }));
    let links: Vec<String> = [("Log", &message.run), ("Address", &message.url)]
        .into_iter()
        .filter_map(|(name, url)| Some(format!("<{}|{name}>", escaped(url.as_ref()?))))
        .collect();
    if !links.is_empty() {
        blocks.push(
            json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": links.join(" · ") }] }),
        );
    }
    // What a notification shows, and who cannot show blocks.
    json!({ "text": escaped(&title), "mrkdwn": false, "unfurl_links": false, "blocks": blocks })
}

/// Slack's three characters (<https://docs.slack.dev/messaging/formatting-message-text#escaping>).
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::hostile;
    use super::*;

    #[test]
    fn words_from_outside_are_neither_markup_nor_mentions() {
        let body = body(&hostile(), "<!here> *bold*");
        assert!(!body["text"].as_str().unwrap().contains('<'), "{body}");
        for block in body["blocks"].as_array().unwrap() {
            let mut texts = vec![&block["text"]];
            texts.extend(block["elements"].as_array().into_iter().flatten());
            for text in texts.iter().filter(|text| text["type"] == "mrkdwn") {
                let links = "<https://ci.example/1|Log> · <https://shop.example|Address>";
                assert_eq!(text["text"], links, "only addresses that were checked are markup");
            }
        }
        assert_eq!(body["blocks"][1]["text"]["text"], "<!here> *bold*");
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let message = Message { version: "v".repeat(9000), log: vec!["l".repeat(9000)], ..hostile() };
        let body = body(&message, &"t".repeat(9000));
        let length = |at: usize| body["blocks"][at]["text"]["text"].as_str().unwrap().chars().count();
        assert_eq!((length(0), length(1), length(2)), (150, 3000, 3000));
    }

    #[test]
    fn without_text_log_and_links_there_is_the_title() {
        let message = Message { log: Vec::new(), url: None, run: None, ..hostile() };
        assert_eq!(body(&message, " ")["blocks"].as_array().unwrap().len(), 2);
    }
}
