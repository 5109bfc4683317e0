//! What a result says, and the package that it says it of.

use super::rule::Ruled;
use super::sarif::Outcome;

/// What is told of a message, in characters.
const MOST: usize = 4000;

/// The words of a result: its own, those that it takes from its rule, or the rule's description.
pub(super) fn text(result: &Outcome, ruled: &Ruled<'_>) -> String {
    let message = result.message.as_ref();
    let own = message.and_then(|one| one.text.clone().or_else(|| one.markdown.clone()));
    let from_rule = || {
        let (message, rule) = (message?, ruled.rule?);
        let found = rule.message_strings.as_ref()?.get(message.id.as_deref()?)?.text.clone()?;
        Some(filled(&found, message.arguments.as_deref().unwrap_or_default()))
    };
    let description = || ruled.rule?.short_description.as_ref()?.text.clone();
    let words = own.or_else(from_rule).or_else(description).unwrap_or_else(|| ruled.name().to_owned());
    let words = words.trim();
    match words.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &words[..at]),
        None => words.to_owned(),
    }
}

/// `{0}`, `{1}` … are the arguments (§3.11.5); `{{` and `}}` are braces.
fn filled(text: &str, arguments: &[String]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let place = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let argument =
            place.and_then(|(number, after)| Some((arguments.get(number.parse::<usize>().ok()?)?, after)));
        if let Some((argument, after)) = argument {
            out.push_str(argument);
            rest = after;
        } else {
            out.push_str(&rest[..1]);
            rest = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")).unwrap_or(&rest[1..]);
        }
    }
    out + rest
}

/// The package that a result is about: as a place of its kind, or in the words of Trivy (a line each) or of Grype (one sentence).
pub(super) fn package(result: &Outcome, text: &str) -> Option<String> {
    let places = result.locations.iter().flatten().flat_map(|one| one.logical_locations.iter().flatten());
    let placed = places
        .filter(|one| one.kind.as_deref() == Some("package"))
        .find_map(|one| one.fully_qualified_name.clone().or_else(|| one.name.clone()));
    let line = |name: &str| text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
    let lines = || {
        let package = line("Package:")?;
        Some(line("Installed Version:").map_or(package.clone(), |version| format!("{package} {version}")))
    };
    let sentence = || {
        let (_, rest) = text.split_once(" package: ")?;
        let (package, rest) = rest.split_once(", version ")?;
        let version = rest.split(' ').next()?.trim_end_matches(['.', ',']);
        Some(format!("{package} {version}"))
    };
    placed.or_else(lines).or_else(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_filled_in_and_what_is_none_stays() {
        let arguments = ["x".to_owned(), "{0}".to_owned()];
        assert_eq!(filled("a {0} b {1} c {2} {{d}} {", &arguments), "a x b {0} c {2} {d} {");
    }
}
