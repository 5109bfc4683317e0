//! Members that no schema declares. GitHub drops them without a word, so a misspelled one is a defect that nobody sees.

use serde_json::{Map, Value};

use super::operation::token;
use super::schema::Mismatch;

/// The members of `value` that the schema at `pointer` does not declare, at any depth.
pub(crate) fn undeclared(document: &Value, pointer: &str, value: &Value) -> Vec<Mismatch> {
    let mut found = Vec::new();
    if let Some(schema) = document.pointer(pointer) {
        walk(document, &[(pointer.to_owned(), schema)], value, "", &mut found);
    }
    found
}

type At<'a> = (String, &'a Value);

/// What a group of schemas that all speak of one place declares there.
#[derive(Default)]
struct Declared<'a> {
    members: Vec<(&'a str, At<'a>)>,
    items: Vec<At<'a>>,
    others: Vec<At<'a>>,
    open: bool,
    /// Where a missing declaration would have to stand.
    home: Option<String>,
}

fn walk(document: &Value, schemas: &[At<'_>], value: &Value, place: &str, found: &mut Vec<Mismatch>) {
    let mut declared = Declared::default();
    for (pointer, schema) in schemas {
        declared.gather(document, pointer, schema, value);
    }
    match value {
        Value::Object(members) => declared.members_of(document, members, place, found),
        Value::Array(items) if !declared.items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                walk(document, &declared.items, item, &format!("{place}/{index}"), found);
            }
        }
        _ => {}
    }
}

impl<'a> Declared<'a> {
    /// Adds one schema with its branches; says whether it leaves other members open.
    fn gather(&mut self, document: &'a Value, pointer: &str, schema: &'a Value, value: &Value) {
        let target = schema["$ref"].as_str().and_then(|it| it.strip_prefix('#'));
        if let Some((target, schema)) = target.and_then(|it| Some((it, document.pointer(it)?))) {
            return self.gather(document, target, schema, value);
        }
        let kind = schema["type"].as_str();
        if value.is_object() && kind.is_some_and(|kind| kind != "object")
            || value.is_array() && kind.is_some_and(|kind| kind != "array")
        {
            return;
        }
        let own = schema.get("properties").and_then(Value::as_object);
        for (name, member) in own.into_iter().flatten() {
            self.members.push((name, (format!("{pointer}/properties/{}", token(name)), member)));
        }
        if own.is_some() && self.home.is_none() {
            self.home = Some(format!("{pointer}/properties"));
        }
        if let Some(items) = schema.get("items") {
            self.items.push((format!("{pointer}/items"), items));
        }
        let outer = self.open;
        let mut branches = false;
        for key in ["allOf", "anyOf", "oneOf"] {
            for (index, branch) in schema[key].as_array().into_iter().flatten().enumerate() {
                branches = true;
                self.gather(document, &format!("{pointer}/{key}/{index}"), branch, value);
            }
        }
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => self.open = outer,
            Some(Value::Bool(true)) => self.open = true,
            Some(rest) => {
                self.open = true;
                self.others.push((format!("{pointer}/additionalProperties"), rest));
            }
            // A branch that is open only says which members go together; the members are declared here.
            None if own.is_some() => self.open = outer,
            None => self.open |= !branches,
        }
    }

    fn members_of(
        &self,
        document: &Value,
        members: &Map<String, Value>,
        place: &str,
        found: &mut Vec<Mismatch>,
    ) {
        for (name, value) in members {
            let place = format!("{place}/{}", token(name));
            let schemas: Vec<At<'_>> =
                self.members.iter().filter(|(other, _)| other == name).map(|(_, at)| at.clone()).collect();
            if !schemas.is_empty() {
                walk(document, &schemas, value, &place, found);
            } else if !self.others.is_empty() {
                walk(document, &self.others, value, &place, found);
            } else if !self.open
                && let Some(home) = &self.home
            {
                let message = format!("\"{name}\" is not a member that the description declares.");
                found.push(Mismatch { instance: place, schema: home.clone(), message });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn undeclared_in(schema: Value, value: Value) -> Vec<(String, String)> {
        let document = json!({"s": schema, "components": {"schemas": {"c": {"type": "object", "properties": {
            "deep": {"type": "integer"}}}}}});
        undeclared(&document, "/s", &value).into_iter().map(|it| (it.instance, it.schema)).collect()
    }

    #[test]
    fn a_misspelled_member_is_found_at_any_depth() {
        let schema = json!({"type": "object", "properties": {
            "list": {"type": "array", "items": {"type": "object", "properties": {"path": {}}}},
            "ref": {"$ref": "#/components/schemas/c"},
        }});
        let found =
            undeclared_in(schema, json!({"list": [{"path": 1, "pth": 2}], "ref": {"dep": 1}, "x": 1}));
        let expected = [
            ("/list/0/pth", "/s/properties/list/items/properties"),
            ("/ref/dep", "/components/schemas/c/properties"),
            ("/x", "/s/properties"),
        ];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn what_is_open_stays_open() {
        let payload = json!({"type": "object", "properties": {"payload": {"oneOf": [
            {"type": "object", "additionalProperties": true}, {"type": "string"}]}}});
        assert_eq!(undeclared_in(payload, json!({"payload": {"anything": {"at": "all"}}})), []);
        assert_eq!(undeclared_in(json!({"type": "object"}), json!({"free": 1})), []);
    }

    #[test]
    fn an_open_branch_does_not_open_the_schema_around_it() {
        let schema = json!({"type": "object", "properties": {"status": {}, "conclusion": {}}, "anyOf": [
            {"properties": {"status": {"enum": ["completed"]}}, "additionalProperties": true}]});
        let found = undeclared_in(schema, json!({"status": "completed", "conclusio": "success"}));
        assert_eq!(found, [("/conclusio".to_owned(), "/s/properties".to_owned())]);
    }
}
