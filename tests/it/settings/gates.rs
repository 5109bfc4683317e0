//! Gates, as they are read.

use std::time::Duration;

use tidegate::rollout::gate::{Gate, Probe, Source};
use tidegate::rollout::step::{Text, Unsettled};
use tidegate::rollout::{Condition, Release, gate::Filling};

use super::good;

fn gates(conditions: &[Condition]) -> Vec<&Gate> {
    let mut gates = Vec::new();
    for condition in conditions {
        if let Condition::Gate(gate) = condition {
            gates.push(&**gate);
        }
    }
    gates
}

#[test]
fn gates_stand_beside_requests_in_the_order_of_the_file() {
    let settings = good("gates");
    let staging = settings.environment("staging").unwrap();
    let before = staging.strategy.before();
    assert_eq!(before.len(), 3);
    let own = gates(before);
    assert_eq!(own[0].probe, Probe::Command { command: vec!["./smoke.sh".to_owned(), "--fast".to_owned()] });
    assert_eq!((own[0].at_most, own[0].every), (Duration::from_secs(120), Duration::from_secs(5)));
    assert_eq!(own[0].inconclusive, Unsettled::Fail);
    assert_eq!(own[1].to_string(), "release manager");
    assert_eq!(own[1].inconclusive, Unsettled::Hold);
    let production = settings.environment("production").unwrap();
    let sources: Vec<&Source> = gates(production.strategy.gates())
        .into_iter()
        .map(|gate| match &gate.probe {
            Probe::Metric(metric) => &metric.source,
            other => panic!("{other}"),
        })
        .collect();
    let [
        Source::Prometheus { step: Some(5_000), .. },
        Source::Datadog { address, api_key, .. },
        Source::CloudWatch { address: aws, .. },
        Source::Json { url, .. },
    ] = sources.as_slice()
    else {
        panic!("{sources:?}")
    };
    assert_eq!((address.as_str(), api_key.as_str()), ("https://api.datadoghq.eu", "DD_API_KEY"));
    assert_eq!(aws, "https://monitoring.eu-central-1.amazonaws.com");
    assert_eq!(*url, Text::Variable("RATES".to_owned()));
    let variables: Vec<&str> =
        gates(production.strategy.gates()).iter().flat_map(|gate| gate.variables()).collect();
    let expected =
        ["DD_API_KEY", "DD_APP_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RATES", "RATES_TOKEN"];
    assert_eq!(variables, expected);
}

#[test]
fn places_are_filled_and_nothing_ends_a_query_from_within() {
    let settings = good("gates");
    let production = settings.environment("production").unwrap();
    let release = Release::new(
        "shop",
        "v1\"} or up{x=\"",
        None,
        Vec::new(),
        serde_json::Value::Null,
        jiff::Timestamp::UNIX_EPOCH,
    );
    let filled = gates(production.strategy.gates())[0].filled(&Filling::of(&release, "production", "r1"));
    let Probe::Metric(metric) = filled.probe else { panic!() };
    assert_eq!(metric.source.to_string(), r#"`sum(rate(payments_failed{version="v1\"} or up{x=\""}[1m]))`"#);
}

#[test]
fn an_approval_is_of_the_file_that_is_named_for_the_release_and_of_no_other() {
    let unknown = |version: &str, text: &str| {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let release = Release::new("shop", version, None, Vec::new(), serde_json::Value::Null, at);
        Filling::of(&release, "production", "r1").unknown(text)
    };
    for version in ["./v1", "v2/../v1", "..", "v1/", "/v1"] {
        assert_eq!(unknown(version, "approvals/{version}"), Some("version"), "{version}");
        assert_eq!(unknown(version, "approvals/{rollout}"), None, "it does not stand in the name");
    }
    assert_eq!(unknown("v1", "approvals/{commit}"), Some("commit"), "no commit is known");
    assert_eq!(unknown("release/1.0..2", "approvals/{version}"), None);
}
