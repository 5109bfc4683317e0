//! What `preview list` and `preview sweep` answer.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::homes::Home;
use super::sweep::{Lost, Swept};
use crate::preview::{Ownership, Verdict};
use crate::report::lines::printable;
use crate::run::answer::ErrorAnswer;

/// The previews of an app.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PreviewsAnswer {
    /// The app.
    pub app: String,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Each that was found.
    pub previews: Vec<PreviewAnswer>,
    /// Numbers of open pull requests whose previews are not there, or not at their last commit.
    pub behind: Vec<u64>,
    /// Databases whose previews are not there: a sweep drops them.
    pub databases: Vec<LostDatabase>,
    /// What could not be taken away.
    pub failures: Vec<ErrorAnswer>,
}

/// A database whose preview is not there.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LostDatabase {
    /// Its name.
    pub name: String,
    /// The number of the pull request that it was for.
    pub pull: u64,
    /// It was dropped.
    pub is_dropped: bool,
}

/// One preview.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PreviewAnswer {
    /// Where it lives: a namespace or a directory.
    pub place: String,
    /// The number of its pull request, where that is certain.
    pub pull: Option<u64>,
    /// The environment's name, where that is certain.
    pub environment: Option<String>,
    /// The public address.
    pub url: Option<String>,
    /// The commit that it was last asked to run.
    pub commit: Option<String>,
    /// `rising`, `up`, `failed`, `falling`, or `doubtful`: whether it is ours is not certain.
    pub stage: String,
    /// When it goes, if nobody asks for it again.
    pub expires: Option<String>,
    /// What a sweep does with it: `keep`, `remove` or `leave`; none in a list.
    pub verdict: Option<String>,
    /// One sentence: why it goes or is left alone, or how it stands.
    pub sentence: String,
}

impl PreviewsAnswer {
    /// The answer of `list`.
    pub(super) fn listed(app: &str, all: &[Home]) -> Self {
        let previews = all.iter().map(of_home).collect();
        Self {
            app: app.to_owned(),
            dry_run: true,
            previews,
            behind: Vec::new(),
            databases: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// The answer of `sweep`.
    pub(super) fn swept(app: &str, swept: &Swept, is_dry: bool) -> Self {
        let of_row = |row: &super::sweep::Row| {
            let sentence = match &row.verdict {
                Verdict::Keep { behind: None } => String::new(),
                Verdict::Keep { behind: Some(commit) } => format!("it is to come to commit {commit}"),
                Verdict::Remove(why) | Verdict::Expire(why) | Verdict::Leave(why) => why.clone(),
            };
            let verdict = row.verdict.as_str();
            PreviewAnswer { verdict: Some(verdict.to_owned()), sentence, ..of_home(&row.home) }
        };
        Self {
            app: app.to_owned(),
            dry_run: is_dry,
            previews: swept.rows.iter().map(of_row).collect(),
            behind: swept.behind.iter().map(|pull| pull.number).collect(),
            databases: swept.databases.iter().map(of_lost).collect(),
            failures: swept.failures.iter().map(ErrorAnswer::new).collect(),
        }
    }

    /// The exit code: a teardown that failed is loud.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.failures.iter().map(|failure| failure.error.exit_code).max().unwrap_or(0)
    }
}

fn of_lost(lost: &Lost) -> LostDatabase {
    LostDatabase { name: lost.name.clone(), pull: lost.number, is_dropped: lost.is_done }
}

fn of_home(home: &Home) -> PreviewAnswer {
    let place = home.found.place.clone();
    let record = match &home.found.ownership {
        Ownership::Ours(record) => record,
        Ownership::Doubtful(why) => {
            return PreviewAnswer {
                place,
                pull: None,
                environment: None,
                url: None,
                commit: None,
                stage: "doubtful".to_owned(),
                expires: None,
                verdict: None,
                sentence: why.clone(),
            };
        }
    };
    PreviewAnswer {
        place,
        pull: Some(record.number),
        environment: Some(record.name.clone()),
        url: record.url.clone(),
        commit: record.commit.clone(),
        stage: record.stage.as_str().to_owned(),
        expires: Some(record.expires.strftime("%F %T UTC").to_string()),
        verdict: None,
        sentence: record.sentence.clone(),
    }
}

impl fmt::Display for PreviewsAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.previews.is_empty() {
            writeln!(f, "{} has no previews", self.app)?;
        }
        for one in &self.previews {
            let name = one.environment.as_deref().unwrap_or(&one.place);
            write!(f, "{name}  ")?;
            match &one.verdict {
                Some(verdict) => {
                    let would = if self.dry_run && verdict == "remove" { "would " } else { "" };
                    write!(f, "{would}{verdict}")?;
                }
                None => write!(f, "{}", one.stage)?,
            }
            for part in [one.url.as_deref(), one.commit.as_deref().and_then(|commit| commit.get(..12))] {
                write!(f, "{}", part.map_or_else(String::new, |part| format!("  {}", printable(part))))?;
            }
            if let (None, Some(expires)) = (&one.verdict, &one.expires) {
                write!(f, "  until {expires}")?;
            }
            let sentence = if one.sentence.is_empty() {
                String::new()
            } else {
                format!("  {}", printable(&one.sentence))
            };
            writeln!(f, "{sentence}")?;
        }
        for number in &self.behind {
            writeln!(f, "pull request {number}: its preview is to be brought to its last commit")?;
        }
        for LostDatabase { name, pull, is_dropped } in &self.databases {
            let done = if *is_dropped { "dropped" } else { "not dropped" };
            writeln!(f, "database {name}: {done}: the preview of pull request {pull} is not there any more")?;
        }
        self.failures.iter().try_for_each(|failure| write!(f, "{failure}"))
    }
}
