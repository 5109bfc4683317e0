//! What was pushed when.

use super::{CONTENTS_READ, Call, Endpoint, on};
use crate::github::reply::Outcome;

pub(super) const ENDPOINTS: &[Endpoint] = &[on("repos/list-activities", CONTENTS_READ, list)];

/// The newest first, unless it is asked for otherwise.
fn list(call: &mut Call<'_>) -> Outcome {
    let view = call.view()?;
    let is_wanted = |name: &str| {
        call.query("ref")
            .is_none_or(|wanted| name == wanted || name.strip_prefix("refs/heads/") == Some(wanted))
    };
    let mut found: Vec<_> = view.repository.pushes.iter().filter(|push| is_wanted(&push.reference)).collect();
    if call.query("direction") != Some("asc") {
        found.reverse();
    }
    let shown = found.into_iter().map(|push| view.activity(push)).collect();
    Ok(call.list(shown))
}
