//! What is deployed.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Names a release by its content: two releases with the same identity are the same program with the same configuration
/// under the same version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReleaseId(String);

impl ReleaseId {
    /// An identity that was made earlier, such as one read from a journal.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The identity as text: safe in file names, DNS labels and cookie values.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that a release is made of, named by the digest of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// What it is called in the configuration: a path or an image reference.
    pub name: String,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
}

/// What is deployed. Immutable: a changed program or a changed configuration is another release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Identity by content.
    pub id: ReleaseId,
    /// The app that it is a release of.
    pub app: String,
    /// The version that people call it by; what its health answer must say.
    pub version: String,
    /// The commit that it was made from, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The programs or images that it consists of.
    pub artifacts: Vec<Artifact>,
    /// Digest of `spec`.
    pub config: String,
    /// How the target runs it, in the target's own form. Secrets stand in it by the name of their environment variable,
    /// never by value.
    pub spec: serde_json::Value,
    /// When it was put together.
    pub created: Timestamp,
}

impl Release {
    /// Puts a release together and gives it its identity.
    #[must_use]
    pub fn new(
        app: &str,
        version: &str,
        commit: Option<String>,
        artifacts: Vec<Artifact>,
        spec: serde_json::Value,
        created: Timestamp,
    ) -> Self {
        let config = digest(spec.to_string().as_bytes());
        let mut all = format!("{app}\n{version}\n{config}\n");
        for artifact in &artifacts {
            all.push_str(&artifact.name);
            all.push(' ');
            all.push_str(&artifact.digest);
            all.push('\n');
        }
        let full = digest(all.as_bytes());
        let id = ReleaseId::new(&full["sha256:".len()..][..12]);
        Self {
            id,
            app: app.to_owned(),
            version: version.to_owned(),
            commit,
            artifacts,
            config,
            spec,
            created,
        }
    }
}

/// `sha256:` and the digest of `bytes` in hexadecimal.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
