//! The image of a release by its digest: what is wanted, found out once, and put into the manifests.
//!
//! ```text
//! --image, image.repository → Wish → digest ─→ every container that names the repository
//!                               └ a tag: of --image, or of the version by `image.tags` → the registry, once
//! ```
//! What was promoted under a version stays what it was: its digest is in the journal, and a tag that has moved since changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::cli::RegistryArgs;
use crate::error::{Error, ErrorKind};
use crate::registry::{Image, Reference, Registries, Right, full_name};
use crate::run::ground::Cluster;
use crate::run::image::{self, Occasion};
use crate::run::place::Place;
use crate::settings::ImageSettings;
use crate::target::kubernetes::manifests::{Object, pin_images, repository_of};
use crate::target::kubernetes::preflight::pull_credentials;
use crate::yaml::words::nearest;

/// How long a registry is waited for that could only say that a tag has moved.
const A_MOMENT: Duration = Duration::from_secs(5);
/// How long a registry is asked again with the credentials of the cluster.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which image is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Registry and repository, as they are written.
    repository: String,
    which: Which,
}

#[derive(Debug, PartialEq, Eq)]
enum Which {
    Digest(String),
    Tag(String),
    /// The one that is tagged for the version.
    OfVersion,
}

impl Wish {
    /// What the settings and `--image` ask for, the app's own image before the others; nothing where neither names an image: then the manifests
    /// alone say what runs. `given` may name several, with blanks between them.
    ///
    /// # Errors
    /// `bad-image-name` when `--image` names none, `other-image` when it is of no repository of the settings.
    pub(super) fn read(known: &[&ImageSettings], given: Option<&str>) -> Result<Vec<Self>, Error> {
        let mut all: Vec<Self> = Vec::new();
        if given.is_some_and(|given| names(given).next().is_none()) {
            return Err(bad("", "it is empty"));
        }
        for text in given.into_iter().flat_map(names) {
            let wish = Self::given(known, text)?;
            if all.iter().any(|other| full_name(&other.repository) == full_name(&wish.repository)) {
                return Err(bad(text, "another image of its repository is named, too"));
            }
            all.push(wish);
        }
        let is_given = |image: &ImageSettings| all.iter().any(|wish| wish.repository == image.repository);
        let rest = known.iter().filter(|image| !is_given(image));
        let rest = rest.map(|image| Self { repository: image.repository.clone(), which: Which::OfVersion });
        let rest: Vec<Self> = rest.collect();
        all.extend(rest);
        // The first is the one that the release is told by.
        let place = |wish: &Self| known.iter().position(|image| image.repository == wish.repository);
        all.sort_by_key(|wish| place(wish).unwrap_or(usize::MAX));
        Ok(all)
    }

    /// One image of `--image`.
    fn given(known: &[&ImageSettings], given: &str) -> Result<Self, Error> {
        if given.starts_with("sha256:") {
            if !is_digest(given) {
                return Err(bad(given, "a digest has 64 hexadecimal digits after `sha256:`"));
            }
            let own = known.first().ok_or_else(|| {
                bad(given, "of a digest alone the repository is not known, for tidegate.yaml has no `image`")
            })?;
            return Ok(Self { repository: own.repository.clone(), which: Which::Digest(given.to_owned()) });
        }
        let read = Reference::parse(&full_name(given)).map_err(|error| bad(given, &error.to_string()))?;
        let named = repository_of(given);
        let which = match read.version {
            _ if named == given => return Err(bad(given, "it says neither tag nor digest")),
            version if is_digest(&version) => Which::Digest(version),
            version if version.contains(':') => return Err(bad(given, "its digest is not one of SHA-256")),
            version => Which::Tag(version),
        };
        let Some(own) = known.first() else {
            return Ok(Self { repository: named.to_owned(), which });
        };
        match known.iter().find(|image| full_name(&image.repository) == full_name(named)) {
            Some(image) => Ok(Self { repository: image.repository.clone(), which }),
            None => {
                let (shown, own) = (given.escape_debug(), &own.repository);
                let sentence = format!(
                    "`--image {shown}` is of another repository than `image` in tidegate.yaml, {own}"
                );
                Err(Error::new(ErrorKind::Usage, "other-image", sentence)
                    .hint(format!("`tidegate image copy {given} {own}:TAG` brings it there")))
            }
        }
    }

    /// Registry and repository, as they are written.
    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag that `--image` names.
    pub(super) fn tag(&self) -> Option<&str> {
        match &self.which {
            Which::Tag(tag) => Some(tag),
            Which::Digest(_) | Which::OfVersion => None,
        }
    }

    /// Finds the digest out and puts it into all containers that name the repository. `given` is the version where a person has named one.
    ///
    /// # Errors
    /// `image-not-used` when no container names it; `image-absent`, `no-image-tag` and what a registry says when the digest cannot be
    /// had.
    pub(super) async fn put_in(
        self,
        place: &Place,
        cluster: &Cluster,
        version: &str,
        given: Option<&str>,
        objects: &mut [Object],
    ) -> Result<(), Error> {
        demand_use(&self.repository, objects)?;
        let digest = match &self.which {
            Which::Digest(digest) => digest.clone(),
            Which::Tag(tag) => self.must_find(cluster, tag, objects).await?,
            Which::OfVersion => self.of_version(place, cluster, version, given, objects).await?,
        };
        pin_images(objects, &self.repository, &digest);
        Ok(())
    }

    async fn of_version(
        &self,
        place: &Place,
        cluster: &Cluster,
        version: &str,
        given: Option<&str>,
        objects: &[Object],
    ) -> Result<String, Error> {
        let known = place.ground.replay().await?;
        let known = known
            .promoted()
            .find(|release| release.version == version)
            .and_then(|release| release.artifacts.iter().find(|artifact| artifact.name == self.repository));
        let Some(settings) = place.images().find(|image| image.repository == self.repository) else {
            return Err(self.absent(version));
        };
        let occasion = Occasion { folder: &place.folder, version, is_given: given.is_some() };
        let Some(known) = known else {
            let tag = image::tag_of(settings, &occasion).await?;
            return self.must_find(cluster, &tag, objects).await;
        };
        // Only to say so: what was promoted stays what it was, whether the registry answers or not.
        let now = async {
            let tag = image::tag_of(settings, &occasion).await.ok()?;
            self.find(cluster, &tag, objects).await.ok().flatten().map(|digest| (tag, digest))
        };
        if let Ok(Some((tag, now))) = timeout(A_MOMENT, now).await
            && now != known.digest
        {
            tracing::warn!(
                "{}:{tag} is {now} now; {version} was promoted as {}, and stays that (`--image {now}` deploys the other)",
                self.repository,
                known.digest
            );
        }
        Ok(known.digest.clone())
    }

    async fn must_find(&self, cluster: &Cluster, tag: &str, objects: &[Object]) -> Result<String, Error> {
        self.find(cluster, tag, objects).await?.ok_or_else(|| self.absent(tag))
    }

    /// The digest of what the tag names; nothing where there is none. Asked as this machine's user, and where that one may not, with
    /// the pull secrets of the cluster.
    async fn find(&self, cluster: &Cluster, tag: &str, objects: &[Object]) -> Result<Option<String>, Error> {
        let name = format!("{}:{tag}", full_name(&self.repository));
        let reference = image::reference(&name)?;
        let carrier = image::carrier(&RegistryArgs { allow_private_redirects: false })?;
        let repository = Arc::new(carrier.repository(&reference, Right::Pull).await?);
        let refused = match repository.digest(tag).await {
            Ok(found) => return Ok(found),
            Err(error) if error.code == "registry-refused" => error,
            Err(error) => return Err(error.into()),
        };
        let of_cluster = pull_credentials(&cluster.client, &cluster.config.namespace, objects).await;
        if !of_cluster.know(&name) {
            return Err(refused.into());
        }
        let registries = Registries::new().map_err(|error| {
            Error::new(ErrorKind::Failed, "tls", format!("the HTTP client cannot be set up: {error}"))
        })?;
        match registries.patient_for(PATIENCE).probe(&name, &of_cluster).await {
            Image::Present { digest, .. } => Ok(Some(digest)),
            Image::Absent => Ok(None),
            Image::Forbidden { .. } | Image::Unknown { .. } => Err(refused.into()),
        }
    }

    fn absent(&self, tag: &str) -> Error {
        let sentence =
            format!("the registry has no {}:{tag}, so there is no digest to deploy", self.repository);
        Error::new(ErrorKind::Failed, "image-absent", sentence)
            .hint("`tidegate build` makes it, where tidegate.yaml says of what; `--image` names another one")
    }
}

/// Checks that a container takes an image of the repository.
///
/// # Errors
/// `image-not-used` with what they take instead.
pub fn demand_use(repository: &str, objects: &[Object]) -> Result<(), Error> {
    let wanted = full_name(repository);
    let templates = objects.iter().filter_map(Object::pod_template);
    let containers = templates.flat_map(|template| {
        let lists = ["containers", "initContainers"].into_iter();
        lists.flat_map(|list| template["spec"][list].as_array().into_iter().flatten())
    });
    let named: BTreeSet<&str> =
        containers.filter_map(|container| container["image"].as_str()).map(repository_of).collect();
    if named.iter().any(|one| full_name(one) == wanted) {
        return Ok(());
    }
    let there = match named.len() {
        0 => "they name none at all".to_owned(),
        _ => format!("they take {}", named.iter().copied().collect::<Vec<_>>().join(", ")),
    };
    let sentence = format!("no container of the manifests takes an image of {repository}; {there}");
    let error = Error::new(ErrorKind::Usage, "image-not-used", sentence);
    // By the last part: the long names of one registry are all alike.
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let lasts: Vec<String> = named.iter().map(|name| last(name)).collect();
    let near = nearest(&last(repository), lasts.iter().map(String::as_str));
    let near = near.and_then(|near| named.iter().find(|name| last(name) == near));
    Err(match near {
        Some(near) => error.hint(format!("is it {near}? Name the same repository in both places")),
        None => error.hint(format!("write `image: {repository}` in the container that runs the app")),
    })
}

/// The names in what `--image` is given: one, or several with blanks or line ends between them.
pub fn names(given: &str) -> impl Iterator<Item = &str> {
    given.split_whitespace()
}

fn bad(given: &str, why: &str) -> Error {
    let sentence = format!("`--image {}` names no image: {why}", given.escape_debug());
    Error::new(ErrorKind::Usage, "bad-image-name", sentence)
        .hint("write REPOSITORY:TAG, REPOSITORY@sha256:…, or the digest alone")
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:");
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::ImageSource;
    use crate::target::kubernetes::manifests::parse;

    fn settings(repository: &str) -> ImageSettings {
        ImageSettings {
            repository: repository.to_owned(),
            tags: None,
            flavor: String::new(),
            labels: String::new(),
            annotations: String::new(),
            source: ImageSource::Elsewhere,
        }
    }

    fn read(repository: Option<&str>, given: Option<&str>) -> Result<Option<(String, Which)>, String> {
        let settings = repository.map(settings);
        let known: Vec<&ImageSettings> = settings.iter().collect();
        let wishes = Wish::read(&known, given).map_err(|error| format!("{}: {error}", error.code))?;
        assert!(wishes.len() < 2, "{wishes:?}");
        Ok(wishes.into_iter().next().map(|wish| (wish.repository, wish.which)))
    }

    #[test]
    fn each_image_of_several_is_named_or_of_the_version() {
        let (own, api) = (settings("r.test/web"), settings("r.test/api"));
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let read = |given: Option<&str>| -> Result<Vec<(String, Which)>, String> {
            let wishes = Wish::read(&[&own, &api], given).map_err(|error| error.sentence)?;
            Ok(wishes.into_iter().map(|wish| (wish.repository, wish.which)).collect())
        };
        let (web, api) = ("r.test/web".to_owned(), "r.test/api".to_owned());
        let of_version = || Which::OfVersion;
        assert_eq!(read(None).unwrap(), [(web.clone(), of_version()), (api.clone(), of_version())]);
        let given = format!("r.test/api:1\n{}", digest("a"));
        let both = [(web.clone(), Which::Digest(digest("a"))), (api.clone(), Which::Tag("1".into()))];
        assert_eq!(read(Some(&given)).unwrap(), both, "whatever their order, its own is the first");
        let one = [(web.clone(), of_version()), (api, Which::Digest(digest("b")))];
        assert_eq!(read(Some(&format!("r.test/api@{}", digest("b")))).unwrap(), one);
        assert!(
            read(Some("r.test/web:1 r.test/web:2")).unwrap_err().contains("another image of its repository")
        );
        assert!(read(Some("r.test/other:1")).unwrap_err().contains("another repository"));
        assert!(read(Some("")).unwrap_err().contains("names no image"));
    }

    #[test]
    fn what_is_wanted_is_read_from_settings_and_command_line() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let own = "registry.test:5000/shop";
        let is = |repository: &str, which| Ok(Some((repository.to_owned(), which)));
        assert_eq!(read(None, None), Ok(None));
        assert_eq!(read(Some(own), None), is(own, Which::OfVersion));
        assert_eq!(read(Some(own), Some(&digest)), is(own, Which::Digest(digest.clone())));
        let tag = || Which::Tag("1.0".to_owned());
        assert_eq!(read(Some(own), Some("registry.test:5000/shop:1.0")), is(own, tag()));
        assert_eq!(
            read(Some("docker.io/acme/shop"), Some("acme/shop:1.0")),
            is("docker.io/acme/shop", tag())
        );
        assert_eq!(read(None, Some("acme/shop:1.0")), is("acme/shop", tag()));
        let both = format!("registry.test:5000/shop:1.0@{digest}");
        assert_eq!(read(None, Some(&both)), is(own, Which::Digest(digest.clone())));
    }

    #[test]
    fn what_names_no_image_or_another_one_is_refused() {
        let own = Some("registry.test/shop");
        for (repository, given, told) in [
            (own, "sha256:abc", "bad-image-name: `--image sha256:abc` names no image: a digest has 64"),
            (
                own,
                "registry.test/shop",
                "bad-image-name: `--image registry.test/shop` names no image: it says neither",
            ),
            (own, "registry.test/Shop:1", "bad-image-name: `--image registry.test/Shop:1` names no image"),
            (
                own,
                "registry.test/other:1",
                "other-image: `--image registry.test/other:1` is of another repository",
            ),
        ] {
            let error = read(repository, Some(given)).unwrap_err();
            assert!(error.starts_with(told), "{error}");
        }
        let alone = read(None, Some(&format!("sha256:{}", "a".repeat(64)))).unwrap_err();
        assert!(alone.contains("the repository is not known"), "{alone}");
    }

    #[test]
    fn a_repository_that_no_container_names_is_told_with_what_they_take() {
        let pod = |image: &str| {
            let text = format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{ name: p }}\nspec: {{ containers: [{{ name: c, image: {image} }}] }}\n"
            );
            parse(Path::new("x.yaml"), &text).unwrap()
        };
        assert!(demand_use("registry.test/shop", &pod("registry.test/shop:1")).is_ok());
        assert!(demand_use("docker.io/acme/shop", &pod("acme/shop")).is_ok());
        let error = demand_use("registry.test/shop", &pod("registry.test/shpo:1")).unwrap_err();
        assert_eq!(error.code, "image-not-used");
        assert!(error.sentence.ends_with("they take registry.test/shpo"), "{}", error.sentence);
        assert_eq!(error.hints, ["is it registry.test/shpo? Name the same repository in both places"]);
        let error = demand_use("registry.test/shop", &pod("registry.test/wholly-else")).unwrap_err();
        assert_eq!(error.hints, ["write `image: registry.test/shop` in the container that runs the app"]);
    }
}
