//! What builds images on this machine.

use std::io::ErrorKind;
use std::process::Stdio;

use tokio::process::Command;

use super::{BuildError, Order, buildah, classic};

/// What builds images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Builder {
    /// BuildKit, by `docker buildx`.
    Buildx(Node),
    /// buildah.
    Buildah,
    /// The builder that Docker Engine has itself.
    Classic {
        /// What the engine runs on.
        platform: String,
    },
}

/// A builder of buildx, as far as it tells of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// How it is reached: `docker`, `docker-container`, `remote`, `kubernetes`, `cloud`.
    pub driver: String,
    /// The version of its BuildKit, where it runs already.
    pub version: Option<(u64, u64)>,
    /// What it builds for, its own platform first.
    pub platforms: Vec<String>,
}

impl Builder {
    /// The first of buildx, buildah and Docker Engine that is there.
    ///
    /// # Errors
    /// `no-builder` when none is, `builder-lacks` when it cannot do what the order asks for.
    pub async fn find(order: &Order) -> Result<Self, BuildError> {
        let found = Self::first(order.builder.as_deref()).await?;
        let lacking = match &found {
            Self::Buildx(_) => Vec::new(),
            Self::Buildah => buildah::lacking(order),
            Self::Classic { .. } => classic::lacking(order),
        };
        if lacking.is_empty() {
            return Ok(found);
        }
        let sentence = format!(
            "there is no docker buildx here, and {} cannot do what is asked for: {}",
            found.name(),
            lacking.join(", ")
        );
        Err(BuildError::new("builder-lacks", sentence)
            .hint("install buildx (in a workflow: docker/setup-buildx-action), or leave these inputs out"))
    }

    async fn first(builder: Option<&str>) -> Result<Self, BuildError> {
        if said("docker", &["buildx", "version"]).await.is_ok() {
            let mut words = vec!["buildx", "inspect"];
            words.extend(builder);
            // What cannot be looked at is left to the build itself to complain about.
            return Ok(Self::Buildx(Node::read(&said("docker", &words).await.unwrap_or_default())));
        }
        if said("buildah", &["--version"]).await.is_ok() {
            return Ok(Self::Buildah);
        }
        let format = "{{.Server.Os}}/{{.Server.Arch}}";
        match said("docker", &["version", "--format", format]).await {
            Ok(platform) => Ok(Self::Classic { platform: platform.trim().to_owned() }),
            Err(Missing::NotThere) => {
                let sentence = "there is nothing here that builds images: neither docker with buildx, nor buildah, nor a Docker Engine";
                Err(BuildError::new("no-builder", sentence)
                    .hint("install docker with buildx; or build without a daemon by `tidegate image push PROGRAM NAME`"))
            }
            Err(Missing::Fails(why)) => {
                let sentence =
                    format!("there is a docker here without buildx, and its engine cannot be used: {why}");
                Err(BuildError::new("no-builder", sentence).hint(
                    "start the engine or set DOCKER_HOST; or install buildx and make a builder of its own",
                ))
            }
        }
    }

    /// What it is called in sentences.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Buildx(node) if node.driver.is_empty() => "docker buildx".to_owned(),
            Self::Buildx(node) => format!("docker buildx ({} by {})", node.name, node.driver),
            Self::Buildah => "buildah".to_owned(),
            Self::Classic { .. } => "Docker Engine without buildx".to_owned(),
        }
    }

    /// What it builds for where nobody says; none where it does not tell.
    #[must_use]
    pub fn platform(&self) -> Option<String> {
        match self {
            Self::Buildx(node) => node.platforms.first().cloned(),
            Self::Buildah => None,
            Self::Classic { platform } => Some(platform.clone()),
        }
    }

    /// What is missing in comparison with buildx, as a sentence.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        match self {
            Self::Buildx(_) => None,
            Self::Buildah => Some(
                "there is no docker buildx here, so buildah builds: without attestations, without the cache of GitHub's Actions, and \
                 every time anew, for what it has built is not looked for again",
            ),
            Self::Classic { .. } => Some(
                "there is no docker buildx here, so Docker Engine builds by itself: for one platform, without attestations, secrets, \
                 `RUN --mount` and caches elsewhere, and every time anew, for what it has built is not looked for again",
            ),
        }
    }
}

impl Node {
    /// Whether it makes attestations: BuildKit does from 0.11 on, but not where it is in Docker Engine.
    #[must_use]
    pub fn is_able_to_attest(&self) -> bool {
        !self.driver.is_empty()
            && self.driver != "docker"
            && self.version.is_none_or(|version| version >= (0, 11))
    }

    /// Reads what `docker buildx inspect` prints: a line a fact.
    fn read(text: &str) -> Self {
        let fact = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
            line.map(|value| value.trim().to_owned())
        };
        let version = fact("BuildKit version").and_then(|text| {
            let mut numbers = text.trim_start_matches('v').split(['.', '-', '+']).map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        });
        // One that somebody has built of the sources does not know its version.
        let version = version.filter(|version| *version != (0, 0));
        let platforms = fact("Platforms").unwrap_or_default();
        let platforms = platforms.split(',').map(|one| one.trim().trim_end_matches('*').to_owned());
        Self {
            name: fact("Name").unwrap_or_default(),
            driver: fact("Driver").unwrap_or_default(),
            version,
            platforms: platforms.filter(|one| !one.is_empty()).collect(),
        }
    }
}

/// Why a program said nothing.
enum Missing {
    NotThere,
    Fails(String),
}

/// What a program says.
async fn said(program: &str, words: &[&str]) -> Result<String, Missing> {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Missing::NotThere,
        _ => Missing::Fails(error.to_string()),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let why = said.lines().next().unwrap_or("it fails and does not say why");
    Err(Missing::Fails(super::progress::plain(why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builder_tells_of_itself() {
        let text = "Name:          big\nDriver:        remote\nLast Activity: 2026-01-10 00:30:00 +0000 UTC\n\nNodes:\nName:             big0\nEndpoint:         unix:///run/buildkitd.sock\nStatus:           running\nBuildKit version: v0.31.2-dev\nPlatforms:        linux/amd64*, linux/amd64/v2, linux/386\n";
        let node = Node::read(text);
        assert_eq!(
            (node.name.as_str(), node.driver.as_str(), node.version),
            ("big", "remote", Some((0, 31)))
        );
        assert_eq!(node.platforms, ["linux/amd64", "linux/amd64/v2", "linux/386"]);
        assert!(node.is_able_to_attest());
        assert_eq!(Builder::Buildx(node).platform().as_deref(), Some("linux/amd64"));
    }

    #[test]
    fn who_cannot_attest_is_known() {
        let able = |text: &str| Node::read(text).is_able_to_attest();
        assert!(!able("Driver: docker\nBuildKit version: v0.20.0"));
        assert!(!able("Driver: docker-container\nBuildKit version: v0.10.6"));
        assert!(able("Driver: docker-container\nStatus: inactive"));
        assert!(able("Driver: remote\nBuildKit version: v0.0.0+unknown"));
        assert!(!able(""));
    }
}
