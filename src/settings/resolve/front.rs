//! What stands between visitors and the app of a preview.

use super::{Findings, env, positive};
use crate::registry::Reference;
use crate::settings::file::{Access, Environment, Target};
use crate::settings::model::{AccessSettings, FrontSettings};
use crate::yaml::Path;

/// The name that goes with a password where none is given.
const USER: &str = "preview";
/// Longer names serve nobody.
const USER_LIMIT: usize = 64;

/// Takes `sleep`, `access` and `front` out of what is written.
pub(super) fn resolve(raw: &mut Environment, path: &Path, findings: &mut Findings<'_>) -> FrontSettings {
    let is_local = matches!(raw.target, Some(Target::Local(_)));
    let at = path.key("sleep");
    let sleep = raw.sleep.take().map(|time| positive(Some(time), std::time::Duration::ZERO, &at, findings));
    let is_wanted = sleep.is_some() || raw.access.is_some();
    let access = raw.access.take().and_then(|raw| access(raw, &path.key("access"), findings));
    let (image, at) = (raw.front.take(), path.key("front"));
    match &image {
        Some(_) if is_local => {
            let message = "`front` has no effect: on this machine the router does that";
            findings.conflict(&at, message, "take it out");
        }
        Some(_) if !is_wanted => {
            let message = "`front` has no effect without `sleep` or `access`";
            findings.conflict(&at, message, "add one of the two, or take it out");
        }
        Some(image) if Reference::parse(image).is_err() => {
            let message = format!("`{image}` cannot be the name of an image");
            findings.error(&at, message, "write it as REGISTRY/REPOSITORY:TAG, or with `@` and its digest");
        }
        None if is_wanted && raw.target.is_some() && !is_local => {
            let message = "in a cluster `sleep` and `access` need a pod of Tidegate before the app";
            let help = "add `front: REGISTRY/REPOSITORY:TAG`, an image of Tidegate; docs/previews.md shows how to make it";
            let key = if sleep.is_some() { "sleep" } else { "access" };
            findings.conflict(&path.key(key), message, help);
        }
        _ => {}
    }
    FrontSettings { sleep, access, image }
}

fn access(raw: Access, path: &Path, findings: &mut Findings<'_>) -> Option<AccessSettings> {
    if raw.password.is_none() && raw.token.is_none() {
        let help = "write `password: $PREVIEW_PASSWORD` or `token: $PREVIEW_TOKEN`";
        findings.empty(path, "nothing lets a visitor in", help);
        return None;
    }
    if raw.user.is_some() && raw.password.is_none() {
        let message = "`user` has no effect without `password`";
        findings.conflict(&path.key("user"), message, "add the password, or take it out");
    }
    let user = raw.user.unwrap_or_else(|| USER.to_owned());
    // RFC 7617, section 2: what comes before the first colon is the user.
    let is_one =
        (1..=USER_LIMIT).contains(&user.len()) && !user.contains(|c: char| c == ':' || c.is_control());
    if !is_one {
        let message = format!("`{user}` cannot be the name of a user");
        findings.error(&path.key("user"), message, "take a name without colons, of at most 64 bytes");
    }
    let mut secret = |text: Option<String>, key: &str| match text {
        Some(text) => env::secret(text, "previews", &path.key(key), findings).map(Some),
        None => Some(None),
    };
    let (password, token) = (secret(raw.password, "password")?, secret(raw.token, "token")?);
    Some(AccessSettings { basic: password.map(|password| (user, password)), token })
}
