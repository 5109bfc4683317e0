//! Releases.

use serde_json::{Value, json};

use super::{View, user};
use crate::github::escape::escaped;
use crate::github::ids;
use crate::github::world::release::Release;

impl View<'_> {
    pub(crate) fn release(&self, it: &Release) -> Value {
        let url = self.api(&format!("releases/{}", it.id));
        let tag = escaped(&it.tag);
        json!({
            "url": url,
            "html_url": self.html(&format!("releases/tag/{tag}")),
            "assets_url": format!("{url}/assets"),
            "upload_url": format!("{url}/assets{{?name,label}}"),
            "tarball_url": self.api(&format!("tarball/{tag}")),
            "zipball_url": self.api(&format!("zipball/{tag}")),
            "id": it.id,
            "node_id": ids::node("RE", it.id),
            "tag_name": it.tag,
            "target_commitish": it.target,
            "name": it.name,
            "body": it.body,
            "draft": it.draft,
            "prerelease": it.prerelease,
            "created_at": it.created.to_string(),
            "published_at": (!it.draft).then(|| it.created.to_string()),
            "author": user(self.base, &it.author),
            "assets": [],
        })
    }
}
