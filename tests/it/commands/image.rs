//! `image tags` as a workflow's step runs it: variables, a payload, git, and registries that are asked for `latest`.

mod build;
mod github;
mod registry;
mod step;

use serde_json::{Value, json};

use super::kit::tells;
use step::{SHA, Step};

#[test]
fn the_page_describes_every_input_and_every_type() {
    let page = include_str!("../../../docs/images.md");
    let cli = <tidegate::cli::Cli as clap::CommandFactory>::command();
    let command = cli.find_subcommand("image").and_then(|image| image.find_subcommand("tags")).unwrap();
    let named = |argument: &clap::Arg| {
        let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
        [argument.get_long().map(|name| format!("--{name}")), variable]
    };
    let all: Vec<String> = command.get_arguments().flat_map(named).flatten().collect();
    assert!(all.len() > 20, "{all:?}");
    for name in all {
        assert!(page.contains(&format!("`{name}`")), "docs/images.md does not tell of {name}");
    }
    for kind in ["schedule", "semver", "pep440", "match", "edge", "ref", "raw", "sha"] {
        assert!(page.contains(&format!("\n| `{kind}` | ")), "docs/images.md does not tell of type={kind}");
    }
}

#[test]
fn an_answer_in_json_has_five_keys_and_needs_no_network() {
    let step = Step::on("push", "refs/tags/v1.2.3");
    let answer = step.json(&[
        "--tags",
        "type=semver,pattern={{version}}",
        "--tags",
        "type=semver,pattern={{major}}.{{minor}}",
        "--images",
        "acme/shop",
        "--labels",
        "maintainer=Ada",
        "--now",
        "2020-01-10T00:30:00Z",
        "--latest-check",
        "off",
    ]);
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["version", "tags", "tag-names", "labels", "annotations"]);
    assert_eq!(answer["version"], "1.2.3");
    assert_eq!(answer["tags"], json!(["acme/shop:1.2.3", "acme/shop:1.2", "acme/shop:latest"]));
    assert_eq!(answer["tag-names"], json!(["1.2.3", "1.2", "latest"]));
    let labels = json!({
        "maintainer": "Ada",
        "org.opencontainers.image.created": "2020-01-10T00:30:00.000Z",
        "org.opencontainers.image.description": "Sells things.",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.revision": SHA,
        "org.opencontainers.image.source": "https://git.test/acme/shop",
        "org.opencontainers.image.title": "shop",
        "org.opencontainers.image.url": "https://git.test/acme/shop",
        "org.opencontainers.image.version": "1.2.3"
    });
    assert_eq!(answer["labels"], labels);
    let annotations = answer["annotations"].as_array().unwrap();
    assert_eq!(annotations.len(), 8, "{annotations:?}");
    assert_eq!(annotations[0], "manifest:org.opencontainers.image.created=2020-01-10T00:30:00.000Z");
}

#[test]
fn inputs_come_by_variables_too_and_an_empty_one_is_none() {
    let mut step = Step::on("push", "refs/heads/main");
    step.set("INPUT_IMAGES", "acme/shop\nacme/other");
    step.set("INPUT_TAGS", "# the commit\ntype=sha\ntype=raw,value={{date 'YYYYMMDD'}}");
    step.set("INPUT_FLAVOR", "suffix=-x");
    step.set("INPUT_LABELS", "-org.opencontainers.image.created");
    step.set("INPUT_ANNOTATIONS", "a=b");
    for empty in
        ["INPUT_CONTEXT", "INPUT_SEP-TAGS", "INPUT_LATEST-CHECK", "INPUT_GITHUB-TOKEN", "GITHUB_TOKEN"]
    {
        step.set(empty, "");
    }
    step.set("SOURCE_DATE_EPOCH", "1578616200");
    step.set("DOCKER_METADATA_SHORT_SHA_LENGTH", "9");
    step.set("DOCKER_METADATA_ANNOTATIONS_LEVELS", "index,manifest");
    let answer = step.json(&[]);
    assert_eq!(answer["tag-names"], json!(["20200110-x", "sha-0f1e2d3c4-x"]));
    assert_eq!(answer["tags"].as_array().unwrap().len(), 4);
    assert_eq!(answer["labels"].get("org.opencontainers.image.created"), None);
    let annotations = answer["annotations"].to_string();
    tells(
        &annotations,
        &[
            "\"index:a=b\"",
            "\"manifest:a=b\"",
            "index:org.opencontainers.image.created=2020-01-10T00:30:00.000Z",
        ],
    );
    // A flag goes before its variable.
    assert_eq!(step.json(&["--tags", "y", "--images", "acme/z"])["tags"], json!(["acme/z:y-x"]));
}

#[test]
fn people_read_lists_or_lines() {
    let mut step = Step::on("push", "refs/heads/main");
    step.set("INPUT_LABELS", "-org.opencontainers.image.created");
    let lists = step.run(&["--tags", "a", "--tags", "b", "--images", "acme/shop"]).exits(0);
    tells(
        &lists.out,
        &[
            "version: a\ntags:\n  acme/shop:a\n  acme/shop:b\ntag-names:\n  a\n  b\nlabels:\n  org.opencontainers.image.description=Sells",
            "annotations:\n  manifest:org.opencontainers.image.created=",
        ],
    );
    assert!(lists.err.is_empty(), "{}", lists.err);
    step.set("INPUT_SEP-TAGS", ",");
    let lines = step.run(&["--tags", "a", "--tags", "b", "--sep-labels", "; "]).exits(0);
    tells(
        &lines.out,
        &["tags: a,b\ntag-names: a,b\nlabels: org.opencontainers.image.description=Sells things.; org"],
    );
}

#[test]
fn what_is_wrong_is_told_with_place_cause_and_cure() {
    let step = Step::on("push", "refs/heads/main");
    let said = step.run(&["--tags", "a\ntype=semver,pattern={{version}},value=none"]).exits(2);
    tells(
        said.error("bad-input"),
        &[
            "error[bad-input]: tags, line 2: `none` is not a semantic version (https://semver.org), so this entry can never apply\n",
            "  help: correct the value or the pattern",
        ],
    );
    let error = step.json(&["--context", "svn"]);
    assert_eq!(error["error"]["code"], "bad-input");
    tells(error["error"]["sentence"].as_str().unwrap(), &["context: `svn` is nothing that it can be"]);
    for (arguments, told) in [
        (["--now", "yesterday"], "now: `yesterday`"),
        (["--short-sha-length", "many"], "DOCKER_METADATA_SHORT_SHA_LENGTH: `many`"),
        (["--pr-head-sha", "perhaps"], "DOCKER_METADATA_PR_HEAD_SHA: `perhaps`"),
        (["--latest-check", "never"], "latest-check: `never`"),
        (["--annotation-levels", "image"], "DOCKER_METADATA_ANNOTATIONS_LEVELS: there is no level `image`"),
        (["--labels", "x"], "labels, line 1: `x` has no value"),
    ] {
        tells(step.run(&arguments).exits(2).error("bad-input"), &[told, "help: "]);
    }
    let mut step = Step::on("push", "refs/heads/main");
    step.set("SOURCE_DATE_EPOCH", "today");
    tells(step.run(&[]).exits(2).error("bad-input"), &["SOURCE_DATE_EPOCH: `today`"]);
}

#[test]
fn an_entry_that_does_not_fit_now_is_told_and_is_no_error() {
    let step = Step::on("push", "refs/tags/winter");
    let said = step.run(&["--tags", "type=semver,pattern={{version}}"]).exits(0);
    tells(
        &said.err,
        &[
            "tags, line 1: `winter` is not a semantic version",
            "no tag comes of the inputs for the event `push`",
        ],
    );
    let off = step.run(&["--images", "name=a,enable=false", "--latest-check", "off"]).exits(0);
    tells(&off.err, &["no image is enabled, so there are no tags with names"]);
}

#[test]
fn a_payload_that_cannot_be_read_is_an_error() {
    let mut step = Step::on("push", "refs/heads/main");
    step.write_payload("{");
    tells(
        step.run(&[]).exits(2).error("bad-event"),
        &["event.json cannot be used: it is no JSON", "GITHUB_EVENT_PATH names it"],
    );
    step.set("GITHUB_EVENT_PATH", "/nowhere/event.json");
    tells(step.run(&[]).exits(2).error("bad-event"), &["/nowhere/event.json cannot be used: "]);
    step.set("GITHUB_EVENT_PATH", "");
    assert_eq!(step.json(&[])["version"], "main");
}

#[test]
fn the_head_of_a_pull_request_is_its_commit_where_that_is_wanted() {
    let mut step = Step::on("pull_request_target", "refs/heads/main");
    step.payload(
        &json!({ "number": 7, "pull_request": { "head": { "sha": "ffeeddccbbaa" } }, "repository": {} }),
    );
    assert_eq!(
        step.json(&["--tags", "type=sha", "--tags", "type=ref,event=pr"])["tag-names"],
        json!(["pr-7", "sha-0f1e2d3"])
    );
    step.set("DOCKER_METADATA_PR_HEAD_SHA", "true");
    let answer = step.json(&["--tags", "type=sha"]);
    assert_eq!(answer["version"], "sha-ffeeddc");
    assert_eq!(answer["labels"]["org.opencontainers.image.revision"], Value::from("ffeeddccbbaa"));
}

#[test]
fn git_tells_ref_and_commit_outside_of_a_workflow_or_where_it_is_asked() {
    let mut step = Step::bare();
    let said = step.run(&[]).exits(2);
    tells(
        said.error("no-context"),
        &["ref and commit cannot be had from git", "help: run it in a working tree of git"],
    );
    step.git(&["init", "--quiet", "--initial-branch=feature/x"]);
    step.git(&["commit", "--quiet", "--allow-empty", "--message=one"]);
    assert_eq!(step.json(&[])["version"], "feature-x");
    assert_eq!(
        step.json(&["--tags", "{{commit_date 'YYYY-MM-DD HH' tz='Asia/Tokyo'}}"])["version"],
        "2020-01-10-09"
    );
    step.git(&["tag", "v1.9.0"]);
    step.git(&["tag", "v1.10.0"]);
    step.git(&["checkout", "--quiet", "--detach"]);
    assert_eq!(step.json(&["--tags", "type=ref,event=tag"])["version"], "v1.10.0");
    step.git(&["tag", "--delete", "v1.9.0", "v1.10.0"]);
    step.git(&["update-ref", "refs/remotes/pull/7/merge", "HEAD"]);
    step.git(&["branch", "--delete", "--force", "feature/x"]);
    assert_eq!(step.json(&[])["version"], "pr-7");
    step.git(&["update-ref", "-d", "refs/remotes/pull/7/merge"]);
    tells(step.run(&[]).exits(2).error("no-context"), &["neither a branch nor a tag stands at the commit"]);
    // In a workflow it is the workflow's ref, unless git is asked.
    step.set("GITHUB_REF", "refs/heads/main");
    step.git(&["checkout", "--quiet", "-b", "other"]);
    assert_eq!(step.json(&[])["version"], "main");
    step.set("INPUT_CONTEXT", "git");
    assert_eq!(step.json(&[])["version"], "other");
}
