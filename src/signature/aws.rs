//! Signature Version 4 of AWS (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>), for requests
//! to the root of a service.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::hmac;

/// Who asks. Never shown.
#[derive(Clone)]
pub struct Credentials {
    /// Names the key.
    pub key_id: String,
    /// The key.
    pub secret: String,
    /// Of a key that is for a session only.
    pub token: Option<String>,
}

/// What is signed: a request without query to the path `/`.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The region, such as `eu-central-1`.
    pub region: &'a str,
    /// The service's name in signatures, such as `monitoring`.
    pub service: &'a str,
    /// Headers by their names in small letters, `host` among them. All of them are signed.
    pub headers: &'a BTreeMap<String, String>,
    /// The body.
    pub body: &'a [u8],
    /// The time as `20150830T123600Z`.
    pub at: &'a str,
}

/// The headers that make it a signed one: the time, the session's token where there is one, and the signature.
#[must_use]
pub fn headers(credentials: &Credentials, request: Request<'_>) -> BTreeMap<String, String> {
    let mut added = BTreeMap::from([("x-amz-date".to_owned(), request.at.to_owned())]);
    if let Some(token) = &credentials.token {
        added.insert("x-amz-security-token".to_owned(), token.clone());
    }
    let signed: BTreeMap<&String, &String> = request.headers.iter().chain(&added).collect();
    let names = signed.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(";");
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let canonical =
        format!("{}\n/\n\n{lines}\n{names}\n{}", request.method, hex::encode(Sha256::digest(request.body)));
    let day = request.at.get(..8).unwrap_or_default();
    let scope = format!("{day}/{}/{}/aws4_request", request.region, request.service);
    let digest = hex::encode(Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{digest}", request.at);
    let first = format!("AWS4{}", credentials.secret).into_bytes();
    let key = [day, request.region, request.service, "aws4_request"]
        .into_iter()
        .fold(first, |key, part| hmac(&key, part.as_bytes()));
    let signature = hex::encode(hmac(&key, to_sign.as_bytes()));
    let told = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.key_id
    );
    added.insert("authorization".to_owned(), told);
    added
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_published_examples() {
        // `get-vanilla` and `post-vanilla` of the test suite that AWS has published for this signature.
        let credentials = Credentials {
            key_id: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            token: None,
        };
        let all = BTreeMap::from([("host".to_owned(), "example.amazonaws.com".to_owned())]);
        let of = |method: &str| {
            let request = Request {
                method,
                region: "us-east-1",
                service: "service",
                headers: &all,
                body: b"",
                at: "20150830T123600Z",
            };
            headers(&credentials, request)["authorization"].clone()
        };
        let wanted = |signature: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={signature}"
            )
        };
        assert_eq!(of("GET"), wanted("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"));
        assert_eq!(of("POST"), wanted("5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"));
    }

    #[test]
    fn a_session_s_token_is_signed_too() {
        let credentials =
            Credentials { key_id: "A".to_owned(), secret: "B".to_owned(), token: Some("session".to_owned()) };
        let all = BTreeMap::from([("host".to_owned(), "h".to_owned())]);
        let request = Request {
            method: "POST",
            region: "r",
            service: "s",
            headers: &all,
            body: b"{}",
            at: "20150830T123600Z",
        };
        let added = headers(&credentials, request);
        assert_eq!(added["x-amz-security-token"], "session");
        assert!(added["authorization"].contains("SignedHeaders=host;x-amz-date;x-amz-security-token,"));
    }
}
