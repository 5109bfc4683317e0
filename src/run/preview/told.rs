//! What GitHub is told when a preview is gone: its deployments run no more, and the comment on the pull request says so.

use std::collections::BTreeSet;

use super::homes::Homes;
use super::instance;
use super::sweep::Swept;
use crate::cli::Common;
use crate::error::Error;
use crate::github::deployments::{self, Known};
use crate::github::{Client, Failure, comments};
use crate::preview::Record;
use crate::report::farewell;
use crate::run::action::unsaid;
use crate::settings::Settings;

/// Tells that a preview is gone, and why; `is_stopped` says that it does not come again by itself. What GitHub does not take is a warning: the
/// sweep tells it again.
pub async fn gone(client: &Client, app: &str, record: &Record, why: &str, is_stopped: bool) {
    let told = async {
        say(client, app, record, why, is_stopped).await?;
        retire(client, app, &record.name, why).await
    };
    if let Err(failure) = told.await {
        let name = &record.name;
        tracing::warn!("GitHub was not told that {name} is gone: {failure}");
    }
}

/// Says that a preview goes and does not come again by itself, before it does: that comment is what a sweep knows it by.
pub async fn stopping(client: &Client, app: &str, record: &Record, why: &str) {
    if let Err(failure) = say(client, app, record, why, true).await {
        let name = &record.name;
        tracing::warn!(
            "that {name} does not come again by itself was not written down, and a sweep may bring it up: {failure}"
        );
    }
}

/// Writes it into the comment on the pull request. One that is stopped has a comment afterwards, even if there was none.
async fn say(
    client: &Client,
    app: &str,
    record: &Record,
    why: &str,
    is_stopped: bool,
) -> Result<(), Failure> {
    let there = comments::find(client, record.number, &farewell::marker(app, &record.name)).await?;
    // A teardown that another one ends was perhaps one of what somebody stopped.
    let is_stopped = is_stopped || there.as_ref().is_some_and(|there| farewell::is_stopped(&there.body));
    let body = |before: &str| farewell::render(app, &record.name, why, is_stopped, before);
    match there {
        Some(there) => comments::update(client, there.id, &body(&there.body)).await,
        None if is_stopped => comments::create(client, record.number, &body("")).await.map(drop),
        None => Ok(()),
    }
}

/// Sees to it that no deployment of that environment counts as running, and takes them away: the environment goes away for good.
async fn retire(client: &Client, app: &str, environment: &str, why: &str) -> Result<(), Failure> {
    let mut done = BTreeSet::new();
    loop {
        let all = deployments::list(client, environment).await?;
        // What was taken away may still be in the list for a moment.
        let is_ours = |known: &&Known| {
            known.mark.as_ref().is_some_and(|mark| mark.app == app) && !done.contains(&known.id)
        };
        let ours: Vec<&Known> = all.iter().filter(is_ours).collect();
        for known in &ours {
            if deployments::state(client, known.id).await? != "inactive" {
                let description = format!("the preview is gone: {why}");
                let status = deployments::Status {
                    state: deployments::State::Inactive,
                    description,
                    url: None,
                    log: None,
                };
                deployments::tell(client, known.id, environment, &status).await?;
            }
            deployments::delete(client, known.id).await?;
        }
        if ours.is_empty() {
            return Ok(());
        }
        done.extend(ours.iter().map(|known| known.id).collect::<Vec<_>>());
    }
}

/// Retires the deployments of previews that are in no place any more: a teardown died before it told of itself.
pub async fn strays(common: &Common, client: &Client, settings: &Settings, swept: &Swept) {
    if let Err(error) = tidy(common, client, settings, swept).await {
        tracing::warn!("GitHub's deployments of previews were not looked at: {error}");
    }
}

async fn tidy(common: &Common, client: &Client, settings: &Settings, swept: &Swept) -> Result<(), Error> {
    let known = deployments::environments(client).await.map_err(unsaid)?;
    // Only now: what came up since then has no deployment that was looked at.
    let homes = Homes::of(common, settings).await?.all(&settings.app).await?;
    for (environment, app) in known {
        let Ok(Some(number)) = instance::number_in(settings, &environment) else { continue };
        let values = instance::values(settings, number, "", instance::any_port(settings))?;
        let is_there = homes.iter().any(|home| {
            // Whoever has made what is in its place.
            home.record().is_some_and(|record| record.name == environment)
                || home.found.place.ends_with(&values.name)
        });
        let is_coming = swept.behind.iter().any(|pull| pull.number == number);
        if app != settings.app || is_there || is_coming {
            continue;
        }
        let why = "it is in no place any more";
        let marker = farewell::marker(&settings.app, &environment);
        if let Some(comment) = comments::find(client, number, &marker).await.map_err(unsaid)?
            && !farewell::is_one(&comment.body)
        {
            let body = farewell::render(&settings.app, &environment, why, false, &comment.body);
            comments::update(client, comment.id, &body).await.map_err(unsaid)?;
        }
        retire(client, &settings.app, &environment, why).await.map_err(unsaid)?;
    }
    Ok(())
}

/// Leaves out of what is to be brought up what somebody stopped, or whose time was over: the comment on the pull request says so. Where GitHub
/// does not tell, nothing is brought up.
pub async fn without_stopped(client: &Client, settings: &Settings, swept: &mut Swept) {
    let mut wanted = Vec::new();
    for pull in std::mem::take(&mut swept.behind) {
        let is_there = swept
            .rows
            .iter()
            .any(|row| !row.is_done && row.home.record().is_some_and(|it| it.number == pull.number));
        if is_there {
            wanted.push(pull);
            continue;
        }
        let Ok(values) = instance::values(settings, pull.number, &pull.branch, None) else { continue };
        match comments::find(client, pull.number, &farewell::marker(&settings.app, &values.name)).await {
            Ok(comment) if comment.as_ref().is_none_or(|comment| !farewell::is_stopped(&comment.body)) => {
                wanted.push(pull)
            }
            Ok(_) => {}
            Err(failure) => {
                tracing::warn!(
                    "whether the preview of pull request {} was stopped is not known: {failure}",
                    pull.number
                );
            }
        }
    }
    swept.behind = wanted;
}
