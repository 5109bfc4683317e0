//! Objects of a cluster that a deploy would change, and those that somebody else has changed.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::report::lines::printable;
use crate::target::kubernetes::preview::{Change, ChangeKind, Drift};

/// The longest value that is shown to people, in characters.
const SHOWN: usize = 160;

/// An object that a deploy would change.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ChangeAnswer {
    /// Kind and name.
    pub object: String,
    /// `create`, `update` or `remove`.
    pub change: String,
    /// What would be different, where it is there already. Values of Secrets are not told.
    pub differences: Vec<DifferenceAnswer>,
}

/// One value that would be another.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DifferenceAnswer {
    /// The way to it, such as `spec.template.spec.containers[name=app].image`.
    pub path: String,
    /// What it is; none where it is not there.
    pub from: Option<Value>,
    /// What it would be; none where it would be gone.
    pub to: Option<Value>,
}

/// An object that is no longer as the live release was applied.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DriftAnswer {
    /// Kind and name.
    pub object: String,
    /// It is not there any more.
    pub missing: bool,
    /// What is different, where it is there. Values of Secrets are not told.
    pub differences: Vec<DriftedAnswer>,
}

/// One value that is another than was applied.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DriftedAnswer {
    /// The way to it.
    pub path: String,
    /// What it is now; none where it is gone.
    pub now: Option<Value>,
    /// What was applied; none where it was not there.
    pub applied: Option<Value>,
    /// Whose the value is now, as the API server knows it.
    pub by: Option<String>,
}

impl From<Change> for ChangeAnswer {
    fn from(change: Change) -> Self {
        let difference = |one: crate::target::kubernetes::apply::Difference| DifferenceAnswer {
            path: one.path,
            from: one.before,
            to: one.after,
        };
        Self {
            object: change.object.to_string(),
            change: match change.kind {
                ChangeKind::Create => "create",
                ChangeKind::Update => "update",
                ChangeKind::Remove => "remove",
            }
            .to_owned(),
            differences: change.differences.into_iter().map(difference).collect(),
        }
    }
}

impl From<Drift> for DriftAnswer {
    fn from(drift: Drift) -> Self {
        let drifted = |(one, by): (crate::target::kubernetes::apply::Difference, Option<String>)| {
            DriftedAnswer { path: one.path, now: one.before, applied: one.after, by }
        };
        Self {
            object: drift.object.to_string(),
            missing: drift.missing,
            differences: drift.differences.into_iter().map(drifted).collect(),
        }
    }
}

impl fmt::Display for ChangeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.change.as_str() {
            "create" => '+',
            "remove" => '-',
            _ => '~',
        };
        writeln!(f, "  {sign} {}", printable(&self.object))?;
        for DifferenceAnswer { path, from, to } in &self.differences {
            let path = printable(path);
            match (from, to) {
                (None, Some(to)) => writeln!(f, "      + {path}: {}", shown(to))?,
                (Some(from), None) => writeln!(f, "      - {path}: {}", shown(from))?,
                (Some(from), Some(to)) => writeln!(f, "      ~ {path}: {} → {}", shown(from), shown(to))?,
                (None, None) => {}
            }
        }
        Ok(())
    }
}

impl fmt::Display for DriftAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = printable(&self.object);
        if self.missing {
            return writeln!(f, "  {object} is not there any more; the next rollout makes it again");
        }
        writeln!(f, "  {object} is no longer as it was applied:")?;
        for DriftedAnswer { path, now, applied, by } in &self.differences {
            let (now, applied) = (told(now.as_ref()), told(applied.as_ref()));
            write!(f, "    {} is {now}, {applied} was applied", printable(path))?;
            match by {
                Some(by) => writeln!(f, " (changed by {})", printable(by))?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

fn told(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), shown)
}

/// A value on one line, and not too long for it.
fn shown(value: &Value) -> String {
    let text = printable(&value.to_string());
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_read_like_a_diff() {
        let difference = |path: &str, from: Option<Value>, to: Option<Value>| DifferenceAnswer {
            path: path.to_owned(),
            from,
            to,
        };
        let change = |object: &str, change: &str, differences| ChangeAnswer {
            object: object.to_owned(),
            change: change.to_owned(),
            differences,
        };
        let long = "x".repeat(500);
        let differences = vec![
            difference("spec.image", Some(json!("a")), Some(json!("b"))),
            difference("spec.old", Some(json!(1)), None),
            difference("spec.new", None, Some(json!(long))),
        ];
        let all = [
            change("ConfigMap new", "create", vec![]),
            change("Deployment web", "update", differences),
            change("Service old", "remove", vec![]),
        ];
        let text: String = all.iter().map(ToString::to_string).collect();
        let expected = format!(
            "  + ConfigMap new\n  ~ Deployment web\n      ~ spec.image: \"a\" → \"b\"\n      - spec.old: 1\n      \
             + spec.new: \"{}…\n  - Service old\n",
            "x".repeat(SHOWN - 1)
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn drift_says_what_is_and_what_was_applied_and_who_has_changed_it() {
        let drifted = DriftedAnswer {
            path: "spec.image".to_owned(),
            now: Some(json!("hand")),
            applied: Some(json!("a")),
            by: Some("kubectl-set".to_owned()),
        };
        let gone = DriftedAnswer { path: "data.key".to_owned(), now: None, by: None, ..drifted.clone() };
        let drift =
            |missing, differences| DriftAnswer { object: "Deployment web".to_owned(), missing, differences };
        assert_eq!(
            drift(false, vec![drifted, gone]).to_string(),
            "  Deployment web is no longer as it was applied:\n    spec.image is \"hand\", \"a\" was applied (changed by \
             kubectl-set)\n    data.key is nothing, \"a\" was applied\n"
        );
        assert!(drift(true, vec![]).to_string().starts_with("  Deployment web is not there any more"));
    }
}
