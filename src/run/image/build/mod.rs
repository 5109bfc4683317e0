//! `build`: an image built of a Dockerfile and given to registries, unless one of them has it already. Without inputs it is the image
//! that tidegate.yaml describes, which may be made of files alone.

mod answer;
mod described;
mod inputs;
mod reuse;
mod workflow;

use std::io::Write as _;
use std::time::Instant;

use crate::cli::{BuildArgs, Common, RegistryArgs};
use crate::error::{Error, ErrorKind};
use crate::image::build::fingerprint::{self, Fingerprint, Ground};
use crate::image::build::{self, Builder, Built, Order, Stop, Surroundings};
use crate::run::signals::Signals;

pub use answer::{AttestationAnswer, BuildAnswer};
pub use described::for_deploy;
pub use workflow::Workflow;

use reuse::Places;

/// A build that is wanted.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// What is to be built.
    pub order: Order,
    /// The version that it is of, where one is known; told in the answer.
    pub version: Option<String>,
    /// Builds also where a registry has an image of the same inputs.
    pub is_rebuild: bool,
    /// Registries may lead to private addresses.
    pub allows_private_redirects: bool,
    /// The workflow that it is built in.
    pub workflow: Workflow,
}

/// Runs the command.
///
/// # Errors
/// When an input is wrong, and what [`build`] says.
pub async fn run(common: &Common, arguments: &BuildArgs) -> Result<BuildAnswer, Error> {
    let signals = Signals::listen()?;
    let stop = signals.cancel().receiver();
    if let Some(answer) = Box::pin(described::run(common, arguments, &stop)).await? {
        return Ok(answer);
    }
    let wish = inputs::read(arguments).await?;
    Box::pin(build(&wish, &stop)).await
}

/// Builds what is wanted, or finds that there is nothing to build.
///
/// # Errors
/// When there is nothing to build with, the build fails, or a registry does not take the tags.
pub async fn build(wish: &Wish, stop: &Stop) -> Result<BuildAnswer, Error> {
    let began = Instant::now();
    let order = &wish.order;
    if order.push && order.tags.is_empty() && order.outputs.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "usage", "the image is to be pushed, and has no name")
            .hint("give it one by `tags`; with `images`, a rule in `tags` that fits this event"));
    }
    let registry = RegistryArgs { allow_private_redirects: wish.allows_private_redirects };
    let places = Places::of(order, &registry)?;
    let mut builder = None;
    let before = match (&places, why_not(wish)) {
        (_, Some(why)) => Err(why),
        (None, None) => Err("it goes to no registry".to_owned()),
        (Some(places), None) => {
            // Only the builder knows what it builds for where nobody says.
            if order.platforms.is_empty() {
                builder = Some(Builder::find(order).await?);
            }
            places.fingerprint(order, &ground(wish, builder.as_ref())).await
        }
    };
    if let (Some(places), Ok(print)) = (&places, &before)
        && let Some(found) = places.find(print).await
    {
        let mut answer = BuildAnswer::new(wish, print.sum.clone().into());
        places.reuse(&found, print, began, &mut answer).await?;
        return Ok(answer);
    }
    let builder = match builder {
        Some(builder) => builder,
        None => Builder::find(order).await?,
    };
    if let Some(warning) = builder.warning() {
        tracing::warn!("{warning}");
    }
    let built = drive(wish, &builder, stop).await?;
    let mut answer = BuildAnswer::new(wish, None);
    answer.built(&built, &builder);
    if let Err(why) = &before {
        answer.no_fingerprint = Some(why.clone());
    }
    if let Some(places) = &places {
        if let (Ok(print), Builder::Buildx(_)) = (&before, &builder) {
            keep(wish, &builder, places, print, &mut answer).await;
        }
        places.describe(&mut answer).await;
    }
    answer.end(began.elapsed());
    Ok(answer)
}

/// Why it is not to be looked for what is there; none where it is.
fn why_not(wish: &Wish) -> Option<String> {
    let order = &wish.order;
    let why = if wish.is_rebuild {
        "it was asked for that it is built anew"
    } else if order.no_cache || !order.no_cache_filters.is_empty() {
        "nothing of former builds is to be used"
    } else if !order.is_plain_push() {
        "what comes of it is something else than an image in a registry"
    } else {
        return None;
    };
    Some(why.to_owned())
}

fn ground(wish: &Wish, builder: Option<&Builder>) -> Ground {
    let order = &wish.order;
    let own = Some(&wish.workflow.own_context).filter(|own| !own.is_empty());
    let is_own = own.is_some_and(|own| order.context.starts_with(own.as_str()));
    Ground {
        platform: builder.and_then(Builder::platform),
        commit: Some(wish.workflow.commit.clone()).filter(|commit| is_own && !commit.is_empty()),
        is_private: wish.workflow.is_private,
    }
}

async fn drive(wish: &Wish, builder: &Builder, stop: &Stop) -> Result<Built, Error> {
    let Workflow { is_workflow, is_private, run_url, .. } = wish.workflow.clone();
    let around = Surroundings { is_workflow, is_private, run_url };
    let mut say = |line: &str| {
        // A reader that has gone away must not stop a build.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    };
    Ok(build::build(&wish.order, builder, &around, stop, &mut say).await?)
}

/// Marks the image as what comes of these inputs, if they are still the same: what was changed under way may be in it or not.
async fn keep(
    wish: &Wish,
    builder: &Builder,
    places: &Places,
    before: &Fingerprint,
    answer: &mut BuildAnswer,
) {
    let why = match places.fingerprint(&wish.order, &ground(wish, Some(builder))).await {
        Ok(after) if after.sum == before.sum => match places.mark(before, answer.digest.as_deref()).await {
            Ok(()) => {
                answer.fingerprint = Some(before.sum.clone());
                if before.has_history {
                    tracing::warn!(
                        "the context has git's history in it, so every commit is built anew: put `.git` into .dockerignore"
                    );
                }
                return;
            }
            Err(error) => error.to_string(),
        },
        Ok(_) => "its inputs changed while it was built".to_owned(),
        Err(why) => why,
    };
    tracing::warn!("the next build will not find this image again: {why}");
    answer.no_fingerprint = Some(why);
}

impl Places {
    /// The fingerprint of the order, with images looked up in their registries.
    async fn fingerprint(&self, order: &Order, ground: &Ground) -> Result<Fingerprint, String> {
        fingerprint::of(order, ground, async |image| self.digest(image).await).await
    }
}
