//! What the rules find in the manifests of a release, told or refused as the settings say.

use super::ground::Ground;
use super::place::Place;
use super::release::Wanted;
use crate::error::{Error, ErrorKind};
use crate::github::checks::{self as annotation, Annotation};
use crate::target::kubernetes::bundle::Bundle;
use crate::target::kubernetes::policy::{Level, Policy, PolicyFinding, check};

/// So many findings are told one by one at each deploy; more would bury what else is said.
const FEW: usize = 3;

/// What the rules find in a release.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is told.
    warned: Vec<PolicyFinding>,
    /// What keeps the release from being deployed.
    refused: Vec<PolicyFinding>,
}

impl Findings {
    /// What they find in a release for that place; nothing on this machine, and in a release that was deployed before.
    #[must_use]
    pub fn of(place: &Place, wanted: &Wanted) -> Self {
        match (&place.ground, &wanted.bundle) {
            (Ground::Cluster(cluster), Some(bundle)) => Self::by(&cluster.policy, bundle),
            _ => Self::default(),
        }
    }

    /// What they find in all objects of a release, in the order in which they are written.
    #[must_use]
    pub fn by(policy: &Policy, bundle: &Bundle) -> Self {
        let mut findings = Self::default();
        for finding in check(bundle.objects()) {
            match policy.of(finding.rule) {
                Level::Off => {}
                Level::Warn => findings.warned.push(finding),
                Level::Refuse => findings.refused.push(finding),
            }
        }
        for found in [&mut findings.warned, &mut findings.refused] {
            found.sort_by(|one, other| {
                let place = |finding: &PolicyFinding| (finding.source.file.clone(), finding.source.line);
                place(one).cmp(&place(other))
            });
        }
        findings
    }

    /// Tells what is to be told, in one line where it is much, and refuses what is to be refused.
    ///
    /// # Errors
    /// `policy` with all that is refused.
    pub fn tell(&self) -> Result<(), Error> {
        match self.summary() {
            Some(summary) => tracing::warn!("{summary}"),
            None => self.warn(),
        }
        self.refusal().map_or(Ok(()), Err)
    }

    /// How often each rule finds something; nothing where that is as long as all findings.
    fn summary(&self) -> Option<String> {
        if self.warned.len() <= FEW {
            return None;
        }
        let mut rules: Vec<(String, usize)> = Vec::new();
        for name in self.warned.iter().map(|finding| finding.rule.to_string()) {
            match rules.iter_mut().find(|(known, _)| *known == name) {
                Some((_, times)) => *times += 1,
                None => rules.push((name, 1)),
            }
        }
        let rules: Vec<String> = rules.into_iter().map(|(name, times)| format!("{name} {times}")).collect();
        Some(format!(
            "the policy finds {} things in the manifests ({}); `tidegate validate` tells each with its line",
            self.warned.len(),
            rules.join(", ")
        ))
    }

    /// Tells what is to be told.
    pub fn warn(&self) {
        self.warned.iter().for_each(|finding| tracing::warn!("{}; {}", told(finding), finding.hint));
    }

    /// What is to be told, each in one sentence.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        self.warned.iter().map(|finding| format!("{}; {}", told(finding), finding.hint)).collect()
    }

    /// All that is found, each at its line, for whoever reads the change that is deployed.
    #[must_use]
    pub fn annotations(&self) -> Vec<Annotation> {
        let at = |level: annotation::Level| {
            move |finding: &PolicyFinding| Annotation {
                path: finding.source.file.display().to_string(),
                line: u64::try_from(finding.source.line).unwrap_or(1),
                level,
                title: finding.rule.to_string(),
                message: format!("{}; {}", finding.sentence, finding.hint),
            }
        };
        let refused = self.refused.iter().map(at(annotation::Level::Failure));
        refused.chain(self.warned.iter().map(at(annotation::Level::Warning))).collect()
    }

    /// All that is refused, if anything is.
    #[must_use]
    pub fn refusal(&self) -> Option<Error> {
        let sentence = match self.refused.as_slice() {
            [] => return None,
            [only] => format!("the policy refuses the manifests: {}", told(only)),
            all => {
                let lines: Vec<String> = all.iter().map(|finding| format!("\n  {}", told(finding))).collect();
                format!("the policy refuses the manifests for {} findings:{}", all.len(), lines.concat())
            }
        };
        let mut error = Error::new(ErrorKind::Refused, "policy", sentence);
        for finding in &self.refused {
            if !error.hints.iter().any(|hint| hint == finding.hint) {
                error = error.hint(finding.hint);
            }
        }
        Some(error)
    }
}

/// Place, cause and rule.
fn told(finding: &PolicyFinding) -> String {
    format!("{}: {} (rule `{}`)", finding.source, finding.sentence, finding.rule)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::target::kubernetes::manifests::parse;
    use crate::target::kubernetes::policy::Rule;
    use crate::target::kubernetes::{KubernetesConfig, Traffic};

    fn bundle() -> Bundle {
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec:\n  template:\n    spec:\n      \
                    containers: [{ name: app, image: web }, { name: side, image: side }]\n";
        let config = KubernetesConfig {
            app: "shop".into(),
            environment: "live".into(),
            namespace: "shop".into(),
            traffic: Traffic::Service { name: None },
            take_over: false,
            drain: Duration::ZERO,
            graces: Default::default(),
            url: None,
            counts: Default::default(),
        };
        Bundle::new(parse(Path::new("web.yaml"), text).unwrap(), &config).unwrap()
    }

    /// Only these rules count.
    fn policy(levels: &[(Rule, Level)]) -> Policy {
        let none =
            Rule::ALL.into_iter().fold(Policy::default(), |policy, rule| policy.with(rule, Level::Off));
        levels.iter().fold(none, |policy, (rule, level)| policy.with(*rule, *level))
    }

    #[test]
    fn many_findings_are_told_in_one_line() {
        let few = [(Rule::NoLimits, Level::Warn)];
        assert_eq!(Findings::by(&policy(&few), &bundle()).summary(), None);
        let many = [(Rule::NoLimits, Level::Warn), (Rule::RootUser, Level::Warn)];
        let summary = Findings::by(&policy(&many), &bundle()).summary().unwrap();
        assert!(summary.contains("finds 4 things") && summary.contains("no-limits 2"), "{summary}");
    }

    #[test]
    fn each_rule_weighs_as_the_settings_say() {
        let found = Findings::by(&policy(&[]), &bundle());
        assert!(found.sentences().is_empty() && found.refusal().is_none());
        let found = Findings::by(&policy(&[(Rule::ImageTag, Level::Warn)]), &bundle());
        assert_eq!(found.sentences().len(), 2);
        assert!(
            found.sentences()[0].starts_with("web.yaml:1: Deployment web: container app takes web, which")
        );
        assert!(found.refusal().is_none());
    }

    #[test]
    fn what_is_refused_is_annotated_first_and_each_at_its_line() {
        let levels = [(Rule::ImageTag, Level::Warn), (Rule::NoLimits, Level::Refuse)];
        let all = Findings::by(&policy(&levels), &bundle()).annotations();
        let told: Vec<_> = all.iter().map(|one| (one.title.as_str(), one.line, one.level)).collect();
        let (failure, warning) = (annotation::Level::Failure, annotation::Level::Warning);
        assert_eq!(
            told,
            [
                ("no-limits", 1, failure),
                ("no-limits", 1, failure),
                ("image-tag", 1, warning),
                ("image-tag", 1, warning)
            ]
        );
        assert!(all[0].path.ends_with("web.yaml") && all[0].message.contains("; "), "{:?}", all[0]);
    }

    #[test]
    fn a_refusal_has_every_finding_and_each_cure_once() {
        let levels = [
            (Rule::ImageTag, Level::Refuse),
            (Rule::NoLimits, Level::Refuse),
            (Rule::NoRequests, Level::Warn),
        ];
        let refusal = Findings::by(&policy(&levels), &bundle()).refusal().unwrap();
        assert_eq!((refusal.code.as_str(), refusal.kind.code()), ("policy", 3));
        assert_eq!(refusal.sentence.lines().count(), 5, "{}", refusal.sentence);
        assert!(
            refusal.sentence.starts_with("the policy refuses the manifests for 4 findings:\n  web.yaml:1: ")
        );
        assert!(refusal.sentence.contains("container side has no limit of memory (rule `no-limits`)"));
        assert_eq!(refusal.hints.len(), 2, "{:?}", refusal.hints);
    }
}
