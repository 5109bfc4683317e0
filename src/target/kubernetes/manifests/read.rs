//! Text to objects, with every fault at its place.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Number, Value};

use super::{Key, Object, Source};
use crate::yaml::{
    Diagnostic, Document, Finding, Node, Path as Way, Position, Rules, Scalar, Severity, Value as Tree,
    load_all, render, tidy,
};

/// The deepest nesting: schemas of custom resources nest deep.
const DEEPEST: usize = 200;
/// The most values in one file.
const MOST: usize = 5_000_000;

/// Why manifests cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file or folder could not be read.
    #[error("{sentence}")]
    Read {
        /// Which.
        file: PathBuf,
        /// One sentence with place and cause.
        sentence: String,
    },
    /// Something is wrong in them: all that is, in the order of the files.
    #[error("{}", render(.0))]
    Invalid(Vec<Diagnostic>),
}

/// Reads the objects of files and folders. Of a folder all `.yaml`, `.yml` and `.json` files are read, by name, as
/// `kubectl apply -f` does; folders in it are not.
///
/// # Errors
/// With everything that is wrong, over all files; an object that is written twice is wrong, too.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Object>, ManifestError> {
    let (mut objects, mut diagnostics) = (Vec::new(), Vec::new());
    for file in files(paths)? {
        let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
        match parse(&file, &text) {
            Ok(read) => objects.extend(read),
            Err(ManifestError::Invalid(found)) => diagnostics.extend(found),
            Err(error) => return Err(error),
        }
    }
    diagnostics.extend(doubled(&objects));
    if diagnostics.is_empty() { Ok(objects) } else { Err(ManifestError::Invalid(diagnostics)) }
}

/// Reads the objects of a text. `file` names it in diagnostics.
///
/// # Errors
/// With everything that is wrong in it.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Object>, ManifestError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rules = Rules { plain: Scalar::plain_for_kubectl, deepest: DEEPEST, most: MOST };
    let (documents, mut findings) = load_all(text, rules);
    let mut objects = Vec::new();
    for document in &documents {
        take(file, document, &document.root, &mut objects, &mut findings);
    }
    if findings.iter().all(|finding| finding.severity != Severity::Error) {
        return Ok(objects);
    }
    tidy(&mut findings);
    let tell = |finding| Diagnostic::new(file, text, &[], finding);
    Err(ManifestError::Invalid(findings.into_iter().map(tell).collect()))
}

/// Takes a document, or an item of a list, for an object. An empty document is none.
fn take(
    file: &Path,
    document: &Document,
    node: &Node,
    objects: &mut Vec<Object>,
    findings: &mut Vec<Finding>,
) {
    if matches!(node.value, Tree::Scalar(Scalar::Null, _)) {
        return;
    }
    let Tree::Map(entries) = &node.value else {
        let told = Finding::error(Way::default(), node.at, "this is no object: a manifest is a mapping");
        findings.push(told.help("it needs at least `apiVersion`, `kind` and `metadata.name`"));
        return;
    };
    let items = entries.iter().find(|entry| entry.key == "items").map(|entry| &entry.value);
    let kind = text_at(node, &["kind"]);
    if let (Some("List"), Some(items)) = (kind, items)
        && let Tree::List(items) = &items.value
    {
        items.iter().for_each(|item| take(file, document, item, objects, findings));
        return;
    }
    let Some(key) = key(node, findings) else { return };
    let line = if std::ptr::eq(node, &*document.root) { document.root.at.line } else { node.at.line };
    let source = Source { file: file.to_owned(), line };
    objects.push(Object { key, source, value: json(node) });
}

fn key(node: &Node, findings: &mut Vec<Finding>) -> Option<Key> {
    let before = findings.len();
    let mut wanted = |way: &[&str], example: &str| {
        let found = text_at(node, way).filter(|text| !text.is_empty());
        if found.is_none() {
            let path = way.iter().fold(Way::default(), |path, key| path.key(key));
            let told = format!("`{path}` is missing, or is no text");
            findings.push(
                Finding::error(path.clone(), node.locate(&path), told).help(format!("write `{example}`")),
            );
        }
        found.map(str::to_owned)
    };
    let api_version = wanted(&["apiVersion"], "apiVersion: apps/v1");
    let kind = wanted(&["kind"], "kind: Deployment");
    let name = if text_at(node, &["metadata", "generateName"]).is_some() {
        let path = Way::default().key("metadata").key("generateName");
        let told = "`metadata.generateName` would make another object at each deploy";
        findings.push(Finding::error(path.clone(), node.locate(&path), told).help("give it a `name`"));
        None
    } else {
        wanted(&["metadata", "name"], "metadata: { name: shop }")
    };
    let namespace = text_at(node, &["metadata", "namespace"]).map(str::to_owned);
    (findings.len() == before).then_some(())?;
    Some(Key { api_version: api_version?, kind: kind?, namespace, name: name? })
}

/// The text at the end of a way of keys.
fn text_at<'a>(node: &'a Node, way: &[&str]) -> Option<&'a str> {
    let mut node = node;
    for key in way {
        let Tree::Map(entries) = &node.value else { return None };
        node = &entries.iter().find(|entry| entry.key == *key)?.value;
    }
    match &node.value {
        Tree::Scalar(Scalar::Text, text) => Some(text),
        _ => None,
    }
}

/// The tree as JSON, which is what the API server is sent.
fn json(node: &Node) -> Value {
    match &node.value {
        Tree::Scalar(Scalar::Null, _) => Value::Null,
        Tree::Scalar(Scalar::Bool(value), _) => Value::Bool(*value),
        Tree::Scalar(Scalar::Integer(value), _) => Value::Number((*value).into()),
        Tree::Scalar(Scalar::Float(value), text) => {
            Number::from_f64(*value).map_or_else(|| Value::String(text.clone()), Value::Number)
        }
        Tree::Scalar(Scalar::Text, text) => Value::String(text.clone()),
        Tree::List(items) => Value::Array(items.iter().map(|item| json(item)).collect()),
        Tree::Map(entries) => {
            let pairs = entries.iter().map(|entry| (entry.key.clone(), json(&entry.value)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
    }
}

/// The files that the paths name.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ManifestError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
        let mut inner = Vec::new();
        for entry in entries {
            let file = entry.map_err(|error| unreadable(path, &error))?.path();
            let wanted =
                file.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|one| end == *one));
            if wanted && file.is_file() {
                inner.push(file);
            }
        }
        if inner.is_empty() {
            let sentence = format!("there is no .yaml, .yml or .json file in {}", path.display());
            return Err(ManifestError::Read { file: path.clone(), sentence });
        }
        inner.sort();
        files.extend(inner);
    }
    Ok(files)
}

fn unreadable(file: &Path, error: &std::io::Error) -> ManifestError {
    let sentence = format!("cannot read {}: {error}", file.display());
    ManifestError::Read { file: file.to_owned(), sentence }
}

/// What is written twice, at the place of the second one.
fn doubled(objects: &[Object]) -> Vec<Diagnostic> {
    let mut seen: HashMap<(&str, &str, Option<&str>, &str), &Object> = HashMap::new();
    let mut found = Vec::new();
    for object in objects {
        let Key { kind, namespace, name, .. } = &object.key;
        if let Some(first) = seen.insert((object.key.group(), kind, namespace.as_deref(), name), object) {
            let at = Position { line: object.source.line, column: 1, width: 1 };
            let told = format!("{} is written twice: it stands at {} already", object.key, first.source);
            let finding = Finding::error(Way::default(), at, told).help("keep one of the two");
            let text = fs::read_to_string(&object.source.file).unwrap_or_default();
            found.push(Diagnostic::new(&object.source.file, &text, &[], finding));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &str) -> Vec<Object> {
        parse(Path::new("all.yaml"), text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn faults(text: &str) -> String {
        parse(Path::new("all.yaml"), text).unwrap_err().to_string()
    }

    #[test]
    fn documents_and_lists_become_objects_that_know_their_line() {
        let text = "---\n# nothing\n---\napiVersion: v1\nkind: Service\nmetadata: { name: shop, namespace: a }\n---\n\
                    apiVersion: v1\nkind: List\nitems:\n- { apiVersion: apps/v1, kind: Deployment, metadata: { name: web } }\n\
                    - apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: settings\n";
        let all = objects(text);
        let told: Vec<String> = all.iter().map(|one| format!("{} at {}", one.key, one.source)).collect();
        let expected = [
            "Service shop at all.yaml:4",
            "Deployment web at all.yaml:11",
            "ConfigMap settings at all.yaml:12",
        ];
        assert_eq!(told, expected);
        assert_eq!((all[0].key.group(), all[1].key.group()), ("", "apps"));
        assert_eq!(all[0].key.namespace.as_deref(), Some("a"));
    }

    #[test]
    fn scalars_are_read_as_kubectl_reads_them() {
        let text = "apiVersion: v1\nkind: X\nmetadata: { name: x }\nspec: { a: yes, b: \"yes\", c: 0644, d: 0o644, \
                    e: 1_000, f: 1.5, g: off, h: ~, i: 08, j: 0x1F, k: no way, l: 0 }\n";
        let expected = serde_json::json!({ "a": true, "b": "yes", "c": 420, "d": 420, "e": 1000, "f": 1.5,
            "g": false, "h": null, "i": 8, "j": 31, "k": "no way", "l": 0 });
        assert_eq!(objects(text)[0].value["spec"], expected);
    }

    #[test]
    fn every_fault_is_told_at_its_place() {
        let told = faults(
            "kind: Deployment\nmetadata: {}\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  generateName: x-\n---\n- 1\n",
        );
        let lines: Vec<&str> = told.lines().filter(|line| line.starts_with("all.yaml")).collect();
        let expected = [
            "all.yaml:1:1: `apiVersion` is missing, or is no text",
            "all.yaml:2:11: `metadata.name` is missing, or is no text",
            "all.yaml:7:17: `metadata.generateName` would make another object at each deploy",
            "all.yaml:9:1: this is no object: a manifest is a mapping",
        ];
        assert_eq!(lines, expected, "{told}");
    }

    #[test]
    fn an_object_that_is_written_twice_is_told_with_both_places() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, version: &str| {
            let text =
                format!("# a comment\napiVersion: {version}\nkind: Deployment\nmetadata: {{ name: web }}\n");
            fs::write(folder.path().join(name), text).unwrap();
        };
        write("a.yaml", "apps/v1");
        write("b.yml", "apps/v1beta1");
        fs::write(folder.path().join("notes.txt"), "not a manifest").unwrap();
        let told = read(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(told.contains("b.yml:2:1: Deployment web is written twice: it stands at "), "{told}");
        assert!(told.contains("a.yaml:2 already"), "{told}");
    }

    #[test]
    fn a_folder_without_manifests_and_a_file_that_is_not_there_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let told = read(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(told.starts_with("there is no .yaml, .yml or .json file in "), "{told}");
        let told = read(&[folder.path().join("none.yaml")]).unwrap_err().to_string();
        assert!(told.contains("none.yaml: No such file"), "{told}");
    }

    #[test]
    fn five_megabytes_in_five_hundred_objects_are_read() {
        let mut text = String::new();
        for number in 0..500 {
            let filler = "  key: \"a value of some length, again and again\"\n"
                .replace("key", &format!("key{number}"));
            text.push_str(&format!(
                "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: map-{number} }}\ndata:\n"
            ));
            (0..200).for_each(|line| text.push_str(&filler.replacen("key", &format!("k{line}-"), 1)));
        }
        assert!(text.len() > 5_000_000);
        assert_eq!(objects(&text).len(), 500);
    }
}
