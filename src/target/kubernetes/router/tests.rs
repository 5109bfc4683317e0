//! What the tests of all routers need.

use std::sync::Arc;

use super::*;
use crate::target::kubernetes::manifests::Source;

/// A division of the Service `web` between it and the candidate's `web-abc`.
#[derive(Default)]
pub(super) struct Case {
    pub(super) rules: Rules,
    pub(super) backends: Vec<Backend>,
    pub(super) candidate: Option<ReleaseId>,
    pub(super) labels: BTreeMap<String, String>,
}

impl Case {
    /// With so many percent for the candidate.
    pub(super) fn at(percent: u16) -> Self {
        Self::at_points(percent * 100)
    }

    /// With so many hundredths of a percent for the candidate.
    pub(super) fn at_points(points: u16) -> Self {
        let (release, weight) = (ReleaseId::new("abc"), Weight::from_basis_points(points));
        let stable = Backend { service: "web".into(), release: None, weight: weight.rest() };
        let own = Backend { service: "web-abc".into(), release: Some(release.clone()), weight };
        let labels = BTreeMap::from([("tidegate.dev/app".into(), "shop".into())]);
        Self { backends: vec![stable, own], candidate: Some(release), labels, ..Self::default() }
    }

    pub(super) fn division(&self) -> Division<'_> {
        Division {
            service: "web",
            backends: &self.backends,
            rules: &self.rules,
            candidate: self.candidate.as_ref(),
            namespace: "shop",
            labels: &self.labels,
        }
    }
}

/// Requests with `X-Canary: always` go to the candidate.
pub(super) fn by_canary_header() -> Rules {
    Rules { header: Some(("X-Canary".into(), "always".into())), ..Rules::default() }
}

/// An object as it is written.
pub(super) fn object(value: &Value) -> Object {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let key = Key {
        api_version: text(&value["apiVersion"]),
        kind: text(&value["kind"]),
        namespace: None,
        name: text(&value["metadata"]["name"]),
    };
    Object { key, source: Source { file: "x.yaml".into(), line: 1 }, value: value.clone() }
}

/// An object as it is seen.
pub(super) fn live(value: &Value) -> DynamicObject {
    let mut value = value.clone();
    value["metadata"]["namespace"] = Value::from("shop");
    serde_json::from_value(value).unwrap()
}

/// Objects of a kind as they are seen.
pub(super) fn seen(kind: &str, values: &[Value]) -> Live {
    let mut seen = Live::default();
    seen.add(kind, values.iter().map(|value| Arc::new(live(value))).collect());
    seen
}
