//! The operations of the description, and which of them a method and path mean.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// One method on one path of the description.
#[derive(Debug)]
pub(crate) struct Operation {
    /// The description's name for it, such as `checks/create`.
    pub(crate) id: String,
    /// Lower case, as in the description.
    pub(crate) method: String,
    /// JSON pointer into the description, without `#`.
    pub(crate) pointer: String,
    pub(crate) parameters: Vec<Parameter>,
    /// Pointer to the schema of the JSON body and whether a body must be sent; `None` when no body is foreseen.
    pub(crate) body: Option<(String, bool)>,
    /// Status to the schema pointer of its JSON body, `None` inside when the description shows no JSON body.
    pub(crate) answers: BTreeMap<u16, Option<String>>,
    /// Page with the prose, for error answers.
    pub(crate) documentation: String,
    segments: Vec<Segment>,
}

#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) in_query: bool,
    pub(crate) required: bool,
    /// Pointer to its schema.
    pub(crate) schema: String,
}

#[derive(Debug, PartialEq)]
enum Segment {
    Literal(String),
    One(String),
    /// Takes slashes too: refs and file paths.
    Many(String),
}

/// The path parameters of a request, percent-decoded.
pub(crate) type PathParameters = BTreeMap<String, String>;

/// Escapes one token of a JSON pointer.
pub(crate) fn token(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}

impl Operation {
    /// Every operation of a description that holds `paths` and `components`.
    pub(crate) fn all(document: &Value) -> Vec<Self> {
        let mut found = Vec::new();
        // A path with two parameters in one segment is the older spelling of one that has a single parameter there.
        let paths = document["paths"].as_object().into_iter().flatten();
        for (template, item) in paths.filter(|(template, _)| !template.contains("}...{")) {
            for (method, operation) in item.as_object().into_iter().flatten() {
                if matches!(method.as_str(), "get" | "put" | "post" | "patch" | "delete") {
                    found.push(Self::read(document, template, method, operation));
                }
            }
        }
        found
    }

    fn read(document: &Value, template: &str, method: &str, operation: &Value) -> Self {
        let pointer = format!("/paths/{}/{method}", token(template));
        let (mut parameters, mut many) = (Vec::new(), Vec::new());
        for (index, raw) in operation["parameters"].as_array().into_iter().flatten().enumerate() {
            let (at, value) = resolve(document, format!("{pointer}/parameters/{index}"), raw);
            let name = value["name"].as_str().unwrap_or_default().to_owned();
            if value["x-multi-segment"] == true {
                many.push(name.clone());
            }
            if matches!(value["in"].as_str(), Some("query" | "path")) {
                let in_query = value["in"] == "query";
                let required = value["required"] == true;
                parameters.push(Parameter { name, in_query, required, schema: format!("{at}/schema") });
            }
        }
        let body = operation["requestBody"]["content"].get("application/json").map(|_| {
            let schema = format!("{pointer}/requestBody/content/application~1json/schema");
            (schema, operation["requestBody"]["required"] == true)
        });
        Self {
            id: operation["operationId"].as_str().unwrap_or_default().to_owned(),
            method: method.to_owned(),
            parameters,
            body,
            answers: answers(document, &pointer, &operation["responses"]),
            documentation: operation["externalDocs"]["url"].as_str().unwrap_or_default().to_owned(),
            segments: template.split('/').skip(1).map(|part| Segment::read(part, &many)).collect(),
            pointer,
        }
    }

    /// The path parameters when the path is one of this operation.
    fn matched(&self, path: &[&str]) -> Option<PathParameters> {
        let mut found = PathParameters::new();
        matched(&self.segments, path, &mut found).then_some(found)
    }

    /// Literal segments say more than parameters, and the earlier the more: `issues/comments` is not an issue's number.
    fn weight(&self) -> (usize, Vec<bool>) {
        let literal: Vec<bool> =
            self.segments.iter().map(|part| matches!(part, Segment::Literal(_))).collect();
        (literal.iter().filter(|is| **is).count(), literal)
    }
}

/// The operation that a method and a raw (still percent-encoded) path mean, with its path parameters.
pub(crate) fn find<'a>(
    all: &'a [Operation],
    method: &str,
    path: &str,
) -> Option<(&'a Operation, PathParameters)> {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    all.iter()
        .filter(|operation| operation.method.eq_ignore_ascii_case(method))
        .filter_map(|operation| Some((operation, operation.matched(&parts)?)))
        .max_by_key(|(operation, _)| operation.weight())
}

impl Segment {
    fn read(part: &str, many: &[String]) -> Self {
        match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if many.iter().any(|other| other == name) => Self::Many(name.to_owned()),
            Some(name) => Self::One(name.to_owned()),
            None => Self::Literal(part.to_owned()),
        }
    }
}

fn matched(template: &[Segment], path: &[&str], found: &mut PathParameters) -> bool {
    let decoded = |raw: &str| percent_decode_str(raw).decode_utf8_lossy().into_owned();
    match (template, path) {
        ([], []) => true,
        ([Segment::Literal(word), rest @ ..], [part, path @ ..]) => {
            word == part && matched(rest, path, found)
        }
        ([Segment::One(name), rest @ ..], [part, path @ ..]) => {
            found.insert(name.clone(), decoded(part));
            !part.is_empty() && matched(rest, path, found)
        }
        ([Segment::Many(name), rest @ ..], [_, ..]) => (1..=path.len()).rev().any(|taken| {
            found.insert(name.clone(), decoded(&path[..taken].join("/")));
            matched(rest, &path[taken..], found)
        }),
        _ => false,
    }
}

fn answers(document: &Value, pointer: &str, responses: &Value) -> BTreeMap<u16, Option<String>> {
    let mut found = BTreeMap::new();
    for (status, raw) in responses.as_object().into_iter().flatten() {
        let (at, value) = resolve(document, format!("{pointer}/responses/{status}"), raw);
        let schema = value["content"]
            .get("application/json")
            .and_then(|content| content.get("schema"))
            .map(|_| format!("{at}/content/application~1json/schema"));
        if let Ok(status) = status.parse() {
            found.insert(status, schema);
        }
    }
    found
}

/// Follows one `$ref`; parameters and responses of the description nest no deeper.
fn resolve<'a>(document: &'a Value, at: String, value: &'a Value) -> (String, &'a Value) {
    let target = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    match target.and_then(|target| Some((target.to_owned(), document.pointer(target)?))) {
        Some(found) => found,
        None => (at, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn operations() -> Vec<Operation> {
        let part = |id: &str, many: bool| {
            json!({"get": {"operationId": id, "responses": {}, "parameters": [
                {"name": "ref", "in": "path", "x-multi-segment": many, "schema": {"type": "string"}}]}})
        };
        Operation::all(&json!({"paths": {
            "/c/{ref}": part("commit", true),
            "/c/{ref}/status": part("status", true),
            "/i/{ref}": part("issue", false),
            "/i/comments": part("comments", false),
        }}))
    }

    fn named(path: &str) -> Option<(String, Option<String>)> {
        let all = operations();
        find(&all, "GET", path).map(|(operation, found)| (operation.id.clone(), found.get("ref").cloned()))
    }

    #[test]
    fn a_ref_takes_slashes_and_leaves_the_literal_tail() {
        assert_eq!(named("/c/heads/a%20b"), Some(("commit".into(), Some("heads/a b".into()))));
        assert_eq!(named("/c/heads/a/status"), Some(("status".into(), Some("heads/a".into()))));
    }

    #[test]
    fn a_literal_is_preferred_and_a_plain_parameter_takes_one_segment() {
        assert_eq!(named("/i/comments"), Some(("comments".into(), None)));
        assert_eq!(named("/i/a%2Fb"), Some(("issue".into(), Some("a/b".into()))));
        assert_eq!(named("/i/a/b"), None);
        assert_eq!(named("/i/"), None);
    }
}
