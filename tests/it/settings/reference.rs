//! The schema and the reference that are kept in the repository, and an independent reading of YAML to check with.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// Compares a kept file with what it should be; with `TIDEGATE_UPDATE=1`, writes it.
fn current(name: &str, wanted: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("TIDEGATE_UPDATE").is_some() {
        fs::write(&file, wanted).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == wanted, "{name} is not current: run this test with TIDEGATE_UPDATE=1");
}

#[test]
fn the_kept_schema_is_current() {
    let schema = serde_json::to_string_pretty(&tidegate::settings::schema()).unwrap();
    current("schema/tidegate.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_reference_is_current() {
    const NAME: &str = "docs/configuration.md";
    const BEGIN: &str = "<!-- reference: made from the schema, do not edit -->\n";
    let kept = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(NAME)).unwrap();
    let (text, _) = kept.split_once(BEGIN).expect("the page has the mark");
    current(NAME, &format!("{text}{BEGIN}{}", tables(&tidegate::settings::schema())));
}

/// One table for each mapping, in the order in which the file has them.
fn tables(schema: &Value) -> String {
    let mut out = String::new();
    table(schema, schema, "", "The file", &mut out);
    out
}

fn target<'a>(root: &'a Value, node: &'a Value) -> &'a Value {
    let name = node.get("$ref").and_then(Value::as_str);
    name.and_then(|name| root.pointer(name.trim_start_matches('#'))).unwrap_or(node)
}

fn table(root: &Value, node: &Value, way: &str, title: &str, out: &mut String) {
    let node = target(root, node);
    let properties = node.get("properties").and_then(Value::as_object);
    if let Some(properties) = properties.filter(|keys| !keys.is_empty()) {
        let required = |key: &str| {
            let names = node.get("required").and_then(Value::as_array);
            names.is_some_and(|names| names.iter().any(|name| name == key))
        };
        writeln!(out, "\n### {title}\n").unwrap();
        if let Some(text) = node.get("description").and_then(Value::as_str) {
            writeln!(out, "{text}\n").unwrap();
        }
        writeln!(out, "| key | type | default | meaning |\n|---|---|---|---|").unwrap();
        for (key, value) in properties {
            let meaning = value.get("description").or_else(|| target(root, value).get("description"));
            let default = match value.get("default") {
                Some(Value::String(text)) => format!("`{text}`"),
                Some(other) => format!("`{other}`"),
                None if required(key) => "required".to_owned(),
                None => "–".to_owned(),
            };
            let meaning = meaning.and_then(Value::as_str).expect("every key says what it means");
            let row =
                [key.as_str(), &kind(root, value), &default, &meaning.replace(['\n', '|'], " ")].join(" | ");
            writeln!(out, "| {row} |").unwrap();
        }
        for (key, value) in properties {
            below(root, value, &join(way, key), out);
        }
    }
}

/// The mappings within the value of a key.
fn below(root: &Value, value: &Value, way: &str, out: &mut String) {
    let node = target(root, value);
    // What stands in several places is explained once, under its own name.
    if let Some(name) = shared(value) {
        let title = format!("A {name}");
        if !out.contains(&format!("### {title}\n")) {
            table(root, value, &name.to_uppercase(), &title, out);
        }
        return;
    }
    table(root, value, way, &format!("`{way}`"), out);
    if let Some(named) = node.get("additionalProperties").filter(|named| named.is_object()) {
        below(root, named, &join(way, "NAME"), out);
    }
    if let Some(items) = node.get("items") {
        below(root, items, &format!("{way}[]"), out);
    }
    for form in ["oneOf", "anyOf"].iter().filter_map(|name| node.get(*name)?.as_array()).flatten() {
        match form.get("properties").and_then(Value::as_object) {
            Some(variants) => {
                for (key, variant) in variants {
                    below(root, variant, &join(way, key), out);
                }
            }
            None => below(root, form, way, out),
        }
    }
}

/// The name of a mapping that stands in several places.
fn shared(value: &Value) -> Option<&'static str> {
    match value.get("$ref").and_then(Value::as_str) {
        Some("#/$defs/Check") => Some("check"),
        Some("#/$defs/Comparison") => Some("comparison"),
        Some("#/$defs/Notification") => Some("notification"),
        _ => None,
    }
}

fn join(way: &str, key: &str) -> String {
    if way.is_empty() { key.to_owned() } else { format!("{way}.{key}") }
}

/// The type of a value in words.
fn kind(root: &Value, value: &Value) -> String {
    if let Some(name) = shared(value) {
        return name.to_owned();
    }
    let node = target(root, value);
    if let Some(constant) = node.get("const") {
        return format!("`{}`", constant.as_str().map_or_else(|| constant.to_string(), str::to_owned));
    }
    if let Some(names) = node.get("enum").and_then(Value::as_array) {
        let names: Vec<String> =
            names.iter().filter_map(Value::as_str).map(|name| format!("`{name}`")).collect();
        return names.join(" or ");
    }
    if let Some(forms) = ["oneOf", "anyOf"].iter().find_map(|name| node.get(*name)?.as_array()) {
        let mut kinds: Vec<String> = forms.iter().map(|form| kind(root, form)).collect();
        kinds.dedup();
        return kinds.join(" or ");
    }
    match (node.get("type"), node.get("pattern").and_then(Value::as_str)) {
        (Some(Value::String(name)), pattern) => match (name.as_str(), pattern) {
            ("string", Some(pattern)) if pattern.contains("ms") => "duration".to_owned(),
            ("string", Some(pattern)) if pattern.contains('%') => "percent".to_owned(),
            ("string", Some(pattern)) if pattern.contains("MiB") => "size".to_owned(),
            ("string", Some(pattern)) if pattern.contains("{1,5}") => "address".to_owned(),
            ("string", Some("^/")) => "path".to_owned(),
            ("string", _) => "text".to_owned(),
            ("integer" | "number", _) => "number".to_owned(),
            ("array", _) => {
                format!("list of {}", node.get("items").map_or("anything".to_owned(), |i| kind(root, i)))
            }
            ("object", _) => "mapping".to_owned(),
            ("boolean", _) => "`true` or `false`".to_owned(),
            (other, _) => other.to_owned(),
        },
        (Some(Value::Array(_)), _) => "text".to_owned(),
        _ => "anything".to_owned(),
    }
}

/// The first document of a text as JSON; `None` where it is not YAML or holds an alias of no use here.
pub(super) fn to_json(text: &str) -> Option<Value> {
    let mut events = Vec::new();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        events.push(event.ok()?.0);
        if events.len() > 10_000 {
            return None;
        }
    }
    let mut events = events
        .into_iter()
        .filter(|event| !matches!(event, Event::StreamStart | Event::DocumentStart(_) | Event::Nothing));
    let mut anchors = std::collections::HashMap::new();
    value(&mut events, &mut anchors, 0).flatten()
}

/// The next value; `Some(None)` is the end of a list or mapping.
fn value<'a>(
    events: &mut impl Iterator<Item = Event<'a>>,
    anchors: &mut std::collections::HashMap<usize, Value>,
    depth: usize,
) -> Option<Option<Value>> {
    if depth > 100 {
        return None;
    }
    let (read, anchor) = match events.next()? {
        Event::Scalar(text, style, anchor, _) => (scalar(&text, style), anchor),
        Event::Alias(anchor) => (anchors.get(&anchor)?.clone(), 0),
        Event::SequenceStart(anchor, _) => {
            let mut items = Vec::new();
            while let Some(item) = value(events, anchors, depth + 1)? {
                items.push(item);
            }
            (Value::Array(items), anchor)
        }
        Event::MappingStart(anchor, _) => {
            let mut map = Map::new();
            while let Some(key) = value(events, anchors, depth + 1)? {
                let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                map.insert(key, value(events, anchors, depth + 1)??);
            }
            (Value::Object(map), anchor)
        }
        _ => return Some(None),
    };
    if serde_json::to_string(&read).ok()?.len() > 100_000 {
        return None;
    }
    anchors.insert(anchor, read.clone());
    Some(Some(read))
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::from(text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::from(true),
        "false" | "False" | "FALSE" => Value::from(false),
        _ if !text.contains(|character: char| character.is_ascii_digit()) => Value::from(text),
        _ => i64::from_str_radix(text.trim_start_matches("0x"), if text.starts_with("0x") { 16 } else { 10 })
            .or_else(|_| i64::from_str_radix(text.strip_prefix("0o").unwrap_or("x"), 8))
            .map(Value::from)
            .or_else(|_| text.parse::<f64>().map(Value::from))
            .unwrap_or_else(|_| Value::from(text)),
    }
}
