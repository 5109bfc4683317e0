//! What is written down beside a preview, where it lives: whose it is, and until when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is written down beside a preview. It lies with what it tells of, so that whoever finds the one has the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The app.
    pub app: String,
    /// `OWNER/NAME` of the repository; nothing where none was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The number of the pull request.
    pub number: u64,
    /// The preview's name.
    pub name: String,
    /// The branch, as it is called; anybody may have chosen it.
    pub branch: String,
    /// The commit that it was last asked to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The public address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The port on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last asked for.
    pub touched: Timestamp,
    /// When it goes.
    pub expires: Timestamp,
    /// A label keeps it beyond that.
    #[serde(default)]
    pub is_kept: bool,
    /// Somebody asked for it: the rules for pull requests do not take it away.
    #[serde(default)]
    pub is_asked: bool,
    /// Its own database, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// How far it is.
    pub stage: Stage,
    /// One sentence about how it stands.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sentence: String,
}

/// Where the own database of a preview is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// The variable with the URL of the server.
    pub server: String,
}

/// How far a preview is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It is being deployed.
    Rising,
    /// It runs the commit.
    Up,
    /// The commit could not be brought up.
    Failed,
    /// It is being taken away.
    Falling,
}

impl Stage {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rising => "rising",
            Self::Up => "up",
            Self::Failed => "failed",
            Self::Falling => "falling",
        }
    }
}

impl Record {
    /// As the text that lies beside it.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether it is of that repository, as far as both are known.
    #[must_use]
    pub fn is_of(&self, repository: Option<&str>) -> bool {
        match (&self.repository, repository) {
            (Some(its), Some(wanted)) => its.eq_ignore_ascii_case(wanted),
            _ => true,
        }
    }

    /// Reads it; nothing where the text is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
