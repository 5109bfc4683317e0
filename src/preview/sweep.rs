//! What a sweep does with what it finds: every preview is looked at against the pull requests that are open.

use jiff::Timestamp;

use super::Record;
use super::record::Stage;

/// A preview as it was found, where it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it lives: a namespace, a directory.
    pub place: String,
    /// Whether Tidegate has made it for this app.
    pub ownership: Ownership,
    /// It is on its way out already.
    pub is_going: bool,
}

/// Whether Tidegate has made what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// It has: label, record and whoever wrote them say the same.
    Ours(Box<Record>),
    /// That is not certain: why. It is not touched.
    Doubtful(String),
}

/// An open pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Its number.
    pub number: u64,
    /// Its branch.
    pub branch: String,
    /// Its last commit.
    pub head: String,
    /// Whether the settings would have a preview of it: nothing, or why not.
    pub taking: Taking,
    /// It bears the label that keeps a preview.
    pub is_kept: bool,
    /// Its author is a robot whose commits meet no secret.
    pub is_robot: bool,
    /// It comes from another repository: no commit of it is brought up without somebody's word for that very commit.
    pub is_fork: bool,
}

/// Whether the settings would have a preview of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taking {
    /// They would.
    Yes,
    /// They would not: why.
    No(String),
}

/// What is done with a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep {
        /// It runs another commit than the last one of its pull request, or did not come up: it is to be brought up anew, at this commit.
        behind: Option<String>,
    },
    /// It goes: why.
    Remove(String),
    /// It goes, and does not come again by itself: its time is over.
    Expire(String),
    /// It is not touched, and a person should know why.
    Leave(String),
}

impl Verdict {
    /// Why it goes, where it does.
    #[must_use]
    pub fn removal(&self) -> Option<&str> {
        match self {
            Self::Remove(why) | Self::Expire(why) => Some(why),
            Self::Keep { .. } | Self::Leave(_) => None,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Keep { .. } => "keep",
            Self::Remove(_) | Self::Expire(_) => "remove",
            Self::Leave(_) => "leave",
        }
    }
}

/// What is to be done with what was found. `open` are the open pull requests of `repository`; nothing where GitHub was not asked.
#[must_use]
pub fn judge(found: &Found, repository: Option<&str>, open: Option<&[Open]>, now: Timestamp) -> Verdict {
    let record = match &found.ownership {
        Ownership::Ours(record) => record,
        Ownership::Doubtful(why) => return Verdict::Leave(why.clone()),
    };
    let number = record.number;
    if !record.is_of(repository) {
        let its = record.repository.as_deref().unwrap_or_default();
        return Verdict::Leave(format!("it is a preview of {its}, another repository"));
    }
    if record.stage == Stage::Falling || found.is_going {
        return Verdict::Remove("it was to be taken away before, and is still there".to_owned());
    }
    let is_expired = record.expires <= now;
    let expired =
        || Verdict::Expire(format!("its time was over at {}", record.expires.strftime("%F %T UTC")));
    let Some(open) = open else {
        return if is_expired && !record.is_kept {
            expired()
        } else {
            Verdict::Leave(
                "GitHub was not asked which pull requests are open, and its time is not over, or a label kept it".to_owned(),
            )
        };
    };
    match open.iter().find(|pull| pull.number == number) {
        None => Verdict::Remove(format!("pull request {number} is not open")),
        Some(Open { taking: Taking::No(why), .. }) if !record.is_asked => Verdict::Remove(why.clone()),
        Some(pull) if is_expired && !pull.is_kept => expired(),
        Some(pull) => {
            if pull.is_fork || pull.is_robot {
                return Verdict::Keep { behind: None };
            }
            let is_at_head = record.commit.as_ref() == Some(&pull.head) && record.stage != Stage::Rising;
            Verdict::Keep { behind: (!is_at_head).then(|| pull.head.clone()) }
        }
    }
}

/// The open pull requests that should have a preview and have none; `has_one` says of which numbers there is one.
#[must_use]
pub fn missing(open: &[Open], has_one: impl Fn(u64) -> bool) -> Vec<&Open> {
    open.iter()
        .filter(|pull| pull.taking == Taking::Yes && !pull.is_fork && !pull.is_robot && !has_one(pull.number))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn ours(number: u64, commit: &str) -> Found {
        let record = Record {
            app: "shop".into(),
            repository: Some("acme/shop".into()),
            number,
            name: format!("preview-{number}"),
            branch: "x".into(),
            commit: Some(commit.into()),
            url: None,
            port: None,
            created: at(0),
            touched: at(0),
            expires: at(3600),
            is_kept: false,
            is_asked: false,
            database: None,
            stage: Stage::Up,
            sentence: String::new(),
        };
        let place = format!("shop-preview-{number}");
        Found { place, ownership: Ownership::Ours(Box::new(record)), is_going: false }
    }

    fn with(mut found: Found, change: impl Fn(&mut Record)) -> Found {
        if let Ownership::Ours(record) = &mut found.ownership {
            change(record);
        }
        found
    }

    fn open(number: u64) -> Open {
        Open {
            number,
            branch: "x".into(),
            head: "b".into(),
            taking: Taking::Yes,
            is_kept: false,
            is_robot: false,
            is_fork: false,
        }
    }

    const US: Option<&str> = Some("acme/shop");

    #[test]
    fn what_is_open_stays_and_comes_to_its_last_commit() {
        let all = [open(7)];
        let judged = |found: &Found| judge(found, US, Some(&all), at(0));
        assert_eq!(judged(&ours(7, "b")), Verdict::Keep { behind: None });
        assert_eq!(judged(&ours(7, "a")), Verdict::Keep { behind: Some("b".into()) });
        let rising = with(ours(7, "b"), |record| record.stage = Stage::Rising);
        assert_eq!(judged(&rising), Verdict::Keep { behind: Some("b".into()) }, "its run may have died");
        let fork = [Open { is_fork: true, ..open(7) }];
        assert_eq!(
            judge(&ours(7, "a"), US, Some(&fork), at(0)),
            Verdict::Keep { behind: None },
            "nobody has looked at it"
        );
        let failed = with(ours(7, "b"), |record| record.stage = Stage::Failed);
        assert_eq!(judged(&failed), Verdict::Keep { behind: None }, "it would fail again");
    }

    #[test]
    fn what_nobody_wants_goes_with_its_reason() {
        let mut all = [open(7)];
        let why = |found: &Found, all: &[Open], now| match judge(found, US, Some(all), at(now)) {
            Verdict::Remove(why) | Verdict::Expire(why) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(why(&ours(8, "b"), &all, 0), "pull request 8 is not open");
        assert!(why(&ours(7, "b"), &all, 3600).starts_with("its time was over at "));
        let over = judge(&ours(7, "b"), US, Some(&all), at(3600));
        assert!(matches!(over, Verdict::Expire(_)), "it does not come again by itself: {over:?}");
        assert!(
            why(&with(ours(7, "b"), |record| record.stage = Stage::Falling), &all, 0).contains("still there")
        );
        assert!(why(&Found { is_going: true, ..ours(7, "b") }, &all, 0).contains("still there"));
        all[0].is_kept = true;
        assert_eq!(judge(&ours(7, "b"), US, Some(&all), at(3600)), Verdict::Keep { behind: None });
        all[0].taking = Taking::No("pull request 7 is a draft".into());
        assert_eq!(why(&ours(7, "b"), &all, 0), "pull request 7 is a draft");
        let asked = with(ours(7, "b"), |record| record.is_asked = true);
        assert_eq!(
            judge(&asked, US, Some(&all), at(0)),
            Verdict::Keep { behind: None },
            "somebody wanted it"
        );
    }

    #[test]
    fn what_is_not_certainly_ours_is_left_alone() {
        let all = [open(7)];
        let doubtful = Found { ownership: Ownership::Doubtful("no record".into()), ..ours(9, "b") };
        assert_eq!(judge(&doubtful, US, Some(&all), at(9999)), Verdict::Leave("no record".into()));
        let other = with(ours(9, "b"), |record| record.repository = Some("acme/other".into()));
        assert!(matches!(judge(&other, US, Some(&all), at(9999)), Verdict::Leave(_)));
        assert!(matches!(judge(&ours(9, "b"), US, None, at(0)), Verdict::Leave(_)), "nobody was asked");
        assert!(matches!(judge(&ours(9, "b"), US, None, at(3600)), Verdict::Expire(_)));
    }

    #[test]
    fn an_open_pull_request_without_a_preview_is_missed() {
        let mut all = [open(7), open(8), open(9), open(10)];
        all[2].taking = Taking::No("a draft".into());
        all[3].is_fork = true;
        let numbers: Vec<u64> = missing(&all, |number| number == 7).iter().map(|pull| pull.number).collect();
        assert_eq!(numbers, [8]);
    }
}
