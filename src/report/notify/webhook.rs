//! The outcome as JSON.

use serde_json::{Value, json};

use super::Message;

/// The body.
pub(super) fn body(message: &Message, text: &str) -> Value {
    json!({
        "type": format!("rollout.{}", message.outcome),
        "timestamp": message.at.to_string(),
        "data": {
            "app": message.app,
            "environment": message.environment,
            "version": message.version,
            "previous_version": message.previous_version,
            "outcome": message.outcome.as_str(),
            "reason": message.reason,
            "sentence": message.sentence,
            "text": text,
            "strategy": message.strategy,
            "rollout_id": message.rollout,
            "by": message.by,
            "url": message.url,
            "run": message.run,
            "seconds": message.seconds,
            "log_tail": message.log,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::hostile;
    use super::*;

    #[test]
    fn the_body_is_json_whatever_stands_in_it() {
        let text = body(&hostile(), "text \" \\").to_string();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["data"]["version"], hostile().version.as_str());
        assert_eq!(read["type"], "rollout.rolled-back");
    }
}
