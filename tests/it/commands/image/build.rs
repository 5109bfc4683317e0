//! `build` with a script in the place of docker: what it is started with, what becomes of what it says, and how it is ended.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::commands::kit::{Running, Said, TIDEGATE, tells};
use crate::commands::output::fits;

/// A folder with a Dockerfile, and a script that is found as `docker`.
struct Yard(TempDir);

/// Answers to what is asked of buildx before a build.
const ASKED: &str = "#!/bin/sh
case \"$1 $2\" in
  'buildx version') echo v0.34.0; exit ;;
  'buildx inspect') printf 'Name: b\\nDriver: remote\\nBuildKit version: v0.31.0\\nPlatforms: linux/amd64\\n'; exit ;;
esac
printf '%s\\n' \"$@\" > words
env > variables
";

impl Yard {
    /// With what the script does in place of a build.
    fn new(build: &str) -> Self {
        let yard = Self(tempfile::tempdir().unwrap());
        fs::create_dir(yard.path("bin")).unwrap();
        fs::write(yard.path("Dockerfile"), "FROM scratch\n").unwrap();
        fs::write(yard.path("bin/docker"), format!("{ASKED}{build}\n")).unwrap();
        fs::set_permissions(yard.path("bin/docker"), fs::Permissions::from_mode(0o755)).unwrap();
        yard
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn start(&self, words: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = Command::new(TIDEGATE);
        command.env_clear().current_dir(self.0.path()).env("HOME", self.0.path());
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        command.args(["--output", "json", "build"]).args(words).envs(variables.iter().copied());
        Running::start(command)
    }

    fn run(&self, words: &[&str], variables: &[(&str, &str)]) -> Said {
        self.start(words, variables).end()
    }

    fn words(&self) -> Vec<String> {
        fs::read_to_string(self.path("words")).unwrap().lines().map(str::to_owned).collect()
    }
}

/// Writes the digest where buildx would.
const DIGEST: &str = "while [ $# -gt 1 ]; do [ \"$1\" = --metadata-file ] && echo '{\"containerimage.digest\":\"sha256:1\"}' > \"$2\"; shift; done";

#[test]
fn the_page_describes_every_input_of_build() {
    let page = include_str!("../../../../docs/images-build.md");
    let cli = <tidegate::cli::Cli as clap::CommandFactory>::command();
    let command = cli.find_subcommand("build").unwrap();
    let named = |argument: &clap::Arg| {
        let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
        [argument.get_long().map(|name| format!("--{name}")), variable]
    };
    let all: Vec<String> = command.get_arguments().flat_map(named).flatten().collect();
    assert!(all.len() > 60, "{all:?}");
    for name in &all {
        assert!(page.contains(&format!("`{name}`")), "docs/images-build.md does not tell of {name}");
    }
    // Each input of the action is there, by its variable.
    for input in [
        "add-hosts",
        "allow",
        "annotations",
        "attests",
        "build-args",
        "build-contexts",
        "builder",
        "cache-from",
        "cache-to",
        "call",
        "cgroup-parent",
        "context",
        "file",
        "labels",
        "load",
        "network",
        "no-cache",
        "no-cache-filters",
        "outputs",
        "platforms",
        "provenance",
        "pull",
        "push",
        "sbom",
        "secret-envs",
        "secret-files",
        "shm-size",
        "ssh",
        "tags",
        "target",
        "ulimit",
    ] {
        assert!(all.contains(&format!("INPUT_{}", input.to_uppercase())), "{input}");
    }
}

#[test]
fn inputs_reach_buildx_and_secrets_by_the_environment_alone() {
    let yard = Yard::new(DIGEST);
    let variables = [
        ("INPUT_PLATFORMS", "linux/amd64,linux/arm64"),
        ("INPUT_BUILD-ARGS", "A=1\nB=x, y"),
        ("INPUT_SECRETS", "token=hunter2=x\n\"key=one\nhunter3\""),
        ("INPUT_PROVENANCE", ""),
        ("INPUT_TAGS", "acme/shop:1\nacme/shop:2"),
        ("INPUT_PUSH", "false"),
        ("ACTIONS_RESULTS_URL", "https://cache.test/"),
    ];
    let answer = yard.run(&["--cache", "gha"], &variables).exits(0).json();
    fits(&answer);
    assert_eq!((&answer["digest"], &answer["reused"]), (&"sha256:1".into(), &false.into()));
    assert_eq!(answer["names"], serde_json::json!(["acme/shop:1", "acme/shop:2"]));
    let words = yard.words().join(" ");
    tells(
        &words,
        &[
            "buildx build --progress=rawjson --platform linux/amd64,linux/arm64 --tag acme/shop:1 --tag acme/shop:2",
            "--build-arg A=1 --build-arg B=x, y",
            "--secret id=token,env=TIDEGATE_SECRET_0 --secret id=key,env=TIDEGATE_SECRET_1",
            "--cache-to type=gha,mode=max,scope=shop-linux-amd64_linux-arm64",
            "--attest type=provenance,mode=max",
        ],
    );
    assert!(words.ends_with(" ."), "{words}");
    assert!(!words.contains("hunter"), "{words}");
    let given = fs::read_to_string(yard.path("variables")).unwrap();
    tells(
        &given,
        &[
            "TIDEGATE_SECRET_0=hunter2=x\n",
            "TIDEGATE_SECRET_1=one\nhunter3\n",
            "ACTIONS_RESULTS_URL=https://cache.test/",
        ],
    );
}

#[test]
fn in_a_workflow_its_repository_is_built_with_the_token_and_less_is_told_of_a_private_one() {
    let yard = Yard::new(DIGEST);
    fs::write(yard.path("event.json"), r#"{ "repository": { "private": true } }"#).unwrap();
    let event = yard.path("event.json");
    let sha = "0f1e2d3c4b5a69788796a5b4c3d2e1f001122334";
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_SERVER_URL", "https://git.test"),
        ("GITHUB_REPOSITORY", "acme/shop"),
        ("GITHUB_REF", "refs/heads/main"),
        ("GITHUB_SHA", sha),
        ("GITHUB_RUN_ID", "7"),
        ("GITHUB_RUN_ATTEMPT", "2"),
        ("GITHUB_EVENT_PATH", event.to_str().unwrap()),
        ("INPUT_GITHUB-TOKEN", "hunter2"),
    ];
    yard.run(&[], &variables).exits(0);
    let words = yard.words().join(" ");
    tells(
        &words,
        &[
            "--secret id=GIT_AUTH_TOKEN,env=TIDEGATE_SECRET_0",
            "--attest type=provenance,mode=min,inline-only=true,builder-id=https://git.test/acme/shop/actions/runs/7/attempts/2",
        ],
    );
    assert!(
        words.ends_with(&format!(" https://git.test/acme/shop.git#{sha}")) && !words.contains("hunter"),
        "{words}"
    );
}

#[test]
fn a_failure_is_told_without_the_secret() {
    let yard = Yard::new(
        "echo '{\"vertexes\":[{\"digest\":\"a\",\"name\":\"[2/2] RUN make\",\"started\":\"2026-01-10T00:30:00Z\"}],\"logs\":[{\"vertex\":\"a\",\"data\":\"aHVudGVyMiBpcyBpdAo=\"}]}' >&2\n\
         echo '{\"vertexes\":[{\"digest\":\"a\",\"name\":\"[2/2] RUN make\",\"started\":\"2026-01-10T00:30:00Z\",\"completed\":\"2026-01-10T00:30:01Z\",\"error\":\"process did not complete successfully: exit code: 3\"}]}' >&2\n\
         printf 'Dockerfile:1\\n--------------------\\n   1 | >>> RUN make\\n--------------------\\nERROR: failed to solve: exit code: 3\\n' >&2\nexit 1",
    );
    let said = yard.run(&[], &[("INPUT_SECRETS", "token=hunter2"), ("GITHUB_ACTIONS", "true")]);
    let answer = said.json();
    fits(&answer);
    assert_eq!(answer["error"]["code"], "build-failed");
    let sentence = "Dockerfile:1: `RUN make` ended with exit code 3; its last lines were:\n    *** is it";
    assert_eq!(answer["error"]["sentence"], sentence);
    tells(
        &said.err,
        &[
            "#1 [2/2] RUN make (failed after 1.0 s",
            "::error file=Dockerfile,line=1,title=build-failed::Dockerfile:1: ",
        ],
    );
    assert!(!said.err.contains("hunter"), "{}", said.err);
}

#[test]
fn a_signal_is_handed_on_and_the_answer_says_so() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let yard =
            Yard::new("trap 'echo told >&2; exit 1' INT TERM\necho begun >&2\nwhile :; do sleep 0.05; done");
        let running = yard.start(&[], &[]);
        while !yard.path("variables").exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
        running.signal(signal);
        let answer: Value = running.end().exits(code).json();
        assert_eq!(answer["error"]["code"], "cancelled", "{answer:#}");
    }
}

#[test]
fn what_is_wrong_with_an_input_is_told_and_no_secret() {
    let yard = Yard::new(DIGEST);
    for (words, variables, parts) in [
        (&["--push"][..], &[][..], &["the image is to be pushed, and has no name"][..]),
        (&["--push", "maybe"], &[], &["push: `maybe` is nothing that it can be"]),
        (&["--cache", "s3"], &[], &["cache: `s3` is no cache that has a word"]),
        (&[], &[("INPUT_SECRETS", "hunter2")], &["secrets: an entry is not written as `id=…`"]),
        (&["--secret-envs", "a=NOWHERE"], &[], &["the variable NOWHERE of the secret a is not set"]),
        (&["--secret-files", "a=/nowhere"], &[], &["there is no file /nowhere for the secret a"]),
        (&["--context", "{{defaultContext}}"], &[], &["there is no workflow here for"]),
    ] {
        let said = yard.run(words, variables).exits(2);
        assert!(!said.out.contains("hunter"), "{}", said.out);
        tells(said.json()["error"]["sentence"].as_str().unwrap(), parts);
    }
}

#[test]
fn without_anything_that_builds_the_cure_is_told() {
    let yard = Yard::new("");
    fs::remove_file(yard.path("bin/docker")).unwrap();
    let mut command = Command::new(TIDEGATE);
    command
        .env_clear()
        .current_dir(yard.0.path())
        .env("PATH", yard.path("bin"))
        .args(["--output", "json", "build"]);
    let answer = Running::start(command).end().exits(1).json();
    assert_eq!(answer["error"]["code"], "no-builder");
    tells(&answer["error"]["hints"].to_string(), &["tidegate image push"]);
}
