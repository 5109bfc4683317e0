//! Numbers, hashes and times that GitHub would give.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

/// The next id: unique in the process and increasing, as GitHub's are within a kind.
pub(crate) fn next() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(1000);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// A number that stands for a name and is the same each time: users, apps, labels.
pub(crate) fn of(name: &str) -> u64 {
    const SMALL: u64 = 100_000_000;
    hash(name) % SMALL + 1
}

/// The id of an app by its slug.
pub(crate) fn app(slug: &str) -> u64 {
    // The one app whose id tools compare with.
    const ACTIONS: u64 = 15368;
    if slug == "github-actions" { ACTIONS } else { of(slug) }
}

/// Forty hexadecimal digits that stand for a content; not git's hash of it.
pub(crate) fn sha(content: &str) -> String {
    let word = |salt: u8| hash(&format!("{salt}{content}"));
    format!("{:016x}{:016x}{:08x}", word(0), word(1), word(2) >> 32)
}

/// A number that stands for a text.
pub(crate) fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// An opaque id as the GraphQL side has them.
pub(crate) fn node(kind: &str, id: u64) -> String {
    format!("{kind}_{id:x}")
}

/// The time on the clock, cut to seconds as GitHub says times.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_seconds_in_utc() {
        let text = now().to_string();
        assert!(text.len() == "2024-01-01T00:00:00Z".len() && text.ends_with('Z'), "{text}");
    }

    #[test]
    fn ids_increase_and_names_keep_theirs() {
        assert!(next() < next());
        assert_eq!(of("octocat"), of("octocat"));
        assert_eq!(sha("a").len(), 40);
        assert_ne!(sha("a"), sha("b"));
    }
}
