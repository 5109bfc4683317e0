//! Files and folders.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::View;
use crate::github::escape::escaped;
use crate::github::ids;

/// GitHub breaks base64 into lines of this length.
const LINE: usize = 60;

impl View<'_> {
    /// A file with its content.
    pub(crate) fn file(&self, path: &str, sha: &str, content: &str) -> Value {
        let mut shown = self.entry(path, sha, "file", Some(content));
        let encoded = STANDARD.encode(content);
        let lines =
            encoded.as_bytes().chunks(LINE).map(|line| format!("{}\n", String::from_utf8_lossy(line)));
        shown["encoding"] = "base64".into();
        shown["content"] = lines.collect::<String>().into();
        shown
    }

    /// A folder's entries.
    pub(crate) fn folder(&self, path: &str, sha: &str) -> Vec<Value> {
        let inside = self.repository.folder(path, sha);
        let shown = inside.into_iter().map(|(name, is_folder)| {
            let below = if path.is_empty() { name } else { format!("{path}/{name}") };
            let content = self.repository.content(&below, sha);
            self.entry(&below, sha, if is_folder { "dir" } else { "file" }, content)
        });
        shown.collect()
    }

    fn entry(&self, path: &str, commit: &str, kind: &str, content: Option<&str>) -> Value {
        let sha = ids::sha(content.unwrap_or(path));
        let (written, name) = (escaped(path), path.rsplit('/').next().unwrap_or(path));
        let url = self.api(&format!("contents/{written}?ref={commit}"));
        let git = self.api(&format!("git/{}/{sha}", if kind == "dir" { "trees" } else { "blobs" }));
        let html = self.html(&format!("{}/{commit}/{written}", if kind == "dir" { "tree" } else { "blob" }));
        let raw =
            format!("https://raw.githubusercontent.com/{}/{commit}/{written}", self.repository.full_name());
        json!({
            "type": kind,
            "size": content.map_or(0, str::len),
            "name": name,
            "path": path,
            "sha": sha,
            "url": url,
            "git_url": git,
            "html_url": html,
            "download_url": (kind == "file").then_some(raw),
            "_links": {"self": url, "git": git, "html": html},
        })
    }
}
