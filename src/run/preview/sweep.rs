//! The sweep: what is really there against the pull requests that are open.

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use super::homes::{Home, Homes};
use super::instance;
use super::{database, down, told};
use crate::cli::Common;
use crate::error::Error;
use crate::github::Client;
use crate::github::pulls::{self, Pull};
use crate::preview::{Open, Ownership, Taking, Verdict, judge, missing};
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
    /// Databases of previews that are not there, with the number of the pull request, and whether they were dropped.
    pub databases: Vec<Lost>,
    /// What could not be taken away.
    pub failures: Vec<Error>,
}

/// A database without its preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its name.
    pub name: String,
    /// The number of the pull request.
    pub number: u64,
    /// It is gone.
    pub is_done: bool,
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

/// The open pull requests, as far as previews go.
///
/// # Errors
/// Why GitHub does not say.
async fn open(client: &Client, settings: &Settings) -> Result<Vec<Open>, Error> {
    let mut all = Vec::new();
    for pull in pulls::open(client).await.map_err(unsaid)? {
        all.push(as_open(client, settings, pull).await?);
    }
    Ok(all)
}

async fn as_open(client: &Client, settings: &Settings, pull: Pull) -> Result<Open, Error> {
    let template = instance::template(settings)?;
    let facts =
        PullFacts { number: pull.number, base: &pull.base, labels: &pull.labels, is_draft: pull.is_draft };
    let mut objection = template.on.objection(facts);
    if objection.is_none() && !template.on.paths.0.is_empty() {
        let files = pulls::files(client, pull.number).await.map_err(unsaid)?;
        objection = template.on.of_files(pull.number, &files);
    }
    Ok(Open {
        number: pull.number,
        branch: pull.branch,
        head: pull.head,
        taking: objection.map_or(Taking::Yes, Taking::No),
        is_kept: pull.labels.contains(&template.keep_label),
        is_robot: pull.author == "dependabot[bot]",
        is_fork: pull.is_fork,
    })
}

/// Looks at every preview, and takes away what nobody wants unless this is only to be shown. Without a `client` only what is over goes.
///
/// # Errors
/// When previews cannot be looked at at all. What could not be asked or taken away is in the answer.
pub async fn sweep(
    common: &Common,
    settings: &Settings,
    client: Option<&Client>,
    repository: Option<&str>,
    is_dry: bool,
) -> Result<Swept, Error> {
    let sweeper = Sweeper { common, settings, client, repository, homes: Homes::of(common, settings).await? };
    // Before GitHub is asked: what comes up meanwhile is not looked at.
    let all = sweeper.homes.all(&settings.app).await?;
    let mut swept = Swept::default();
    let open = match client {
        None => None,
        Some(client) => match open(client, settings).await {
            Ok(open) => Some(open),
            Err(error) => {
                tracing::warn!("GitHub does not say which pull requests are open: {error}");
                swept.failures.push(error);
                None
            }
        },
    };
    let work = all.iter().map(|home| {
        let (sweeper, open) = (&sweeper, open.as_deref());
        async move {
            let verdict = judge(&home.found, repository, open, Timestamp::now());
            if is_dry || verdict.removal().is_none() {
                return (home, verdict, None);
            }
            match Box::pin(sweeper.take_away(home)).await {
                Ok(Taken::Away(verdict)) => (home, verdict, Some(Ok(()))),
                Ok(Taken::GoneBefore) => (home, verdict, Some(Ok(()))),
                Ok(Taken::Wanted) => (home, Verdict::Keep { behind: None }, None),
                Ok(Taken::Doubtful(why)) => (home, Verdict::Leave(why), None),
                Err(error) => (home, verdict, Some(Err(error))),
            }
        }
    });
    // Most of a teardown is waiting; on this machine they wait for each other anyway.
    let at_once = if matches!(sweeper.homes, Homes::Machine(_)) { 1 } else { AT_ONCE };
    let mut judged = stream::iter(work).buffered(at_once);
    while let Some((home, verdict, done)) = judged.next().await {
        let is_done = matches!(done, Some(Ok(())));
        swept.failures.extend(done.and_then(Result::err));
        if let Verdict::Keep { behind: Some(_) } = &verdict {
            let its = |pull: &&Open| home.record().is_some_and(|record| record.number == pull.number);
            swept.behind.extend(open.iter().flatten().filter(its).cloned());
        }
        swept.rows.push(Row { home: home.clone(), verdict, is_done });
    }
    drop(judged);
    sweeper.databases(is_dry, &mut swept).await;
    let missed = missing(open.as_deref().unwrap_or_default(), |number| swept.keeps_back(number));
    swept.behind.extend(missed.into_iter().cloned().collect::<Vec<_>>());
    Ok(swept)
}

impl Swept {
    /// No preview of that pull request is brought up for want of one: it has one, or its time is over.
    fn keeps_back(&self, number: u64) -> bool {
        self.rows.iter().any(|row| {
            let is_its = row.home.record().is_some_and(|record| record.number == number);
            // What a broken teardown left, and is wanted again by now, comes up anew.
            is_its && !(row.is_done && matches!(row.verdict, Verdict::Remove(_)))
        })
    }
}

/// What became of a preview that was to go.
enum Taken {
    /// It is gone, and why.
    Away(Verdict),
    /// Somebody else's teardown was done first.
    GoneBefore,
    /// It is wanted by now.
    Wanted,
    /// Something else is in its place by now: why that is not touched.
    Doubtful(String),
}

struct Sweeper<'a> {
    common: &'a Common,
    settings: &'a Settings,
    client: Option<&'a Client>,
    repository: Option<&'a str>,
    homes: Homes,
}

impl Sweeper<'_> {
    /// Drops databases whose previews went without them. A server that does not answer is told, and keeps nothing else from being looked at.
    async fn databases(&self, is_dry: bool, swept: &mut Swept) {
        let lost = match database::orphans(self.settings, &self.homes, self.repository).await {
            Ok(lost) => lost,
            Err(error) => return swept.failures.push(error),
        };
        for orphan in lost {
            let dropped = if is_dry { Ok(false) } else { database::drop_orphan(&self.homes, &orphan).await };
            let is_done = matches!(dropped, Ok(true));
            swept.failures.extend(dropped.err());
            swept.databases.push(Lost { name: orphan.name, number: orphan.number, is_done });
        }
    }

    /// Takes a preview away that nobody wants, if that is still so: what was looked at first may be minutes old.
    async fn take_away(&self, home: &Home) -> Result<Taken, Error> {
        let _guard = self.homes.guard().await?;
        let Some(now) = self.homes.again(&self.settings.app, home).await? else {
            return Ok(Taken::GoneBefore);
        };
        let record = match &now.found.ownership {
            Ownership::Ours(record) => record,
            Ownership::Doubtful(why) => return Ok(Taken::Doubtful(why.clone())),
        };
        let open = match self.client {
            None => None,
            Some(client) => {
                let pull = match pulls::one(client, record.number).await {
                    Err(failure) if failure.code == "github-not-found" => None,
                    told => Some(told.map_err(unsaid)?).filter(|pull| pull.is_open),
                };
                Some(match pull {
                    Some(pull) => vec![as_open(client, self.settings, pull).await?],
                    None => Vec::new(),
                })
            }
        };
        let verdict = judge(&now.found, self.repository, open.as_deref(), Timestamp::now());
        let Some(why) = verdict.removal() else { return Ok(Taken::Wanted) };
        if let (Some(client), Verdict::Expire(_)) = (self.client, &verdict) {
            told::stopping(client, &self.settings.app, record, why).await;
        }
        down::take_away(self.common, self.settings, &self.homes, &now, why).await?;
        if let Some(client) = self.client {
            let is_stopped = matches!(verdict, Verdict::Expire(_));
            told::gone(client, &self.settings.app, record, why, is_stopped).await;
        }
        Ok(Taken::Away(verdict))
    }
}
