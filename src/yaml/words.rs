//! Lists of names in sentences, and the name that was probably meant.

/// Names in backticks with commas and a final "and".
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => "none".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// The name among `names` that `written` was probably meant to be: near in edits, or alike from the start.
pub(crate) fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Both measures take time by the product of the lengths; nobody misspells a name at this length.
    if written.chars().count() > 64 {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['_', ' '], "-");
    let written = plain(written);
    let likeness = |name: &str| strsim::jaro_winkler(&written, name);
    names
        .filter(|name| {
            let edits = strsim::damerau_levenshtein(&written, &plain(name));
            edits <= (name.chars().count() / 3).max(1) || likeness(&plain(name)) > 0.88
        })
        .max_by(|a, b| likeness(&plain(a)).total_cmp(&likeness(&plain(b))))
}

#[cfg(test)]
mod tests {
    use super::{listed, nearest};

    #[test]
    fn lists_names_as_a_sentence_does() {
        assert_eq!(listed(["a"].into_iter()), "`a`");
        assert_eq!(listed(["a", "b", "c"].into_iter()), "`a`, `b` and `c`");
    }

    #[test]
    fn finds_the_name_that_was_meant() {
        let names = ["instances", "listen", "stop-grace", "env", "command"];
        for (written, meant) in [
            ("instaces", Some("instances")),
            ("stop_grace", Some("stop-grace")),
            ("Listen", Some("listen")),
            ("cmd", None),
            ("environment", None),
            ("evn", Some("env")),
        ] {
            assert_eq!(nearest(written, names.into_iter()), meant, "{written}");
        }
    }
}
