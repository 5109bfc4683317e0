//! What an event asks for about previews, carried out.

use super::asked::unsaid;
use super::bounds;
use super::carry::{Done, Work, nothing};
use super::checkout::{self, Server};
use super::refusal;
use super::secrets::{secrets_in, secrets_of};
use crate::cli::{Common, ReportArgs};
use crate::error::Error;
use crate::github::{Client, pulls};
use crate::preview::{Open, Verdict};
use crate::run::answer::NoteAnswer;
use crate::run::place::{Place, beside, load};
use crate::run::preview::up::Wanted;
use crate::run::preview::{self, down, instance, overview, sweep, told, up};
use crate::run::{deploy, image};
use crate::settings::TargetSettings;
use crate::trigger::{Asked, Preview};

/// So many digits of a commit are a version.
const SHORT: usize = 12;

impl Work<'_> {
    /// Brings a preview up at the last commit of its pull request.
    ///
    /// # Errors
    /// As a deploy; when it must not be brought up, or GitHub does not say what it is to run.
    pub(super) async fn preview_up(&self, wanted: Preview) -> Result<Done, Error> {
        let number = wanted.pull;
        let pull = match self.client {
            Some(client) => Some(pulls::one(client, number).await.map_err(unsaid)?),
            None => None,
        };
        if let Some(asked) = &wanted.asked {
            let client = self.client.ok_or_else(|| unknown(number))?;
            let pull = pull.ok_or_else(|| unknown(number))?;
            if let Some(named) = wanted.head.as_deref().filter(|named| !pull.head.starts_with(named)) {
                let why = format!(
                    "pull request {number} is at {} by now, and {named} is what was looked at",
                    pull.head
                );
                return Err(refusal(
                    "pushed-since",
                    &why,
                    "look at it, and write the comment with its last commit",
                ));
            }
            if pull.is_fork && pull.is_open {
                self.demand_of_fork(&pull, wanted.head.as_deref())?;
                // Nothing of the fork is laid out here: its image alone runs, with the manifests of this repository.
                return self.raise(self.common, &pull, Some(asked)).await;
            }
            demand(&pull)?;
            let common = self.laid_out(client, &pull.head).await?;
            return self.raise(&common, &pull, Some(asked)).await;
        }
        let Preview { branch: Some(branch), head: Some(head), labels, .. } = wanted else {
            return Err(unknown(number));
        };
        let told = pulls::Pull {
            number,
            head,
            branch,
            labels,
            base: String::new(),
            is_draft: false,
            is_fork: false,
            is_open: true,
            author: String::new(),
        };
        // The event may have waited while others came.
        match &pull {
            Some(now) if !now.is_open => {
                return Ok(nothing(format!("pull request {number} was closed meanwhile")));
            }
            Some(now) if now.head != told.head => {
                return Ok(nothing(format!(
                    "pull request {number} is at {} by now, whose own run brings its preview up",
                    now.head
                )));
            }
            _ => {}
        }
        if let (Some(client), Ok(template)) = (self.client, instance::template(self.settings))
            && !template.on.paths.0.is_empty()
        {
            let files = pulls::files(client, number).await.map_err(unsaid)?;
            if let Some(why) = template.on.of_files(number, &files) {
                return Ok(nothing(why));
            }
        }
        // `actions/checkout` lays out the trial of the merge, unless it is told otherwise.
        let folder = beside(&self.settings.file);
        if checkout::check(&folder, &told.head).await.is_err() {
            checkout::check(&folder, &self.context.sha).await?;
        }
        self.raise(self.common, &pull.unwrap_or(told), None).await
    }

    /// Of a fork an image comes up that was built without secrets, by its digest, after somebody named the commit that he has looked at.
    fn demand_of_fork(&self, pull: &pulls::Pull, named: Option<&str>) -> Result<(), Error> {
        let (number, head) = (pull.number, &pull.head);
        let why =
            format!("pull request {number} comes from a fork, and what comes from there meets no secret");
        // All of its digits: two commits with the same first ones are made in seconds.
        if named != Some(head) {
            let hint =
                format!("look at it, and write `/preview {head}`: that commit comes up, and no later one");
            return Err(refusal("from-fork", &why, &hint));
        }
        let mut images =
            self.inputs.image.iter().flat_map(|image| crate::run::release::names(image)).peekable();
        if images.peek().is_none() || images.any(|image| !image.contains("sha256:")) {
            let hint = "have a workflow without secrets build its images, and give the step the digest of each by `image`";
            return Err(refusal("from-fork", &why, hint));
        }
        Ok(())
    }

    /// A commit of a pull request with its own configuration, which may not say otherwise where previews live.
    async fn laid_out(&self, client: &Client, commit: &str) -> Result<Common, Error> {
        let template = instance::template(self.settings)?;
        let is_run_there = matches!(template.sample.target, TargetSettings::Local(_));
        let server = Server { address: &self.context.server, token: &client.access().token };
        let moved =
            checkout::at(self.common, &self.settings.file, commit, Some(server), is_run_there).await?;
        let its = bounds::demand_of_previews(self.settings, &moved, commit)?;
        self.mask(&secrets_of(&its));
        Ok(moved)
    }

    async fn raise(&self, common: &Common, pull: &pulls::Pull, asked: Option<&Asked>) -> Result<Done, Error> {
        let settings = load(common)?;
        let template = instance::template(&settings)?;
        let wanted = Wanted {
            number: pull.number,
            branch: pull.branch.clone(),
            commit: Some(pull.head.clone()),
            repository: Some(self.context.repository.clone()).filter(|name| !name.is_empty()),
            is_kept: pull.labels.contains(&template.keep_label),
            is_asked: asked.is_some(),
        };
        let raised = up::begin(common, &settings, self.client, &wanted).await;
        if raised.is_err() {
            overview::tell(self.common, self.client, self.settings).await;
        }
        let raised = raised?;
        if let Some(own) = &raised.database {
            self.mask(&secrets_in(own));
        }
        let version = self.inputs.wish.version.clone().or_else(|| pull.head.get(..SHORT).map(str::to_owned));
        let work = async |mut place: Place| {
            let mut own = self.inputs.image.clone();
            if own.is_none() {
                own = image::for_deploy(&mut place, version.as_deref()).await?;
            }
            let wish = crate::run::release::Asked { version: version.as_deref(), image: own.as_deref() };
            let reports = ReportArgs::default();
            deploy::roll_out(place, common, wish, self.inputs.if_busy, &reports, Vec::new()).await
        };
        let result = self.answered(common, &raised.name, Some(&pull.head), work).await;
        raised.end(&settings, &result).await;
        overview::tell(self.common, self.client, self.settings).await;
        result.map(|answer| Done::Rollout(Box::new(answer)))
    }

    /// Takes a preview away; `is_by_rule` says that the rules for pull requests would not have it any more.
    ///
    /// # Errors
    /// When it does not go, with what it hangs on.
    pub(super) async fn preview_down(
        &self,
        number: u64,
        why: &str,
        is_by_rule: bool,
        asked: Option<&Asked>,
    ) -> Result<Done, Error> {
        let is_stopped = asked.is_some();
        let falling = down::Falling { number, why, repository: self.repository(), is_stopped, is_by_rule };
        let told = down::down(self.common, self.settings, self.client, falling).await;
        overview::tell(self.common, self.client, self.settings).await;
        let told = told?;
        Ok(told.map_or_else(|| nothing(preview::none(number)), note))
    }

    fn repository(&self) -> Option<&str> {
        Some(self.context.repository.as_str()).filter(|name| !name.is_empty())
    }

    /// Has a preview live longer.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn preview_extend(&self, number: u64, seconds: u64) -> Result<Done, Error> {
        preview::extend(self.common, self.settings, number, seconds, self.repository()).await.map(note)
    }

    /// Sweeps previews, and brings up what is missing or behind. What fails keeps nothing else from being looked at, and is the last word.
    ///
    /// # Errors
    /// What could not be taken away or brought up.
    pub(super) async fn sweep_previews(&self) -> Result<Vec<String>, Error> {
        let (settings, mut lines) = (self.settings, Vec::new());
        let mut swept = sweep::sweep(self.common, settings, self.client, self.repository(), false).await?;
        if let Some(client) = self.client {
            told::strays(self.common, client, settings, &swept).await;
            told::without_stopped(client, settings, &mut swept).await;
        }
        for row in &swept.rows {
            let name = row.home.record().map_or(row.home.found.place.as_str(), |record| record.name.as_str());
            match &row.verdict {
                Verdict::Keep { .. } => lines.push(format!("{name}: stays")),
                Verdict::Remove(why) | Verdict::Expire(why) if row.is_done => {
                    lines.push(format!("{name}: gone: {why}"))
                }
                Verdict::Remove(_) | Verdict::Expire(_) => {}
                Verdict::Leave(why) => lines.push(format!("{name}: left alone: {why}")),
            }
        }
        for lost in swept.databases.iter().filter(|lost| lost.is_done) {
            lines.push(format!("database {}: gone: its preview is not there any more", lost.name));
        }
        let mut failures = swept.failures;
        for pull in &swept.behind {
            match self.catch_up(pull).await {
                Ok(done) => lines.push(format!("pull request {}: {}", pull.number, done.told().0)),
                Err(error) => failures.push(error),
            }
        }
        overview::tell(self.common, self.client, settings).await;
        // The gravest first: its exit code is the step's.
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.kind.code()));
        match failures.into_iter().reduce(Error::and) {
            Some(error) => Err(error),
            None => Ok(lines),
        }
    }

    async fn catch_up(&self, pull: &Open) -> Result<Done, Error> {
        let client = self.client.ok_or_else(|| unknown(pull.number))?;
        let now = pulls::one(client, pull.number).await.map_err(unsaid)?;
        demand(&now)?;
        let common = self.laid_out(client, &now.head).await?;
        self.raise(&common, &now, None).await
    }
}

fn note(sentence: String) -> Done {
    Done::Note(NoteAnswer { sentence, findings: Vec::new() })
}

/// Refuses what is closed, and what nobody of the repository has pushed.
fn demand(pull: &pulls::Pull) -> Result<(), Error> {
    let number = pull.number;
    if !pull.is_open {
        return Err(refusal("pull-closed", &format!("pull request {number} is closed"), "open it again"));
    }
    if pull.is_fork {
        let why =
            format!("pull request {number} comes from a fork, and what comes from there meets no secret");
        return Err(refusal("from-fork", &why, "push its branch to this repository after a look at it"));
    }
    Ok(())
}

fn unknown(number: u64) -> Error {
    let why = format!(
        "what pull request {number} is at has to be asked of GitHub, and the step has no token for that"
    );
    refusal("no-token", &why, "give it `github-token`, or the variable GITHUB_TOKEN")
}
