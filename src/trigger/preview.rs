//! What pull requests ask for where the settings have previews of them: one comes up with its commits, and goes with it.

use std::time::Duration;

use super::payload::{is, is_commit, is_from_fork, number, shown, text};
use super::{Asked, Intent, Occasion, Preview, nothing};
use crate::settings::{PullFacts, PullRules};

/// What an event about a pull request asks for.
pub(super) fn by_event(occasion: &Occasion<'_>, rules: &PullRules) -> Intent {
    let payload = occasion.payload;
    let pull = &payload["pull_request"];
    let Some(number) = number(payload, "/number").or_else(|| number(pull, "/number")) else {
        return nothing("the payload does not tell which pull request it is about");
    };
    let which = format!("pull request {number}");
    let down = |why: String, is_by_rule| Intent::PreviewDown { pull: number, why, is_by_rule, asked: None };
    let action = text(payload, "/action");
    match action {
        "closed" => {
            let how = if is(pull, "/merged") { "merged" } else { "closed" };
            return down(format!("{which} was {how}"), false);
        }
        "opened" | "synchronize" | "reopened" | "ready_for_review" | "labeled" | "unlabeled"
        | "converted_to_draft" => {}
        "edited" if payload.pointer("/changes/base").is_some() => {}
        "edited" => {
            return nothing(format!("the words of {which} were edited, and its preview stays as it is"));
        }
        other => {
            return nothing(format!("{which} is {}, which changes nothing about its preview", shown(other)));
        }
    }
    if is_from_fork(pull) {
        return nothing(format!("{which} comes from a fork, and what comes from there meets no secret"));
    }
    if occasion.actor == "dependabot[bot]" {
        return nothing(format!("{which} is Dependabot's, whose runs get no secrets"));
    }
    let labels = labels(pull);
    let base = text(pull, "/base/ref");
    let facts = PullFacts { number, base, labels: &labels, is_draft: is(pull, "/draft") };
    if let Some(why) = rules.objection(facts) {
        // What it was before may have had one.
        return match action {
            "unlabeled" if !rules.labels.iter().any(|one| one == text(payload, "/label/name")) => {
                nothing(why)
            }
            "unlabeled" | "converted_to_draft" | "edited" => down(why, true),
            _ => nothing(why),
        };
    }
    if let ("labeled" | "unlabeled", label) = (action, text(payload, "/label/name"))
        && !(action == "labeled" && rules.labels.iter().any(|one| one == label))
    {
        return nothing(format!("the label `{}` changes nothing about the preview of {which}", shown(label)));
    }
    let head = Some(text(pull, "/head/sha")).filter(|sha| is_commit(sha));
    let branch = Some(text(pull, "/head/ref")).filter(|branch| !branch.is_empty());
    let (Some(head), Some(branch)) = (head, branch) else {
        return nothing(format!("the payload does not tell what the last commit of {which} is"));
    };
    Intent::PreviewUp(Preview {
        pull: number,
        branch: Some(branch.to_owned()),
        head: Some(head.to_owned()),
        labels,
        asked: None,
    })
}

fn labels(pull: &serde_json::Value) -> Vec<String> {
    let all = pull["labels"].as_array().into_iter().flatten();
    all.filter_map(|label| label["name"].as_str().map(str::to_owned)).collect()
}

/// What a comment asks for about the preview of its pull request.
pub(super) fn by_comment(words: &str, pull: u64, asked: Option<Asked>) -> Intent {
    match words.split_once(' ').unwrap_or((words, "")) {
        ("stop", _) => {
            let who = asked.as_ref().map_or("somebody", |asked| asked.by.as_str());
            Intent::PreviewDown { pull, why: format!("{} stopped it", shown(who)), is_by_rule: false, asked }
        }
        ("extend", time) => match crate::settings::duration(time) {
            Ok(by) => Intent::PreviewExtend { pull, seconds: by.as_secs(), asked },
            Err(sentence) => {
                let (why, hint) = sentence.split_once('\n').unwrap_or((&sentence, ""));
                Intent::Refused { code: "unknown-command", why: why.to_owned(), hint: hint.to_owned(), asked }
            }
        },
        (commit, _) => {
            let head = Some(commit.to_owned()).filter(|commit| !commit.is_empty());
            Intent::PreviewUp(Preview { pull, branch: None, head, labels: Vec::new(), asked })
        }
    }
}

/// How much longer a preview is to live, in words.
#[must_use]
pub fn length(seconds: u64) -> String {
    match seconds {
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{:?}", Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::trigger::Wish;

    fn pull(action: &str, change: impl FnOnce(&mut Value)) -> Intent {
        let mut payload = json!({ "action": action, "number": 7, "pull_request": {
            "number": 7, "draft": false, "merged": false, "labels": [],
            "head": { "ref": "feature", "sha": "a1".repeat(20), "repo": { "full_name": "acme/shop" } },
            "base": { "ref": "main", "repo": { "full_name": "acme/shop" } } } });
        change(&mut payload);
        let rules = PullRules { labels: vec!["preview".into()], ..PullRules::default() };
        let free = PullRules::default();
        let rules = if payload["rules"] == "labels" { &rules } else { &free };
        let wish = Wish::default();
        let occasion = Occasion {
            name: "pull_request",
            reference: "refs/pull/7/merge",
            sha: "",
            actor: payload["actor"].as_str().unwrap_or("ada"),
            payload: &payload,
            wish: &wish,
            previews: None,
        };
        by_event(&occasion, rules)
    }

    #[test]
    fn a_preview_comes_with_its_commits_and_goes_with_its_pull_request() {
        for action in ["opened", "synchronize", "reopened", "ready_for_review"] {
            let Intent::PreviewUp(up) = pull(action, |_| {}) else { panic!("{action}") };
            assert_eq!((up.pull, up.branch.as_deref()), (7, Some("feature")));
            assert_eq!(up.head, Some("a1".repeat(20)));
        }
        let why = |intent| match intent {
            Intent::PreviewDown { pull: 7, why, .. } => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(why(pull("closed", |_| {})), "pull request 7 was closed");
        assert_eq!(
            why(pull("closed", |all| all["pull_request"]["merged"] = true.into())),
            "pull request 7 was merged"
        );
        let draft = |all: &mut Value| all["pull_request"]["draft"] = true.into();
        assert_eq!(why(pull("converted_to_draft", draft)), "pull request 7 is a draft");
        assert!(matches!(pull("opened", draft), Intent::Nothing { .. }));
    }

    #[test]
    fn labels_bring_it_and_take_it_away() {
        let with = |labels: Value, label: &str| {
            let label = label.to_owned();
            move |all: &mut Value| {
                all["rules"] = "labels".into();
                all["pull_request"]["labels"] = labels;
                all["label"] = json!({ "name": label });
            }
        };
        let on = json!([{ "name": "preview" }]);
        assert!(matches!(pull("labeled", with(on.clone(), "preview")), Intent::PreviewUp(_)));
        assert!(matches!(pull("labeled", with(on.clone(), "bug")), Intent::Nothing { .. }));
        assert!(matches!(pull("unlabeled", with(json!([]), "preview")), Intent::PreviewDown { .. }));
        assert!(matches!(pull("unlabeled", with(on, "bug")), Intent::Nothing { .. }));
        assert!(matches!(pull("opened", with(json!([]), "")), Intent::Nothing { .. }));
    }

    #[test]
    fn forks_robots_and_words_bring_none() {
        let fork = |all: &mut Value| all["pull_request"]["head"]["repo"]["full_name"] = "eve/shop".into();
        assert!(matches!(pull("opened", fork), Intent::Nothing { .. }));
        assert!(
            matches!(pull("closed", fork), Intent::PreviewDown { .. }),
            "what is there goes, whoever it is of"
        );
        assert!(matches!(
            pull("opened", |all| all["actor"] = "dependabot[bot]".into()),
            Intent::Nothing { .. }
        ));
        assert!(matches!(pull("edited", |_| {}), Intent::Nothing { .. }));
        let base = |all: &mut Value| all["changes"] = json!({ "base": { "ref": { "from": "next" } } });
        assert!(matches!(pull("edited", base), Intent::PreviewUp(_)), "it is merged into another branch now");
        assert!(matches!(pull("assigned", |_| {}), Intent::Nothing { .. }));
        assert!(matches!(
            pull("opened", |all| all["pull_request"]["head"]["sha"] = "x".into()),
            Intent::Nothing { .. }
        ));
    }

    #[test]
    fn a_comment_brings_it_stops_it_or_makes_it_longer() {
        let asked =
            || Some(Asked { by: "ada".into(), needs: crate::trigger::Need::Write, pull: 7, comment: 1 });
        assert!(matches!(by_comment("", 7, asked()), Intent::PreviewUp(_)));
        let Intent::PreviewDown { why, .. } = by_comment("stop", 7, asked()) else { panic!() };
        assert_eq!(why, "ada stopped it");
        let Intent::PreviewExtend { seconds, .. } = by_comment("extend 48h", 7, asked()) else { panic!() };
        assert_eq!((seconds, length(seconds).as_str()), (172_800, "48 h"));
        assert!(matches!(by_comment("extend 48", 7, asked()), Intent::Refused { .. }));
    }
}
