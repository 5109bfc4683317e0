//! The facts of a repository, as payloads and the API tell them.

use serde_json::Value;

/// The facts of a repository: <https://docs.github.com/en/rest/repos/repos#get-a-repository>. What is not known is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// Its name, without the owner.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its page.
    pub url: String,
    /// The SPDX identifier of its licence.
    pub license: String,
    /// The branch that is checked out where none is named.
    pub default_branch: Option<String>,
}

impl Repository {
    /// Those that the object `repository` of a payload, or the API's answer, holds; none when it is no object.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        value.is_object().then(|| Self {
            name: text(&value["name"]),
            description: text(&value["description"]),
            url: text(&value["html_url"]),
            license: text(&value["license"]["spdx_id"]),
            default_branch: Some(text(&value["default_branch"])).filter(|branch| !branch.is_empty()),
        })
    }

    /// What can be told by `OWNER/NAME` and the server's address alone.
    #[must_use]
    pub fn named(full_name: &str, server: &str) -> Self {
        let name = full_name.rsplit('/').next().unwrap_or_default().to_owned();
        let url = match (full_name, server.trim_end_matches('/')) {
            ("", _) | (_, "") => String::new(),
            (name, server) => format!("{server}/{name}"),
        };
        Self { name, url, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_may_be_missing_or_null() {
        let read =
            Repository::read(&json!({ "name": "shop", "description": null, "license": null })).unwrap();
        assert_eq!(read, Repository { name: "shop".to_owned(), ..Repository::default() });
        assert_eq!(Repository::read(&json!(null)), None);
        let full = json!({ "name": "shop", "description": "Sells.", "html_url": "https://git.test/acme/shop",
            "license": { "spdx_id": "MIT" }, "default_branch": "main" });
        let read = Repository::read(&full).unwrap();
        assert_eq!((read.license.as_str(), read.default_branch.as_deref()), ("MIT", Some("main")));
    }

    #[test]
    fn a_name_gives_title_and_address() {
        let named = Repository::named("acme/shop", "https://git.test/");
        assert_eq!((named.name.as_str(), named.url.as_str()), ("shop", "https://git.test/acme/shop"));
        assert_eq!(Repository::named("", "https://git.test"), Repository::default());
    }
}
