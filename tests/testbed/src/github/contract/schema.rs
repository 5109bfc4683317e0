//! From the schemas of OpenAPI 3.0 to validators, one at a time and only those that are asked for.

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{Draft, ValidationError, Validator};
use serde_json::{Map, Value, json};

/// What one value does not meet.
pub(crate) struct Mismatch {
    /// JSON pointer into the value.
    pub(crate) instance: String,
    /// JSON pointer into the description, without `#`.
    pub(crate) schema: String,
    pub(crate) message: String,
}

/// One schema of the description, compiled together with the components it reaches.
pub(crate) struct Schema {
    pointer: String,
    validator: Validator,
}

impl Schema {
    /// Compiles the schema at `pointer`; the error says why it cannot be.
    pub(crate) fn compile(document: &Value, pointer: &str) -> Result<Self, String> {
        let raw = document.pointer(pointer).ok_or_else(|| format!("no schema at #{pointer}"))?;
        let mut root = modern(raw);
        let mut components = Map::new();
        reach(document, &root, &mut components);
        // Beside the schema's own keywords, so that every `#/components/schemas/…` inside it resolves, and a location
        // in it is the description's after one prefix.
        root["components"] = json!({"schemas": components});
        let validator = jsonschema::options()
            .with_draft(Draft::Draft4)
            .should_validate_formats(true)
            .with_format(OPTIONAL_URI, |text: &str| text.is_empty() || text.contains("://"))
            .build(&root)
            .map_err(|error| format!("#{pointer}: {error}"))?;
        Ok(Self { pointer: pointer.to_owned(), validator })
    }

    /// All that `value` does not meet.
    pub(crate) fn mismatches(&self, value: &Value) -> Vec<Mismatch> {
        self.validator
            .iter_errors(value)
            .map(|error| {
                let path = error.schema_path().as_str();
                let shared = path.starts_with("/components/schemas/");
                let schema = if shared { path.to_owned() } else { format!("{}{path}", self.pointer) };
                Mismatch {
                    instance: error.instance_path().as_str().to_owned(),
                    schema,
                    message: words(&error),
                }
            })
            .collect()
    }
}

/// The description says `format: uri` with `default: ""` where GitHub answers with the empty string.
const OPTIONAL_URI: &str = "uri-or-empty";

/// The same schema with `null` said as JSON Schema says it; everything stays where it was.
fn modern(raw: &Value) -> Value {
    match raw {
        Value::Array(items) => items.iter().map(modern).collect(),
        Value::Object(members) => {
            let mut out: Map<String, Value> =
                members.iter().map(|(key, value)| (key.clone(), modern(value))).collect();
            if out.get("nullable") == Some(&Value::Bool(true)) {
                admit_null(&mut out);
            }
            if out.get("format").is_some_and(|it| it == "uri")
                && out.get("default").is_some_and(|it| it == "")
            {
                out.insert("format".into(), OPTIONAL_URI.into());
            }
            Value::Object(out)
        }
        other => other.clone(),
    }
}

fn admit_null(schema: &mut Map<String, Value>) {
    if let Some(Value::String(kind)) = schema.get("type") {
        let both = json!([kind, "null"]);
        schema.insert("type".into(), both);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(Value::Array(branches)) = schema.get_mut(key) {
            branches.push(json!({"type": "null"}));
        }
    }
    if let Some(all) = schema.remove("allOf") {
        schema.insert("anyOf".into(), json!([{"allOf": all}, {"type": "null"}]));
    }
}

/// Adds every component that `schema` refers to, and what those refer to.
fn reach(document: &Value, schema: &Value, found: &mut Map<String, Value>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| reach(document, item, found)),
        Value::Object(members) => {
            let name = members.get("$ref").and_then(Value::as_str);
            if let Some(name) = name.and_then(|it| it.strip_prefix("#/components/schemas/"))
                && !found.contains_key(name)
            {
                let component = modern(&document["components"]["schemas"][name]);
                found.insert(name.to_owned(), component.clone());
                reach(document, &component, found);
            }
            members.values().for_each(|value| reach(document, value, found));
        }
        _ => {}
    }
}

/// GitHub's own sentence where it is known, else the validator's, cut to a length that a person reads.
fn words(error: &ValidationError<'_>) -> String {
    let value = error.instance();
    let place = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
    match error.kind() {
        Kind::Required { property } => format!("{property} wasn't supplied."),
        Kind::MaxItems { limit } => {
            let count = value.as_array().map_or(0, Vec::len);
            format!("No more than {limit} items are allowed; {count} were supplied.")
        }
        Kind::MaxLength { limit } => {
            let count = value.as_str().map_or(0, |text| text.chars().count());
            format!("Only {limit} characters are allowed; {count} were supplied.")
        }
        Kind::Enum { options } => format!("For '{place}', {} is not a member of {options}.", short(value)),
        Kind::Type { .. } => format!("For '{place}', {}", cut(&error.to_string())),
        _ => cut(&error.to_string()),
    }
}

fn short(value: &Value) -> String {
    cut(&value.to_string())
}

fn cut(text: &str) -> String {
    const LONGEST: usize = 300;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        json!({
            "paths": {"/a": {"post": {"schema": {"type": "object", "required": ["name"], "properties": {
                "name": {"type": "string", "nullable": true, "enum": ["a", "b"]},
                "who": {"$ref": "#/components/schemas/who"},
                "either": {"nullable": true, "oneOf": [{"type": "string"}, {"type": "integer"}]},
                "link": {"type": "string", "format": "uri", "default": ""},
            }}}}},
            "components": {"schemas": {"who": {"type": "object", "properties": {"id": {"type": "integer"}}}}},
        })
    }

    fn mismatches(value: &Value) -> Vec<(String, String)> {
        let schema = Schema::compile(&document(), "/paths/~1a/post/schema").unwrap();
        schema.mismatches(value).into_iter().map(|it| (it.instance, it.schema)).collect()
    }

    #[test]
    fn null_is_admitted_where_the_description_says_nullable() {
        assert_eq!(mismatches(&json!({"name": null, "either": null, "link": ""})), []);
        let wrong = mismatches(&json!({"name": "c", "who": null, "link": "nowhere"}));
        let at: Vec<&str> = wrong.iter().map(|(instance, _)| instance.as_str()).collect();
        assert_eq!(at, ["/name", "/who", "/link"]);
    }

    #[test]
    fn a_mismatch_names_its_place_in_the_description() {
        let wrong = mismatches(&json!({"who": {"id": "x"}}));
        let expected = [
            ("/who/id".to_owned(), "/components/schemas/who/properties/id/type".to_owned()),
            (String::new(), "/paths/~1a/post/schema/required".to_owned()),
        ];
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(expected.iter().all(|it| wrong.contains(it)), "{wrong:?}");
    }
}
