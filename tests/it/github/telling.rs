//! What is told when all goes well with GitHub.

use std::time::Duration;

use testbed::github::Area;
use tidegate::github::checks::{Annotation, Level};
use tidegate::report::github::Ending;
use tidegate::rollout::strategy::{Strategy, StrategyName};

use super::kit::*;
use crate::tiers::{tell as tell_count, wanted};
use crate::world::Behaviour;

fn canary() -> Strategy {
    Strategy::by_name(StrategyName::Canary)
}

/// As Markdown shows it: the sentences here have nothing that is escaped but this.
fn shown(sentence: &str) -> String {
    tidegate::report::safe::text(sentence)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_told_everywhere_in_the_same_sentence() {
    if !wanted("testbed", "a canary told to GitHub") {
        return;
    }
    let github = started(shop(), token()).await;
    let heard = recorded("v2", Behaviour::default(), canary());
    assert_eq!(reported(&github, &heard[0]).await.untold, Vec::<String>::new());
    let before = github.log().len();
    let told = reported(&github, &heard[1]).await;
    assert_eq!(told.untold, Vec::<String>::new());
    let sentence = ending(&heard[1]).sentence;

    let runs = github.repository(SHOP).unwrap().check_runs;
    let run = runs.last().unwrap();
    assert_eq!((run.status.as_str(), run.conclusion.as_deref()), ("completed", Some("success")));
    assert_eq!((run.title.as_deref(), run.head_sha.as_str()), (Some(sentence.as_str()), HEAD));
    assert_eq!(run.external_id.as_deref(), Some(heard[1][0].1.rollout.as_str()));
    assert!(run.summary.as_ref().unwrap().contains(&shown(&sentence)));

    let all = deployments(&github);
    assert_eq!(all.len(), 2);
    assert_eq!(states(&all[0]).last(), Some(&"inactive"), "what was before does not run any more");
    assert_eq!(states(&all[1]).last(), Some(&"success"));
    let status = all[1].statuses.last().unwrap();
    assert_eq!((status.description.as_str(), status.log_url.as_str()), (sentence.as_str(), RUN));
    assert_eq!(status.environment_url, "https://shop.example.com");
    assert!(all[1].production && !all[1].transient && all[1].sha == HEAD);

    let comments = comments(&github);
    let [comment] = comments.as_slice() else { panic!("{comments:#?}") };
    for part in [
        shown(&sentence).as_str(),
        RUN,
        "https://shop.example.com",
        "tidegate rollback test",
        "Earlier rollouts",
    ] {
        assert!(comment.contains(part), "`{part}` is missing in {comment}");
    }
    insta::assert_snapshot!("comment", comment);

    let sent = github.log().len() - before;
    assert_eq!(told.calls, u64::try_from(sent).unwrap());
    tell_count(&format!("a canary told to GitHub: {sent} requests"));
    assert!(sent <= 12, "{sent} requests for a canary");
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_was_killed_has_its_check_run_ended_by_its_post() {
    if !wanted("testbed", "a killed step told to GitHub") {
        return;
    }
    let github = started(shop(), token()).await;
    let heard = recorded("v2", Behaviour::default(), canary());
    let runs = || github.repository(SHOP).unwrap().check_runs;
    let killed = reports(&github);
    // Before a rollout was begun.
    while runs().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(killed);
    let continued = || tidegate::report::github::About { is_continued: true, ..about(&github) };
    let post = tidegate::report::github::GitHubReports::start(continued(), client(&github));
    let cancelled = Ending { sentence: "cancelled".to_owned(), reason: "cancelled".to_owned(), exit: 130 };
    assert_eq!(post.finish(cancelled, Duration::from_secs(5)).await.untold, Vec::<String>::new());
    assert_eq!(runs().len(), 1, "{:#?}", runs());
    assert_eq!(runs()[0].conclusion.as_deref(), Some("cancelled"));

    // In the middle of one: who takes it up has a check run of his own, and ends the first one.
    let begun = reports(&github);
    tell(&begun, &heard[1][..3], Duration::ZERO).await;
    while runs().len() < 2 || runs()[1].status != "in_progress" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(begun);
    let post = tidegate::report::github::GitHubReports::start(continued(), client(&github));
    tell(&post, &heard[1][3..], Duration::ZERO).await;
    assert_eq!(post.finish(ending(&heard[1]), Duration::from_secs(5)).await.untold, Vec::<String>::new());
    assert!(runs().iter().all(|run| run.status == "completed"), "{:#?}", runs());
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_is_taken_back_leaves_the_good_one_as_what_runs() {
    if !wanted("testbed", "a way back told to GitHub") {
        return;
    }
    let github = started(shop(), token()).await;
    let heard = recorded("v2", bad(), canary());
    reported(&github, &heard[0]).await;
    let told = reported(&github, &heard[1]).await;
    assert_eq!(told.untold, Vec::<String>::new());
    let sentence = ending(&heard[1]).sentence;
    assert!(sentence.contains("requests to the candidate failed"), "{sentence}");
    let runs = github.repository(SHOP).unwrap().check_runs;
    let run = runs.last().unwrap();
    assert_eq!(run.conclusion.as_deref(), Some("failure"));
    assert_eq!(run.title.as_deref().unwrap(), sentence.chars().take(250).collect::<String>());
    let all = deployments(&github);
    assert_eq!((all[0].state(), all[1].state()), ("success", "failure"));
    assert!(
        all[1].statuses.iter().all(|status| status.environment_url.is_empty()),
        "it is not what is there"
    );
    let comments = comments(&github);
    assert!(comments.len() == 1 && comments[0].contains(&shown(&sentence)), "{comments:#?}");
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_release_that_was_marked_inactive_meanwhile_is_what_runs_again() {
    if !wanted("testbed", "a deployment restored") {
        return;
    }
    let github = started(shop(), token()).await;
    let heard = recorded("v2", bad(), canary());
    reported(&github, &heard[0]).await;
    github
        .change(SHOP, |shop| {
            let inactive = testbed::github::DeploymentStatus::new("inactive", "test", "monalisa");
            shop.deployments[0].statuses.push(inactive);
        })
        .unwrap();
    reported(&github, &heard[1]).await;
    let all = deployments(&github);
    assert_eq!((all[0].state(), all[1].state()), ("success", "failure"));
    assert_eq!(all[0].statuses.last().unwrap().description, "v1 serves again");
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_followed_through_its_life() {
    if !wanted("testbed", "a rollout followed") {
        return;
    }
    let github = started(shop(), token()).await;
    let heard = recorded("v2", Behaviour::default(), canary());
    let reports = reports(&github);
    let seen = async |what: &str, is: &dyn Fn() -> bool| {
        for _ in 0..400 {
            if is() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{what} was not seen: {:#?}", github.repository(SHOP).unwrap());
    };
    let check =
        |status: &str| github.repository(SHOP).unwrap().check_runs.iter().any(|run| run.status == status);
    seen("the queued check", &|| check("queued")).await;
    assert!(deployments(&github).is_empty() && comments(&github).is_empty());
    let (first, rest) = heard[1].split_at(1);
    tell(&reports, first, Duration::ZERO).await;
    seen("the queued deployment", &|| {
        deployments(&github).first().is_some_and(|it| states(it) == ["queued"])
    })
    .await;
    let (some, rest) = rest.split_at(6);
    tell(&reports, some, Duration::ZERO).await;
    seen("the check under way", &|| check("in_progress")).await;
    seen("the deployment under way", &|| states(&deployments(&github)[0]) == ["queued", "in_progress"]).await;
    seen("the comment", &|| comments(&github).first().is_some_and(|text| text.contains("⏳"))).await;
    tell(&reports, rest, Duration::ZERO).await;
    // Without waiting for the end of the command.
    seen("the conclusion", &|| check_run(&github).conclusion.is_some()).await;
    seen("the success", &|| states(&deployments(&github)[0]) == ["queued", "in_progress", "success"]).await;
    seen("the comment's end", &|| comments(&github)[0].contains("✅")).await;
    let told = reports.finish(ending(&heard[1]), Duration::from_secs(20)).await;
    assert_eq!(told.untold, Vec::<String>::new());
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn news_within_a_moment_is_told_together() {
    if !wanted("testbed", "news told together") {
        return;
    }
    let github = started(shop(), token()).await;
    let heard = recorded("v2", Behaviour::default(), canary());
    let reports = reports(&github);
    // Some forty events in two seconds, half of which have words.
    tell(&reports, &heard[1], Duration::from_millis(2000) / u32::try_from(heard[1].len()).unwrap()).await;
    reports.finish(ending(&heard[1]), Duration::from_secs(20)).await;
    let updates = calls(&github, "checks/update");
    assert!((2..=3).contains(&updates), "in progress, concluded: {updates} updates");
    assert_eq!(calls(&github, "repos/create-deployment-status"), 3, "queued, in progress, success");
    assert!(calls(&github, "issues/update-comment") <= 1);
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_waited_is_gone_on_with_in_its_own_check_and_deployment() {
    if !wanted("testbed", "a pause told to GitHub") {
        return;
    }
    let github = started(shop(), token()).await;
    let heard = recorded_pause();
    let resumed = heard[1]
        .iter()
        .position(|(_, event)| serde_json::to_value(&event.fact).unwrap()["fact"] == "resumed");
    let (waits, goes_on) = heard[1].split_at(resumed.unwrap());
    reported(&github, waits).await;
    let run = check_run(&github);
    assert_eq!(run.conclusion.as_deref(), Some("action_required"));
    assert_eq!(states(&deployments(&github)[0]).last(), Some(&"pending"));
    assert!(comments(&github)[0].contains("⏸️"));
    // Another job of another commit goes on.
    let other = {
        let mut about = about(&github);
        about.workflow.sha = MAIN.to_owned();
        about.workflow.name = "run-43-1".to_owned();
        tidegate::report::github::GitHubReports::start(about, client(&github))
    };
    tell(&other, goes_on, Duration::ZERO).await;
    let told = other.finish(ending(goes_on), Duration::from_secs(20)).await;
    assert_eq!(told.untold, Vec::<String>::new());
    let all = deployments(&github);
    assert!(all.len() == 1 && all[0].state() == "success", "{all:#?}");
    let comments = comments(&github);
    assert!(comments.len() == 1 && comments[0].contains("✅"), "{comments:#?}");
    let runs = github.repository(SHOP).unwrap().check_runs;
    let of = |sha: &str| runs.iter().filter(|run| run.head_sha == sha).collect::<Vec<_>>();
    // The world's releases have no commit, so that the earlier check run cannot be found by it: here it is of MAIN's.
    assert_eq!(of(MAIN).len(), 1);
    assert_eq!(of(MAIN)[0].conclusion.as_deref(), Some("success"));
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_go_by_fifties() {
    if !wanted("testbed", "many annotations") {
        return;
    }
    let github = started(shop(), token()).await;
    let reports = reports(&github);
    reports.annotator().annotate((1..=120).map(|line| Annotation {
        path: "deploy/web.yaml".to_owned(),
        line,
        level: Level::Warning,
        title: "no-limits".to_owned(),
        message: format!("finding {line}"),
    }));
    let ending = Ending {
        sentence: "the policy refuses the manifests".to_owned(),
        reason: "policy".to_owned(),
        exit: 3,
    };
    let told = reports.finish(ending, Duration::from_secs(20)).await;
    assert_eq!(told.untold, Vec::<String>::new());
    let run = check_run(&github);
    let lines: Vec<u64> = run.annotations.iter().map(|said| said["start_line"].as_u64().unwrap()).collect();
    assert_eq!(lines, (1..=120).collect::<Vec<_>>());
    assert_eq!(run.conclusion.as_deref(), Some("action_required"));
    assert!(deployments(&github).is_empty());
    assert!(comments(&github)[0].contains("**the policy refuses the manifests**"));
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_is_found_on_a_later_page_and_a_strangers_is_left_alone() {
    if !wanted("testbed", "a comment on page 3") {
        return;
    }
    let marker = "<!-- tidegate:shop/test -->";
    let mut shop = shop();
    let issue = shop.issues.get_mut(&7).unwrap();
    for number in 0..250 {
        issue.add_comment("monalisa", &format!("comment {number}"));
    }
    issue.add_comment("mallory", &format!("{marker}\n## ✅ all is well"));
    issue.add_comment("github-actions[bot]", &format!("quoting {marker}"));
    let ours = issue.add_comment("github-actions[bot]", &format!("{marker}\nold"));
    let github = started(shop, token()).await;
    let heard = recorded("v2", Behaviour::default(), canary());
    reported(&github, &heard[1]).await;
    let comments = github.repository(SHOP).unwrap().issues[&7].comments.clone();
    assert_eq!(comments.len(), 253);
    assert!(comments[250].body.ends_with("## ✅ all is well") && comments[251].body.starts_with("quoting"));
    assert!(comments[252].id == ours && comments[252].body.contains("v2"), "{}", comments[252].body);
    assert_eq!(calls(&github, "issues/list-comments"), 3);
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pull_request_of_a_push_is_the_one_that_brought_the_commit() {
    if !wanted("testbed", "a pull request by its commit") {
        return;
    }
    let github = started(shop(), token()).await;
    let mut about = about(&github);
    about.workflow.pull = None;
    let reports = tidegate::report::github::GitHubReports::start(about, client(&github));
    let heard = recorded("v2", Behaviour::default(), canary());
    tell(&reports, &heard[1], Duration::ZERO).await;
    let told = reports.finish(ending(&heard[1]), Duration::from_secs(20)).await;
    assert_eq!((told.untold, comments(&github).len()), (Vec::new(), 1));
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_stays_within_a_comments_limit() {
    if !wanted("testbed", "a comment at its limit") {
        return;
    }
    let row = |number: usize| {
        let sentence = "é".repeat(700);
        format!(
            "| 2026-01-01 00:00:00 | v{number} | promoted: {sentence} | [log]({RUN}) | `20250101T0000{number:02}000-0000` |\n"
        )
    };
    let rows: String = (0..60).map(row).collect();
    let mut shop = shop();
    let old = format!("<!-- tidegate:shop/test -->\nold\n<!-- tidegate:lines\n-->\n{}", &rows[..40_000]);
    shop.issues.get_mut(&7).unwrap().add_comment("github-actions[bot]", &old);
    let github = started(shop, token()).await;
    let heard = recorded("v2", Behaviour::default(), canary());
    for rollout in &heard {
        assert_eq!(reported(&github, rollout).await.untold, Vec::<String>::new());
    }
    let comments = comments(&github);
    assert!(comments.len() == 1 && comments[0].len() <= 65_536);
    let earlier: Vec<&str> = comments[0].lines().filter(|line| line.starts_with("| 2")).collect();
    assert!(earlier.len() > 20, "{}", comments[0]);
    assert!(earlier[1].contains("| v1 | promoted: "), "the newest first: {}", earlier[1]);
    assert!(comments[0].trim_end().ends_with("</details>"));
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_live_already_is_neutral_and_writes_no_comment() {
    if !wanted("testbed", "nothing to do, told to GitHub") {
        return;
    }
    let github = started(shop(), token()).await;
    let ending = Ending {
        sentence: "v2 is live in test already".to_owned(),
        reason: "already-live".to_owned(),
        exit: 0,
    };
    reports(&github).finish(ending, Duration::from_secs(20)).await;
    let run = check_run(&github);
    assert_eq!(run.conclusion.as_deref(), Some("neutral"));
    assert_eq!(run.title.as_deref(), Some("v2 is live in test already"));
    assert!(comments(&github).is_empty() && deployments(&github).is_empty());
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_words_do_nothing_anywhere() {
    if !wanted("testbed", "hostile words told to GitHub") {
        return;
    }
    let github = started(shop(), token()).await;
    let hostile = "v2|<img src=x onerror=y>@acme/all #7 `x` -->\u{1b}[31m\n::error::x\n</details>";
    let heard = recorded(hostile, Behaviour::default(), canary());
    assert_eq!(reported(&github, &heard[1]).await.untold, Vec::<String>::new());
    let comments = comments(&github);
    let run = check_run(&github);
    let texts = [comments[0].as_str(), run.summary.as_deref().unwrap(), run.text.as_deref().unwrap()];
    for text in texts {
        assert!(text.contains("v2"));
        for raw in ["<img", "@acme", "#7", "`x`", "\u{1b}", "\n::error"] {
            assert!(!text.contains(raw), "`{raw}` stands in {text}");
        }
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count(), "{text}");
    }
    assert_eq!(comments[0].matches("-->").count(), 2, "{}", comments[0]);
    let title = run.title.unwrap();
    assert!(!title.contains(['\n', '\u{1b}']), "{title:?}");
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_report_needs_no_more_than_its_own_permission() {
    if !wanted("testbed", "the permissions of reports") {
        return;
    }
    let bare = || testbed::github::Token::workflow(SECRET);
    let heard = recorded("v2", Behaviour::default(), canary());
    let cases = [
        (bare().write(Area::Checks), [1, 0, 0]),
        (bare().write(Area::Deployments), [0, 1, 0]),
        (bare().write(Area::PullRequests), [0, 0, 1]),
    ];
    for (token, told) in cases {
        let github = started(shop(), token).await;
        let untold = reported(&github, &heard[1]).await.untold;
        let shop = github.repository(SHOP).unwrap();
        assert_eq!([shop.check_runs.len(), shop.deployments.len(), comments(&github).len()], told);
        assert_eq!(untold.len(), 1, "said once: {untold:#?}");
        github.finish().unwrap();
    }
}
