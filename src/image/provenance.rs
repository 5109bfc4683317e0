//! Where an image comes from, by its own word: SLSA provenance as BuildKit attaches it
//! (<https://slsa.dev/spec/v0.2/provenance>, <https://slsa.dev/spec/v1.0/provenance>). It is read and told, not verified: it is not signed.

use serde_json::Value;

/// What a provenance says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Who built it.
    pub builder: Option<String>,
    /// How it was built, as the name of a kind.
    pub build_type: Option<String>,
    /// What went into it: images, sources, files.
    pub materials: Vec<String>,
}

impl Provenance {
    /// Whether a predicate of this type is one.
    #[must_use]
    pub fn is_kind(predicate_type: &str) -> bool {
        predicate_type.starts_with("https://slsa.dev/provenance/")
    }

    /// Reads an in-toto statement; nothing when it is none about provenance.
    #[must_use]
    pub fn read(statement: &[u8]) -> Option<Self> {
        let read: Value = serde_json::from_slice(statement).ok()?;
        if !Self::is_kind(read["predicateType"].as_str()?) {
            return None;
        }
        // Version 0.2 has all of it at the top, 1.0 in two parts.
        let predicate = &read["predicate"];
        let definition = &predicate["buildDefinition"];
        let text = |values: [&Value; 2]| {
            values.into_iter().find_map(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let materials = [&predicate["materials"], &definition["resolvedDependencies"]];
        let materials = materials.into_iter().filter_map(Value::as_array).flatten();
        Some(Self {
            builder: text([&predicate["builder"]["id"], &predicate["runDetails"]["builder"]["id"]]),
            build_type: text([&predicate["buildType"], &definition["buildType"]]),
            materials: materials.filter_map(|one| one["uri"].as_str()).map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statement(version: &str, predicate: &Value) -> Vec<u8> {
        let kind = format!("https://slsa.dev/provenance/{version}");
        json!({ "_type": "https://in-toto.io/Statement/v0.1", "predicateType": kind, "predicate": predicate })
            .to_string()
            .into_bytes()
    }

    #[test]
    fn both_versions_say_the_same() {
        let materials = json!([{ "uri": "pkg:docker/alpine@3", "digest": {} }, { "digest": {} }]);
        let old = json!({ "builder": { "id": "b" }, "buildType": "t", "materials": materials });
        let new = json!({
            "buildDefinition": { "buildType": "t", "resolvedDependencies": materials },
            "runDetails": { "builder": { "id": "b" } },
        });
        let expected = Provenance {
            builder: Some("b".into()),
            build_type: Some("t".into()),
            materials: vec!["pkg:docker/alpine@3".into()],
        };
        assert_eq!(Provenance::read(&statement("v0.2", &old)), Some(expected.clone()));
        assert_eq!(Provenance::read(&statement("v1", &new)), Some(expected));
    }

    #[test]
    fn what_is_no_provenance_or_says_little_is_borne() {
        let empty = Provenance { builder: None, build_type: None, materials: Vec::new() };
        let nobody = statement("v0.2", &json!({ "builder": { "id": "" }, "materials": null }));
        assert_eq!(Provenance::read(&nobody), Some(empty));
        assert_eq!(Provenance::read(br#"{"predicateType": "https://spdx.dev/Document"}"#), None);
        assert_eq!(Provenance::read(b"{"), None);
    }
}
