//! What `run` answers when it has only said what an event asks for.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::report::lines::printable;
use crate::trigger::{Deploy, Intent, Order, Source, length};

/// What an event asks for, where nothing was done about it: it is nothing, or it was only to be shown.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct IntentAnswer {
    /// One sentence.
    pub sentence: String,
    /// What the event asks for.
    pub intent: Intent,
}

impl IntentAnswer {
    /// The answer for an intent.
    #[must_use]
    pub fn shown(intent: Intent) -> Self {
        Self { sentence: printable(&sentence(&intent)), intent }
    }
}

fn sentence(intent: &Intent) -> String {
    let order = |what: &str, order: &Order| format!("{what} {}", order.environment);
    match intent {
        Intent::Deploy(one) => format!("would deploy {}", release(one)),
        Intent::Plan(one) => format!("would show what a deploy of {} would do", release(one)),
        Intent::Rollback { order, to: Some(to) } => format!("would take {} back to {to}", order.environment),
        Intent::Rollback { order: one, to: None } => order("would take back", one),
        Intent::Promote(one) => order("would go on from the pause in", one),
        Intent::Abort(one) => order("would turn back the rollout of", one),
        Intent::Resume(one) => order("would go on with what was left in", one),
        Intent::Lock(one) => order("would close", one),
        Intent::Unlock(one) => order("would open", one),
        Intent::Status(one) => order("would tell what runs in", one),
        Intent::Help { .. } => "would list the commands".to_owned(),
        Intent::PreviewUp(one) => format!("would bring the preview of pull request {} up", one.pull),
        Intent::PreviewDown { pull, why, .. } => {
            format!("would take the preview of pull request {pull} away: {why}")
        }
        Intent::PreviewExtend { pull, seconds, .. } => {
            format!("would have the preview of pull request {pull} live for {} from now", length(*seconds))
        }
        Intent::Sweep => {
            "would end what dead runs left in every environment, and take unwanted previews away".to_owned()
        }
        Intent::Refused { why, hint, .. } => format!("would refuse: {why}; {hint}"),
        Intent::Nothing { why } => format!("nothing to do: {why}"),
    }
}

fn release(deploy: &Deploy) -> String {
    let what = match &deploy.source {
        Source::Commit(commit) | Source::Tip { commit, .. } => format!("commit {commit}"),
        Source::Tagged { tag, commit } => format!("commit {commit}, if tag {tag} is at it"),
        Source::Pull(number) => format!("the last commit of pull request {number}"),
        Source::Branch(name) => format!("branch {name}"),
        Source::Tag(name) => format!("tag {name}"),
        Source::Named(name) => name.clone(),
        Source::CheckedOut => "what is checked out".to_owned(),
    };
    match &deploy.version {
        Some(version) => format!("{what} as {version} to {}", deploy.environment),
        None => format!("{what} to {}", deploy.environment),
    }
}

impl fmt::Display for IntentAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.sentence)
    }
}
