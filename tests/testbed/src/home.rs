//! Where things lie: what is installed for good, and what belongs to the testbed that runs.

use std::path::{Path, PathBuf};

/// The folder of what the installer lays down: `$TIDEGATE_TESTBED`, else `~/.cache/tidegate-testbed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// The folder of this user; `None` when neither `TIDEGATE_TESTBED` nor `HOME` is set.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder =
            set("TIDEGATE_TESTBED").or_else(|| Some(set("HOME")?.join(".cache/tidegate-testbed")))?;
        Some(Self(std::path::absolute(&folder).unwrap_or(folder)))
    }

    /// A folder at a given place.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A program that was built from a Go module or came in a wheel.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.0.join("bin").join(name)
    }

    /// A program that came from Debian, as it can be run from outside of the testbed: only those without libraries of their own.
    #[must_use]
    pub fn debian(&self, path: &str) -> PathBuf {
        self.0.join("debian").join(path)
    }

    /// The configuration folder of the Docker client: buildx is a plugin in it, and nothing of the user's is.
    #[must_use]
    pub fn docker_config(&self) -> PathBuf {
        self.0.join("docker")
    }

    /// GitHub's official OpenAPI description, as the installer laid it down.
    #[must_use]
    pub fn github_description(&self) -> PathBuf {
        self.0.join("npm/openapi/api.github.com.json")
    }

    /// The definitions of routers' kinds that the testbed does not run, as the installer laid them down.
    #[must_use]
    pub fn router_definitions(&self) -> PathBuf {
        self.0.join("definitions/routers.yaml")
    }

    /// What the testbed that runs writes to disk; emptied at each start.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.0.join("state")
    }
}

/// The folder of the testbed that runs: sockets, logs, kubeconfigs. The same path inside of its namespaces and outside, short
/// enough for the 108 bytes of a socket's address, and free of spaces, whatever the user's folders are called.
pub const RUN: &str = "/run/tidegate-testbed";

/// The control group beneath which the testbed's pods and containers have theirs.
pub(crate) const CGROUP: &str = "tidegate-testbed";

/// A path in [`RUN`].
#[must_use]
pub fn run(path: impl AsRef<Path>) -> PathBuf {
    Path::new(RUN).join(path)
}
