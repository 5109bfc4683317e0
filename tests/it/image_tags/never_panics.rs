//! Whatever stands in the inputs: an answer or an error with its place, and tags that a registry takes.

use proptest::prelude::*;
use serde_json::json;
use tidegate::github::{Event, Repository};
use tidegate::image::metadata::{Context, Inputs, Rules};

use super::cases::{NOW, SHA};

/// Pieces of which inputs are made, so that more than the first character is understood.
const PIECES: [&str; 40] = [
    "type=",
    "semver",
    "pep440",
    "match",
    "ref",
    "raw",
    "sha",
    "edge",
    "schedule",
    ",",
    "pattern=",
    "value=",
    "group=1",
    "event=branch",
    "event=tag",
    "event=pr",
    "enable=",
    "priority=",
    "prefix=",
    "suffix=",
    "{{",
    "}}",
    "version",
    "major",
    "branch",
    "is_default_branch",
    "date 'YYYY' tz='UTC'",
    "commit_date \"[x",
    "\"",
    "\n",
    "#",
    "=",
    "latest=true",
    "onlatest=true",
    "name=",
    "v(.*)",
    "\\",
    "ä/ b",
    "true",
    "-x",
];

fn text() -> impl Strategy<Value = String> {
    let piece =
        prop_oneof![4 => proptest::sample::select(&PIECES[..]).prop_map(str::to_owned), 1 => ".{0,6}"];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

fn is_tag(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=128).contains(&text.len()) && text.chars().all(fine) && !text.starts_with(['.', '-'])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_input_is_understood_or_refused(
        (images, tags, flavor) in (text(), text(), text()),
        (labels, annotations, levels) in (text(), text(), text()),
        (name, reference) in (".{0,12}", prop_oneof!["refs/(heads|tags|pull)/.{0,20}", ".{0,20}", "refs/tags/v[0-9]{1,25}\\.[0-9]\\.[0-9](-[a-z0-9.]{1,8})?"]),
    ) {
        let inputs = Inputs { images, tags, flavor, labels, annotations, levels };
        let event = Event::new(&name, &reference, SHA, &json!({ "number": 1 }));
        let now = NOW.parse().unwrap();
        let context = Context { event, repository: Repository::default(), now, commit_date: now, short_sha: 7 };
        match Rules::read(&inputs).and_then(|rules| rules.apply(&context)) {
            Ok(metadata) => {
                prop_assert!(metadata.tag_names().iter().all(|tag| is_tag(tag)), "{:?}", metadata.tag_names());
                prop_assert!(metadata.labels.values().count() <= 8 + inputs.labels.lines().count());
            }
            Err(fault) => prop_assert!(!fault.cause.contains(char::is_control), "{fault:?}"),
        }
    }

    #[test]
    fn any_format_of_a_date_is_written(format in "[^'\"\r\n]{0,30}", seconds in -300_000_000_000_i64..250_000_000_000) {
        let inputs = Inputs { labels: format!("a={{{{date '{format}' tz='Asia/Kolkata'}}}}"), ..Inputs::default() };
        let now = jiff::Timestamp::from_second(seconds).unwrap();
        let context = Context {
            event: Event::default(), repository: Repository::default(), now, commit_date: now, short_sha: 7,
        };
        let metadata = Rules::read(&inputs).and_then(|rules| rules.apply(&context));
        prop_assert!(metadata.is_ok(), "{metadata:?}");
    }
}
