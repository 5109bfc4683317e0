//! The rules of an environment for what is to be deployed to it: when, and after which other one. A way back is not asked.

use jiff::Timestamp;

use super::place::Place;
use crate::cli::Common;
use crate::error::{Error, ErrorKind};
use crate::rollout::Release;
use crate::rollout::migration::ARTIFACT;

/// What a release of manifests calls all of them: they differ between environments.
const MANIFESTS: &str = "manifests";

/// Refuses a release that the rules keep out.
///
/// # Errors
/// When they do, or the environment that comes before cannot be looked at.
pub(super) async fn demand(place: &Place, common: &Common, release: &Release) -> Result<(), Error> {
    thawed(place, Timestamp::now())?;
    let Some(before) = &place.environment.after else { return Ok(()) };
    let known = Place::find(common, Some(before)).await?.ground.replay().await?;
    if known.promoted().any(|promoted| is_same(promoted, release)) {
        return Ok(());
    }
    let (name, version) = (&place.environment.name, &release.version);
    let sentence =
        format!("{name} comes after {before}, where what {version} is made of has not succeeded yet");
    Err(Error::new(ErrorKind::Refused, "not-after", sentence)
        .hint(format!("deploy it to {before} first; `tidegate history {before}` tells what succeeded there")))
}

/// Whether both are made of the same programs or images; where no digest names these, of the same commit.
fn is_same(one: &Release, other: &Release) -> bool {
    let digests = |release: &Release| {
        let parts = release
            .artifacts
            .iter()
            .filter(|artifact| ![MANIFESTS, ARTIFACT].contains(&artifact.name.as_str()));
        let mut all: Vec<String> = parts.map(|artifact| artifact.digest.clone()).collect();
        all.sort();
        all
    };
    match (digests(one), digests(other)) {
        (one, other) if !one.is_empty() || !other.is_empty() => one == other,
        _ => one.commit.is_some() && one.commit == other.commit,
    }
}

/// Refuses where a freeze is on.
///
/// # Errors
/// When one is.
pub(super) fn thawed(place: &Place, now: Timestamp) -> Result<(), Error> {
    let windows = &place.environment.freeze;
    let Some(window) = windows.iter().find(|window| window.from <= now && now < window.to) else {
        return Ok(());
    };
    let until = window.to.strftime("%F %T UTC");
    let sentence =
        format!("nothing new is deployed to {} until {until}: {}", place.environment.name, window.reason);
    Err(Error::new(ErrorKind::Refused, "frozen", sentence)
        .hint("`freeze` in the configuration says so; going back is always possible"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::release::Artifact;

    fn release(commit: Option<&str>, artifacts: &[(&str, &str)]) -> Release {
        let artifact =
            |(name, digest): &(&str, &str)| Artifact { name: (*name).into(), digest: (*digest).into() };
        let artifacts = artifacts.iter().map(artifact).collect();
        Release::new("shop", "v1", commit.map(str::to_owned), artifacts, json!({}), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn what_counts_is_what_it_is_made_of() {
        let staged = release(Some("a"), &[("x/shop", "sha256:1"), (MANIFESTS, "sha256:2")]);
        assert!(is_same(&staged, &release(Some("b"), &[("y/shop", "sha256:1"), (MANIFESTS, "sha256:3")])));
        assert!(!is_same(&staged, &release(Some("a"), &[("x/shop", "sha256:4"), (MANIFESTS, "sha256:2")])));
        assert!(!is_same(&staged, &release(Some("a"), &[(MANIFESTS, "sha256:2")])));
    }

    #[test]
    fn without_digests_the_commit_counts() {
        let staged = release(Some("a"), &[(MANIFESTS, "sha256:2")]);
        assert!(is_same(&staged, &release(Some("a"), &[(MANIFESTS, "sha256:3")])));
        assert!(!is_same(&staged, &release(Some("b"), &[(MANIFESTS, "sha256:2")])));
        assert!(!is_same(&release(None, &[]), &release(None, &[])));
    }
}
