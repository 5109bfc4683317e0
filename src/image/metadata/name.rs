//! What may be the name of an image and of a tag:
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>.

use super::fault::{Wrong, shown};

/// The longest tag, in characters.
const LONGEST: usize = 128;

/// A text as a tag: each run of what a tag cannot have becomes one `-`, and what a tag cannot begin with is left away.
///
/// # Errors
/// When nothing is left, or it is too long: a tag that is cut could be another one's.
pub(super) fn tag(text: &str) -> Result<String, Wrong> {
    let tag = clean(text);
    let tag = tag.trim_start_matches(['.', '-']).to_owned();
    if tag.is_empty() {
        let cause = format!("{} has nothing in it that can be a tag", shown(text));
        return Err(Wrong::new(cause).cure("a tag is made of ASCII letters, digits, `_`, `.` and `-`"));
    }
    if tag.len() > LONGEST {
        let cause = format!("{} is longer than the {LONGEST} characters that a tag may have", shown(text));
        return Err(Wrong::new(cause).cure("give it a shorter value, prefix or suffix, or use `type=sha`"));
    }
    Ok(tag)
}

/// A text with one `-` for each run of what a tag cannot have.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut is_run = false;
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || "._-".contains(character) {
            clean.push(character);
            is_run = false;
        } else if !is_run {
            clean.push('-');
            is_run = true;
        }
    }
    clean
}

/// The name of an image in lower case, without a tag.
///
/// # Errors
/// When it cannot be one.
pub(super) fn image(name: &str) -> Result<String, Wrong> {
    let lower = name.to_lowercase();
    let (registry, repository) = match lower.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, lower.as_str()),
    };
    if registry.is_none_or(is_host) && repository.split('/').all(is_component) {
        return Ok(lower);
    }
    let tagged = repository.contains([':', '@']) || (registry.is_none() && lower.contains(':'));
    let cure = if tagged {
        "leave the tag out: tags are what is made here"
    } else {
        "write it as REGISTRY/REPOSITORY, made of letters, digits and single `.`, `_` or `-`"
    };
    Err(Wrong::new(format!("{} cannot be the name of an image", shown(name))).cure(cure))
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.rfind(':') {
        // In an IPv6 address the port follows the bracket.
        Some(colon) if !text[colon..].contains(']') => (&text[..colon], Some(&text[colon + 1..])),
        _ => (text, None),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    let is_name = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<core::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(plain),
    };
    is_name && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Letters and digits, with one `.`, one or two `_`, or any number of `-` between them.
fn is_component(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let runs = text.split(is_word).filter(|run| !run.is_empty());
    let is_separator = |run: &str| matches!(run, "." | "_" | "__") || run.chars().all(|c| c == '-');
    text.starts_with(is_word) && text.ends_with(is_word) && runs.into_iter().all(is_separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_no_other_characters() {
        for (text, expected) in [
            ("v1.2.3", "v1.2.3"),
            ("feature/a b//c", "feature-a-b-c"),
            ("1.0+build.7", "1.0-build.7"),
            ("#12-fix", "12-fix"),
            (".hidden", "hidden"),
            ("_x_", "_x_"),
            ("größe", "gr-e"),
            ("a--b/-c", "a--b--c"),
        ] {
            assert_eq!(tag(text).unwrap(), expected, "{text}");
        }
        assert!(tag("//").is_err() && tag("日本").is_err());
        assert!(tag(&"x".repeat(128)).is_ok() && tag(&"x".repeat(129)).is_err());
    }

    #[test]
    fn images_have_registry_and_repository() {
        for (text, expected) in [
            ("Acme/Shop", "acme/shop"),
            ("shop", "shop"),
            ("registry.test:5000/a__b/c--d.e_f", "registry.test:5000/a__b/c--d.e_f"),
            ("localhost/x", "localhost/x"),
            ("[::1]:5000/x", "[::1]:5000/x"),
        ] {
            assert_eq!(image(text).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "/",
            "a/",
            "a//b",
            "a..b",
            "a___b",
            "-a",
            "a b",
            "registry.test/",
            "registry.test:x/y",
            "[x]/y",
        ] {
            assert!(image(text).is_err(), "{text}");
        }
        for text in ["acme/shop:1", "shop:1", "registry.test/shop:1", "acme/shop@sha256:0"] {
            assert!(format!("{:?}", image(text)).contains("leave the tag out"), "{text}");
        }
    }
}
