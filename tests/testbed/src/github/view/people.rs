//! Users, bots and apps.

use serde_json::{Value, json};

use crate::github::escape::segment;
use crate::github::ids;

const EPOCH: &str = "2020-01-01T00:00:00Z";

/// A user or bot, as every answer that names one shows it.
pub(crate) fn user(base: &str, login: &str) -> Value {
    let id = ids::of(login);
    let url = format!("{base}/users/{}", segment(login));
    let bot = login.strip_suffix("[bot]");
    let html = bot.map_or_else(
        || format!("https://github.com/{}", segment(login)),
        |slug| format!("https://github.com/apps/{}", segment(slug)),
    );
    json!({
        "login": login,
        "id": id,
        "node_id": ids::node("U", id),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}?v=4"),
        "gravatar_id": "",
        "url": url,
        "html_url": html,
        "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following{{/other_user}}"),
        "gists_url": format!("{url}/gists{{/gist_id}}"),
        "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events{{/privacy}}"),
        "received_events_url": format!("{url}/received_events"),
        "type": if bot.is_some() { "Bot" } else { "User" },
        "site_admin": false,
    })
}

/// A user as `/user` shows the one who asks.
pub(crate) fn account(base: &str, login: &str) -> Value {
    let mut shown = user(base, login);
    let more = json!({
        "user_view_type": "public",
        "name": null,
        "company": null,
        "blog": "",
        "location": null,
        "email": null,
        "hireable": null,
        "bio": null,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": EPOCH,
        "updated_at": EPOCH,
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    shown
}

/// An app by its slug.
pub(super) fn app(base: &str, slug: &str) -> Value {
    let id = ids::app(slug);
    let owner = if slug == "github-actions" { "github" } else { slug };
    json!({
        "id": id,
        "slug": slug,
        "node_id": ids::node("A", id),
        "client_id": format!("Iv1.{id:x}"),
        "owner": user(base, owner),
        "name": slug,
        "description": "",
        "external_url": format!("https://github.com/apps/{slug}"),
        "html_url": format!("https://github.com/apps/{slug}"),
        "created_at": EPOCH,
        "updated_at": EPOCH,
        "permissions": {"checks": "write", "contents": "read", "metadata": "read"},
        "events": ["check_run"],
    })
}
