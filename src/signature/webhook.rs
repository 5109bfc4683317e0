//! Standard Webhooks, version 1 (<https://github.com/standard-webhooks/standard-webhooks>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The headers of a message: its identity, by which a receiver knows what it has had before; the time of this try in seconds, by which
/// it refuses what is old; and, with a secret, the signature of both and of the body.
#[must_use]
pub fn headers(id: &str, at: i64, body: &str, secret: Option<&str>) -> Vec<(&'static str, String)> {
    let seconds = at.to_string();
    let mut headers = vec![("webhook-id", id.to_owned()), ("webhook-timestamp", seconds.clone())];
    if let Some(secret) = secret {
        let signature = sign(secret, &format!("{id}.{seconds}.{body}"));
        headers.push(("webhook-signature", format!("v1,{signature}")));
    }
    headers
}

/// HMAC-SHA256 in base64. A secret that begins with `whsec_` is what follows, in base64; any other is its own bytes.
fn sign(secret: &str, content: &str) -> String {
    let decoded = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
    let key = decoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    STANDARD.encode(super::hmac(&key, content.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_standard() {
        // The example in the documents of Standard Webhooks and of Svix. Its body has a space, which is signed as it is sent.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let headers =
            headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}", Some(secret));
        let wanted = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(headers[2], ("webhook-signature", wanted.to_owned()));
        assert_eq!(super::headers("a", 0, "{}", None).len(), 2);
    }

    #[test]
    fn a_plain_secret_is_its_bytes_as_in_rfc_4231() {
        // Test case 2, in base64.
        let signature = STANDARD.decode(sign("Jefe", "what do ya want for nothing?")).unwrap();
        assert_eq!(
            hex::encode(signature),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
