//! The cases of `tests/fixtures/tags`: a paragraph each, with what is given and what comes of it.
//!
//! Given: `on EVENT REF`, the inputs by their names (a line a line), and `sha`, `now`, `committed`, `commit SHA TIME`, `number`, `base`, `head`,
//! `at-head`, `pushed-from`, `short`, `no-repository`. Comes: `= NAMES`, `full TAGS`, `label KEY=VALUE`, `without KEY`, `annotation TEXT`,
//! `note TEXT`, or `error TEXT` with `cure TEXT`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tidegate::github::{Event, Repository};
use tidegate::image::metadata::{Context, Fault, Inputs, Metadata, Rules};

pub(super) const SHA: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f001122334";
pub(super) const NOW: &str = "2020-01-10T00:30:00Z";

/// A case: its name, and the words of its lines with what follows them.
struct Case {
    name: String,
    lines: Vec<(String, String)>,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tags");
    let mut all: Vec<Case> = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(path).unwrap();
        // What stands before the first case is for readers.
        let text = text.split_once("\n## ").unwrap().1.to_owned();
        for paragraph in text.split("\n## ") {
            let (name, rest) = paragraph.split_once('\n').unwrap();
            let line = |line: &str| {
                let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
                (word.to_owned(), rest.to_owned())
            };
            let lines = rest.lines().filter(|line| !line.is_empty()).map(line).collect();
            all.push(Case { name: format!("{file}: {name}"), lines });
        }
    }
    all
}

impl Case {
    fn all(&self, word: &str) -> Vec<&str> {
        self.lines.iter().filter(|(name, _)| name == word).map(|(_, rest)| rest.as_str()).collect()
    }

    fn one(&self, word: &str) -> Option<&str> {
        self.all(word).first().copied()
    }

    /// The payload as GitHub would send it.
    fn payload(&self) -> Value {
        let mut payload = json!({ "base_ref": self.one("pushed-from"), "number": self.number() });
        if self.one("base").is_some() || self.one("head").is_some() {
            payload["pull_request"] =
                json!({ "base": { "ref": self.one("base") }, "head": { "sha": self.one("head") } });
        }
        if self.one("no-repository").is_none() {
            payload["repository"] = json!({
                "name": "shop", "description": "Sells things.", "html_url": "https://git.test/acme/shop",
                "default_branch": "main", "license": { "spdx_id": "Apache-2.0" }
            });
        }
        if let Some((sha, at)) = self.one("commit").and_then(|commit| commit.split_once(' ')) {
            payload["head_commit"] = json!({ "id": sha, "timestamp": at });
        }
        payload
    }

    fn number(&self) -> Option<u64> {
        self.one("number").map(|number| number.parse().unwrap())
    }

    fn context(&self) -> Context {
        let (name, reference) =
            self.one("on").unwrap().split_once(' ').unwrap_or((self.one("on").unwrap(), ""));
        let event = Event::new(name, reference, self.one("sha").unwrap_or(SHA), &self.payload());
        let event = if self.one("at-head").is_some() { event.at_head() } else { event };
        let now = self.one("now").unwrap_or(NOW).parse().unwrap();
        let committed = self.one("committed").map(|at| at.parse().unwrap());
        Context {
            repository: event.repository.clone().unwrap_or_else(|| Repository::named("", "")),
            commit_date: committed.or(event.commit_date()).unwrap_or(now),
            short_sha: self.one("short").map_or(7, |number| number.parse().unwrap()),
            event,
            now,
        }
    }

    fn run(&self) -> Result<Metadata, Fault> {
        let input = |name: &str| self.all(name).join("\n");
        let inputs = Inputs {
            images: input("images"),
            tags: input("tags"),
            flavor: input("flavor"),
            labels: input("labels"),
            annotations: input("annotations"),
            levels: input("levels"),
        };
        Rules::read(&inputs)?.apply(&self.context())
    }

    /// What is not as it should be.
    fn faults(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let outcome = self.run();
        match (&outcome, self.one("error")) {
            (Err(fault), Some(expected)) => {
                self.compare(&mut wrong, expected, &fault.to_string());
                if let Some(cure) = self.one("cure") {
                    self.compare(&mut wrong, cure, fault.cure.as_deref().unwrap_or_default());
                }
            }
            (Err(fault), None) => wrong.push(format!("{}: {fault}", self.name)),
            (Ok(metadata), Some(_)) => {
                wrong.push(format!("{}: no error, but {:?}", self.name, metadata.tag_names()))
            }
            (Ok(metadata), None) => self.check(metadata, &mut wrong),
        }
        wrong
    }

    fn compare(&self, wrong: &mut Vec<String>, expected: &str, seen: &str) {
        if !seen.contains(expected) {
            wrong.push(format!("{}:\n  expected {expected}\n  seen     {seen}", self.name));
        }
    }

    fn check(&self, metadata: &Metadata, wrong: &mut Vec<String>) {
        let mut equal = |expected: String, seen: String| {
            if expected != seen {
                wrong.push(format!("{}:\n  expected {expected}\n  seen     {seen}", self.name));
            }
        };
        if let Some(names) = self.one("=") {
            equal(names.to_owned(), metadata.tag_names().join(" "));
            equal(names.split(' ').next().unwrap().to_owned(), metadata.version.clone());
        }
        if let Some(full) = self.one("full") {
            equal(full.to_owned(), metadata.tags().join(" "));
        }
        for label in self.all("label") {
            let (key, value) = label.split_once('=').unwrap();
            let seen = metadata.labels.get(key).map_or("none", String::as_str);
            equal(value.replace("\\n", "\n"), seen.to_owned());
        }
        for key in self.all("without") {
            equal("none".to_owned(), metadata.labels.get(key).map_or("none", String::as_str).to_owned());
        }
        for annotation in self.all("annotation") {
            let is_there = metadata.annotations.iter().any(|seen| seen == annotation);
            equal(
                annotation.to_owned(),
                if is_there { annotation.to_owned() } else { metadata.annotations.join("\n") },
            );
        }
        let notes = metadata.notes.join("\n");
        for note in self.all("note") {
            self.compare(wrong, note, &notes);
        }
        if self.one("note").is_none() && !notes.is_empty() {
            wrong.push(format!("{}: nobody expected: {notes}", self.name));
        }
    }
}

#[test]
fn every_case_comes_out_as_it_should() {
    let cases = cases();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert!(cases.len() >= 150 && names.len() == cases.len(), "{} cases, {} names", cases.len(), names.len());
    let known = [
        "on",
        "images",
        "tags",
        "flavor",
        "labels",
        "annotations",
        "levels",
        "sha",
        "now",
        "committed",
        "commit",
        "number",
        "base",
        "head",
        "at-head",
        "pushed-from",
        "short",
        "no-repository",
        "=",
        "full",
        "label",
        "without",
        "annotation",
        "note",
        "error",
        "cure",
    ];
    let unknown: Vec<&String> = cases
        .iter()
        .flat_map(|case| &case.lines)
        .map(|(word, _)| word)
        .filter(|w| !known.contains(&w.as_str()))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let wrong: Vec<String> = cases.iter().flat_map(Case::faults).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Each type of entry and each event that starts a workflow is in some case.
#[test]
fn no_rule_and_no_event_is_without_a_case() {
    let cases = cases();
    let entries: String =
        cases.iter().flat_map(|case| case.all("tags")).map(|line| format!("{line}\n")).collect();
    for kind in [
        "schedule",
        "semver",
        "pep440",
        "match",
        "edge",
        "ref,event=branch",
        "ref,event=tag",
        "ref,event=pr",
        "raw",
        "sha",
    ] {
        let times = entries.matches(&format!("type={kind}")).count();
        assert!(times >= 5, "type={kind} is in {times} cases");
    }
    let events: BTreeSet<&str> = cases.iter().filter_map(|case| case.one("on")?.split(' ').next()).collect();
    for event in [
        "push",
        "pull_request",
        "pull_request_target",
        "pull_request_review",
        "schedule",
        "workflow_dispatch",
        "workflow_call",
        "workflow_run",
        "repository_dispatch",
        "release",
        "create",
        "delete",
        "merge_group",
        "issues",
        "issue_comment",
        "discussion",
        "deployment",
        "deployment_status",
        "registry_package",
    ] {
        assert!(events.contains(event), "{event} is in no case");
    }
}
