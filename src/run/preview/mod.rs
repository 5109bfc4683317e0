//! `preview`: environments that come with a pull request and go with it.
//!
//! ```text
//! up    room and record (homes) → its database → deploy, as to any environment → record
//! down  record: falling → whoever works on it stops → its database dropped → everything away, seen gone
//! sweep what is there (homes) × open pull requests → judge → down, or told
//! ```
//! A preview leaves its record where it lives before anything else of it is there, and loses it last. So whatever dies in the middle, the
//! next sweep finds what was left.

mod answer;
pub mod database;
pub mod down;
pub mod homes;
pub mod instance;
pub mod overview;
pub mod sweep;
pub mod told;
pub mod up;

use std::process::ExitCode;

use jiff::Timestamp;

use self::homes::{Home, Homes};
use self::up::Wanted;
use super::answer::{NoteAnswer, RolloutAnswer};
use super::place::{Place, load};
use super::release::Asked;
use super::{deploy, image, print};
use crate::cli::{Common, PreviewCommand, PreviewUpArgs, ReportArgs};
use crate::error::{Error, ErrorKind};
use crate::github::{Access, Client, Patience, pulls};
use crate::preview::{Record, extended};
use crate::run::action::unsaid;
use crate::settings::{EnvironmentSettings, Settings};

pub use answer::{PreviewAnswer, PreviewsAnswer};

/// Runs a command.
///
/// # Errors
/// As the stages have them.
pub async fn run(common: &Common, command: &PreviewCommand) -> Result<ExitCode, Error> {
    Ok(match command {
        PreviewCommand::Up(arguments) => {
            let answer = raise(common, arguments).await?;
            print(common, &answer, answer.exit_code)
        }
        PreviewCommand::Down { number, reason } => {
            let settings = load(common)?;
            let why = reason.clone().unwrap_or_else(|| "somebody took it away".to_owned());
            let client = client()?;
            let repository = client.as_ref().map(|client| client.access().repository.as_str());
            let pull =
                down::Falling { number: *number, why: &why, repository, is_stopped: true, is_by_rule: false };
            let told = down::down(common, &settings, client.as_ref(), pull).await?;
            let sentence = told.unwrap_or_else(|| none(*number));
            print(common, &NoteAnswer { sentence, findings: Vec::new() }, 0)
        }
        PreviewCommand::Extend { number, time } => {
            let by = crate::settings::duration(time).map_err(|sentence| bad_time(&sentence))?;
            let repository = Access::of(&|name| std::env::var(name).ok()).map(|access| access.repository);
            let sentence =
                extend(common, &load(common)?, *number, by.as_secs(), repository.as_deref()).await?;
            print(common, &NoteAnswer { sentence, findings: Vec::new() }, 0)
        }
        PreviewCommand::List => print(common, &list(common).await?, 0),
        PreviewCommand::Sweep { dry_run } => {
            let answer = swept(common, *dry_run).await?;
            let code = answer.exit_code();
            print(common, &answer, code)
        }
    })
}

/// Brings one up from the command line.
async fn raise(common: &Common, arguments: &PreviewUpArgs) -> Result<RolloutAnswer, Error> {
    let settings = load(common)?;
    let access = Access::of(&|name| std::env::var(name).ok());
    let template = instance::template(&settings)?;
    let pull = match client()? {
        Some(client) => Some(pulls::one(&client, arguments.number).await.map_err(unsaid)?),
        None => None,
    };
    if pull.as_ref().is_some_and(|pull| !pull.is_open) {
        let sentence = format!("pull request {} is closed", arguments.number);
        return Err(Error::new(ErrorKind::Refused, "pull-closed", sentence)
            .hint("open it again; a preview of what is closed would be swept away"));
    }
    let branch = arguments.branch.clone().or_else(|| pull.as_ref().map(|pull| pull.branch.clone()));
    let wanted = Wanted {
        number: arguments.number,
        branch: branch.unwrap_or_else(|| format!("pull-{}", arguments.number)),
        commit: arguments.commit.clone().or_else(|| pull.as_ref().map(|pull| pull.head.clone())),
        repository: access.map(|access| access.repository),
        is_kept: pull.as_ref().is_some_and(|pull| pull.labels.contains(&template.keep_label)),
        is_asked: true,
    };
    let raised = up::begin(common, &settings, client()?.as_ref(), &wanted).await?;
    let result = deploy_to(common, &raised.name, arguments).await;
    raised.end(&settings, &result).await;
    result
}

async fn deploy_to(common: &Common, name: &str, arguments: &PreviewUpArgs) -> Result<RolloutAnswer, Error> {
    let mut place = Place::find(common, Some(name)).await?;
    let (version, mut image) = (arguments.version.as_deref(), arguments.image.clone());
    if image.is_none() {
        image = image::for_deploy(&mut place, version).await?;
    }
    let wish = Asked { version, image: image.as_deref() };
    deploy::roll_out(place, common, wish, arguments.if_busy, &ReportArgs::default(), Vec::new()).await
}

/// What an environment's name means that is no environment of the file: a preview that is there.
///
/// # Errors
/// When it would be one and is not there, or cannot be looked for.
pub async fn named(
    common: &Common,
    settings: &Settings,
    name: &str,
) -> Result<Option<EnvironmentSettings>, Error> {
    let Some(number) = instance::number_in(settings, name)? else { return Ok(None) };
    let homes = Homes::of(common, settings).await?;
    let bare =
        instance::instance(settings, &instance::values(settings, number, "", instance::any_port(settings))?)?;
    let home = homes.find(&settings.app, &bare).await?;
    let Some(record) = home.as_ref().and_then(Home::record) else {
        let sentence = format!("there is no preview {name}");
        return Err(Error::new(ErrorKind::Usage, "unknown-environment", sentence)
            .hint("`tidegate preview list` tells which there are"));
    };
    instance::of_record(settings, record).map(Some)
}

/// Has a preview live longer, and tells until when.
///
/// # Errors
/// When there is none, or it cannot be written down.
pub async fn extend(
    common: &Common,
    settings: &Settings,
    number: u64,
    seconds: u64,
    repository: Option<&str>,
) -> Result<String, Error> {
    let homes = Homes::of(common, settings).await?;
    let all = homes.all(&settings.app).await?;
    let found = all.iter().find_map(|home| Some((home, home.of_pull(number, repository)?)));
    let Some((home, record)) = found else {
        return Err(Error::new(ErrorKind::Refused, "no-preview", none(number))
            .hint("`tidegate preview list` tells which there are"));
    };
    let expires = extended(record, Timestamp::now(), std::time::Duration::from_secs(seconds));
    homes.note(&home.found.place, &Record { expires, ..record.clone() }).await?;
    Ok(format!("the preview of pull request {number} lives until {}", expires.strftime("%F %T UTC")))
}

/// That there is no preview of a pull request.
#[must_use]
pub fn none(number: u64) -> String {
    format!("pull request {number} has no preview")
}

fn bad_time(sentence: &str) -> Error {
    let (why, hint) = sentence.split_once('\n').unwrap_or((sentence, ""));
    Error::new(ErrorKind::Usage, "bad-input", why).hint(hint)
}

async fn list(common: &Common) -> Result<PreviewsAnswer, Error> {
    let settings = load(common)?;
    let homes = Homes::of(common, &settings).await?;
    let all = homes.all(&settings.app).await?;
    Ok(PreviewsAnswer::listed(&settings.app, &all))
}

async fn swept(common: &Common, is_dry: bool) -> Result<PreviewsAnswer, Error> {
    let settings = load(common)?;
    let client = client()?;
    let repository = client.as_ref().map(|client| client.access().repository.as_str());
    let swept = sweep::sweep(common, &settings, client.as_ref(), repository, is_dry).await?;
    if let Some(client) = client.as_ref().filter(|_| !is_dry) {
        told::strays(common, client, &settings, &swept).await;
        overview::tell(common, Some(client), &settings).await;
    }
    Ok(PreviewsAnswer::swept(&settings.app, &swept, is_dry))
}

/// Who asks GitHub, where the environment has a token and names a repository.
fn client() -> Result<Option<Client>, Error> {
    let access = Access::of(&|name| std::env::var(name).ok());
    access.map(|access| Client::new(access, Patience::default())).transpose().map_err(unsaid)
}
