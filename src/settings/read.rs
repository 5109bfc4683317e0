//! Tree to types as written, and faults into sentences.

use std::collections::HashSet;

use serde::Deserialize;

use super::file::File;
use super::schema::home;
use crate::yaml::Finding;
use crate::yaml::words::{listed, nearest};
use crate::yaml::{Fault, Kind, Node, Path, Position, Reader, Scalar, Segment, Value};

/// After so many faults no more are looked for: somewhat more than are told.
const MOST: usize = 110;

/// The finding for a file in which nothing stands.
pub(super) fn empty() -> Finding {
    Finding::error(Path::default(), Position::START, "the file is empty")
        .help("it needs at least `app` and `environments`; `tidegate init` writes an example")
}

/// Reads the tree. Faults go to `findings`, and what they are about is left out. Also returns the ways to what was left
/// out, so that nobody calls it missing.
pub(super) fn read(tree: &Node, findings: &mut Vec<Finding>) -> (Option<File>, Vec<Path>) {
    let mut damaged: Vec<Path> = findings.iter().map(|finding| finding.path.clone()).collect();
    if matches!(tree.value, Value::Scalar(Scalar::Null, _)) {
        findings.push(empty());
        return (None, damaged);
    }
    let mut left_out = HashSet::new();
    for _ in 0..MOST {
        let fault = match File::deserialize(Reader::new(tree, &left_out)) {
            Ok(file) => return (Some(file), damaged),
            Err(fault) => fault,
        };
        let path = fault.path();
        damaged.extend(meant(&fault, &path));
        if !fault.follows {
            findings.push(worded(&fault, path, tree));
        }
        match fault.culprit {
            Some(id) if left_out.insert(id) => {}
            _ => return (None, damaged),
        }
    }
    (None, damaged)
}

/// What is not to be called missing: the value itself, or for an unknown key the one that was probably meant.
fn meant(fault: &Fault, path: &Path) -> Vec<Path> {
    match &*fault.kind {
        Kind::Unknown { name, expected, key: true } => {
            let meant = nearest(name, expected.iter().copied()).map(|name| path.parent().key(name));
            meant.into_iter().chain([path.clone()]).collect()
        }
        _ => vec![path.clone()],
    }
}

fn worded(fault: &Fault, path: Path, tree: &Node) -> Finding {
    let at = fault.at.unwrap_or(tree.at);
    let subject = match path.0.last() {
        None => "the file".to_owned(),
        Some(Segment::Key(key)) => format!("`{key}`"),
        Some(Segment::Index(index)) => {
            format!("item {} of `{}`", index + 1, path.parent().last_key().unwrap_or("the list"))
        }
    };
    let (message, help) = match &*fault.kind {
        Kind::Unknown { name, expected, .. } => return unknown(name, expected, path, at, fault),
        Kind::Missing(name) => {
            (format!("`{name}` is missing {}", path.place()), Some(format!("add `{name}: …`")))
        }
        Kind::Type { found, expected, .. } if found == "no value" => (
            format!("{subject} has no value; it takes {expected}"),
            Some("give it a value, or take the line out for the default".to_owned()),
        ),
        Kind::Type { found, scalar, expected } => {
            let quotes = scalar.as_ref().filter(|_| expected == "text");
            let help = quotes.map(|scalar| format!("put it in quotes to make it a text: \"{scalar}\""));
            (format!("{subject} takes {expected}, not {found}"), help)
        }
        Kind::Message(message, help) => (message.clone(), help.clone()),
    };
    let finding = Finding::error(path, at, message);
    match help {
        Some(help) => finding.help(help),
        None => finding,
    }
}

fn unknown(name: &str, expected: &[&str], path: Path, at: Position, fault: &Fault) -> Finding {
    let holder = match (&*fault.kind, path.last_key()) {
        (Kind::Unknown { key: false, .. }, last) if last != Some(name) => path.clone(),
        _ => path.parent(),
    };
    if let Some((message, help)) = planned(&holder, name) {
        return Finding::error(path, at, message).help(help);
    }
    let names = || expected.iter().copied();
    let known = match expected {
        [] => "it takes no keys".to_owned(),
        [only] => format!("there is only `{only}`"),
        _ => format!("there are {}", listed(names())),
    };
    let key = matches!(*fault.kind, Kind::Unknown { key: true, .. });
    let help = match (nearest(name, names()), home(name).filter(|_| key)) {
        (Some(name), _) if key => format!("did you mean `{name}`?"),
        (Some(name), _) => format!("did you mean `{name}`? ({known})"),
        (None, Some(home)) => format!("`{name}` belongs {}", filled(&home, &path)),
        (None, None) => known,
    };
    let message = if key {
        format!("unknown key `{name}` {}", holder.place())
    } else {
        format!("`{name}` is no {}", kind_of(&holder))
    };
    Finding::error(path, at, message).help(help)
}

/// A home with the name of the environment that is at hand.
fn filled(home: &str, path: &Path) -> String {
    match path.0.as_slice() {
        [Segment::Key(_), Segment::Key(name), ..] => home.replacen("NAME", name, 1),
        _ => home.to_owned(),
    }
}

/// What the names at a place are called.
fn kind_of(holder: &Path) -> &str {
    match holder.last_key().unwrap_or("known name") {
        _ if holder.parent().to_string().ends_with(".kubernetes.policy") => "weight of a rule",
        "security" => "way to a mail server",
        "inconclusive" => "way to go on when the evidence does not settle it",
        "upstream" => "protocol for instances",
        "traffic" => "way of traffic",
        "metrics" => "source of counts",
        "on" => "event that deploys",
        "at-limit" => "answer to one preview too many",
        other => other,
    }
}

/// Keys that people may look for and that are not read: they say why, rather than have no effect.
fn planned(holder: &Path, name: &str) -> Option<(String, &'static str)> {
    let keys: Vec<&str> = holder
        .0
        .iter()
        .map(|segment| match segment {
            Segment::Key(key) => key.as_str(),
            Segment::Index(_) => "",
        })
        .collect();
    match (keys.as_slice(), name) {
        (["image", "build"], "build-args" | "build-contexts") => {
            Some((format!("`{name}` is called `{}` here", &name["build-".len()..]), "take `build-` away"))
        }
        (["image", "build"], "push" | "load" | "tags" | "labels" | "annotations" | "outputs") => Some((
            format!("`{name}` is not said of the build: what it makes goes to `image.repository`"),
            "take it out; `tags`, `labels` and `annotations` stand beside `build`",
        )),
        (["environments", _, "on"], "pull-request") => {
            Some(("`pull-request` is spelled as GitHub spells it".to_owned(), "write `pull_request`"))
        }
        (["environments", _, "target"], "docker") => Some((
            "`docker` targets are not in this version of Tidegate; `local` and `kubernetes` are".to_owned(),
            "use `target: { local: { command: …, listen: … } }`, or take the environment out",
        )),
        (["environments", _, "target", "kubernetes"], "instances" | "replicas") => Some((
            format!("`{name}` is not set here: the manifests say how many instances there are"),
            "take it out, and set `replicas` in the Deployment",
        )),
        _ => None,
    }
}
