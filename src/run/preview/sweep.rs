//! The sweep: what is really there against the pull requests that are open.

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use super::down;
use super::homes::{Home, Homes};
use super::instance;
use crate::cli::Common;
use crate::error::Error;
use crate::github::{Client, pulls};
use crate::preview::{Found, Open, Taking, Verdict, judge, missing};
use crate::run::action::unsaid;
use crate::settings::{PullFacts, Settings};

/// So many previews are taken away at once.
const AT_ONCE: usize = 8;

/// What a sweep came to.
#[derive(Debug, Default)]
pub struct Swept {
    /// Each preview that was found, and what was done with it.
    pub rows: Vec<Row>,
    /// Pull requests whose previews are to be brought up: missing, or at another commit than their last.
    pub behind: Vec<Open>,
    /// What could not be taken away.
    pub failures: Vec<Error>,
}

/// A preview that was found.
#[derive(Debug, Clone)]
pub struct Row {
    /// The preview.
    pub home: Home,
    /// What is done with it.
    pub verdict: Verdict,
    /// It has been done.
    pub is_done: bool,
}

/// The open pull requests, as far as previews go; nothing where GitHub cannot be asked.
///
/// # Errors
/// Why GitHub does not say.
pub async fn open(client: &Client, settings: &Settings) -> Result<Vec<Open>, Error> {
    let template = instance::template(settings)?;
    let mut all = Vec::new();
    for pull in pulls::open(client).await.map_err(unsaid)? {
        let facts = PullFacts {
            number: pull.number,
            base: &pull.base,
            labels: &pull.labels,
            is_draft: pull.is_draft,
        };
        let mut objection = template.on.objection(facts);
        if objection.is_none() && !template.on.paths.0.is_empty() {
            let files = pulls::files(client, pull.number).await.map_err(unsaid)?;
            objection = template.on.of_files(pull.number, &files);
        }
        all.push(Open {
            number: pull.number,
            branch: pull.branch,
            head: pull.head,
            taking: objection.map_or(Taking::Yes, Taking::No),
            is_kept: pull.labels.contains(&template.keep_label),
            is_fork: pull.is_fork,
        });
    }
    Ok(all)
}

/// Looks at every preview, and takes away what nobody wants unless this is only to be shown.
///
/// # Errors
/// When previews cannot be looked at at all. What could not be taken away is in the answer.
pub async fn sweep(
    common: &Common,
    settings: &Settings,
    repository: Option<&str>,
    open: Option<&[Open]>,
    is_dry: bool,
) -> Result<Swept, Error> {
    let homes = Homes::of(common, settings).await?;
    let all = homes.all(&settings.app).await?;
    let now = Timestamp::now();
    let mut swept = Swept::default();
    let work = all.iter().map(|home| {
        let homes = &homes;
        async move {
            let verdict = judge(&home.found, repository, open, now);
            let done = match &verdict {
                Verdict::Remove(why) if !is_dry => {
                    Some(Box::pin(down::take_away(common, settings, homes, home, why)).await)
                }
                _ => None,
            };
            (home, verdict, done)
        }
    });
    // Most of a teardown is waiting.
    let mut judged = stream::iter(work).buffered(AT_ONCE);
    while let Some((home, verdict, done)) = judged.next().await {
        let is_done = matches!(done, Some(Ok(_)));
        swept.failures.extend(done.and_then(Result::err));
        if let Verdict::Keep { behind: Some(_) } = &verdict {
            let its = |pull: &&Open| home.record().is_some_and(|record| record.number == pull.number);
            swept.behind.extend(open.into_iter().flatten().filter(its).cloned());
        }
        swept.rows.push(Row { home: home.clone(), verdict, is_done });
    }
    let found: Vec<Found> = all.iter().map(|home| home.found.clone()).collect();
    swept.behind.extend(missing(&found, open.unwrap_or_default()).into_iter().cloned());
    Ok(swept)
}
