//! The rules, and how much each of them weighs.

use std::collections::BTreeMap;
use std::fmt;

/// Something that is expected of manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// An image is named by a digest, or by a tag other than `latest`.
    ImageTag,
    /// A container cannot run as root.
    RootUser,
    /// A container's root file system is read-only.
    WritableRoot,
    /// A container drops all capabilities.
    Capabilities,
    /// A container has a limit of memory.
    NoLimits,
    /// A container requests CPU and memory.
    NoRequests,
    /// A container that goes on running tells when it is ready.
    NoReadinessProbe,
    /// What gets traffic has a time to end in.
    NoGrace,
    /// Of several pods not all may be evicted at once.
    NoDisruptionBudget,
    /// A network policy says who may reach the pods.
    NoNetworkPolicy,
}

impl Rule {
    /// Every rule, in the order of findings.
    pub const ALL: [Self; 10] = [
        Self::ImageTag,
        Self::RootUser,
        Self::WritableRoot,
        Self::Capabilities,
        Self::NoLimits,
        Self::NoRequests,
        Self::NoReadinessProbe,
        Self::NoGrace,
        Self::NoDisruptionBudget,
        Self::NoNetworkPolicy,
    ];

    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ImageTag => "image-tag",
            Self::RootUser => "root-user",
            Self::WritableRoot => "writable-root",
            Self::Capabilities => "capabilities",
            Self::NoLimits => "no-limits",
            Self::NoRequests => "no-requests",
            Self::NoReadinessProbe => "no-readiness-probe",
            Self::NoGrace => "no-grace",
            Self::NoDisruptionBudget => "no-disruption-budget",
            Self::NoNetworkPolicy => "no-network-policy",
        }
    }

    /// The rule of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What follows from a finding of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Nothing: it is not told.
    Off,
    /// It is told.
    #[default]
    Warn,
    /// Nothing is deployed.
    Refuse,
}

/// How much each rule weighs. By default every rule warns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy(BTreeMap<Rule, Level>);

impl Policy {
    /// What follows from a finding of that rule.
    #[must_use]
    pub fn of(&self, rule: Rule) -> Level {
        self.0.get(&rule).copied().unwrap_or_default()
    }

    /// The same policy but for one rule.
    #[must_use]
    pub fn with(mut self, rule: Rule, level: Level) -> Self {
        self.0.insert(rule, level);
        self
    }
}
