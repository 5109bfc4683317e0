//! Preview environments: one for each pull request, made of a template.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::{EnvironmentSettings, Patterns};
use crate::preview::AtLimit;

/// The template of the preview environments.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewSettings {
    /// Which pull requests have one.
    pub on: PullRules,
    /// What it is called, with `{number}` in it.
    pub name: String,
    /// How long it lives after it was last asked for.
    pub ttl: Duration,
    /// How many there may be at once; at least 1.
    pub limit: usize,
    /// What happens to one more.
    pub at_limit: AtLimit,
    /// The label that keeps one beyond its time.
    pub keep_label: String,
    /// The issue on which a comment shows all of them.
    pub overview: Option<u64>,
    /// The variable with the key of the random part.
    pub random: Option<String>,
    /// Ports of this machine, for a `local` target.
    pub ports: Option<RangeInclusive<u16>>,
    /// The preview of a pull request with the number 1: what all of them have in common.
    pub sample: Box<EnvironmentSettings>,
    /// The text of the whole file, of which the settings of each are made.
    pub(in crate::settings) text: String,
}

/// Which pull requests have a preview.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PullRules {
    /// Into which branches; empty is into any.
    pub branches: Patterns,
    /// With which labels, of which one does; empty is with or without any.
    pub labels: Vec<String>,
    /// With changes to which files; empty is to any.
    pub paths: Patterns,
    /// Drafts, too.
    pub drafts: bool,
}

/// What is known of a pull request that the rules go by.
#[derive(Debug, Clone, Copy)]
pub struct PullFacts<'a> {
    /// Its number.
    pub number: u64,
    /// The branch that it is to be merged into.
    pub base: &'a str,
    /// Its labels.
    pub labels: &'a [String],
    /// It is a draft.
    pub is_draft: bool,
}

impl PullRules {
    /// Why a pull request has no preview; nothing where it has one. Its files are looked at apart: they have to be asked for.
    #[must_use]
    pub fn objection(&self, pull: PullFacts<'_>) -> Option<String> {
        let number = pull.number;
        if pull.is_draft && !self.drafts {
            return Some(format!("pull request {number} is a draft"));
        }
        if !self.branches.0.is_empty() && !self.branches.fit(pull.base) {
            return Some(format!(
                "pull request {number} is into another branch than those that have previews ({})",
                self.branches.shown()
            ));
        }
        if !self.labels.is_empty() && !pull.labels.iter().any(|label| self.labels.contains(label)) {
            let labels: Vec<String> = self.labels.iter().map(|label| format!("`{label}`")).collect();
            return Some(format!("pull request {number} has no label {}", labels.join(" or ")));
        }
        None
    }

    /// Why a pull request that changes these files has no preview; nothing where it has one.
    #[must_use]
    pub fn of_files(&self, number: u64, files: &[String]) -> Option<String> {
        let fits = self.paths.0.is_empty() || files.iter().any(|file| self.paths.fit(file));
        (!fits).then(|| {
            format!("pull request {number} changes no file that has previews ({})", self.paths.shown())
        })
    }
}

/// What one preview has that no other environment has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewInstance {
    /// The number of its pull request.
    pub number: u64,
    /// Host names of the manifests, with those that stand for them in this preview; empty puts the host of its address for the only one.
    pub hosts: BTreeMap<String, String>,
    /// Its own database, where it has one.
    pub database: Option<DatabaseSettings>,
    /// What it may use and reach in a cluster.
    pub isolation: IsolationSettings,
    /// What stands between visitors and the app.
    pub front: FrontSettings,
    /// How long it lives after it was last asked for.
    pub ttl: Duration,
}

/// What stands between visitors and the app of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrontSettings {
    /// After so long without a request it sleeps until the next one.
    pub sleep: Option<Duration>,
    /// What lets a visitor in; nothing lets everybody in.
    pub access: Option<AccessSettings>,
    /// The image of Tidegate that does this in a cluster; there is one where it is needed.
    pub image: Option<String>,
}

/// What lets a visitor in. At least one of both is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessSettings {
    /// A user, and the variable with the password.
    pub basic: Option<(String, String)>,
    /// The variable with the token.
    pub token: Option<String>,
}

impl AccessSettings {
    /// The variables with what opens.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.basic.iter().map(|(_, password)| password.as_str()).chain(self.token.as_deref())
    }
}

/// A database that is made and dropped with a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// The variable with the URL of the server.
    pub server: String,
    /// The name that stands for the URL of the preview's own database.
    pub variable: String,
    /// The Secret with the URL, in a cluster.
    pub secret: String,
    /// A file with SQL that fills it, relative to the configuration's folder.
    pub seed: Option<String>,
    /// A program that fills it.
    pub seed_command: Option<Vec<String>>,
}

/// What a preview in a cluster may use, and whom it may reach.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IsolationSettings {
    /// What all of it may use together.
    pub quota: BTreeMap<String, String>,
    /// What a container may use that says nothing of it.
    pub defaults: BTreeMap<String, String>,
    /// Namespaces that may reach it; nothing is all that hold no preview.
    pub from: Option<Vec<String>>,
    /// Networks that it may reach besides the usual.
    pub to: Vec<String>,
    /// Whether its network is closed at all.
    pub is_closed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::RefPattern;

    #[test]
    fn the_rules_say_which_pull_requests_have_a_preview() {
        let rules = PullRules {
            branches: Patterns(vec![RefPattern::read("main").unwrap()]),
            labels: vec!["preview".into()],
            ..PullRules::default()
        };
        let labels = ["preview".to_owned()];
        let pull = PullFacts { number: 7, base: "main", labels: &labels, is_draft: false };
        assert_eq!(rules.objection(pull), None);
        let why = |pull| rules.objection(pull).unwrap();
        assert!(why(PullFacts { is_draft: true, ..pull }).contains("a draft"));
        assert!(why(PullFacts { base: "next", ..pull }).contains("another branch"));
        assert!(why(PullFacts { labels: &[], ..pull }).contains("no label `preview`"));
        assert_eq!(PullRules::default().objection(PullFacts { labels: &[], base: "x", ..pull }), None);
    }
}
