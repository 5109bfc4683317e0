//! How many previews there may be, and for how long.

use std::time::Duration;

use jiff::Timestamp;

use super::Record;

/// What happens to one more preview when there are as many as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AtLimit {
    /// It is refused.
    #[default]
    Refuse,
    /// The one that was asked for the longest time ago gives way.
    EvictOldest,
}

/// Whether there is room for a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// There is.
    Room,
    /// There is, once these are gone.
    Evict(Vec<u64>),
    /// There is not: why.
    Refuse(String),
}

/// Whether there is room for the preview of a pull request among those that are there. `kept` says which of them nobody may evict.
#[must_use]
pub fn admit(
    there: &[Record],
    number: u64,
    limit: usize,
    at_limit: AtLimit,
    kept: impl Fn(&Record) -> bool,
) -> Admission {
    // Its own is not one more.
    if there.iter().any(|record| record.number == number) || there.len() < limit {
        return Admission::Room;
    }
    let count = there.len();
    let refuse = |more: &str| {
        let are = if count == 1 { "there is 1 preview" } else { &format!("there are {count} previews") };
        Admission::Refuse(format!("{are}, and there may be {limit}{more}"))
    };
    if at_limit == AtLimit::Refuse {
        return refuse("");
    }
    let mut loose: Vec<&Record> = there.iter().filter(|record| !kept(record)).collect();
    loose.sort_by_key(|record| (record.touched, record.number));
    let surplus = count + 1 - limit;
    if loose.len() < surplus {
        return refuse(", and the others are kept");
    }
    Admission::Evict(loose[..surplus].iter().map(|record| record.number).collect())
}

/// When a preview goes that was given so long from now: never sooner than it would have.
#[must_use]
pub fn extended(record: &Record, now: Timestamp, by: Duration) -> Timestamp {
    let wanted = jiff::SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok());
    record.expires.max(wanted.unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::record::Stage;
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn record(number: u64, touched: i64) -> Record {
        Record {
            app: "shop".into(),
            repository: None,
            number,
            name: format!("preview-{number}"),
            branch: "x".into(),
            commit: None,
            url: None,
            port: None,
            created: at(0),
            touched: at(touched),
            expires: at(3600),
            is_kept: false,
            is_asked: false,
            database: None,
            stage: Stage::Up,
            sentence: String::new(),
        }
    }

    #[test]
    fn a_full_house_refuses_or_evicts_the_oldest() {
        let there = [record(1, 30), record(2, 10), record(3, 20)];
        let none = |_: &Record| false;
        assert_eq!(admit(&there, 4, 4, AtLimit::Refuse, none), Admission::Room);
        assert_eq!(admit(&there, 2, 3, AtLimit::Refuse, none), Admission::Room, "its own");
        let why = "there are 3 previews, and there may be 3".to_owned();
        assert_eq!(admit(&there, 4, 3, AtLimit::Refuse, none), Admission::Refuse(why));
        assert_eq!(admit(&there, 4, 3, AtLimit::EvictOldest, none), Admission::Evict(vec![2]));
        assert_eq!(admit(&there, 4, 2, AtLimit::EvictOldest, none), Admission::Evict(vec![2, 3]));
        let two = |record: &Record| record.number == 2;
        assert_eq!(admit(&there, 4, 3, AtLimit::EvictOldest, two), Admission::Evict(vec![3]));
        assert!(matches!(admit(&there, 4, 3, AtLimit::EvictOldest, |_| true), Admission::Refuse(_)));
    }

    #[test]
    fn a_life_is_made_longer_and_never_shorter() {
        let record = record(1, 0);
        assert_eq!(extended(&record, at(0), Duration::from_secs(7200)), at(7200));
        assert_eq!(extended(&record, at(0), Duration::from_secs(60)), at(3600));
        assert_eq!(extended(&record, at(0), Duration::MAX), Timestamp::MAX);
    }
}
