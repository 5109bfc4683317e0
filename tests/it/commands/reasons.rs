//! `docs/reasons.md` names every code that the sources know, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::kit::files;

/// What stands right before a code, in a source whose white space is single spaces.
const BEFORE: [&str; 25] = [
    "Unstarted::fatal( ",
    "Unstarted::fatal(",
    "busy(",
    "Applied, ",
    "refusal( ",
    "refusal(",
    "refused( ",
    "refused(",
    "failure( ",
    "failure(",
    " fault(",
    "(fault(",
    "Cause::new( ",
    "Cause::new(",
    " code: ",
    " reason: ",
    "=> (",
    "=> ( ",
    "Pass, ",
    "Fail, ",
    "Inconclusive, ",
    "NoData, ",
    "return ( ",
    "; (",
    "unwrap_or(",
];

/// Literals that stand so and are no codes.
const OTHERS: [&str; 2] = ["user-agent", "nothing"];

/// The codes of a source, found by where they stand.
fn codes(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let text = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join(" ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = BTreeSet::new();
    let mut take = |rest: &str| {
        let literal = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
        let literal =
            literal.filter(|l| l.chars().all(|c| c.is_ascii_lowercase() || c == '-') && l.len() > 1);
        found.extend(literal.map(str::to_owned));
    };
    for before in BEFORE {
        text.match_indices(before).for_each(|(at, _)| take(&text[at + before.len()..]));
    }
    // The codes that the supervisor and its client agree on stand in one list.
    let list = text
        .split_once("const CODES: [&str;")
        .and_then(|(_, rest)| rest.split_once("= [")?.1.split_once(']'));
    list.map_or("", |(list, _)| list).split(',').for_each(&mut take);
    for (at, _) in text.match_indices("ErrorKind::") {
        // `Error::new(ErrorKind::Failed, "code", …`: the code is the argument after the kind.
        if let Some((kind, rest)) = text[at..].split_once(", ")
            && kind.len() < 40
        {
            take(rest);
        }
    }
    found
}

/// Every code with the files that know it.
fn known() -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in files(&root.join("src")) {
        // Not by the whole path: the folder that the project lies in may be called anything.
        let name = file.strip_prefix(root).unwrap().display().to_string();
        // The words of reports and of settings are for people, not codes.
        if name.contains("/report/") || name.contains("/settings/") || name.contains("/sample/") {
            continue;
        }
        for code in codes(&fs::read_to_string(&file).unwrap()) {
            all.entry(code).or_default().push(name.clone());
        }
    }
    OTHERS.iter().for_each(|other| drop(all.remove(*other)));
    all
}

/// The codes that the page explains: the first cell of each row, and those in the sentence on passed gates.
fn explained(page: &str) -> BTreeSet<String> {
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let cell = |line: &str| {
        Some(quoted(line.strip_prefix("| ").filter(|rest| rest.starts_with('`'))?.split(" | ").next()?))
    };
    let passed = page
        .lines()
        .filter(|line| line.starts_with("The codes of ") && line.contains(" that "))
        .flat_map(quoted);
    page.lines().filter_map(cell).flatten().chain(passed).collect()
}

#[test]
fn the_page_and_the_sources_know_the_same_codes() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reasons.md")).unwrap();
    let (explained, known) = (explained(&page), known());
    assert!(known.len() > 60, "the search has gone blind: {known:#?}");
    let missing: Vec<_> = known.iter().filter(|(code, _)| !explained.contains(*code)).collect();
    assert!(missing.is_empty(), "docs/reasons.md does not explain {missing:#?}");
    let sources: String = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let stale: Vec<_> = explained.iter().filter(|code| !sources.contains(&format!("\"{code}\""))).collect();
    assert!(stale.is_empty(), "docs/reasons.md explains codes that do not exist: {stale:?}");
}
