//! The layer rule, read from the `use` lines and paths of the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// What each part of the crate may name of the crate.
const ALLOWED: &[(&str, &[&str])] = &[
    ("rollout", &["rollout"]),
    ("yaml", &["yaml"]),
    ("cluster", &["cluster"]),
    ("trust", &["trust"]),
    ("program", &["program"]),
    ("databases", &["databases"]),
    ("preview", &["preview"]),
    ("signature", &["signature"]),
    ("registry", &["registry", "trust"]),
    ("prometheus", &["prometheus", "trust"]),
    ("github", &["github", "trust"]),
    ("image", &["image", "github", "yaml", "registry"]),
    ("settings", &["rollout", "settings", "yaml", "image", "registry", "preview"]),
    ("trigger", &["trigger", "settings", "yaml", "preview"]),
    ("target", &["rollout", "target", "yaml", "cluster", "registry", "prometheus"]),
    ("journal", &["rollout", "journal", "cluster"]),
    ("gate", &["rollout", "gate", "trust", "program", "prometheus", "signature"]),
    ("report", &["rollout", "report", "github", "trust", "signature"]),
    ("migrate", &["rollout", "migrate", "program"]),
    ("sample", &["rollout", "sample"]),
    ("scan", &["rollout", "scan"]),
    ("engine", &["rollout", "engine", "target", "journal", "gate", "migrate", "report"]),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn named(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let code = code.join("\n");
    code.match_indices("crate::")
        .map(|(at, found)| word(&code[at + found.len()..]))
        .filter(|w| !w.is_empty())
        .collect()
}

#[test]
fn dependencies_point_inwards() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    let mut checked = 0;
    for file in &files {
        let inner = file.strip_prefix(&root).unwrap();
        let part = inner.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == part) else { continue };
        checked += 1;
        for name in named(&fs::read_to_string(file).unwrap()) {
            if !allowed.contains(&name.as_str()) {
                wrong.push(format!("{} names crate::{name}", inner.display()));
            }
        }
    }
    assert!(checked > 20, "only {checked} files were read");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_core_is_pure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for part in ["rollout", "image/metadata", "scan", "trigger", "preview"] {
        sources(&root.join(part), &mut files);
    }
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        for impure in [
            "tokio",
            "reqwest",
            "hyper::",
            "std::fs",
            "std::net",
            "std::env",
            "Timestamp::now",
            "Instant::now",
        ] {
            let line =
                text.lines().find(|line| !line.trim_start().starts_with("//") && line.contains(impure));
            assert!(line.is_none(), "{} names {impure}: {}", file.display(), line.unwrap());
        }
    }
}

#[test]
fn files_stay_small() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for part in ["src", "tests/it", "tests/testbed/src", "tests/testbed/tests"] {
        sources(&root.join(part), &mut files);
    }
    for file in &files {
        let lines = fs::read_to_string(file).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines; split it by meaning", file.display());
    }
}
