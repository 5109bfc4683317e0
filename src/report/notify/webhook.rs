//! The outcome as JSON, signed by the rules of Standard Webhooks (<https://github.com/standard-webhooks/standard-webhooks>, version 1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Message, Secret};

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

/// The headers: the identity, by which a receiver knows what it has had before; the time of this try, by which it refuses what is old;
/// and, with a secret, the signature of both and of the body.
pub(super) fn headers(
    id: &str,
    at: Timestamp,
    body: &Value,
    secret: Option<&Secret>,
) -> Vec<(&'static str, String)> {
    let seconds = at.as_second().to_string();
    let mut headers = vec![("webhook-id", id.to_owned()), ("webhook-timestamp", seconds.clone())];
    if let Some(secret) = secret {
        let signature = sign(secret, &format!("{id}.{seconds}.{body}"));
        headers.push(("webhook-signature", format!("v1,{signature}")));
    }
    headers
}

/// HMAC-SHA256 in base64. A secret that begins with `whsec_` is what follows, in base64; any other is its own bytes.
fn sign(secret: &Secret, content: &str) -> String {
    let decoded = secret.0.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
    let key = decoded.unwrap_or_else(|| secret.0.clone().into_bytes());
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else {
        // A key of any length will do for HMAC (RFC 2104, section 2).
        return String::new();
    };
    mac.update(content.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::hostile;
    use super::*;

    #[test]
    fn signatures_are_those_of_the_standard() {
        // The example in the documents of Standard Webhooks and of Svix.
        let secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let body = json!({ "test": 2_432_232_314_u64 });
        // The example's body has a space, which the standard signs as it is sent.
        let content = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
        assert_eq!(sign(&secret, content), "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let headers = headers("msg_1", at, &body, Some(&secret));
        let wanted = sign(&secret, "msg_1.1614265330.{\"test\":2432232314}");
        assert_eq!(headers[2], ("webhook-signature", format!("v1,{wanted}")));
    }

    #[test]
    fn a_plain_secret_is_its_bytes_as_in_rfc_4231() {
        // Test case 2, in base64.
        let signature =
            STANDARD.decode(sign(&Secret("Jefe".to_owned()), "what do ya want for nothing?")).unwrap();
        assert_eq!(
            hex::encode(signature),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn the_body_is_json_whatever_stands_in_it() {
        let text = body(&hostile(), "text \" \\").to_string();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["data"]["version"], hostile().version.as_str());
        assert_eq!(read["type"], "rollout.rolled-back");
        assert_eq!(headers("a", Timestamp::UNIX_EPOCH, &read, None).len(), 2);
    }
}
