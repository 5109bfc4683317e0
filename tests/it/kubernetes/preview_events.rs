//! Previews by events, as the action hears of them; among others of twenty pull requests that open, are pushed to, closed, reopened and labelled in any order, while runs are killed, events are lost and
//! GitHub stumbles. After a sweep exactly the open ones have a preview, each at its last commit, and nothing is left of any other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testbed::github::{Commit, Fault, GitHub, Issue, Matcher, Pull, Repository, World};

use super::previews::{Previews, manifests};
use crate::github::kit::token;
use crate::parts::checkout::{Checkout, TIDEGATE};
use crate::parts::run;
use crate::real::dice::{Dice, seed};
use crate::tiers::tell;

/// So many pull requests there are.
const PULLS: u64 = 20;
/// So much happens to each.
const EVENTS: u32 = 3;
/// So many of them are worked on at once.
const AT_ONCE: u64 = 4;

/// The issue that shows all previews.
const OVERVIEW: u64 = 100;

/// Names of branches that people may choose.
const BRANCHES: [&str; 5] = ["feature", "Feature/Ünïcode-🦀", "a.b/../c", "$(touch-pwned)", "same"];

const WORKFLOW: &str = r#"on: pull_request
jobs:
  preview:
    runs-on: ubuntu-latest
    steps:
    - uses: actions/checkout@v4
    - id: preview
      uses: ./
      with: { binary: "PROGRAM" }
    - if: always()
      run: printf '%s\n' "$OUTCOME" "$ENVIRONMENT" "$URL" > "$OUT"
      env:
        OUTCOME: "${{ steps.preview.outputs.outcome }}"
        ENVIRONMENT: "${{ steps.preview.outputs.environment }}"
        URL: "${{ steps.preview.outputs.url }}"
"#;

struct Storm {
    previews: Previews,
    checkout: Checkout,
    github: GitHub,
}

impl Storm {
    async fn open(test: &str, name: &str) -> Option<Self> {
        let previews = Previews::open(test, name).await?;
        let checkout = Checkout::new(WORKFLOW);
        checkout.write("tidegate.yaml", &previews.settings(&format!("overview: {OVERVIEW}")));
        checkout.write("deploy/shop.yaml", &manifests("sample:1.0.0"));
        let main = checkout.commit("main");
        let shop = Repository::new("acme/shop").commit(Commit::new(&main, "main")).branch("main", &main);
        let github = GitHub::start(World::new().repository(shop).token(token())).await.unwrap();
        let overview = Issue::new(OVERVIEW, "Previews");
        github.change("acme/shop", |known| known.issues.insert(OVERVIEW, overview)).unwrap();
        Some(Self { previews, checkout, github })
    }

    /// A new commit of a pull request, which GitHub knows at once.
    fn push(&self, number: u64) -> String {
        let main = self.github.repository("acme/shop").unwrap().resolve("main").unwrap().sha.clone();
        let tree = self.checkout.git(&["rev-parse", "HEAD^{tree}"]);
        let message = format!("{number} {}", std::process::id());
        let count = self.github.repository("acme/shop").unwrap().commits.len();
        let head =
            self.checkout.git(&["commit-tree", &tree, "-p", &main, "-m", &format!("{message} {count}")]);
        let branch = self.branch(number);
        let changed = self.github.change("acme/shop", |known| {
            known.push(&branch, Commit::new(&head, "A change").after(&main));
            let pull = Pull::new((&branch, &head), ("main", &main));
            match known.issues.get_mut(&number) {
                Some(issue) => issue.pull = Some(pull),
                None => drop(
                    known.issues.insert(number, Issue::new(number, "A change").label("preview").pull(pull)),
                ),
            }
        });
        changed.unwrap();
        head
    }

    fn branch(&self, number: u64) -> String {
        let name = BRANCHES[usize::try_from(number).unwrap() % BRANCHES.len()];
        if name == "same" { name.to_owned() } else { format!("{name}-{number}") }
    }

    fn payload(&self, number: u64, action: &str) -> Value {
        let known = self.github.repository("acme/shop").unwrap();
        let issue = &known.issues[&number];
        let pull = issue.pull.as_ref().unwrap();
        let own = json!({ "full_name": "acme/shop", "id": 1 });
        let labels: Vec<Value> = issue.labels.iter().map(|name| json!({ "name": name })).collect();
        json!({ "action": action, "number": number, "repository": own, "label": { "name": "preview" },
            "pull_request": { "number": number, "state": if issue.open { "open" } else { "closed" }, "draft": false,
                "merged": false, "labels": labels,
                "head": { "ref": pull.head, "sha": pull.head_sha, "repo": own },
                "base": { "ref": "main", "repo": own } } })
    }

    /// What the action would run for an event, in a checkout of the pull request's last commit.
    fn step(&self, number: u64, event: &str, payload: &Value) -> (Command, PathBuf) {
        let folder = self.checkout.beside(&format!("work-{number}-{event}"));
        let main = || self.github.repository("acme/shop").unwrap().resolve("main").unwrap().sha.clone();
        let head = payload["pull_request"]["head"]["sha"].as_str().map_or_else(main, str::to_owned);
        if folder.exists() {
            let mut git = Command::new("git");
            run(git.arg("-C").arg(&folder).args(["checkout", "-q", "--detach", &head]));
        } else {
            self.checkout.git(&[
                "worktree",
                "add",
                "--quiet",
                "--detach",
                &folder.display().to_string(),
                &head,
            ]);
        }
        let file = folder.join(".git-event.json");
        std::fs::write(&file, payload.to_string()).unwrap();
        let mut command = Command::new(TIDEGATE);
        command.args(["run", "--output", "json"]).current_dir(&folder);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GITHUB_"))
        {
            command.env_remove(name);
        }
        for (name, value) in [
            ("GITHUB_API_URL", self.github.url().as_str()),
            ("GITHUB_EVENT_NAME", event),
            ("GITHUB_EVENT_PATH", &file.display().to_string()),
            ("GITHUB_REPOSITORY", "acme/shop"),
            ("GITHUB_RUN_ID", &format!("{number}")),
            ("GITHUB_ACTOR", "ada"),
            ("GITHUB_SHA", &head),
            ("GITHUB_TOKEN", "ghs_secret"),
            ("TIDEGATE_STATE_DIR", &self.checkout.beside("state").display().to_string()),
        ] {
            command.env(name, value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        (command, folder)
    }

    /// Runs the step of an event to its end, or to where it is killed.
    fn happens(&self, number: u64, action: &str, killed: Option<Duration>) {
        let (mut command, _) = self.step(number, "pull_request", &self.payload(number, action));
        let mut child = command.spawn().unwrap();
        match killed {
            Some(after) => {
                std::thread::sleep(after);
                let _ = child.kill();
                child.wait().unwrap();
            }
            None => drop(child.wait_with_output().unwrap()),
        }
    }

    /// One thing that happens to a pull request, as GitHub and perhaps a workflow hear of it.
    fn befalls(&self, number: u64, dice: &mut Dice) {
        let (is_open, is_labelled) = self
            .github
            .repository("acme/shop")
            .map(|known| {
                known
                    .issues
                    .get(&number)
                    .map_or((false, false), |it| (it.open, it.labels.contains(&"preview".into())))
            })
            .unwrap();
        let change = |act: fn(&mut Issue)| {
            self.github.change("acme/shop", |known| act(known.issues.get_mut(&number).unwrap())).unwrap();
        };
        let what = dice.one(&["push", "push", "close", "label"]);
        let action = match what {
            "push" if is_open => {
                self.push(number);
                "synchronize"
            }
            "label" if is_open && is_labelled => {
                change(|issue| assert!(issue.remove_label("preview")));
                "unlabeled"
            }
            "label" if is_open => {
                change(|issue| issue.add_label("preview"));
                "labeled"
            }
            _ if is_open => {
                change(Issue::close);
                "closed"
            }
            _ => {
                change(|issue| issue.open = true);
                "reopened"
            }
        };
        if dice.share() < 0.2 {
            let path = dice.one(&["/deployments", "/check-runs", "/pulls/", "/comments"]);
            self.github.fault(Matcher::any().path(path), Fault::Status(502), 2);
        }
        if dice.share() < 0.25 {
            // Nobody hears of it.
            return;
        }
        let is_killed = dice.share() < 0.25;
        let killed = is_killed.then(|| Duration::from_millis(100 + (dice.share() * 4000.0) as u64));
        self.happens(number, action, killed);
    }

    /// The step of a schedule.
    fn sweep(&self) -> Value {
        let (mut command, _) = self.step(0, "schedule", &json!({ "schedule": "0 * * * *" }));
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}\n{told}");
        serde_json::from_str(&text).unwrap()
    }

    /// The previews that there are, with their commits and how far they are.
    async fn there(&self) -> BTreeMap<u64, (String, String)> {
        let list = self.previews.run(&["preview", "list"]).await.exits(0).json();
        let all = list["previews"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        all.iter()
            .map(|one| (one["pull"].as_u64().unwrap(), (text(&one["commit"]), text(&one["stage"]))))
            .collect()
    }

    /// All of them at a look: one comment, a line for each.
    fn shows(&self, wanted: Vec<u64>) {
        let known = self.github.repository("acme/shop").unwrap();
        let [overview] = known.issues[&OVERVIEW].comments.as_slice() else { panic!("one comment") };
        let number = |line: &str| line.strip_prefix("| #")?.split(' ').next()?.parse().ok();
        let shown: Vec<u64> = overview.body.lines().filter_map(number).collect();
        assert_eq!(shown, wanted, "{}", overview.body);
    }

    /// GitHub counts those as running that run, and none else; one comment a pull request says what there is.
    fn tells_of(&self, wanted: &BTreeMap<u64, (String, String)>, seed: u64) {
        let known = self.github.repository("acme/shop").unwrap();
        for number in 1..=PULLS {
            let name = format!("preview-{number}");
            let states: Vec<&str> =
                known.deployments.iter().filter(|it| it.environment == name).map(|it| it.state()).collect();
            let running = states.iter().filter(|state| **state == "success").count();
            assert_eq!(running, usize::from(wanted.contains_key(&number)), "{name}: {states:?}, seed {seed}");
            if !wanted.contains_key(&number) {
                assert!(states.is_empty(), "{name}: {states:?}");
            }
            let marked = known.issues[&number].comments.iter().filter(|it| it.body.contains(&name)).count();
            assert!(marked <= 1, "one comment: {marked}");
            // What the last one that came up to its end has told; GitHub may have stumbled over it.
            let mut comments = known.issues[&number].comments.iter().map(|comment| comment.body.as_str());
            if let Some(body) = comments.rfind(|body| body.contains("## ✅")) {
                let row = format!("| shop | <http://{}-{number}.", self.previews.slug(&self.branch(number)));
                assert!(body.contains(&row), "`{row}` is not in {body}");
            }
        }
    }

    /// The pull requests that should have one, with their last commits.
    fn wanted(&self) -> BTreeMap<u64, (String, String)> {
        let known = self.github.repository("acme/shop").unwrap();
        let wanted = known.issues.values().filter(|it| it.open && it.labels.contains(&"preview".to_owned()));
        wanted.map(|it| (it.number, (it.pull.as_ref().unwrap().head_sha.clone(), "up".to_owned()))).collect()
    }
}

/// What has another preview than it should, in a few words each.
fn differ(
    there: &BTreeMap<u64, (String, String)>,
    wanted: &BTreeMap<u64, (String, String)>,
    before: &BTreeMap<u64, (String, String)>,
) -> Vec<String> {
    let of = |all: &BTreeMap<u64, (String, String)>, number: u64| {
        all.get(&number).map(|(commit, stage)| format!("{} {stage}", &commit[..7]))
    };
    (1..=PULLS)
        .filter(|number| there.get(number) != wanted.get(number))
        .map(|n| format!("{n}: {:?}, not {:?}; before {:?}", of(there, n), of(wanted, n), of(before, n)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_sweep_exactly_the_open_pull_requests_have_a_preview_at_their_last_commit() {
    let Some(storm) = Storm::open("twenty pull requests", "storm").await else { return };
    let (storm, seed) = (Arc::new(storm), seed());
    tell(&format!("TIDEGATE_SEED={seed}"));
    // The same branch name in two pull requests, opened through act.
    storm.push(4);
    let event = storm.checkout.beside("event.json");
    std::fs::write(&event, storm.payload(4, "opened").to_string()).unwrap();
    let mut act = storm.checkout.act("pull_request");
    act.arg("-e").arg(&event).args(["-s", "GITHUB_TOKEN=ghs_secret"]);
    act.args(["--env", &format!("GITHUB_API_URL={}", storm.github.url())]);
    act.args(["--env", &format!("TIDEGATE_STATE_DIR={}", storm.checkout.beside("state").display())]);
    let head = storm.payload(4, "opened")["pull_request"]["head"]["sha"].as_str().unwrap().to_owned();
    storm.checkout.git(&["checkout", "-q", "--detach", &head]);
    let log = run(&mut act);
    let out = storm.checkout.out();
    assert_eq!(out[..2], ["promoted", "preview-4"], "{log}");
    storm.checkout.git(&["checkout", "-q", "--detach", "main"]);
    storm.checkout.git(&["clean", "-fdq"]);

    let workers = (0..AT_ONCE).map(|worker| {
        let storm = Arc::clone(&storm);
        std::thread::spawn(move || {
            let mut dice = Dice::new(seed, worker);
            let own: Vec<u64> = (1..=PULLS).filter(|number| number % AT_ONCE == worker).collect();
            for number in &own {
                if *number != 4 {
                    storm.push(*number);
                    storm.happens(*number, "opened", None);
                }
            }
            for _ in 0..EVENTS {
                own.iter().for_each(|number| storm.befalls(*number, &mut dice));
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.join().unwrap();
    }
    let before = storm.there().await;
    let first = storm.sweep();
    let (there, wanted) = (storm.there().await, storm.wanted());
    let wrong = differ(&there, &wanted, &before);
    assert!(wrong.is_empty(), "seed {seed}: {wrong:?}\n{first:#}");
    tell(&format!(
        "{} of {PULLS} pull requests have a preview; before the sweep {}",
        there.len(),
        before.len()
    ));
    for number in 1..=PULLS {
        assert_eq!(storm.previews.is_there(number), wanted.contains_key(&number), "{number}");
    }
    for (number, (commit, _)) in &wanted {
        let status = storm.previews.run(&["status", &format!("preview-{number}")]).await.exits(0);
        assert!(status.out.contains(&commit[..12]), "{number} runs another commit: {}", status.out);
    }
    storm.tells_of(&wanted, seed);
    storm.shows(wanted.keys().copied().collect());
    storm.github.check().unwrap();
    assert!(!storm.checkout.path("pwned").exists());
}

/// The payload of a comment that a person wrote at a pull request.
fn comment(number: u64, body: &str) -> Value {
    json!({ "action": "created", "repository": { "full_name": "acme/shop", "id": 1 },
        "issue": { "number": number, "pull_request": { "url": "x" } },
        "comment": { "id": 1, "body": body, "created_at": "2026-11-29T00:00:00Z", "user": { "login": "monalisa", "type": "User" } } })
}

/// A secret of the trusted job, which no fork's preview may see.
const PLANTED: &str = "planted-5e6f7a8b9c";

/// Looks for the secrets of the trusted job wherever a preview could see them: its objects, the environment and the files of its processes, what
/// was said of it, and what GitHub was told.
fn nothing_secret_is_seen(storm: &Storm, number: u64, told: &str) {
    let kubeconfig = std::fs::read_to_string(storm.previews.stage.bed.kubeconfig("admin")).unwrap();
    let token = kubeconfig.lines().find_map(|line| line.trim().strip_prefix("token: ")).unwrap();
    let secrets = [PLANTED, "ghs_secret", token];
    let namespace = storm.previews.namespace(number);
    let get = |what: &str, form: &str| {
        run(storm.previews.stage.bed.kubectl("admin").args(["-n", &namespace, "get", what, "-o", form]))
    };
    let objects = get("all,configmaps,secrets,serviceaccounts,leases,events,networkpolicies", "yaml");
    let said = format!("{:?}", storm.github.repository("acme/shop").unwrap());
    for (where_to, text) in
        [("its objects", &objects), ("what was told", &told.to_owned()), ("GitHub", &said)]
    {
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "a secret is in {where_to}");
        let encoded = |secret: &&str| text.contains(&STANDARD.encode(secret));
        assert!(!secrets.iter().any(encoded), "a secret is in {where_to}, encoded");
    }
    let uids = get("pods", "jsonpath={.items[*].metadata.uid}");
    let is_its = |cgroup: &str| {
        uids.split_whitespace().any(|uid| cgroup.contains(uid) || cgroup.contains(&uid.replace('-', "_")))
    };
    let processes: Vec<PathBuf> = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| std::fs::read_to_string(path.join("cgroup")).is_ok_and(|text| is_its(&text)))
        .collect();
    assert!(!processes.is_empty(), "no process of the preview is found");
    let mut looked_at = 0;
    for process in processes {
        let mut files = vec![process.join("environ"), process.join("cmdline")];
        let mut folders = vec![process.join("root")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let kind = entry.file_type().unwrap();
                let is_kernels =
                    ["proc", "sys", "dev"].iter().any(|name| entry.path() == process.join("root").join(name));
                match (kind.is_dir() && !is_kernels, kind.is_file()) {
                    (true, _) => folders.push(entry.path()),
                    (_, true) => files.push(entry.path()),
                    _ => {}
                }
            }
        }
        for file in files {
            // What ends meanwhile has nothing to show any more.
            let Ok(bytes) = std::fs::read(&file) else { continue };
            looked_at += 1;
            for secret in secrets {
                let is_there = memchr::memmem::find(&bytes, secret.as_bytes()).is_some();
                assert!(!is_there, "a secret is in {}", file.display());
            }
        }
    }
    assert!(looked_at > 2, "files of the preview were read: {looked_at}");
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_steer_previews_and_of_a_fork_an_image_alone_comes_up_once_its_commit_was_named() {
    let Some(storm) = Storm::open("previews by comments", "comments").await else { return };
    let main = storm.github.repository("acme/shop").unwrap().resolve("main").unwrap().sha.clone();
    let head = "f".repeat(40);
    let fork = Pull::new(("main", &head), ("main", &main)).from_fork("eve/shop");
    storm
        .github
        .change("acme/shop", |known| {
            known.issues.insert(9, Issue::new(9, "From afar").pull(fork));
            *known = known.clone().collaborator("monalisa", testbed::github::Role::Maintain);
        })
        .unwrap();
    let name = crate::parts::kube::image("sample:1.0.0");
    let inspected = storm.previews.run(&["image", "inspect", &name]).await.exits(0).json();
    let digest = format!("{}@{}", name.trim_end_matches(":1.0.0"), inspected["digest"].as_str().unwrap());
    let run = |storm: &Storm, body: &str, image: &str| -> (i32, String) {
        let (mut command, _) = storm.step(9, "issue_comment", &comment(9, body));
        command.env("INPUT_IMAGE", image).env("SHOP_SECRET", PLANTED).current_dir(storm.checkout.path(""));
        let output = command.output().unwrap();
        let all = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&all).into_owned())
    };
    let (code, told) = run(&storm, "/preview", &digest);
    assert!(code == 3 && told.contains(&format!("/preview {head}")), "{told}");
    let (code, told) = run(&storm, &format!("/preview {head}"), "");
    assert!(code == 3 && told.contains("have a workflow without secrets build its image"), "{told}");
    let (code, told) = run(&storm, "/preview 1234567", &digest);
    assert!(code == 3 && told.contains("1234567 is what was looked at"), "{told}");
    let (code, told) = run(&storm, "/preview ffffffffffff", &digest);
    assert!(code == 3 && told.contains(&head), "the first digits are not enough: {told}");
    let (code, told) = run(&storm, &format!("/preview {head}"), &digest);
    assert_eq!(code, 0, "{told}");
    let list = storm.previews.run(&["preview", "list"]).await.exits(0).json();
    assert_eq!(
        (&list["previews"][0]["commit"], &list["previews"][0]["stage"]),
        (&json!(head), &json!("up")),
        "{list}"
    );
    let url = list["previews"][0]["url"].as_str().unwrap().to_owned();
    assert_eq!(storm.previews.answering(&url).await, "1.0.0");
    nothing_secret_is_seen(&storm, 9, &told);
    // It has no label that previews are for; somebody asked for it, and a sweep leaves it.
    storm.sweep();
    assert!(storm.previews.is_there(9));
    let (code, told) = run(&storm, "/preview extend 100h", "");
    assert!(code == 0 && told.contains("lives until"), "{told}");
    let (code, told) = run(&storm, "/preview stop", "");
    assert!(code == 0 && !storm.previews.is_there(9), "{told}");
    let known = storm.github.repository("acme/shop").unwrap();
    let comments = &known.issues[&9].comments;
    assert!(
        comments.iter().any(|it| it.body.contains("The preview is gone: monalisa stopped it")),
        "{comments:#?}"
    );
    storm.sweep();
    assert!(!storm.previews.is_there(9), "what was stopped does not come again by itself");
    storm.github.check().unwrap();
}
