//! Which rule a result is of, and how bad that makes it.

use serde_json::Value;

use super::Severity;
use super::sarif::{Component, Configuration, Outcome, Rule, RuleReference, Run};

/// What a rule says of a result, and the run says of the rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ruled<'a> {
    pub(super) rule: Option<&'a Rule>,
    run: &'a Run,
    result: &'a Outcome,
}

impl<'a> Ruled<'a> {
    /// Finds the rule: by its place in the component that the result names, else by its name in all components.
    pub(super) fn of(run: &'a Run, result: &'a Outcome) -> Self {
        let name = Self::name_of(result);
        let is_it = |rule: &&Rule| match (name, rule.id.as_deref()) {
            (Some(name), Some(id)) => is_of(name, id),
            _ => true,
        };
        let by_place = place(result)
            .and_then(|index| component(run, result.rule.as_ref())?.rules.as_ref()?.get(index))
            .filter(is_it);
        let by_name = || name.and_then(|_| all(run).find(|rule| rule.id.is_some() && is_it(rule)));
        Self { rule: by_place.or_else(by_name), run, result }
    }

    fn name_of(result: &Outcome) -> Option<&str> {
        result.rule_id.as_deref().or_else(|| result.rule.as_ref()?.id.as_deref())
    }

    /// The rule's name.
    pub(super) fn name(&self) -> &'a str {
        let told = Self::name_of(self.result);
        told.or_else(|| self.rule?.id.as_deref()).unwrap_or("unnamed rule")
    }

    /// How bad it is, and the score that says so. The score of the result or its rule comes first, then the level (§3.27.10), then the
    /// rank; what says nothing at all is a warning.
    pub(super) fn severity(&self) -> (Severity, Option<f64>) {
        let scores = [self.result.properties.as_ref(), self.rule.and_then(|rule| rule.properties.as_ref())];
        let score = scores.into_iter().flatten().find_map(score);
        if let Some((score, severity)) = score.and_then(|score| Some((score, Severity::of_score(score)?))) {
            return (severity, Some(score));
        }
        if self.result.kind.as_deref() == Some("informational") {
            return (Severity::Info, None);
        }
        let changed = self.configurations();
        let usual = self.rule.and_then(|rule| rule.default_configuration.as_ref());
        let configured: Vec<&Configuration> = changed.into_iter().chain(usual).collect();
        let levels = self.result.level.iter().chain(configured.iter().filter_map(|one| one.level.as_ref()));
        let level = levels.into_iter().find_map(|level| Severity::of_level(level));
        let ranks = self.result.rank.into_iter().chain(configured.iter().filter_map(|one| one.rank));
        // From 0 to 100; -1 says that there is none (§3.27.25).
        let rank = ranks.into_iter().find_map(|rank| Severity::of_score(rank / 10.0));
        (level.or(rank).unwrap_or(Severity::Medium), None)
    }

    /// What the run was told to take the rule for (§3.20.5).
    fn configurations(&self) -> Vec<&'a Configuration> {
        let overrides = self.run.invocations.iter().flatten();
        let overrides = overrides.flat_map(|one| one.rule_configuration_overrides.iter().flatten());
        let is_it = |descriptor: &RuleReference| match &descriptor.id {
            Some(id) => is_of(self.name(), id),
            None => {
                let index = descriptor.index.and_then(|index| usize::try_from(index).ok());
                let rules = component(self.run, Some(descriptor)).and_then(|one| one.rules.as_ref());
                let named = index.and_then(|index| rules?.get(index));
                matches!((named, self.rule), (Some(one), Some(other)) if std::ptr::eq(one, other))
            }
        };
        overrides
            .filter(|one| one.descriptor.as_ref().is_some_and(&is_it))
            .filter_map(|one| one.configuration.as_ref())
            .collect()
    }
}

/// The place of the rule among those of its component; -1 says that there is none.
fn place(result: &Outcome) -> Option<usize> {
    let told = result.rule_index.or_else(|| result.rule.as_ref()?.index)?;
    usize::try_from(told).ok()
}

/// The component that a reference names; the driver where it names none.
fn component<'a>(run: &'a Run, reference: Option<&RuleReference>) -> Option<&'a Component> {
    let Some(named) = reference.and_then(|one| one.tool_component.as_ref()) else {
        return Some(&run.tool.driver);
    };
    let extensions = run.tool.extensions.as_deref().unwrap_or_default();
    if let Some(index) = named.index.and_then(|index| usize::try_from(index).ok()) {
        return extensions.get(index);
    }
    let is_it = |one: &&Component| named.name.is_some() && one.name == named.name;
    extensions.iter().chain([&run.tool.driver]).find(is_it)
}

fn all(run: &Run) -> impl Iterator<Item = &Rule> {
    let components = std::iter::once(&run.tool.driver).chain(run.tool.extensions.iter().flatten());
    components.flat_map(|one| one.rules.iter().flatten())
}

/// Whether a rule of that identity is meant: names may be divided further, `CA1000/1` (§3.27.5).
fn is_of(name: &str, id: &str) -> bool {
    name.strip_prefix(id).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The score in a bag of properties: as text, which GitHub asks for, or as a number.
fn score(properties: &Value) -> Option<f64> {
    match properties.get("security-severity")? {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    }
}
