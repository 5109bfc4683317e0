//! The sweep by a schedule, with a GitHub that remembers: what is wanted comes up in the same run in which what was left of it goes, and what
//! was over stays away.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use testbed::github::{Commit, GitHub, Issue, Pull, Repository, World};

use super::comment::{check_out, git};
use super::kit::{App, Config, Said, TIDEGATE, tells};
use super::preview::ports;
use crate::github::kit::token;

struct Shop {
    app: App,
    github: GitHub,
    topic: String,
}

impl Shop {
    /// A repository with an open pull request, which has no preview yet.
    async fn new() -> Self {
        let mut app = App::new(&Config::default());
        let (first, last) = ports();
        let (here, origin) = (app.path(""), app.path(".origin"));
        git(&here, &["init", "-q", "-b", "main", ".origin"]);
        let text = format!(
            "app: shop
environments:
  preview:
    on: pull_request
    target: {{ local: {{ command: [{TIDEGATE:?}, sample-app], listen: \"127.0.0.1:{{port}}\", stop-grace: 2s }} }}
    health: {{ get: /health, within: 900ms, every: 200ms, start-within: 20s }}
    ports: {first}-{last}
"
        );
        fs::write(origin.join("tidegate.yaml"), text).unwrap();
        git(&origin, &["add", "."]);
        let commit = |branch: &str| {
            git(&origin, &["switch", "-qC", branch]);
            git(&origin, &["commit", "-q", "--allow-empty", "-m", branch]);
            git(&origin, &["rev-parse", "HEAD"])
        };
        let (main, topic) = (commit("main"), commit("topic"));
        check_out(&app, &origin);
        let shop = Repository::new("acme/shop")
            .commit(Commit::new(&main, "main"))
            .commit(Commit::new(&topic, "topic").after(&main))
            .branch("main", &main)
            .branch("topic", &topic)
            .issue(Issue::new(7, "Faster").pull(Pull::new(("topic", &topic), ("main", &main))));
        let github = GitHub::start(World::new().repository(shop).token(token())).await.unwrap();
        for (name, value) in [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_API_URL", github.url().as_str()),
            ("GITHUB_EVENT_NAME", "schedule"),
            ("GITHUB_EVENT_PATH", "event.json"),
            ("GITHUB_OUTPUT", "output"),
            ("GITHUB_REPOSITORY", "acme/shop"),
            ("GITHUB_RUN_ID", "42"),
            ("GITHUB_SHA", &main),
            ("GITHUB_STATE", "state"),
            ("GITHUB_TOKEN", "ghs_secret"),
        ] {
            app.variable(name, value);
        }
        fs::write(app.path("event.json"), json!({ "schedule": "0 * * * *" }).to_string()).unwrap();
        Self { app, github, topic }
    }

    fn sweep(&self) -> Said {
        self.app.run(&["run"]).exits(0)
    }

    fn previews(&self) -> Vec<Value> {
        self.app.json(&["preview", "list"])["previews"].as_array().unwrap().clone()
    }

    fn is_up(&self) {
        let all = self.previews();
        let [one] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((&one["commit"], &one["stage"]), (&json!(self.topic), &json!("up")), "{one}");
    }

    fn record(&self) -> PathBuf {
        self.app.path(".tidegate/preview-7/preview.json")
    }

    fn write_down(&self, key: &str, value: &str) {
        let mut record: Value = serde_json::from_slice(&fs::read(self.record()).unwrap()).unwrap();
        assert!(record[key].is_string(), "{record}");
        record[key] = json!(value);
        fs::write(self.record(), record.to_string()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wanted_comes_up_in_the_sweep_that_ends_what_was_left_of_it() {
    let shop = Shop::new().await;
    shop.sweep();
    shop.is_up();
    // A teardown died, and the pull request was opened again while nobody heard of it.
    shop.write_down("stage", "falling");
    let said = shop.sweep();
    tells(&said.out, &["it was to be taken away before, and is still there", "live in preview-7"]);
    shop.is_up();
    // Nothing is left to be done.
    tells(&shop.sweep().out, &["preview-7: stays"]);
    shop.github.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_over_does_not_come_again_by_itself() {
    let shop = Shop::new().await;
    shop.sweep();
    shop.is_up();
    shop.write_down("expires", "2026-01-01T00:00:00Z");
    tells(&shop.sweep().out, &["its time was over at 2026-01-01 00:00:00 UTC"]);
    for _ in 0..2 {
        assert!(shop.previews().is_empty(), "its time was over");
        shop.sweep();
    }
    let known = shop.github.repository("acme/shop").unwrap();
    let bodies: Vec<&str> = known.issues[&7].comments.iter().map(|comment| comment.body.as_str()).collect();
    assert!(bodies.len() == 1 && bodies[0].contains("its time was over"), "{bodies:?}");
    assert!(!shop.record().exists());
    shop.github.check().unwrap();
}
