//! Releases.

use super::{CONTENTS_READ, CONTENTS_WRITE, Call, Endpoint, on};
use crate::github::reply::{Outcome, Reply, invalid, not_found};
use crate::github::world::release::Release;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    on("repos/get-latest-release", CONTENTS_READ, latest),
    on("repos/get-release-by-tag", CONTENTS_READ, by_tag),
    on("repos/get-release", CONTENTS_READ, get),
    on("repos/list-releases", CONTENTS_READ, list),
    on("repos/create-release", CONTENTS_WRITE, create),
];

fn found(call: &Call<'_>, is: impl Fn(&Release) -> bool) -> Outcome {
    let view = call.view()?;
    let release = view.repository.releases.iter().rev().find(|it| is(it)).ok_or_else(not_found)?;
    Ok(Reply::ok(view.release(release)))
}

fn latest(call: &mut Call<'_>) -> Outcome {
    found(call, |it| !it.draft && !it.prerelease)
}

fn by_tag(call: &mut Call<'_>) -> Outcome {
    found(call, |it| !it.draft && it.tag == call.param("tag"))
}

fn get(call: &mut Call<'_>) -> Outcome {
    let id = call.number("release_id")?;
    found(call, |it| it.id == id)
}

fn list(call: &mut Call<'_>) -> Outcome {
    let view = call.view()?;
    Ok(call.list(view.repository.releases.iter().rev().map(|it| view.release(it)).collect()))
}

/// The tag is made from the target when it is missing; a draft makes none.
fn create(call: &mut Call<'_>) -> Outcome {
    let tag = call.text("tag_name").unwrap_or_default();
    let target = call.text("target_commitish").unwrap_or(call.repository()?.default_branch.clone());
    if call.repository()?.releases.iter().any(|it| it.tag == tag) {
        return Err(invalid("Release", "tag_name", "already_exists", "tag_name already exists"));
    }
    let mut made = Release::new(&tag);
    made.name = call.text("name");
    made.body = call.text("body");
    made.draft = call.flag("draft").unwrap_or(false);
    made.prerelease = call.flag("prerelease").unwrap_or(false);
    made.author.clone_from(&call.token.login);
    let full = format!("refs/tags/{tag}");
    if !made.draft && !call.repository()?.refs.contains_key(&full) {
        let refused = || invalid("Release", "target_commitish", "invalid", "target_commitish is invalid");
        let sha = call.repository()?.resolve(&target).ok_or_else(refused)?.sha.clone();
        call.repository_mut()?.point(&full, &sha);
    }
    made.target = target;
    call.repository_mut()?.releases.push(made.clone());
    let shown = call.view()?.release(&made);
    let place = shown["url"].as_str().unwrap_or_default().to_owned();
    Ok(Reply::created(shown).with("location", place))
}
