//! Manifests as a release.

use std::io::{Error as IoError, ErrorKind as IoKind};
use std::path::Path;
use std::process::{Command, Output};

use jiff::Timestamp;

use super::{Asked, Wanted, digest, version};
use crate::error::{Error, ErrorKind};
use crate::rollout::Release;
use crate::rollout::strategy::StrategyName;
use crate::run::ground::Cluster;
use crate::run::migrations::Planned;
use crate::run::place::Place;
use crate::settings::{EnvironmentSettings, ManifestSource, TargetSettings};
use crate::target::TargetError;
use crate::target::kubernetes::KubernetesConfig;
use crate::target::kubernetes::bundle::Bundle;
use crate::target::kubernetes::front::stand_before;
use crate::target::kubernetes::manifests::{ManifestError, Object, parse, read, transplant};

/// What renders a kustomization: the first that is there.
const RENDERERS: [(&str, &str); 2] = [("kubectl", "kustomize"), ("kustomize", "build")];

/// Reads the manifests, puts the image's digest in, checks them as a whole and against the strategy, and makes them a release.
/// Writes nothing.
///
/// # Errors
/// When there is no version, a manifest is missing or wrong, or the image cannot be had by its digest.
pub(super) async fn build(place: &Place, cluster: &Cluster, asked: Asked<'_>) -> Result<Wanted, Error> {
    put_together(place, cluster, asked, false).await
}

/// The same for a look, for which the image need not be made yet where the configuration says of what it will be.
///
/// # Errors
/// As [`build`].
pub(super) async fn describe(place: &Place, cluster: &Cluster, asked: Asked<'_>) -> Result<Wanted, Error> {
    put_together(place, cluster, asked, true).await
}

async fn put_together(
    place: &Place,
    cluster: &Cluster,
    asked: Asked<'_>,
    is_look: bool,
) -> Result<Wanted, Error> {
    let wishes = digest::Wish::read(&place.images().collect::<Vec<_>>(), asked.image)?;
    let tag = wishes.first().and_then(digest::Wish::tag).map(str::to_owned);
    // The other images are looked up for the version that this one names, too.
    let named = asked.version.or(tag.as_deref());
    let version = version::of(&place.folder, named)?;
    let strategy = place.environment.strategy.name();
    let mut objects = objects_of(place, cluster)?;
    let own = wishes.first().map(|wish| wish.repository().to_owned());
    for wish in wishes {
        let is_made = place.images().any(|image| image.repository == wish.repository() && image.is_made());
        match wish.put_in(place, cluster, &version, named, &mut objects).await {
            Err(error) if is_look && error.code == "image-absent" && is_made => {
                tracing::warn!("{}; it is made before the deploy, or by `tidegate build`", error.sentence);
            }
            put => put?,
        }
    }
    let bundle = bundle(objects, &cluster.config, strategy)?;
    let (mut artifacts, spec) = (bundle.artifacts(own.as_deref()), bundle.spec());
    let migrations = Planned::of(place)?;
    artifacts.extend(migrations.as_ref().and_then(Planned::artifact));
    let commit = version::commit(&place.folder);
    let release = Release::new(&place.app, &version, commit, artifacts, spec, Timestamp::now());
    Ok(Wanted::anew(release, Some(bundle), migrations))
}

/// The objects as they are written, with whatever image they name: for a look at what they need besides.
///
/// # Errors
/// When a manifest is missing or wrong.
pub fn without_image(cluster: &Cluster, place: &Place) -> Result<Bundle, Error> {
    bundle(objects_of(place, cluster)?, &cluster.config, place.environment.strategy.name())
}

/// The objects as a whole, checked against the strategy.
///
/// # Errors
/// When they do not fit together, or the strategy cannot roll them out.
pub fn bundle(
    objects: Vec<Object>,
    config: &KubernetesConfig,
    strategy: StrategyName,
) -> Result<Bundle, Error> {
    let bundle = Bundle::new(objects, config).map_err(unfit)?;
    bundle.check(strategy).map_err(unfit)?;
    Ok(bundle)
}

fn objects_of(place: &Place, cluster: &Cluster) -> Result<Vec<Object>, Error> {
    let mut objects = objects(&cluster.manifests)?;
    fit(&mut objects, &place.environment)?;
    Ok(objects)
}

/// Fits the objects of a preview into its namespace, under its hosts; those of every other environment stay as they are.
///
/// # Errors
/// When they cannot live there, or nothing says which host is the preview's.
pub fn fit(objects: &mut Vec<Object>, environment: &EnvironmentSettings) -> Result<(), Error> {
    let (Some(preview), TargetSettings::Kubernetes(cluster)) = (&environment.preview, &environment.target)
    else {
        return Ok(());
    };
    let host = cluster.url.as_deref().and_then(|url| url.split_once("://")).map(|(_, host)| host);
    let host = host.map(|host| host.rsplit_once(':').map_or(host, |(host, _)| host));
    transplant(objects, &preview.hosts, host).map_err(unfit)?;
    // Where nothing stands before it, routes lead to the app itself.
    if preview.front.image.is_some() { stand_before(objects).map_err(unfit) } else { Ok(()) }
}

/// Reads the manifests.
///
/// # Errors
/// When one is missing or wrong, or a kustomization cannot be rendered.
pub fn objects(source: &ManifestSource) -> Result<Vec<Object>, Error> {
    match source {
        ManifestSource::Files(paths) => read(paths).map_err(wrong),
        ManifestSource::Kustomization(folder) => {
            let text = rendered(folder, &RENDERERS)?;
            // Its lines are those of what was rendered, which no file has: the name says at least whose they are.
            parse(&folder.join("kustomization.yaml"), &text).map_err(wrong)
        }
    }
}

/// Manifests are as much the user's own words as the configuration is.
fn wrong(error: ManifestError) -> Error {
    match error {
        ManifestError::Read { sentence, .. } => Error::new(
            ErrorKind::Usage,
            "no-manifest",
            format!("`manifests` names what cannot be read: {sentence}"),
        ),
        ManifestError::Invalid(_) => Error::new(ErrorKind::Usage, "bad-manifest", error.to_string()),
    }
}

fn unfit(error: TargetError) -> Error {
    let refused = Error::new(ErrorKind::Usage, error.code, error.sentence);
    error.hint.into_iter().fold(refused, Error::hint)
}

/// What the kustomization in the folder comes to.
fn rendered(folder: &Path, renderers: &[(&str, &str)]) -> Result<String, Error> {
    for (program, word) in renderers {
        match Command::new(program).arg(word).arg(folder).output() {
            Ok(output) => return told(program, word, folder, output),
            Err(error) if error.kind() == IoKind::NotFound => {}
            Err(error) => return Err(unable(program, folder, &error)),
        }
    }
    let sentence = format!(
        "the kustomization in {} cannot be rendered: there is neither `kubectl` nor `kustomize`",
        folder.display()
    );
    Err(Error::new(ErrorKind::Usage, "no-kustomize", sentence)
        .hint("install one of them, or render it yourself and name the result by `manifests`"))
}

fn told(program: &str, word: &str, folder: &Path, output: Output) -> Result<String, Error> {
    let failed = |cause: String| {
        let sentence = format!("the kustomization in {} cannot be rendered: {cause}", folder.display());
        Error::new(ErrorKind::Usage, "bad-kustomization", sentence)
            .hint(format!("`{program} {word} {}` shows it", folder.display()))
    };
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let words = words.trim();
        return Err(failed(if words.is_empty() { output.status.to_string() } else { words.to_owned() }));
    }
    String::from_utf8(output.stdout).map_err(|_| failed(format!("what `{program}` writes is not UTF-8")))
}

fn unable(program: &str, folder: &Path, error: &IoError) -> Error {
    let sentence = format!("`{program}` cannot be run to render {}: {error}", folder.display());
    Error::new(ErrorKind::Usage, "no-kustomize", sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kustomization_without_a_program_to_render_it_is_told_with_the_cure() {
        let error = rendered(Path::new("/overlay"), &[("tidegate-no-such-program", "build")]).unwrap_err();
        assert_eq!((error.code.as_str(), error.kind), ("no-kustomize", ErrorKind::Usage));
        assert!(error.hints[0].starts_with("install one of them"), "{:?}", error.hints);
    }

    #[test]
    fn the_words_of_the_program_that_renders_are_told() {
        // `ls` refuses a folder that is not there, as a renderer does.
        let error =
            rendered(Path::new("/no/such/overlay"), &[("none-such-here", "x"), ("ls", "-d")]).unwrap_err();
        assert_eq!(error.code, "bad-kustomization");
        assert!(error.sentence.starts_with("the kustomization in /no/such/overlay cannot be rendered: "));
        assert!(error.sentence.contains("No such file"), "{}", error.sentence);
        let text = rendered(Path::new("/"), &[("echo", "kind:")]).unwrap();
        assert_eq!(text, "kind: /\n");
    }

    #[test]
    fn missing_and_wrong_manifests_are_told_apart() {
        let none = objects(&ManifestSource::Files(vec!["/no/such.yaml".into()])).unwrap_err();
        assert_eq!(none.code, "no-manifest");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), "kind: Service\n").unwrap();
        let bad = objects(&ManifestSource::Files(vec![folder.path().to_owned()])).unwrap_err();
        assert_eq!((bad.code.as_str(), bad.kind.code()), ("bad-manifest", 2));
        assert!(bad.sentence.contains("a.yaml:1:1: `apiVersion` is missing"), "{}", bad.sentence);
    }
}
