//! A preview comes up: room is made and written down, what is wanted is deployed as to any environment, and how it went is written down.

use jiff::{SignedDuration, Timestamp};

use super::database::{self, Own};
use super::down::{self, Falling};
use super::homes::{Home, Homes};
use super::instance;
use crate::cli::Common;
use crate::error::{Error, ErrorKind};
use crate::github::{Client, pulls};
use crate::preview::{Admission, AtLimit, Record, Stage, admit};
use crate::run::action::unsaid;
use crate::run::answer::RolloutAnswer;
use crate::run::place::beside;
use crate::settings::{EnvironmentSettings, Settings, TargetSettings};

/// A pull request that is to have a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its number.
    pub number: u64,
    /// Its branch, as it is called.
    pub branch: String,
    /// Its last commit, where it is known.
    pub commit: Option<String>,
    /// `OWNER/NAME` of the repository, where it is known.
    pub repository: Option<String>,
    /// Its label keeps its preview beyond its time.
    pub is_kept: bool,
    /// Somebody asked for it: the rules for pull requests do not take it away.
    pub is_asked: bool,
}

/// A preview that there is room for.
pub struct Raised {
    /// The environment's name.
    pub name: String,
    /// Its own database, where it has one.
    pub database: Option<Own>,
    homes: Homes,
    place: String,
    has_front: bool,
    record: Record,
}

/// Makes room for the preview of a pull request: its name, its record, and in a cluster its namespace with all that closes it. From then on
/// it is an environment like any other.
///
/// # Errors
/// `preview-limit` when there are as many as may be; when something is in its place that Tidegate has not made; when it cannot be made.
pub async fn begin(
    common: &Common,
    settings: &Settings,
    client: Option<&Client>,
    wanted: &Wanted,
) -> Result<Raised, Error> {
    let homes = Homes::of(common, settings).await?;
    let guard = homes.guard().await?;
    make_room(common, settings, client, &homes, wanted).await?;
    let environment = environment(settings, &homes, wanted).await?;
    let there = homes.find(&settings.app, &environment).await?;
    let repository = wanted.repository.as_deref();
    if let Some(other) = there.as_ref().and_then(Home::record).filter(|record| !record.is_of(repository)) {
        let whose = other.repository.as_deref().unwrap_or_default();
        let sentence = format!("{} is a preview of {whose}, another repository", other.name);
        return Err(Error::new(ErrorKind::Refused, "foreign-namespace", sentence)
            .hint("give the two another `app`, or previews another `namespace`"));
    }
    let record = record(settings, wanted, &environment, there.as_ref())?;
    homes.make(&environment, &record).await?;
    drop(guard);
    let database = match homes.stand_before(&environment).await {
        Ok(()) => database::raise(&homes, &environment, &record, &beside(&settings.file)).await,
        Err(error) => Err(error),
    };
    let place = homes.place(&environment)?;
    let has_front = environment.preview.as_ref().is_some_and(|preview| preview.front.image.is_some());
    let raised = Raised { name: environment.name, database: None, homes, place, has_front, record };
    match database {
        Ok(database) => Ok(Raised { database, ..raised }),
        Err(error) => {
            raised.failed(settings, &error).await;
            Err(error)
        }
    }
}

/// Sees to the limit.
async fn make_room(
    common: &Common,
    settings: &Settings,
    client: Option<&Client>,
    homes: &Homes,
    wanted: &Wanted,
) -> Result<(), Error> {
    let template = instance::template(settings)?;
    let all = homes.all(&settings.app).await?;
    let ours = |record: &&Record| record.is_of(wanted.repository.as_deref());
    let mut records: Vec<Record> = all.iter().filter_map(Home::record).filter(ours).cloned().collect();
    let is_full = template.at_limit == AtLimit::EvictOldest && records.len() >= template.limit;
    if let Some(client) = client.filter(|_| is_full) {
        // Labels may have come since.
        for record in &mut records {
            let labels = pulls::one(client, record.number).await.map_err(unsaid)?.labels;
            record.is_kept = labels.contains(&template.keep_label);
        }
    }
    let (limit, at_limit) = (template.limit, template.at_limit);
    let numbers = match admit(&records, wanted.number, limit, at_limit, |record| record.is_kept) {
        Admission::Room => return Ok(()),
        Admission::Evict(numbers) => numbers,
        Admission::Refuse(why) => {
            return Err(Error::new(ErrorKind::Refused, "preview-limit", why)
                .hint("close a pull request, write `/preview stop` at one, or raise `limit`"));
        }
    };
    for number in numbers {
        let why = format!("it gave way to that of pull request {}: there may be {limit}", wanted.number);
        let repository = wanted.repository.as_deref();
        let falling = Falling { number, why: &why, repository, is_stopped: true, is_by_rule: false };
        if let Some(told) = down::down_within(common, settings, client, homes, falling).await? {
            tracing::warn!("{told}");
        }
    }
    Ok(())
}

async fn environment(
    settings: &Settings,
    homes: &Homes,
    wanted: &Wanted,
) -> Result<EnvironmentSettings, Error> {
    let ports = instance::template(settings)?.ports.as_ref();
    let port = match ports {
        Some(ports) => Some(homes.port(&settings.app, wanted.number, ports).await?),
        None => None,
    };
    let values = instance::values(settings, wanted.number, &wanted.branch, port)?;
    instance::instance(settings, &values)
}

fn record(
    settings: &Settings,
    wanted: &Wanted,
    environment: &EnvironmentSettings,
    there: Option<&Home>,
) -> Result<Record, Error> {
    let now = Timestamp::now();
    let ttl = SignedDuration::try_from(instance::template(settings)?.ttl).unwrap_or(SignedDuration::MAX);
    let expires = now.checked_add(ttl).unwrap_or(Timestamp::MAX);
    let (url, port) = match &environment.target {
        TargetSettings::Local(local) => (Some(format!("http://{}", local.listen)), Some(local.listen.port())),
        TargetSettings::Kubernetes(cluster) => (cluster.url.clone(), None),
    };
    let before = there.and_then(Home::record);
    Ok(Record {
        app: settings.app.clone(),
        repository: wanted.repository.clone(),
        number: wanted.number,
        name: environment.name.clone(),
        branch: wanted.branch.clone(),
        commit: wanted.commit.clone(),
        url,
        port,
        created: before.map_or(now, |before| before.created),
        touched: now,
        // What somebody has made longer stays so.
        expires: before.map_or(expires, |before| before.expires.max(expires)),
        is_kept: wanted.is_kept,
        is_asked: wanted.is_asked || before.is_some_and(|before| before.is_asked),
        database: database::of_record(settings, environment, before),
        stage: Stage::Rising,
        sentence: String::new(),
    })
}

impl Raised {
    /// Writes down how the deploy to it went, unless a later one has begun meanwhile. What cannot be written is told, and the sweep looks again.
    pub async fn end(self, settings: &Settings, result: &Result<RolloutAnswer, Error>) {
        let all = self.homes.all(&settings.app).await.unwrap_or_default();
        // Of a later run, what stands before it is that one's.
        if self.is_still_ours(&all).is_some() {
            let is_live = result.as_ref().is_ok_and(|answer| answer.exit_code == 0);
            self.homes.settle(&self.place, self.has_front, is_live).await;
        }
        match result {
            Ok(answer) if answer.exit_code == 0 => self.note(settings, Stage::Up, &answer.sentence).await,
            Ok(answer) => self.note(settings, Stage::Failed, &answer.sentence).await,
            Err(error) => self.failed(settings, error).await,
        }
    }

    /// The record as it is by now, unless a later run has begun or it is taken away.
    fn is_still_ours<'a>(&self, all: &'a [Home]) -> Option<&'a Record> {
        let now = all.iter().filter_map(Home::record).find(|record| record.number == self.record.number)?;
        (now.commit == self.record.commit && now.stage != Stage::Falling).then_some(now)
    }

    async fn failed(self, settings: &Settings, error: &Error) {
        // Another one has taken its place, or it was told to stop: whoever did that writes what comes of it.
        if !matches!(error.kind, ErrorKind::Cancelled(_)) {
            self.note(settings, Stage::Failed, &error.sentence).await;
        }
    }

    async fn note(mut self, settings: &Settings, stage: Stage, sentence: &str) {
        let all = self.homes.all(&settings.app).await.unwrap_or_default();
        let Some(now) = self.is_still_ours(&all) else { return };
        self.record.expires = now.expires;
        (self.record.stage, self.record.sentence) = (stage, sentence.to_owned());
        if let Err(error) = self.homes.note(&self.place, &self.record).await {
            tracing::warn!("how the preview stands was not written down: {error}");
        }
    }
}
