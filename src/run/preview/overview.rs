//! The comment that shows all previews, on the issue that the settings name for it.

use jiff::Timestamp;

use super::homes::{Home, Homes};
use crate::cli::Common;
use crate::error::Error;
use crate::github::{Client, comments};
use crate::preview::Record;
use crate::report::overview::{Row, marker, render};
use crate::run::action::unsaid;
use crate::settings::Settings;

/// Writes it anew from what is there. What cannot be told is a warning: the next preview or sweep tells it again.
pub async fn tell(common: &Common, client: Option<&Client>, settings: &Settings) {
    let issue = settings.preview.as_ref().and_then(|preview| preview.overview);
    let (Some(client), Some(issue)) = (client, issue) else { return };
    if let Err(error) = write(common, client, settings, issue).await {
        tracing::warn!("the overview of previews in issue {issue} was not written: {error}");
    }
}

async fn write(common: &Common, client: &Client, settings: &Settings, issue: u64) -> Result<(), Error> {
    let homes = Homes::of(common, settings).await?.all(&settings.app).await?;
    let repository = client.access().repository.as_str();
    let ours = |record: &&Record| record.is_of(Some(repository));
    let rows: Vec<Row> = homes.iter().filter_map(Home::record).filter(ours).map(row).collect();
    let body = render(&settings.app, &rows, &in_words(Timestamp::now()));
    let there = comments::find(client, issue, &marker(&settings.app)).await.map_err(unsaid)?;
    match there {
        Some(there) => comments::update(client, there.id, &body).await,
        None => comments::create(client, issue, &body).await.map(drop),
    }
    .map_err(unsaid)
}

fn row(record: &Record) -> Row {
    let until = in_words(record.expires);
    Row {
        number: record.number,
        branch: record.branch.clone(),
        url: record.url.clone(),
        commit: record.commit.clone(),
        stage: record.stage.as_str(),
        until: if record.is_kept { format!("{until}, kept by a label") } else { until },
        sentence: record.sentence.clone(),
    }
}

fn in_words(moment: Timestamp) -> String {
    moment.strftime("%F %R UTC").to_string()
}
