//! Files and folders.

use super::{CONTENTS_READ, Call, Endpoint, on};
use crate::github::reply::{Body, Outcome, Reply, not_found};

pub(super) const ENDPOINTS: &[Endpoint] = &[on("repos/get-content", CONTENTS_READ, get)];

/// The media types that give a file as it is.
const RAW: [&str; 2] = ["application/vnd.github.raw", "application/vnd.github.v3.raw"];

fn get(call: &mut Call<'_>) -> Outcome {
    let view = call.view()?;
    let name = call.query("ref").unwrap_or(&view.repository.default_branch);
    let Some(commit) = view.repository.resolve(name) else {
        return Err(Box::new(Reply::error(404, &format!("No commit found for the ref {name}"))));
    };
    let path = call.param("path").trim_matches('/');
    let Some(content) = view.repository.content(path, &commit.sha) else {
        let inside = view.folder(path, &commit.sha);
        return if inside.is_empty() { Err(not_found()) } else { Ok(Reply::ok(inside.into())) };
    };
    if RAW.iter().any(|kind| call.accept.contains(kind)) {
        let body = Body::Raw("application/vnd.github.raw; charset=utf-8", content.as_bytes().to_vec());
        return Ok(Reply { status: 200, headers: Vec::new(), body });
    }
    Ok(Reply::ok(view.file(path, &commit.sha, content)))
}
