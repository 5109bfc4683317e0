//! One build, from the order to what came of it.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::buildx::Around;
use super::failure::Failure;
use super::find::Builder;
use super::follow::{Ended, Line, Stop, follow};
use super::progress::{Hidden, Progress, Status, plain};
use super::secret::Laid;
use super::steps::Steps;
use super::{BuildError, Facts, Order, attests, buildah, buildx, classic, dockerfile, secret};

/// What is around a build.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Whether it is a workflow of GitHub's: groups and annotations are understood then.
    pub is_workflow: bool,
    /// Whether the repository is a private one.
    pub is_private: bool,
    /// The address of the workflow's run; empty outside of one.
    pub run_url: String,
}

/// What came of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Built {
    /// The digest of the image, or of the index where it is for several platforms; none where no image came of it.
    pub digest: Option<String>,
    /// The image's id in the Docker Engine, or wherever it was built.
    pub id: Option<String>,
    /// What the builder wrote to standard output: the result of a `call`.
    pub output: String,
}

/// Builds. `say` gets the lines of the progress.
///
/// # Errors
/// `build-failed`, `cancelled`, and `io` when a temporary file cannot be written.
pub async fn build(
    order: &Order,
    builder: &Builder,
    around: &Surroundings,
    stop: &Stop,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Built, BuildError> {
    let io = |error: std::io::Error| {
        BuildError::new("io", format!("a temporary file of the build cannot be written: {error}"))
    };
    let folder = tempfile::Builder::new().prefix("tidegate-build-").tempdir().map_err(io)?;
    let laid = secret::lay(order, folder.path()).map_err(io)?;
    let hidden = Hidden::new(secret::hidden(order));
    let mut drive = Drive { order, around, stop, say, folder, laid, hidden };
    match builder {
        Builder::Buildx(node) => drive.buildx(node.is_able_to_attest()).await,
        Builder::Buildah => drive.buildah().await,
        Builder::Classic { .. } => drive.classic().await,
    }
}

struct Drive<'a> {
    order: &'a Order,
    around: &'a Surroundings,
    stop: &'a Stop,
    say: &'a mut (dyn FnMut(&str) + Send),
    /// Goes away with all that is in it.
    folder: TempDir,
    laid: Laid,
    hidden: Hidden,
}

impl Drive<'_> {
    async fn buildx(&mut self, is_able: bool) -> Result<Built, BuildError> {
        let Surroundings { is_workflow, is_private, run_url } = self.around.clone();
        let around = Around {
            attests: attests(self.order, &Facts { is_able, is_private, run_url }),
            secrets: self.laid.specs.clone(),
            metadata: self.path("metadata.json"),
            iid: self.path("iid"),
        };
        let mut command = self.command("docker", &buildx::arguments(self.order, &around));
        // Warnings would come a second time, as a summary.
        command.env("BUILDX_METADATA_WARNINGS", "0");
        let mut progress = Progress::new(self.order.dockerfile(), is_workflow, self.hidden.clone());
        let (mut output, mut said) = (String::new(), Vec::new());
        let (say, hidden) = (&mut *self.say, &self.hidden);
        let ended = follow(command, self.stop, &mut |line| match line {
            Line::Out(line) => output += &format!("{}\n", hidden.clean(line)),
            Line::Err(line) => match Status::read(line) {
                Some(status) => progress.take(&status).iter().for_each(|line| say(line)),
                None => said.push(hidden.clean(line)),
            },
        })
        .await
        .map_err(|error| unstarted("docker", &error))?;
        progress.rest().iter().for_each(|line| say(line));
        if !ended.status.success() || ended.signal.is_some() {
            if self.order.is_call() && !output.is_empty() {
                said.insert(0, output);
            }
            return Err(self.failed(&ended, progress.failed().as_ref(), &said));
        }
        said.iter().filter(|line| !line.trim().is_empty()).for_each(|line| (self.say)(line));
        let metadata: Value =
            read(&around.metadata).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let digest = metadata["containerimage.digest"].as_str().map(str::to_owned);
        Ok(Built { digest, id: read(&around.iid), output })
    }

    async fn classic(&mut self) -> Result<Built, BuildError> {
        let iid = self.path("iid");
        let mut command = self.command("docker", &classic::arguments(self.order, &iid));
        // A newer client would ask for buildx, which is not there.
        command.env("DOCKER_BUILDKIT", "0");
        self.stepwise("docker", command).await?;
        let mut built = Built { id: read(&iid), ..Built::default() };
        if !self.order.push {
            return Ok(built);
        }
        for tag in self.order.tags.clone() {
            let command = self.command("docker", &["push".to_owned(), tag.clone()]);
            let told = self.stepwise("docker", command).await?;
            let digest = told.iter().rev().find_map(|line| {
                let rest = line.split_once("digest: ")?.1;
                rest.split(' ').next().filter(|digest| digest.starts_with("sha256:")).map(str::to_owned)
            });
            built.digest = built.digest.or(Some(pushed("docker", &tag, digest)?));
        }
        Ok(built)
    }

    async fn buildah(&mut self) -> Result<Built, BuildError> {
        let name = self.order.tags.first().cloned();
        let name = name.unwrap_or_else(|| format!("tidegate-build-{}", std::process::id()));
        let command = self.command("buildah", &buildah::arguments(self.order, &self.laid.specs, &name));
        self.stepwise("buildah", command).await?;
        if !self.order.push {
            return Ok(Built::default());
        }
        let mut built = Built::default();
        for (number, tag) in self.order.tags.clone().into_iter().enumerate() {
            let file = self.path(&format!("digest-{number}"));
            let command = self.command("buildah", &buildah::push_arguments(self.order, &name, &tag, &file));
            self.stepwise("buildah", command).await?;
            let digest = read(&file).filter(|digest| digest.starts_with("sha256:"));
            built.digest = Some(pushed("buildah", &tag, digest)?);
        }
        Ok(built)
    }

    /// Runs a builder that does one step after the other; gives its lines.
    async fn stepwise(&mut self, program: &str, command: Command) -> Result<Vec<String>, BuildError> {
        let mut steps = Steps::new(self.around.is_workflow, self.hidden.clone());
        let mut told = Vec::new();
        let say = &mut *self.say;
        let ended = follow(command, self.stop, &mut |line| {
            let (Line::Out(line) | Line::Err(line)) = line;
            told.push(plain(line));
            steps.take(line).iter().for_each(|line| say(line));
        })
        .await
        .map_err(|error| unstarted(program, &error))?;
        let (failed, number) = (steps.failed(), steps.number);
        steps.close().iter().for_each(|line| say(line));
        if ended.status.success() && ended.signal.is_none() {
            return Ok(told);
        }
        let said: Vec<String> = told.iter().map(|line| self.hidden.clean(line)).collect();
        let mut failure = self.failure(failed.as_ref(), &said);
        // They count instructions, not lines.
        if let Some(text) = number.checked_sub(1).and_then(|_| read_dockerfile(self.order)) {
            let all = dockerfile::read(&text);
            failure.line = failure.line.or_else(|| all.get(number - 1).map(|instruction| instruction.line));
        }
        Err(self.told(&ended, &failure))
    }

    fn failed(
        &mut self,
        ended: &Ended,
        step: Option<&super::progress::Failed>,
        said: &[String],
    ) -> BuildError {
        let failure = self.failure(step, said);
        self.told(ended, &failure)
    }

    fn failure(&self, step: Option<&super::progress::Failed>, said: &[String]) -> Failure {
        Failure::read(&self.order.dockerfile(), step, said)
    }

    fn told(&mut self, ended: &Ended, failure: &Failure) -> BuildError {
        if let Some(signal) = ended.signal {
            return BuildError::stopped(signal);
        }
        if self.around.is_workflow {
            (self.say)(&failure.annotation());
        }
        let place = failure.line.map(|line| (failure.file.clone(), line));
        let error = BuildError { place, ..BuildError::new("build-failed", failure.sentence()) };
        match hint(&failure.cause) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    fn command(&self, program: &str, words: &[String]) -> Command {
        let mut command = Command::new(program);
        command.args(words).envs(self.laid.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// What was pushed has a digest. A builder that ends well and tells none may have pushed nothing: buildah 1.28 says nothing of a list of images
/// that the registry does not take.
fn pushed(program: &str, tag: &str, digest: Option<String>) -> Result<String, BuildError> {
    digest.ok_or_else(|| {
        let sentence = format!(
            "{program} ended well, and tells no digest of what it was to push as {tag}: it may not be there"
        );
        let hint = format!(
            "push it once by hand with `{program} --log-level debug`; a newer {program} says why it cannot"
        );
        BuildError::new("build-failed", sentence).hint(hint)
    })
}

/// What mends a failure that the builder's words do not mend.
fn hint(cause: &str) -> Option<&'static str> {
    let cause = cause.to_lowercase();
    let has = |words: &str| cause.contains(words);
    if has("multi-platform build is not supported")
        || has("multiple platforms feature is currently not supported")
    {
        Some(
            "make a builder that can: `docker buildx create --use` (in a workflow: docker/setup-buildx-action)",
        )
    } else if has("cache export is not supported")
        || has("attestation is not supported")
        || has("attestations are not supported")
    {
        Some("make a builder that can: `docker buildx create --use`; or leave that input out")
    } else if has("cannot connect to the docker daemon") {
        Some(
            "start the Docker Engine, or make a builder that needs none: `docker buildx create --driver remote …`",
        )
    } else if has("401 unauthorized") || has("403 forbidden") || has("insufficient_scope") || has("denied") {
        Some("`docker login` at that registry as somebody who may")
    } else {
        None
    }
}

fn unstarted(program: &str, error: &std::io::Error) -> BuildError {
    BuildError::new("build-failed", format!("{program} cannot be started: {error}"))
}

/// A file's text without blanks around it; none where there is none.
fn read(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The Dockerfile, where it is here.
fn read_dockerfile(order: &Order) -> Option<String> {
    if order.is_remote() { None } else { fs::read_to_string(order.dockerfile()).ok() }
}
