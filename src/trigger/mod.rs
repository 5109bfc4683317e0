//! What an event asks for. PURE: the event, its payload, the inputs and the settings are given; nothing is read or asked.
//!
//! ```text
//! name + ref + commit + payload ─┐
//! inputs of the step ────────────┼→ Intent
//! environments (rules) ──────────┘
//! ```
//! Whatever the payload holds, the answer is an [`Intent`]: what nothing can be done about is [`Intent::Nothing`] with one sentence
//! why, and what somebody asked for in vain is [`Intent::Refused`]. Who asked and whether he may is not known here: an intent
//! that came by a comment carries [`Asked`], and whoever carries it out has GitHub say whether that person may write.

mod choice;
mod comment;
mod deploy;
mod events;
mod order;
mod payload;
mod preview;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::settings::{EnvironmentSettings, PullRules};

pub use comment::{COMMANDS, Comment, read as read_comment};
pub use preview::length;

/// What started a step, and what its inputs say.
#[derive(Debug, Clone)]
pub struct Occasion<'a> {
    /// The event's name, such as `push`.
    pub name: &'a str,
    /// The full ref, such as `refs/heads/main`; may be empty.
    pub reference: &'a str,
    /// The commit; may be empty.
    pub sha: &'a str,
    /// Who started it, such as `octocat` or `dependabot[bot]`; may be empty.
    pub actor: &'a str,
    /// The payload; null where there is none.
    pub payload: &'a Value,
    /// What the step asks for.
    pub wish: &'a Wish,
    /// Which pull requests have a preview, where any has.
    pub previews: Option<&'a PullRules>,
}

/// What the inputs of a step ask for, whatever started it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The command; `None` leaves it to the event.
    pub command: Option<Command>,
    /// The environment.
    pub environment: Option<String>,
    /// The version to deploy, or to go back to.
    pub version: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// What can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Roll a release out.
    Deploy,
    /// Take an environment back.
    Rollback,
    /// Go on from a pause.
    Promote,
    /// Turn a rollout back.
    Abort,
    /// Go on with what a process left.
    Resume,
    /// Show what a deploy would do.
    Plan,
    /// What runs.
    Status,
    /// Close an environment.
    Lock,
    /// Open it.
    Unlock,
    /// End what dead runs left, everywhere.
    Sweep,
    /// Bring the preview of a pull request up, or say how long it lives.
    Preview,
    /// List the commands.
    Help,
}

impl Command {
    /// Every command, in the order of the documents.
    pub const ALL: [Self; 12] = [
        Self::Deploy,
        Self::Rollback,
        Self::Promote,
        Self::Abort,
        Self::Resume,
        Self::Plan,
        Self::Status,
        Self::Lock,
        Self::Unlock,
        Self::Sweep,
        Self::Preview,
        Self::Help,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Promote => "promote",
            Self::Abort => "abort",
            Self::Resume => "resume",
            Self::Plan => "plan",
            Self::Status => "status",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::Sweep => "sweep",
            Self::Preview => "preview",
            Self::Help => "help",
        }
    }

    /// The command of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.name() == name)
    }
}

/// What an event asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "intent", rename_all = "kebab-case")]
pub enum Intent {
    /// Roll a release out.
    Deploy(Deploy),
    /// Show what a deploy would do.
    Plan(Deploy),
    /// Take an environment back: to that version, or to the one before.
    Rollback {
        /// Where, and who asked.
        #[serde(flatten)]
        order: Order,
        /// The version to go back to.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Go on from a pause.
    Promote(Order),
    /// Turn the rollout under way back.
    Abort(Order),
    /// Go on with what a process left that died.
    Resume(Order),
    /// Close an environment for deploys.
    Lock(Order),
    /// Open it again.
    Unlock(Order),
    /// What runs in an environment.
    Status(Order),
    /// Which commands there are.
    Help {
        /// Who asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        asked: Option<Asked>,
    },
    /// Bring the preview of a pull request up, at its last commit.
    PreviewUp(Preview),
    /// Take it away.
    PreviewDown {
        /// The number of the pull request.
        pull: u64,
        /// One sentence.
        why: String,
        /// The rules for pull requests would not have it any more; what somebody asked for stays.
        is_by_rule: bool,
        /// Who asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        asked: Option<Asked>,
    },
    /// Have it live longer.
    PreviewExtend {
        /// The number of the pull request.
        pull: u64,
        /// How long from now at least.
        seconds: u64,
        /// Who asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        asked: Option<Asked>,
    },
    /// End the rollouts that dead runs left, in every environment, and take away the previews that nobody wants.
    Sweep,
    /// What somebody asked for cannot be done.
    Refused {
        /// Stable code.
        code: &'static str,
        /// One sentence.
        why: String,
        /// The cure.
        hint: String,
        /// Who asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        asked: Option<Asked>,
    },
    /// Nothing is to be done.
    Nothing {
        /// One sentence.
        why: String,
    },
}

/// A release to roll out, or to plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Deploy {
    /// The environment; it is in the settings.
    pub environment: String,
    /// The version; `None` is that of the working tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Of what.
    pub source: Source,
    /// Who asked by a comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

/// A pull request whose preview is to come up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Preview {
    /// Its number.
    pub pull: u64,
    /// Its branch; nothing where GitHub has to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Its last commit; nothing where GitHub has to say. Where somebody named it in a comment, at least its first seven digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Its labels, as far as the event tells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Who asked by a comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

/// What a release is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// This commit, and no other.
    Commit(String),
    /// This commit, if GitHub says that it is the last one of this branch.
    Tip {
        /// The branch.
        branch: String,
        /// The commit.
        commit: String,
    },
    /// This commit, if GitHub says that this tag is at it.
    Tagged {
        /// The tag.
        tag: String,
        /// The commit.
        commit: String,
    },
    /// The last commit of this pull request, which GitHub has to name.
    Pull(u64),
    /// The commit of this branch, which GitHub has to name.
    Branch(String),
    /// The commit of this tag, which GitHub has to name.
    Tag(String),
    /// The commit of what has this name, tag or branch, which GitHub has to name.
    Named(String),
    /// What is checked out: the event names no commit.
    CheckedOut,
}

/// Something to do with an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Order {
    /// The environment; it is in the settings.
    pub environment: String,
    /// Why, where somebody said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who asked by a comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

/// Who asked by a comment, and what GitHub has to be asked about him before anything is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Asked {
    /// The person's login.
    pub by: String,
    /// The right that he needs in the repository.
    pub needs: Need,
    /// The pull request that the comment is at.
    pub pull: u64,
    /// The comment.
    pub comment: u64,
}

/// A right in the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// To push to it.
    Write,
}

/// Whether an environment deploys a branch by itself.
#[must_use]
pub fn takes_branch(environment: &EnvironmentSettings, branch: &str) -> bool {
    choice::takes(environment, choice::Name::Branch(branch))
}

/// What an event asks for, by the inputs of the step and the rules of the environments.
#[must_use]
pub fn intent(occasion: &Occasion<'_>, environments: &[EnvironmentSettings]) -> Intent {
    if let Some(intent) = order::by_input(occasion, environments) {
        return intent;
    }
    events::by_event(occasion, environments)
}

impl Intent {
    /// Who asked for it by a comment.
    #[must_use]
    pub const fn asked(&self) -> Option<&Asked> {
        match self {
            Self::Deploy(deploy) | Self::Plan(deploy) => deploy.asked.as_ref(),
            Self::Rollback { order, .. }
            | Self::Promote(order)
            | Self::Abort(order)
            | Self::Resume(order)
            | Self::Lock(order)
            | Self::Unlock(order)
            | Self::Status(order) => order.asked.as_ref(),
            Self::PreviewUp(preview) => preview.asked.as_ref(),
            Self::PreviewDown { asked, .. }
            | Self::PreviewExtend { asked, .. }
            | Self::Help { asked }
            | Self::Refused { asked, .. } => asked.as_ref(),
            Self::Sweep | Self::Nothing { .. } => None,
        }
    }

    /// The environment that it is about.
    #[must_use]
    pub fn environment(&self) -> Option<&str> {
        match self {
            Self::Deploy(deploy) | Self::Plan(deploy) => Some(&deploy.environment),
            Self::Rollback { order, .. }
            | Self::Promote(order)
            | Self::Abort(order)
            | Self::Resume(order)
            | Self::Lock(order)
            | Self::Unlock(order)
            | Self::Status(order) => Some(&order.environment),
            Self::PreviewUp(_)
            | Self::PreviewDown { .. }
            | Self::PreviewExtend { .. }
            | Self::Help { .. }
            | Self::Refused { .. }
            | Self::Sweep
            | Self::Nothing { .. } => None,
        }
    }
}

fn nothing(why: impl Into<String>) -> Intent {
    Intent::Nothing { why: why.into() }
}

fn refused(code: &'static str, why: impl Into<String>, hint: impl Into<String>) -> Intent {
    Intent::Refused { code, why: why.into(), hint: hint.into(), asked: None }
}
