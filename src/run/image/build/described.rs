//! `build` without inputs: what tidegate.yaml says of the image, tagged and labelled by its rules.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::reuse::Places;
use super::{BuildAnswer, Wish, Workflow, inputs};
use crate::cli::{BuildArgs, Common};
use crate::error::{Error, ErrorKind};
use crate::image::build::{Order, Secret, Source, Stop, of_actions};
use crate::run::ground::Ground;
use crate::run::image::facts::variable;
use crate::run::image::latest;
use crate::run::image::make::{self, Named, named};
use crate::run::image::named::Occasion;
use crate::run::place::{Place, beside, load};
use crate::run::release;
use crate::run::signals::Signals;
use crate::settings::{
    self, AssemblySettings, BuildSettings, CacheKind, ImageSettings, ImageSource, SecretSource,
};

/// Inputs that say nothing of what is built.
const BESIDE: [&str; 7] = [
    "rebuild",
    "registry",
    "version",
    "latest_check",
    "short_sha_length",
    "pr_head_sha",
    "annotation_levels",
];
/// The tag of what is kept of builds for the next one.
const CACHE_TAG: &str = "buildcache";

/// Makes the image that tidegate.yaml describes. Nothing where an input says what is to be built, or where there is no tidegate.yaml
/// with an `image`.
///
/// # Errors
/// `no-image` when it does not say of what, and what making it says.
pub(super) async fn run(
    common: &Common,
    arguments: &BuildArgs,
    stop: &Stop,
) -> Result<Option<BuildAnswer>, Error> {
    let described = if is_told(arguments) { None } else { found(common)? };
    let Some((folder, images)) = described else {
        if arguments.version.is_some() {
            let sentence = "`--version` is for the image of tidegate.yaml, which is not what is built here";
            return Err(Error::new(ErrorKind::Usage, "usage", sentence)
                .hint("name the image by `--tags`, or say in tidegate.yaml what `image` is made of"));
        }
        return Ok(None);
    };
    all(&images, &folder, arguments, stop).await.map(Some)
}

/// Makes the images of which the configuration says how, or one that is alone; what came of the others stands beside what came of the first.
///
/// # Errors
/// As [`run`].
async fn all(
    images: &[ImageSettings],
    folder: &Path,
    arguments: &BuildArgs,
    stop: &Stop,
) -> Result<BuildAnswer, Error> {
    let any = images.iter().any(ImageSettings::is_made);
    let mut answer: Option<BuildAnswer> = None;
    for image in images.iter().filter(|image| image.is_made() || !any) {
        let made = Box::pin(made(image, folder, arguments, stop)).await?;
        match &mut answer {
            Some(first) => first.others.push(made),
            None => answer = Some(made),
        }
    }
    answer.ok_or_else(|| Error::new(ErrorKind::Usage, "no-image", "tidegate.yaml has no `image`"))
}

/// Makes the image.
///
/// # Errors
/// As [`run`].
async fn made(
    image: &ImageSettings,
    folder: &Path,
    arguments: &BuildArgs,
    stop: &Stop,
) -> Result<BuildAnswer, Error> {
    let version = release::version_of(folder, arguments.version.as_deref())?;
    let occasion = Occasion { folder, version: &version, is_given: arguments.version.is_some() };
    match &image.source {
        ImageSource::Elsewhere => {
            let sentence = format!(
                "`image` in tidegate.yaml says where {} is, and does not say of what it is made",
                image.repository
            );
            Err(Error::new(ErrorKind::Usage, "no-image", sentence)
                .hint("add `build`, `binary` or `directory` to it, or say by options what is to be built"))
        }
        ImageSource::Files(files) => tokio::select! {
            made = Box::pin(of_files(image, files, &occasion, arguments)) => made,
            signal = told(stop) => Err(Error::new(
                ErrorKind::Cancelled(signal),
                "cancelled",
                "the command was told to stop; what was uploaded stays, and the same command goes on from there",
            )),
        },
        ImageSource::Build(build) => {
            let wish = wish(image, build, &occasion, arguments).await?;
            Box::pin(super::build(&wish, stop)).await
        }
    }
}

/// The images that a deploy to a place needs, as `--image` names them, made where they are not there yet. Nothing where the configuration does
/// not say of what, and where that version was promoted there before: then it is what it was.
///
/// # Errors
/// As [`run`].
pub async fn for_deploy(place: &mut Place, version: Option<&str>) -> Result<Option<String>, Error> {
    let images: Vec<ImageSettings> = place.images().filter(|image| image.is_made()).cloned().collect();
    if images.is_empty() || !matches!(place.ground, Ground::Cluster(_)) {
        return Ok(None);
    }
    let wanted = release::version_of(&place.folder, version)?;
    if place.ground.replay().await?.promoted().any(|release| release.version == wanted) {
        return Ok(None);
    }
    let signals = Signals::listen()?;
    let stop = signals.cancel().receiver();
    let arguments = BuildArgs { version: version.map(str::to_owned), ..BuildArgs::default() };
    let mut names = Vec::new();
    for image in &images {
        let built = Box::pin(made(image, &place.folder, &arguments, &stop)).await?;
        tracing::info!("{}: {}", image.repository, built.sentence);
        names.extend(built.digest.map(|digest| format!("{}@{digest}", image.repository)));
    }
    // From here on it is heard by who deploys: nothing else would tell of a signal that comes before that.
    place.signals = Some(signals.clone());
    match signals.cancel().signal() {
        Some(signal) => Err(Error::new(
            ErrorKind::Cancelled(signal),
            "cancelled",
            "the command was told to stop when the image was built and nothing was deployed yet",
        )),
        None => Ok(Some(names.join(" ")).filter(|names| !names.is_empty())),
    }
}

/// Waits for a signal, and gives its number.
async fn told(stop: &Stop) -> i32 {
    let mut stop = stop.clone();
    let signal = stop.wait_for(Option::is_some).await.ok().and_then(|signal| *signal);
    match signal {
        Some(signal) => signal,
        None => std::future::pending().await,
    }
}

/// Whether an input says what is to be built.
fn is_told(arguments: &BuildArgs) -> bool {
    if !variable("INPUT_SECRETS").is_empty() {
        return true;
    }
    // How a workflow gives what nobody has set: as an empty text.
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
    let is_set = |value: &Value| match value {
        Value::Array(all) => all.iter().any(is_text),
        one => is_text(one),
    };
    let all = serde_json::to_value(arguments).unwrap_or_default();
    let mut all = all.as_object().into_iter().flatten();
    all.any(|(name, value)| !BESIDE.contains(&name.as_str()) && is_set(value))
}

/// The folder of tidegate.yaml, and the images in it.
fn found(common: &Common) -> Result<Option<(PathBuf, Vec<ImageSettings>)>, Error> {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    if common.file.is_none() && settings::find(&here).is_none() {
        return Ok(None);
    }
    let settings = load(common)?;
    let images: Vec<ImageSettings> = settings.images().cloned().collect();
    Ok(Some(images).filter(|images| !images.is_empty()).map(|images| (beside(&settings.file), images)))
}

async fn of_files(
    image: &ImageSettings,
    files: &AssemblySettings,
    occasion: &Occasion<'_>,
    arguments: &BuildArgs,
) -> Result<BuildAnswer, Error> {
    let is_checked = inputs::asks_registry(arguments)?;
    let made = make::make(image, files, occasion, &arguments.registry, is_checked).await?;
    let pushed = made.pushed;
    let names = pushed
        .destinations
        .iter()
        .flat_map(|one| one.tags.iter().map(|tag| format!("{}:{tag}", one.repository)))
        .collect();
    let mut answer = BuildAnswer {
        reused: pushed.destinations.iter().all(|one| one.unchanged),
        digest: Some(pushed.digest),
        seconds: pushed.seconds,
        sentence: pushed.sentence,
        names,
        version: Some(made.version),
        image_id: None,
        platforms: Vec::new(),
        builder: None,
        fingerprint: None,
        no_fingerprint: None,
        attestations: Vec::new(),
        output: None,
        others: Vec::new(),
    };
    let order = Order { push: true, tags: answer.names.clone(), ..Order::default() };
    if let Some(places) = Places::of(&order, &arguments.registry)? {
        places.describe(&mut answer).await;
    }
    Ok(answer)
}

async fn wish(
    image: &ImageSettings,
    build: &BuildSettings,
    occasion: &Occasion<'_>,
    arguments: &BuildArgs,
) -> Result<Wish, Error> {
    let mut named = named(image, occasion).await?;
    if inputs::asks_registry(arguments)? {
        latest::check(&mut named.tags).await?;
    }
    Ok(Wish {
        order: order(image, build, &named)?,
        version: Some(named.tags.version.clone()),
        is_rebuild: inputs::is_rebuild(arguments)?,
        allows_private_redirects: arguments.registry.allow_private_redirects,
        workflow: Workflow::of_environment()?,
    })
}

/// The settings in the words of the builder.
fn order(image: &ImageSettings, build: &BuildSettings, named: &Named) -> Result<Order, Error> {
    let said = named.said.labels.iter().filter(|(_, value)| !value.is_empty());
    let labels = said.map(|(key, value)| format!("{key}={value}")).collect();
    let annotations = named.said.annotations.iter().filter(|line| !line.ends_with('=')).cloned().collect();
    let mut order = Order {
        context: build.context.clone(),
        file: build.file.clone(),
        target: build.target.clone(),
        platforms: build.platforms.clone(),
        tags: named.tags.tags(),
        labels,
        annotations,
        build_args: build.args.clone(),
        build_contexts: build.contexts.clone(),
        secrets: build.secrets.iter().map(secret).collect::<Result<_, _>>()?,
        ssh: build.ssh.clone(),
        cache_from: build.cache_from.clone(),
        cache_to: build.cache_to.clone(),
        no_cache: build.has_no_cache,
        no_cache_filters: build.no_cache_filters.clone(),
        pull: build.is_pulling,
        push: true,
        provenance: build.provenance.clone(),
        sbom: build.sbom.clone(),
        attests: build.attests.clone(),
        network: build.network.clone(),
        shm_size: build.shm_size.clone(),
        ulimits: build.ulimit.clone(),
        add_hosts: build.add_hosts.clone(),
        cgroup_parent: build.cgroup_parent.clone(),
        allow: build.allow.clone(),
        builder: build.builder.clone(),
        ..Order::default()
    };
    let cache = match build.cache {
        None => None,
        Some(CacheKind::Gha) => Some(of_actions(&order)),
        Some(CacheKind::Registry) => {
            let at = format!("type=registry,ref={}:{CACHE_TAG}", image.repository);
            Some((at.clone(), format!("{at},mode=max")))
        }
    };
    if let Some((from, to)) = cache {
        order.cache_from.push(from);
        order.cache_to.push(to);
    }
    Ok(order)
}

/// Whether a secret is there is seen before anything is begun.
fn secret((id, source): &(String, SecretSource)) -> Result<Secret, Error> {
    let from = match source {
        SecretSource::Variable(name) if std::env::var_os(name).is_none() => {
            let sentence = format!("the secret `{id}` of the build is to be ${name}, which is not set");
            return Err(Error::new(ErrorKind::Usage, "variable-not-set", sentence)
                .hint(format!("set {name} in the environment of this command")));
        }
        SecretSource::File(path) if !path.is_file() => {
            let sentence = format!("there is no file {} for the secret `{id}` of the build", path.display());
            return Err(Error::new(ErrorKind::Usage, "no-file", sentence).hint("correct its path"));
        }
        SecretSource::Variable(name) => Source::Variable(name.clone()),
        SecretSource::File(path) => Source::File(path.display().to_string()),
    };
    Ok(Secret { id: id.clone(), from })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn inputs_that_say_what_is_built_go_before_tidegate_yaml() {
        let told = |change: &dyn Fn(&mut BuildArgs)| {
            let mut arguments = BuildArgs::default();
            change(&mut arguments);
            is_told(&arguments)
        };
        assert!(!told(&|_| ()));
        assert!(!told(&|all| all.rebuild = Some("true".to_owned())));
        assert!(!told(&|all| (all.context, all.tags) = (Some(String::new()), vec![String::new()])));
        assert!(told(&|all| all.context = Some(".".to_owned())));
        assert!(told(&|all| all.tags = vec!["shop:1".to_owned()]));
    }

    #[test]
    fn every_key_of_a_build_reaches_the_builder() {
        let text = include_str!("../../../../tests/fixtures/settings/good/image-build.yaml");
        let settings = settings::parse(Path::new("/app/tidegate.yaml"), text).unwrap();
        let image = settings.image.unwrap();
        let ImageSource::Build(mut build) = image.source.clone() else { panic!() };
        build.secrets.clear();
        let order = order(&image, &build, &Named::default()).unwrap();
        assert_eq!(
            (order.context.as_str(), order.file.as_deref()),
            ("/app/app", Some("/app/app/Containerfile"))
        );
        assert_eq!(order.build_args, ["VERSION=1.10", "EMPTY="]);
        assert_eq!(order.build_contexts, ["base=docker-image://alpine", "docs=/app/../docs"]);
        assert_eq!(order.platforms, ["linux/amd64", "linux/arm64"]);
        assert!(order.cache_from[0].starts_with("type=gha,scope=") && order.cache_to[0].contains("mode=max"));
        assert_eq!(order.add_hosts, ["db:10.0.0.1", "cache:10.0.0.2"]);
        assert_eq!((order.provenance.as_deref(), order.sbom.as_deref()), (Some("mode=max"), Some("true")));
        assert!(order.push && order.pull && !order.no_cache);
        build.cache = Some(CacheKind::Registry);
        let kept = super::order(&image, &build, &Named::default()).unwrap().cache_to;
        assert_eq!(kept, ["type=registry,ref=ghcr.io/acme/shop:buildcache,mode=max"]);
    }

    #[test]
    fn a_secret_that_is_not_there_is_told_before_anything_is_built() {
        let none = ("token".to_owned(), SecretSource::Variable("TIDEGATE_NO_SUCH_VARIABLE".to_owned()));
        assert_eq!(secret(&none).unwrap_err().code, "variable-not-set");
        let file = ("npmrc".to_owned(), SecretSource::File("/no/such/file".into()));
        assert_eq!(secret(&file).unwrap_err().code, "no-file");
    }
}
