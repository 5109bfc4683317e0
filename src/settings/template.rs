//! The environment `preview` as a template: filled in before it is read, so that any text of it may name the number of a pull request.

use std::rc::Rc;

use crate::preview::{FIELDS, Values, fill, unknown_field};
use crate::yaml::words::{listed, nearest};
use crate::yaml::{Finding, Node, Path, Scalar, Segment, Value, filled};

/// What a preview is called where the settings do not say.
pub(super) const NAME: &str = "preview-{number}";
/// The first port of previews on this machine where the settings do not say, and the last one.
pub(super) const PORTS: (u16, u16) = (20_000, 20_999);

/// The way to the template.
pub(super) fn place() -> Path {
    Path::default().key("environments").key("preview")
}

/// The tree with the template filled in, for that preview, or else for one that stands for all. Its name stays as it is written.
pub(super) fn fill_in(tree: &Rc<Node>, values: Option<&Values>, findings: &mut Vec<Finding>) -> Rc<Node> {
    let Some(Value::Map(entries)) = find(tree, &place()).map(|node| &node.value) else {
        return Rc::clone(tree);
    };
    check(tree, findings);
    let values = values.cloned().unwrap_or_else(|| sample(tree));
    let keys =
        entries.iter().map(|entry| entry.key.as_str()).filter(|key| !matches!(*key, "name" | "random"));
    keys.fold(Rc::clone(tree), |tree, key| filled(&tree, &place().key(key), &|text| values.fill(text)))
}

/// What stands for any preview while the settings are checked.
fn sample(tree: &Node) -> Values {
    let app = text(tree, &Path::default().key("app")).unwrap_or("app").to_owned();
    let name = text(tree, &place().key("name")).unwrap_or(NAME);
    let random = text(tree, &place().key("random")).map(|_| "r0".to_owned());
    let name = fill(name, |field| match field {
        "number" => Some("1".to_owned()),
        "app" => Some(app.clone()),
        "random" => random.clone(),
        _ => None,
    });
    Values { number: 1, slug: "branch".to_owned(), name, app, random, port: Some(PORTS.0) }
}

fn find<'a>(tree: &'a Node, path: &Path) -> Option<&'a Node> {
    path.0.iter().try_fold(tree, |node, segment| match (segment, &node.value) {
        (Segment::Key(key), Value::Map(entries)) => {
            entries.iter().find(|entry| entry.key == *key).map(|entry| entry.value.as_ref())
        }
        _ => None,
    })
}

fn text<'a>(tree: &'a Node, path: &Path) -> Option<&'a str> {
    match &find(tree, path)?.value {
        Value::Scalar(Scalar::Text, text) => Some(text),
        _ => None,
    }
}

/// One text of the template, with what it must tell previews apart by.
struct Telling {
    path: Path,
    what: &'static str,
    by: &'static [&'static str],
    never: &'static [&'static str],
}

fn tellings(tree: &Node) -> Vec<Telling> {
    let at = place();
    let (cluster, local) = (at.key("target").key("kubernetes"), at.key("target").key("local"));
    let telling = |path, what, by, never| Telling { path, what, by, never };
    // By its number alone a preview is found again: neither its name nor its namespace can hang on what a branch is called.
    let mut all = vec![
        telling(at.key("name"), "name", &["number"], &["slug", "name", "port"]),
        telling(at.key("url"), "address", &["number", "name", "random", "port"], &[]),
        telling(cluster.key("url"), "address", &["number", "name", "random"], &[]),
        telling(cluster.key("namespace"), "namespace", &["number", "name"], &["slug", "port"]),
        telling(local.key("listen"), "address", &["port"], &[]),
    ];
    if let Some(Value::Map(hosts)) = find(tree, &at.key("hosts")).map(|node| &node.value) {
        let path = |host: &str| at.key("hosts").key(host);
        all.extend(
            hosts.iter().map(|host| telling(path(&host.key), "host", &["number", "name", "random"], &[])),
        );
    }
    all
}

fn check(tree: &Node, findings: &mut Vec<Finding>) {
    let has_key = find(tree, &place().key("random")).is_some();
    for Telling { path, what, by, never } in tellings(tree) {
        let Some(template) = text(tree, &path) else { continue };
        let names = |field: &&&str| template.contains(&format!("{{{field}}}"));
        let mut tell = |message: String, help: &str| {
            findings.push(Finding::error(path.clone(), tree.locate(&path), message).help(help));
        };
        if let Some(field) = unknown_field(template) {
            let known = format!("there are {}", listed(FIELDS.iter().copied()));
            let help = nearest(&field, FIELDS.iter().copied())
                .map_or(known.clone(), |meant| format!("did you mean `{{{meant}}}`? ({known})"));
            tell(format!("`{{{field}}}` stands for nothing in a preview"), &help);
        } else if let Some(field) = never.iter().find(names) {
            let help = "a preview is found again by the number of its pull request alone; use `{number}`";
            tell(format!("the {what} of a preview cannot be made of `{{{field}}}`"), help);
        } else if !by.iter().any(|field| names(&field)) {
            let help = format!("put `{{{}}}` into it", by[0]);
            tell(format!("every preview would have the same {what}, `{template}`"), &help);
        } else if template.contains("{random}") && !has_key {
            tell(
                "`{random}` needs a key".to_owned(),
                "add `random: $NAME` to `preview`, the variable with the key",
            );
        }
    }
}
