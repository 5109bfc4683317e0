//! What a preview is called.

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

/// The longest slug, in characters: there is room in a DNS label (63) for what stands around it.
pub const LONGEST_SLUG: usize = 40;

/// How many hexadecimal digits tell two texts apart whose slugs would be the same.
const TELLING: usize = 6;

/// How many hexadecimal digits a random part has: 48 bits.
const RANDOM: usize = 12;

/// What a template may name, in `{…}`.
pub const FIELDS: [&str; 6] = ["number", "slug", "name", "app", "random", "port"];

/// What the fields of a template stand for. All of them are DNS labels or numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Values {
    /// The number of the pull request.
    pub number: u64,
    /// The branch, as a DNS label.
    pub slug: String,
    /// The preview's own name.
    pub name: String,
    /// The app.
    pub app: String,
    /// What nobody can guess; nothing where there is no key for it.
    pub random: Option<String>,
    /// The port on this machine; nothing where it has none.
    pub port: Option<u16>,
}

impl Values {
    /// What a field stands for; nothing where it stands for nothing.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<String> {
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        match field {
            "number" => Some(self.number.to_string()),
            "slug" => text(&self.slug),
            "name" => text(&self.name),
            "app" => text(&self.app),
            "random" => self.random.clone(),
            "port" => self.port.map(|port| port.to_string()),
            _ => None,
        }
    }

    /// A text with every field filled in that stands for something. All else stays as it is.
    #[must_use]
    pub fn fill(&self, text: &str) -> String {
        fill(text, |field| self.get(field))
    }
}

/// A text with `{FIELD}` replaced by what `get` gives for it. `{{…}}` belongs to others and stays.
#[must_use]
pub fn fill(text: &str, get: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let braces = from.bytes().take_while(|byte| *byte == b'{').count();
        let field = from[1..].split_once('}').map(|(field, _)| field).filter(|_| braces == 1);
        match field.and_then(|field| Some((field, get(field)?))) {
            Some((field, value)) => {
                filled.push_str(&value);
                rest = &from[field.len() + 2..];
            }
            None => {
                filled.push_str(&from[..braces]);
                rest = &from[braces..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// The first `{word}` of a template that is no field.
#[must_use]
pub fn unknown_field(template: &str) -> Option<String> {
    let mut rest = template;
    while let Some((_, from)) = rest.split_once('{') {
        let (field, after) = from.split_once('}')?;
        if !FIELDS.contains(&field) {
            return Some(field.to_owned());
        }
        rest = after;
    }
    None
}

/// A text as a DNS label (RFC 1123) of [`LONGEST_SLUG`] characters at most. What is one already stays as it is; what is not gets digits of
/// its SHA-256 at its end, so that two texts do not come to the same label.
#[must_use]
pub fn slug(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => plain.push(c),
            _ if plain.is_empty() || plain.ends_with('-') => {}
            _ => plain.push('-'),
        }
    }
    let plain = plain.trim_end_matches('-');
    if plain == text && plain.len() <= LONGEST_SLUG && !plain.is_empty() {
        return plain.to_owned();
    }
    let telling = &hex::encode(Sha256::digest(text.as_bytes()))[..TELLING];
    let room = plain.len().min(LONGEST_SLUG - TELLING - 1);
    match plain[..room].trim_end_matches('-') {
        "" => format!("x-{telling}"),
        begin => format!("{begin}-{telling}"),
    }
}

/// A label with no more than so many characters: one that is longer is cut, and told apart by digits of its SHA-256.
#[must_use]
pub fn shortened(label: &str, longest: usize) -> String {
    if label.len() <= longest {
        return label.to_owned();
    }
    let telling = &hex::encode(Sha256::digest(label.as_bytes()))[..TELLING];
    let begin = label.get(..longest.saturating_sub(TELLING + 1)).unwrap_or_default();
    format!("{}-{telling}", begin.trim_end_matches('-'))
}

/// What nobody can guess who does not have the key, and is the same for a preview each time: digits of an HMAC-SHA256 (RFC 2104).
#[must_use]
pub fn random(key: &str, app: &str, number: u64) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(format!("tidegate preview\n{app}\n{number}").as_bytes());
    // It may begin a DNS label: some resolvers take what begins with a digit for a number.
    format!("r{}", &hex::encode(mac.finalize().into_bytes())[..RANDOM])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_label(text: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !text.is_empty() && text.bytes().all(allowed) && !text.starts_with('-') && !text.ends_with('-')
    }

    #[test]
    fn a_label_stays_and_all_else_is_told_apart() {
        assert_eq!(slug("feature-x"), "feature-x");
        assert_eq!(slug("7"), "7");
        for (hostile, begin) in [
            ("Feature/X", "feature-x-"),
            ("../../etc/passwd", "etc-passwd-"),
            ("$(rm -rf /)", "rm-rf-"),
            ("a;b`c`|d\n", "a-b-c-d-"),
            ("🦀🦀", "x-"),
            ("", "x-"),
            ("---", "x-"),
            ("a\u{202e}b", "a-b-"),
        ] {
            let slug = slug(hostile);
            assert!(is_label(&slug) && slug.starts_with(begin), "{hostile:?}: {slug}");
        }
        assert_ne!(slug("feature/x"), slug("feature-x"));
        assert_ne!(slug("FEATURE-X"), slug("feature-x"));
        assert_ne!(slug(&"a".repeat(250)), slug(&"a".repeat(251)));
        assert_eq!(slug(&"a".repeat(250)).len(), LONGEST_SLUG);
    }

    proptest! {
        #[test]
        fn whatever_a_branch_is_called_its_slug_is_a_label(text in ".{0,300}") {
            let slug = slug(&text);
            prop_assert!(is_label(&slug) && slug.len() <= LONGEST_SLUG, "{slug}");
        }

        #[test]
        fn two_branches_have_two_slugs(one in "[a-zA-Z/._-]{0,8}", other in "[a-zA-Z/._-]{0,8}") {
            prop_assert!(one == other || slug(&one) != slug(&other));
        }

        #[test]
        fn filling_never_panics_and_leaves_what_it_does_not_know(text in r"[{}a-z ]{0,40}") {
            prop_assert_eq!(fill(&text, |_| None), text);
        }
    }

    #[test]
    fn fields_are_filled_and_what_belongs_to_others_stays() {
        let values = Values { number: 7, slug: "x".into(), app: "shop".into(), ..Values::default() };
        assert_eq!(values.fill("pr-{number}.{slug}.{app}"), "pr-7.x.shop");
        let others = "{{version}} {version} { number } {random} {port} {numbers} {";
        assert_eq!(values.fill(others), others);
        assert_eq!(values.fill("{{number}}"), "{{number}}");
        assert_eq!(values.fill("{number}{number}"), "77");
    }

    #[test]
    fn a_field_that_there_is_not_is_found() {
        assert_eq!(unknown_field("https://{number}.{slug}"), None);
        assert_eq!(unknown_field("https://{numbr}.x").as_deref(), Some("numbr"));
        assert_eq!(unknown_field("{open").as_deref(), None);
    }

    #[test]
    fn the_random_part_is_the_same_each_time_and_needs_its_key() {
        let one = random("key", "shop", 7);
        assert!(is_label(&one) && one.len() == RANDOM + 1);
        assert_eq!(one, random("key", "shop", 7));
        assert!(
            one != random("kez", "shop", 7)
                && one != random("key", "shop", 8)
                && one != random("key", "shoq", 7)
        );
    }
}
