//! Labels of issues and pull requests.

use serde_json::Value;

use super::comments::{issue, issue_mut};
use super::{Call, Endpoint, ISSUES_READ, ISSUES_WRITE, on};
use crate::github::reply::{Outcome, Reply};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    on("issues/list-labels-on-issue", ISSUES_READ, list),
    on("issues/add-labels", ISSUES_WRITE, add),
    on("issues/set-labels", ISSUES_WRITE, set),
    on("issues/remove-label", ISSUES_WRITE, remove),
    on("issues/remove-all-labels", ISSUES_WRITE, remove_all),
];

/// The names that a request gives, each as a text or as an object with a name.
fn named(body: &Value) -> Vec<String> {
    let each = body["labels"].as_array().into_iter().flatten();
    each.filter_map(|label| label.as_str().or_else(|| label["name"].as_str())).map(str::to_owned).collect()
}

fn list(call: &mut Call<'_>) -> Outcome {
    Ok(call.list(call.view()?.labels(issue(call)?)))
}

fn all(call: &Call<'_>) -> Outcome {
    Ok(Reply::ok(call.view()?.labels(issue(call)?).into()))
}

fn add(call: &mut Call<'_>) -> Outcome {
    let names = named(call.body);
    let issue = issue_mut(call)?;
    names.iter().for_each(|name| issue.add_label(name));
    all(call)
}

fn set(call: &mut Call<'_>) -> Outcome {
    issue_mut(call)?.labels.clear();
    add(call)
}

fn remove(call: &mut Call<'_>) -> Outcome {
    let name = call.param("name").to_owned();
    if !issue_mut(call)?.remove_label(&name) {
        return Err(Box::new(Reply::error(404, "Label does not exist")));
    }
    all(call)
}

fn remove_all(call: &mut Call<'_>) -> Outcome {
    issue_mut(call)?.labels.clear();
    Ok(Reply::no_content())
}
