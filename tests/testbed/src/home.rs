//! Where the testbed keeps what it installs.

use std::path::{Path, PathBuf};

/// The folder of the testbed: `$TIDEGATE_TESTBED`, else `~/.cache/tidegate-testbed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// The folder of this user; `None` when neither `TIDEGATE_TESTBED` nor `HOME` is set.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        set("TIDEGATE_TESTBED").or_else(|| Some(set("HOME")?.join(".cache/tidegate-testbed"))).map(Self)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// GitHub's official OpenAPI description, as the installer laid it down.
    #[must_use]
    pub fn github_description(&self) -> PathBuf {
        self.0.join("npm/openapi/api.github.com.json")
    }
}
