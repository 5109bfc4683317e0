//! Gates of others: they are told what it is about, and answer in JSON.

use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};

use super::answer::{self, Silence};
use super::probe::{lasting, silent};
use super::{Question, variable};
use crate::rollout::gate::Sample;
use crate::signature::webhook;

/// Asks with POST, signed by the rules of Standard Webhooks where there is a secret. The same question has the same identity.
pub(super) async fn ask(
    client: &reqwest::Client,
    url: &str,
    secret: Option<&str>,
    question: Question<'_>,
) -> Sample {
    let (url, secret) = match (variable(url), secret.map(variable).transpose()) {
        (Ok(url), Ok(secret)) => (url, secret),
        (Err(why), _) | (_, Err(why)) => return lasting(why),
    };
    let body = body(question).to_string();
    let mut request =
        client.post(&url).header(CONTENT_TYPE, "application/json").header(ACCEPT, "application/json");
    let id = format!("gate-{}", question.id);
    for (name, value) in webhook::headers(&id, Timestamp::now().as_second(), &body, secret.as_deref()) {
        request = request.header(name, value);
    }
    match answer::of(request.body(body)).await {
        Ok((status, body)) => Sample::Said { status, body },
        Err(Silence(why)) => silent(why),
    }
}

/// What it is about.
fn body(question: Question<'_>) -> Value {
    let mut data: serde_json::Map<String, Value> =
        question.filling.fields().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    data.insert("release".to_owned(), json!(question.release.id));
    data.insert("address".to_owned(), json!(question.address));
    data.insert("gate".to_owned(), json!(question.gate.name));
    json!({ "type": "gate.asked", "data": data })
}
