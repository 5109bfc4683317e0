//! A Dockerfile, as far as it has to be known to tell what goes into an image: its instructions with their lines, and the images that it
//! builds upon (<https://docs.docker.com/reference/dockerfile/>). Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::order::is_remote;

/// An instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instruction {
    /// Where it begins, from 1.
    pub(super) line: u64,
    /// Its word, in capitals.
    pub(super) word: String,
    /// What follows, with its lines put together.
    pub(super) rest: String,
}

/// What may stand in a Dockerfile without being in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    /// Arguments by their names.
    pub(super) arguments: BTreeMap<String, String>,
    /// Platforms that are built for.
    pub(super) platforms: Vec<String>,
    /// Names of further contexts, which go before images.
    pub(super) contexts: BTreeSet<String>,
}

/// The instructions.
pub(super) fn read(text: &str) -> Vec<Instruction> {
    let escape = directive(text, "escape").and_then(|text| text.chars().next()).unwrap_or('\\');
    let mut lines = text.lines().zip(1_u64..);
    let mut all = Vec::new();
    while let Some((first, line)) = lines.next() {
        if first.trim().is_empty() || first.trim_start().starts_with('#') {
            continue;
        }
        let mut joined = first.trim_start().to_owned();
        while let Some(head) = joined.trim_end().strip_suffix(escape) {
            joined = head.to_owned();
            let next = lines.find(|(next, _)| !next.trim().is_empty() && !next.trim_start().starts_with('#'));
            match next {
                Some((next, _)) => joined += next,
                None => break,
            }
        }
        let (word, rest) = joined.split_once(char::is_whitespace).unwrap_or((&joined, ""));
        let (word, rest) = (word.to_ascii_uppercase(), rest.trim().to_owned());
        if matches!(word.as_str(), "RUN" | "COPY" | "ADD") {
            for (end, is_indented) in here_documents(&rest) {
                lines.find(
                    |(next, _)| if is_indented { next.trim_start_matches('\t') == end } else { *next == end },
                );
            }
        }
        all.push(Instruction { line, word, rest });
    }
    all
}

/// The ends of the documents that follow an instruction: `<<EOF`, `<<-"EOF"`.
fn here_documents(rest: &str) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    for word in rest.split_whitespace() {
        let Some(end) = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<") else {
            continue;
        };
        let (end, is_indented) = match end.strip_prefix('-') {
            Some(end) => (end, true),
            None => (end, false),
        };
        let end = end.trim_matches(['"', '\'']);
        if !end.is_empty() && end.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-')) {
            all.push((end.to_owned(), is_indented));
        }
    }
    all
}

/// A directive: a comment `# name=value` before anything else.
fn directive(text: &str, name: &str) -> Option<String> {
    for line in text.trim_start_matches('\u{feff}').lines() {
        let (key, value) = line.trim().strip_prefix('#')?.split_once('=')?;
        if !key.trim().chars().all(char::is_alphanumeric) {
            return None;
        }
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
    }
    None
}

/// The images that it builds upon, as they are written there.
///
/// # Errors
/// Why that cannot be told, as part of a sentence.
pub(super) fn bases(text: &str, given: &Given) -> Result<BTreeSet<String>, String> {
    let mut bases = BTreeSet::new();
    bases.extend(syntax(text, given)?);
    let mut scope: BTreeMap<String, String> = BTreeMap::new();
    let mut stages = BTreeSet::new();
    for Instruction { line, word, rest } in read(text) {
        let at = |why: String| format!("line {line} of the Dockerfile {why}");
        match word.as_str() {
            "FROM" => {
                let mut words = rest.split_whitespace().filter(|word| !word.starts_with("--"));
                let image = words.next().unwrap_or_default().trim_matches(['"', '\'']);
                for image in expanded(image, &scope, given).map_err(at)? {
                    let is_known = stages.contains(&image.to_lowercase()) || given.contexts.contains(&image);
                    if !is_known && image != "scratch" && !image.is_empty() {
                        bases.insert(image);
                    }
                }
                if words.next().is_some_and(|word| word.eq_ignore_ascii_case("as")) {
                    stages.extend(words.next().map(str::to_lowercase));
                }
                scope.insert(FIRST_STAGE.to_owned(), String::new());
            }
            // Only those before the first stage are known to FROM.
            "ARG" if !scope.contains_key(FIRST_STAGE) => declare(&rest, &mut scope, given).map_err(at)?,
            "ADD" if from_afar(&rest) => {
                return Err(at("adds something from elsewhere that may change".to_owned()));
            }
            "COPY" | "ADD" | "RUN" => {
                for image in sources(&word, &rest) {
                    if image.contains('$') {
                        return Err(at(format!("takes from `{image}`, which is known to the builder alone")));
                    }
                    let is_known = stages.contains(&image.to_lowercase())
                        || given.contexts.contains(image)
                        || image.chars().all(|c| c.is_ascii_digit());
                    if !is_known && image != "scratch" {
                        bases.insert(image.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(bases)
}

/// A name that no argument can have: from there on arguments belong to stages.
const FIRST_STAGE: &str = "\0";

/// The image that reads the Dockerfile, where one is named. Only of Docker's own is known what it makes of it.
fn syntax(text: &str, given: &Given) -> Result<Option<String>, String> {
    let named = given.arguments.get("BUILDKIT_SYNTAX").cloned().or_else(|| directive(text, "syntax"));
    let Some(image) = named else { return Ok(None) };
    let name = image.split([':', '@']).next().unwrap_or_default();
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    if name.starts_with("docker/dockerfile") {
        Ok(Some(image))
    } else {
        Err(format!("the Dockerfile is written for {image}, and only that can read it"))
    }
}

/// Arguments: `NAME`, `NAME=value`, several of them.
fn declare(rest: &str, scope: &mut BTreeMap<String, String>, given: &Given) -> Result<(), String> {
    for word in rest.split_whitespace() {
        let (name, default) = match word.split_once('=') {
            Some((name, default)) => (name, Some(default.trim_matches(['"', '\'']))),
            None => (word, None),
        };
        let value = match (given.arguments.get(name), default) {
            (Some(value), _) => value.clone(),
            (None, Some(default)) => expand(default, &|name| scope.get(name).cloned())?,
            (None, None) => continue,
        };
        scope.insert(name.to_owned(), value);
    }
    Ok(())
}

/// An image's name with its arguments in it: one for each platform where it depends on that.
fn expanded(
    image: &str,
    scope: &BTreeMap<String, String>,
    given: &Given,
) -> Result<BTreeSet<String>, String> {
    if image.contains("$BUILD") || image.contains("${BUILD") {
        return Err(format!("builds upon `{image}`, which depends on where the builder runs"));
    }
    if !(image.contains("$TARGET") || image.contains("${TARGET")) {
        return Ok(BTreeSet::from([expand(image, &|name| scope.get(name).cloned())?]));
    }
    if given.platforms.is_empty() {
        return Err(format!("builds upon `{image}`, and no platform is named"));
    }
    let of_platform = |platform: &String| {
        let mut parts = platform.split('/');
        let (os, arch, variant) = (parts.next(), parts.next(), parts.next());
        expand(image, &|name| match name {
            "TARGETPLATFORM" => Some(platform.clone()),
            "TARGETOS" => os.map(str::to_owned),
            "TARGETARCH" => arch.map(str::to_owned),
            "TARGETVARIANT" => variant.map(str::to_owned),
            other => scope.get(other).cloned(),
        })
    };
    given.platforms.iter().map(of_platform).collect()
}

/// A text with its variables in it: `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME:+word}`.
fn expand(text: &str, value: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut told = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        told += &rest[..at];
        rest = &rest[at + 1..];
        let Some(inner) = rest.strip_prefix('{') else {
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            told += &value(&rest[..end]).unwrap_or_default();
            rest = &rest[end..];
            continue;
        };
        let mut depth = 1;
        let end = inner.find(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0
        });
        let end = end.ok_or_else(|| format!("has a `${{` in `{text}` that is not closed"))?;
        let (body, after) = (&inner[..end], &inner[end + 1..]);
        let name_ends = body.find(|c| !is_part(c)).unwrap_or(body.len());
        let (name, how) = body.split_at(name_ends);
        let (found, set) = (value(name), value(name).filter(|value| !value.is_empty()));
        told += &match (how.split_at_checked(2), how.split_at_checked(1)) {
            (_, None) => found.unwrap_or_default(),
            (Some((":-", word)), _) => set.map_or_else(|| expand(word, value), Ok)?,
            (Some((":+", word)), _) => set.map_or_else(|| Ok(String::new()), |_| expand(word, value))?,
            (_, Some(("-", word))) => found.map_or_else(|| expand(word, value), Ok)?,
            (_, Some(("+", word))) => found.map_or_else(|| Ok(String::new()), |_| expand(word, value))?,
            _ => return Err(format!("has `${{{body}}}`, which is known to the builder alone")),
        };
        rest = after;
    }
    Ok(told + rest)
}

/// Whether `ADD` gets something that may be another thing tomorrow.
fn from_afar(rest: &str) -> bool {
    !rest.contains("--checksum=")
        && rest.split_whitespace().any(|word| is_remote(word.trim_matches(['"', '[', ','])))
}

/// What `COPY --from` and `RUN --mount=…,from=` name.
fn sources<'a>(word: &str, rest: &'a str) -> Vec<&'a str> {
    let flags = rest.split_whitespace().take_while(|word| word.starts_with("--"));
    match word {
        "RUN" => flags
            .filter_map(|flag| flag.strip_prefix("--mount="))
            .flat_map(|mount| mount.split(','))
            .filter_map(|field| field.strip_prefix("from="))
            .collect(),
        _ => flags.filter_map(|flag| flag.strip_prefix("--from=")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(arguments: &[(&str, &str)]) -> Given {
        let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Given {
            arguments: arguments.collect(),
            platforms: vec!["linux/amd64".to_owned(), "linux/arm/v7".to_owned()],
            contexts: BTreeSet::from(["own".to_owned()]),
        }
    }

    fn told(text: &str, arguments: &[(&str, &str)]) -> Result<Vec<String>, String> {
        bases(text, &given(arguments)).map(|all| all.into_iter().collect())
    }

    #[test]
    fn instructions_know_their_lines() {
        let text = "# comment\n\nfrom a\nRUN one && \\\n  # between\n\n  two\nCOPY <<EOF <<-'END' /x/\nFROM not\nEOF\n\tFROM not\n\tEND\nCMD x";
        let all = read(text);
        let short: Vec<String> =
            all.iter().map(|one| format!("{} {} {}", one.line, one.word, one.rest)).collect();
        assert_eq!(short, ["3 FROM a", "4 RUN one &&   two", "8 COPY <<EOF <<-'END' /x/", "13 CMD x"]);
        assert_eq!(read("# escape=`\nRUN a `\n b \\\nCMD c").len(), 2);
        assert_eq!(read("RUN echo $((1<<2)) <<<x\nCMD c").len(), 2);
    }

    #[test]
    fn bases_are_images_and_neither_stages_nor_contexts() {
        let text = "# syntax=docker/dockerfile:1\nFROM --platform=$BUILDPLATFORM golang:1 AS Build\nFROM build AS test\nFROM own\nFROM scratch\nCOPY --from=build /a /a\nCOPY --link --from=busybox:1 /b /b\nCOPY --from=0 /c /c\nRUN --mount=type=bind,from=tools,target=/t --mount=type=cache,target=/x make\nADD --checksum=sha256:1 https://a.test/x /x";
        assert_eq!(told(text, &[]).unwrap(), ["busybox:1", "docker/dockerfile:1", "golang:1", "tools"]);
    }

    #[test]
    fn arguments_stand_in_names() {
        let text = "ARG VERSION=1 NAME\nARG FULL=\"x:${VERSION}\"\nFROM ${FULL}\nARG VERSION=9\nFROM a:$VERSION-b\nFROM ${NAME:-none}${OTHER:+x}${VERSION:+y}";
        assert_eq!(told(text, &[]).unwrap(), ["a:1-b", "noney", "x:1"]);
        assert_eq!(told(text, &[("VERSION", "2"), ("NAME", "n")]).unwrap(), ["a:2-b", "ny", "x:2"]);
        assert_eq!(told("ARG A\nFROM ${A:-${B:-c}}", &[]).unwrap(), ["c"]);
        assert_eq!(told("FROM r/$TARGETARCH$TARGETVARIANT", &[]).unwrap(), ["r/amd64", "r/armv7"]);
    }

    #[test]
    fn what_cannot_be_told_is_said_with_its_line() {
        for (text, why) in [
            (
                "FROM a\nADD https://a.test/x /x",
                "line 2 of the Dockerfile adds something from elsewhere that may change",
            ),
            (
                "FROM a:$BUILDARCH",
                "line 1 of the Dockerfile builds upon `a:$BUILDARCH`, which depends on where the builder runs",
            ),
            (
                "ARG A\nFROM ${A%x}",
                "line 2 of the Dockerfile has `${A%x}`, which is known to the builder alone",
            ),
            (
                "FROM a\nCOPY --from=$B a b",
                "line 2 of the Dockerfile takes from `$B`, which is known to the builder alone",
            ),
            (
                "#syntax=other/frontend:2\nx",
                "the Dockerfile is written for other/frontend:2, and only that can read it",
            ),
            ("FROM ${A", "line 1 of the Dockerfile has a `${` in `${A` that is not closed"),
        ] {
            assert_eq!(told(text, &[]).unwrap_err(), why);
        }
    }

    #[test]
    fn nothing_panics() {
        for text in [
            "",
            "FROM",
            "FROM \\",
            "RUN <<",
            "ARG",
            "FROM $",
            "FROM ${}",
            "# =",
            "#syntax=",
            "\u{feff}# syntax=a",
        ] {
            let _ = told(text, &[]);
        }
    }
}
