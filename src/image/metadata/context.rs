//! What is known when the rules are applied, and what expressions come out as.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::date;
use super::release::Parts;
use super::template::{Fact, Moment, Part, Template, Term};
use crate::github::{Event, Repository};

/// Events that by GitHub's documentation run on the last commit of the default branch; `create` among them as metadata-action has it.
const ON_DEFAULT_BRANCH: [&str; 5] = ["create", "discussion", "discussion_comment", "issues", "schedule"];

/// What is known when the rules are applied.
#[derive(Debug, Clone)]
pub struct Context {
    /// The event.
    pub event: Event,
    /// The repository.
    pub repository: Repository,
    /// The present.
    pub now: Timestamp,
    /// When the commit was committed.
    pub commit_date: Timestamp,
    /// How many characters a short commit has.
    pub short_sha: usize,
}

impl Context {
    /// The commit in few characters.
    pub(super) fn short_sha(&self) -> String {
        self.event.sha.chars().take(self.short_sha).collect()
    }

    /// The text of a template; parts of a version are empty where there is none.
    pub(super) fn render(&self, template: &Template, parts: Option<&Parts>) -> String {
        template.0.iter().map(|term| self.term(term, parts)).collect()
    }

    fn term(&self, term: &Term, parts: Option<&Parts>) -> String {
        match (term, parts) {
            (Term::Text(text), _) => text.clone(),
            (Term::Fact(fact), _) => self.fact(*fact),
            (Term::Date { of, format, zone }, _) => self.moment(*of, format, zone.clone()),
            (Term::Part(_), None) => String::new(),
            (Term::Part(part), Some(parts)) => match part {
                Part::Raw => parts.raw.clone(),
                Part::Version => parts.version.clone(),
                Part::Major => parts.numbers[0].to_string(),
                Part::Minor => parts.numbers[1].to_string(),
                Part::Patch => parts.numbers[2].to_string(),
            },
        }
    }

    fn moment(&self, of: Moment, format: &str, zone: TimeZone) -> String {
        let at = match of {
            Moment::Now => self.now,
            Moment::Commit => self.commit_date,
        };
        date::format(format, &at.to_zoned(zone))
    }

    /// The present as labels have it, in UTC with milliseconds.
    pub(super) fn created(&self) -> String {
        self.moment(Moment::Now, "YYYY-MM-DDTHH:mm:ss.SSS[Z]", TimeZone::UTC)
    }

    fn fact(&self, fact: Fact) -> String {
        match fact {
            Fact::Branch => self.event.branch().unwrap_or_default().to_owned(),
            Fact::Tag => self.event.tag().unwrap_or_default().to_owned(),
            Fact::Sha => self.short_sha(),
            Fact::BaseRef => self.base_ref().to_owned(),
            Fact::IsDefaultBranch => self.is_default_branch().to_string(),
            Fact::IsNotDefaultBranch => (!self.is_default_branch()).to_string(),
        }
    }

    fn base_ref(&self) -> &str {
        let event = &self.event;
        let base = if event.tag().is_some() {
            event.pushed_from.as_deref()
        } else if event.pull().is_some() {
            event.target.as_deref()
        } else {
            None
        };
        base.map(|base| base.strip_prefix("refs/heads/").unwrap_or(base)).unwrap_or_default()
    }

    fn is_default_branch(&self) -> bool {
        let event = &self.event;
        if event.reference.is_empty() {
            return false;
        }
        let is_named =
            event.branch().is_some() && event.branch() == self.repository.default_branch.as_deref();
        is_named || ON_DEFAULT_BRANCH.contains(&event.name.as_str())
    }
}
