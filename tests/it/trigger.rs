//! Events to intents: payloads of our own, mutations of them, and every example that GitHub's community has.

mod examples;
mod mutations;
mod rules;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;
use tidegate::settings::{EnvironmentSettings, parse};
use tidegate::trigger::{Intent, Occasion, Wish, intent};

/// Four environments, each with another kind of rule.
const SETTINGS: &str = r#"
app: shop
environments:
  testing:
    target: { local: { command: ./a, listen: "127.0.0.1:1" } }
  staging:
    on: { push: [develop, master, "release/**", "!release/**-alpha"] }
    target: { local: { command: ./a, listen: "127.0.0.1:2" } }
  production:
    on: { tag: "v*" }
    after: staging
    target: { local: { command: ./a, listen: "127.0.0.1:3" } }
  lab:
    on: dispatch
    target: { local: { command: ./a, listen: "127.0.0.1:4" } }
"#;

fn environments() -> &'static [EnvironmentSettings] {
    static READ: LazyLock<Vec<EnvironmentSettings>> = LazyLock::new(|| {
        parse(Path::new("tidegate.yaml"), SETTINGS).unwrap_or_else(|error| panic!("{error}")).environments
    });
    &READ
}

/// A payload of our own.
fn payload(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/events/{name}.json"));
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// What an event asks for of these environments, by its payload alone.
fn asks(name: &str, payload: &Value, wish: &Wish) -> Intent {
    let sender = payload["sender"]["login"].as_str().unwrap_or_default();
    let occasion = Occasion { name, reference: "", sha: "", actor: sender, payload, wish, previews: None };
    intent(&occasion, environments())
}
