//! What GitHub is told when a preview is gone: its deployments run no more, and the comment on the pull request says so.

use super::instance;
use super::sweep::Swept;
use crate::github::deployments::{self, Known};
use crate::github::{Client, Failure, comments};
use crate::preview::{Open, Record, Taking, Verdict};
use crate::report::farewell;
use crate::settings::Settings;

/// Tells that a preview is gone, and why; `is_stopped` says that it does not come again by itself. What GitHub does not take is a warning: the
/// sweep tells it again.
pub async fn gone(client: &Client, app: &str, record: &Record, why: &str, is_stopped: bool) {
    let told = async {
        retire(client, app, &record.name, why).await?;
        let Some(there) = comments::find(client, record.number, &farewell::marker(app, &record.name)).await?
        else {
            return Ok(());
        };
        comments::update(client, there.id, &farewell::render(app, &record.name, why, is_stopped, &there.body))
            .await
    };
    if let Err(failure) = told.await {
        let name = &record.name;
        tracing::warn!("GitHub was not told that {name} is gone: {failure}");
    }
}

/// Sees to it that no deployment of that environment counts as running, and takes them away: the environment goes away for good.
async fn retire(client: &Client, app: &str, environment: &str, why: &str) -> Result<(), Failure> {
    loop {
        let all = deployments::list(client, environment).await?;
        let ours = |known: &&Known| known.mark.as_ref().is_some_and(|mark| mark.app == app);
        let ours: Vec<&Known> = all.iter().filter(ours).collect();
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
    }
}

/// Tells of every preview that a sweep took away, and retires the deployments of pull requests that are not open any more and whose
/// previews are not there.
pub async fn swept(client: &Client, settings: &Settings, swept: &Swept, open: &[Open]) {
    for row in swept.rows.iter().filter(|row| row.is_done) {
        if let (Verdict::Remove(why), Some(record)) = (&row.verdict, row.home.record()) {
            // Open, and taken away all the same: its time was over.
            let is_wanted = |pull: &&Open| pull.number == record.number && pull.taking == Taking::Yes;
            gone(client, &settings.app, record, why, open.iter().any(|pull| is_wanted(&pull))).await;
        }
    }
    if let Err(failure) = strays(client, settings, swept, open).await {
        tracing::warn!("GitHub's deployments of previews were not looked at: {failure}");
    }
}

/// Deployments of previews that are in no place any more: a teardown died before it told of itself.
async fn strays(client: &Client, settings: &Settings, swept: &Swept, open: &[Open]) -> Result<(), Failure> {
    let there = |name: &str| {
        swept
            .rows
            .iter()
            .any(|row| !row.is_done && row.home.record().is_some_and(|record| record.name == name))
    };
    for (environment, app) in deployments::environments(client).await? {
        if app != settings.app || there(&environment) {
            continue;
        }
        let Ok(Some(number)) = instance::number_in(settings, &environment) else { continue };
        // One that is to be brought up is just coming.
        if open.iter().any(|pull| pull.number == number)
            && swept.behind.iter().any(|pull| pull.number == number)
        {
            continue;
        }
        let why = "it is in no place any more";
        retire(client, &settings.app, &environment, why).await?;
        if let Some(comment) =
            comments::find(client, number, &farewell::marker(&settings.app, &environment)).await?
            && !farewell::is_one(&comment.body)
        {
            let body = farewell::render(&settings.app, &environment, why, false, &comment.body);
            comments::update(client, comment.id, &body).await?;
        }
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
