//! Commands in comments, by a GitHub that remembers: who may, which commit it is, and what is told.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use testbed::github::{Commit, GitHub, Issue, Pull, Repository, Role, World};

use super::kit::{App, Config, Said, tells};
use crate::github::kit::token;
use crate::tiers::wanted;

/// When the comment was written, and when the branch was pushed before and after that.
const WRITTEN: &str = "2026-01-02T10:00:00Z";
const BEFORE: &str = "2026-01-02T09:59:59Z";
const AFTER: &str = "2026-01-02T10:00:00Z";

/// A repository of which a step has only `main`, and a pull request from `topic`.
struct Shop {
    app: App,
    github: GitHub,
    main: String,
    topic: String,
    /// A commit on a branch that nobody has asked to merge.
    loose: String,
}

pub(super) fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=test", "-c", "user.email=test@example.com"]).arg("-C").arg(folder);
    let said = git.args(arguments).output().unwrap();
    assert!(said.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// As `actions/checkout` does it: one commit of `origin`, and no other branch.
pub(super) fn check_out(app: &App, origin: &Path) {
    let here = app.path("");
    fs::remove_file(app.path("tidegate.yaml")).unwrap();
    git(&here, &["init", "-q", "-b", "main"]);
    git(&here, &["remote", "add", "origin", &origin.display().to_string()]);
    git(&here, &["fetch", "-q", "--depth=1", "origin", "main"]);
    git(&here, &["reset", "-q", "--hard", "FETCH_HEAD"]);
}

impl Shop {
    /// With a change to the pull request, and to the repository around it.
    async fn new(pull: impl FnOnce(Pull) -> Pull, change: impl FnOnce(Repository) -> Repository) -> Self {
        let mut app = App::new(&Config {
            more: "    on: { tag: \"v*\", dispatch: true }\n".to_owned(),
            ..Config::default()
        });
        let (here, origin) = (app.path(""), app.path(".origin"));
        git(&here, &["init", "-q", "-b", "main", ".origin"]);
        fs::copy(app.path("tidegate.yaml"), origin.join("tidegate.yaml")).unwrap();
        git(&origin, &["add", "."]);
        let commit = |branch: &str| {
            git(&origin, &["switch", "-qC", branch]);
            git(&origin, &["commit", "-q", "--allow-empty", "-m", branch]);
            git(&origin, &["rev-parse", "HEAD"])
        };
        let (main, loose, topic) = (commit("main"), commit("loose"), commit("topic"));
        git(&origin, &["tag", "v9", &topic]);
        check_out(&app, &origin);

        let shop = Repository::new("acme/shop")
            .commit(Commit::new(&main, "main"))
            .commit(Commit::new(&loose, "loose").after(&main))
            .commit(Commit::new(&topic, "topic").after(&loose))
            .branch("main", &main)
            .branch("loose", &loose)
            .branch("topic", &topic)
            .pushed("topic", BEFORE.parse().unwrap())
            .issue(
                Issue::new(7, "Faster")
                    .pull(pull(Pull::new(("topic", &topic), ("main", &main))))
                    .comment("ada", "/deploy"),
            )
            .collaborator("ada", Role::Write)
            .collaborator("tessa", Role::Triage);
        let mut shop = change(shop);
        shop.point("refs/tags/v9", &topic);
        let github = GitHub::start(World::new().repository(shop).token(token())).await.unwrap();
        for (name, value) in [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_API_URL", github.url().as_str()),
            ("GITHUB_EVENT_PATH", "event.json"),
            ("GITHUB_OUTPUT", "output"),
            ("GITHUB_REPOSITORY", "acme/shop"),
            ("GITHUB_RUN_ID", "42"),
            ("GITHUB_SHA", &main),
            ("GITHUB_STATE", "state"),
            ("INPUT_GITHUB-TOKEN", "ghs_secret"),
        ] {
            app.variable(name, value);
        }
        Self { app, github, main, topic, loose }
    }

    async fn plain() -> Self {
        Self::new(|pull| pull, |shop| shop).await
    }

    /// Runs the step for an event.
    fn event(&mut self, name: &str, payload: &Value) -> Said {
        fs::write(self.app.path("event.json"), payload.to_string()).unwrap();
        self.app.variable("GITHUB_EVENT_NAME", name);
        self.app.run(&["run"])
    }

    /// Runs the step for a comment.
    fn comment(&mut self, by: &str, body: &str) -> Said {
        let id = self.repository().issues[&7].comments[0].id;
        let payload = json!({
            "action": "created",
            "issue": { "number": 7, "pull_request": {} },
            "comment": { "id": id, "body": body, "created_at": WRITTEN, "user": { "login": by, "type": "User" } },
            "repository": { "full_name": "acme/shop" },
        });
        self.event("issue_comment", &payload)
    }

    fn repository(&self) -> Repository {
        self.github.repository("acme/shop").unwrap()
    }

    /// The signs under the comment.
    fn signs(&self) -> Vec<String> {
        let comment = &self.repository().issues[&7].comments[0];
        comment.reactions.iter().map(|reaction| reaction.content.clone()).collect()
    }

    /// The newest comment.
    fn answer(&self) -> String {
        self.repository().issues[&7].comments.last().unwrap().body.clone()
    }

    fn comments(&self) -> usize {
        self.repository().issues[&7].comments.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_deploys_the_commit_that_was_looked_at_and_is_answered() {
    if !wanted("testbed", "commands in comments") {
        return;
    }
    let mut shop = Shop::plain().await;
    let topic = shop.topic[..12].to_owned();
    shop.comment("ada", "/deploy dev\nplease").exits(0);
    shop.app.serves(&topic);
    assert_eq!(git(&shop.app.path(""), &["rev-parse", "HEAD"]), shop.main, "what is checked out stays");
    assert_eq!(shop.signs(), ["eyes", "+1"]);
    let sentence = format!("{topic} is live in dev");
    tells(&shop.answer(), &["> /deploy dev\n\n@ada: ", &sentence, "/actions/runs/42/attempts/1"]);
    let told = shop.repository();
    let run = told.check_runs.last().unwrap();
    assert_eq!((run.head_sha.as_str(), run.conclusion.as_deref()), (shop.topic.as_str(), Some("success")));
    assert_eq!(told.deployments.last().unwrap().state(), "success");
    assert_eq!(shop.comments(), 3, "the command, the report and the answer");

    shop.comment("ada", "/deploy --ref main").exits(0);
    shop.app.serves(&shop.main[..12]);
    shop.comment("ada", "/rollback").exits(0);
    shop.app.serves(&topic);
    shop.comment("ada", "/lock dev the sale <!-- @all").exits(0);
    let refused = shop.comment("ada", "/deploy --ref v9");
    refused.exits(3);
    tells(&shop.answer(), &["error[closed]", "the sale"]);
    assert!(!shop.answer().split("```").next().unwrap().contains("@all"), "{}", shop.answer());
    shop.comment("ada", "/status").exits(0);
    tells(&shop.answer(), &["> /status", &topic]);
    shop.comment("ada", "/unlock").exits(0);
    shop.comment("ada", "/plan").exits(0);
    tells(&shop.answer(), &["> /plan"]);
    shop.comment("ada", "/help").exits(0);
    tells(&shop.answer(), &["/deploy [ENVIRONMENT] [--ref REF]"]);
    shop.github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_write_gets_a_sign_and_nothing_else() {
    if !wanted("testbed", "commands in comments") {
        return;
    }
    let mut shop = Shop::plain().await;
    for by in ["tessa", "mallory"] {
        for command in ["/deploy", "/rollback", "/lock", "/status", "/deplyo"] {
            let said = shop.comment(by, command).exits(3);
            tells(&said.err, &["title=not-yours::", by, "may not write to acme/shop"]);
        }
    }
    assert_eq!((shop.signs(), shop.comments()), (vec!["eyes".to_owned(), "-1".to_owned()], 1));
    shop.app.is_silent();
    shop.comment("ada", "/deplyo").exits(2);
    tells(&shop.answer(), &["error[unknown-command]", "did you mean `/deploy`?"]);
    shop.comment("ada", "/deploy --ref loose").exits(3);
    tells(&shop.answer(), &["error[not-accepted]", "branch `loose`"]);
    let loose = format!("/deploy --ref {}", shop.loose);
    shop.comment("ada", &loose).exits(3);
    tells(&shop.answer(), &["error[not-accepted]"]);
    shop.comment("ada", "/deploy --ref nowhere").exits(3);
    tells(&shop.answer(), &["error[no-such-ref]"]);
    shop.app.is_silent();
    shop.github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_looked_at_is_not_deployed() {
    if !wanted("testbed", "commands in comments") {
        return;
    }
    let mut shop = Shop::new(|pull| pull, |shop| shop.pushed("topic", AFTER.parse().unwrap())).await;
    shop.comment("ada", "/deploy").exits(3);
    tells(&shop.answer(), &["error[pushed-since]", "--ref"]);
    shop.app.is_silent();
    let named = format!("/deploy --ref {}", shop.topic);
    shop.comment("ada", &named).exits(0);
    shop.app.serves(&shop.topic[..12]);
    shop.github.finish().unwrap();

    let mut shop = Shop::new(|pull| pull.review("ann", "CHANGES_REQUESTED", "no"), |shop| shop).await;
    shop.comment("ada", "/deploy").exits(3);
    tells(&shop.answer(), &["error[pull-not-ready]", "ann asked for changes"]);
    let named = format!("/deploy --ref {}", shop.topic);
    shop.comment("ada", &named).exits(3);
    tells(&shop.answer(), &["error[pull-not-ready]"]);
    shop.comment("ada", "/plan").exits(0);
    shop.app.is_silent();
    shop.github.finish().unwrap();

    // What the commit itself says of where it goes, and what may go there, does not count.
    let mut shop = Shop::plain().await;
    let origin = shop.app.path(".origin");
    let text = fs::read_to_string(origin.join("tidegate.yaml")).unwrap();
    fs::write(origin.join("tidegate.yaml"), text.replace("dispatch: true", "dispatch: true, push: topic"))
        .unwrap();
    git(&origin, &["commit", "-qam", "more"]);
    let more = git(&origin, &["rev-parse", "HEAD"]);
    let pushed = shop.github.change("acme/shop", |known| {
        known.push("topic", Commit::new(&more, "more").after(&shop.topic));
        known.pushes.last_mut().unwrap().at = BEFORE.parse().unwrap();
        known.issues.get_mut(&7).unwrap().pull.as_mut().unwrap().head_sha = more.clone();
    });
    pushed.unwrap();
    for command in ["/deploy", "/plan"] {
        shop.comment("ada", command).exits(3);
        tells(&shop.answer(), &["error[other-bounds]"]);
    }
    shop.app.is_silent();
    shop.github.finish().unwrap();

    let mut shop = Shop::new(|pull| pull.from_fork("mallory/shop"), |shop| shop).await;
    for command in ["/deploy", "/plan"] {
        shop.comment("ada", command).exits(3);
        tells(&shop.answer(), &["error[from-fork]"]);
    }
    shop.app.is_silent();
    shop.github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_does_not_say_is_not_guessed() {
    if !wanted("testbed", "commands in comments") {
        return;
    }
    let mut shop = Shop::plain().await;
    shop.app.variable("GITHUB_API_URL", "http://127.0.0.1:1");
    let said = shop.comment("ada", "/deploy").exits(1);
    tells(&said.err, &["title=github-unreachable::"]);
    shop.app.variable("INPUT_GITHUB-TOKEN", "");
    let said = shop.comment("ada", "/deploy").exits(3);
    tells(&said.err, &["title=no-token::"]);
    shop.app.is_silent();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_workflow_ran_for_is_deployed_while_it_is_the_newest() {
    if !wanted("testbed", "workflow_run") {
        return;
    }
    let mut shop = Shop::plain().await;
    let own = json!({ "full_name": "acme/shop" });
    let ran = |name: &str, commit: &str| {
        json!({ "action": "completed", "repository": own, "workflow_run": { "conclusion": "success", "event": "push",
            "head_repository": own, "head_branch": name, "head_sha": commit } })
    };
    shop.app.variable("INPUT_ENVIRONMENT", "");
    let (old, new) = (ran("v9", &shop.loose), ran("v9", &shop.topic));
    let said = shop.event("workflow_run", &old).exits(0);
    tells(&said.out, &["nothing to do: the other workflow ran for commit", "whose own run deploys it"]);
    shop.app.is_silent();
    shop.event("workflow_run", &new).exits(0);
    shop.app.serves("v9");
    let run = shop.repository().check_runs.last().unwrap().clone();
    assert_eq!((run.head_sha, run.conclusion.as_deref()), (shop.topic.clone(), Some("success")));
    shop.github.finish().unwrap();
}
