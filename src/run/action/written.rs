//! Where in the workflow an input of this step is written.

use std::path::PathBuf;

use crate::github::checks::{Annotation, Level};
use crate::yaml::{self, Entry, Node, Value};

/// The value of an input at the line where the workflow gives it as it is; nothing where it does not: the workflow is not checked out, another
/// action passes the input on, or an expression makes it. What comes of an expression may be a secret, which the log hides and a check run
/// would not, and is another one in the next run of the same commit.
pub(super) fn annotation(input: &str, given: &str, message: &str) -> Option<Annotation> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let path = path(&variable("GITHUB_REPOSITORY")?, &variable("GITHUB_WORKFLOW_REF")?)?;
    let file = PathBuf::from(variable("GITHUB_WORKSPACE")?).join(&path);
    let text = std::fs::read_to_string(&file).ok()?;
    let action = variable("GITHUB_ACTION_REPOSITORY");
    let line = line(&text, &variable("GITHUB_JOB")?, action.as_deref(), input, given)?;
    Some(Annotation {
        path: file.display().to_string(),
        line: u64::try_from(line).unwrap_or(1),
        level: Level::Failure,
        title: input.to_owned(),
        message: message.to_owned(),
    })
}

/// The file of `OWNER/NAME/.github/workflows/FILE@REF`, if it is this repository's: a workflow that is called may be another one's.
fn path(repository: &str, reference: &str) -> Option<String> {
    let rest = reference.strip_prefix(repository)?.strip_prefix('/')?;
    let (path, _) = rest.split_once("@refs/").or_else(|| rest.rsplit_once('@'))?;
    let is_inside = path.starts_with(".github/workflows/") && !path.split('/').any(|part| part == "..");
    is_inside.then(|| path.to_owned())
}

/// The line, from 1, at which a step of the job that uses the action gives the input this very text.
fn line(text: &str, job: &str, action: Option<&str>, input: &str, given: &str) -> Option<usize> {
    let root = yaml::load(text).0?;
    let steps = get(get(get(&root, "jobs")?, job)?, "steps")?;
    let Value::List(steps) = &steps.value else { return None };
    let mut written = steps
        .iter()
        .filter(|step| get(step, "uses").and_then(scalar).is_some_and(|uses| is_ours(uses, action)))
        .filter_map(|step| get(step, "with"))
        .filter_map(|with| entries(with).iter().find(|entry| entry.key.eq_ignore_ascii_case(input)));
    let gives = |entry: &&Entry| scalar(&entry.value).is_some_and(|text| text.trim() == given.trim());
    written.find(gives).map(|entry| entry.at.line)
}

/// Whether a step uses this action: that of the repository that the runner names, or one that lies in the checkout.
fn is_ours(uses: &str, action: Option<&str>) -> bool {
    match action {
        Some(action) => uses.get(..action.len()).is_some_and(|head| {
            head.eq_ignore_ascii_case(action) && uses[action.len()..].starts_with(['@', '/'])
        }),
        None => uses.starts_with("./"),
    }
}

fn entries(node: &Node) -> &[Entry] {
    match &node.value {
        Value::Map(entries) => entries,
        _ => &[],
    }
}

fn get<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    entries(node).iter().find(|entry| entry.key == key).map(|entry| entry.value.as_ref())
}

fn scalar(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(_, text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKFLOW: &str = "\
on: push
jobs:
  other: { steps: [{ uses: tidegate/tidegate@v1, with: { if-busy: no } }] }
  ship:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
        with: { if-busy: no }
      - uses: tidegate/tidegate-other@v1
        with: { if-busy: no }
      - uses: Tidegate/tidegate@v1
        with:
          command: ${{ inputs.command }}
      - uses: tidegate/tidegate@v1
        with:
          command: deploy
          IF-busy: |
            no
";

    #[test]
    fn an_input_is_found_at_its_own_line() {
        let of = |input: &str, given: &str| line(WORKFLOW, "ship", Some("tidegate/tidegate"), input, given);
        assert_eq!(of("if-busy", "no"), Some(17));
        assert_eq!(of("command", "deploy"), Some(16));
        assert_eq!(of("command", "deplyo"), None, "an expression may have given it, and may be a secret");
        assert_eq!(of("if-busy", "yes"), None);
        assert_eq!(of("url", "no"), None);
        assert_eq!(line(WORKFLOW, "none", Some("tidegate/tidegate"), "if-busy", "no"), None);
        assert_eq!(line("a: [", "ship", None, "if-busy", "no"), None);
        let local = WORKFLOW.replace("tidegate/tidegate@v1", "./action");
        assert_eq!(line(&local, "ship", None, "if-busy", "no"), Some(17));
    }

    #[test]
    fn only_workflows_of_the_repository_are_looked_at() {
        let of = |reference: &str| path("acme/shop", reference);
        let file = Some(".github/workflows/ship.yml".to_owned());
        assert_eq!(of("acme/shop/.github/workflows/ship.yml@refs/heads/a@refs/b"), file);
        assert_eq!(of("acme/shop/.github/workflows/ship.yml@abc"), file);
        assert_eq!(of("acme/shops/.github/workflows/ship.yml@refs/heads/main"), None);
        assert_eq!(of("acme/shop/.github/workflows/../../x@refs/heads/main"), None);
    }
}
