//! What a `.dockerignore` leaves out of a context, by Docker's rules: patterns of Go's `filepath.Match` with `**`, the last one that
//! matches a path or a directory that it is in decides (<https://docs.docker.com/build/concepts/context/#dockerignore-files>). Pure.

use fancy_regex::Regex;

/// The patterns.
#[derive(Debug, Default)]
pub(super) struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    /// What it matches is kept.
    is_exception: bool,
    regex: Regex,
}

impl Ignore {
    /// Reads the file's text.
    ///
    /// # Errors
    /// The pattern that cannot be read.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut patterns = Vec::new();
        for line in text.trim_start_matches('\u{feff}').lines() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let (is_exception, pattern) = match line.trim().strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line.trim()),
            };
            let pattern = cleaned(pattern);
            if pattern.is_empty() {
                continue;
            }
            let regex = Regex::new(&regex_of(&pattern)).map_err(|_| line.trim().to_owned())?;
            patterns.push(Pattern { is_exception, regex });
        }
        Ok(Self { patterns })
    }

    /// Whether something in a directory that is left out may be kept.
    pub(super) fn has_exceptions(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_exception)
    }

    /// Whether a path is left out.
    pub(super) fn leaves_out(&self, path: &str) -> bool {
        let mut is_out = false;
        for pattern in &self.patterns {
            if pattern.is_exception == is_out && pattern.matches(path) {
                is_out = !pattern.is_exception;
            }
        }
        is_out
    }
}

impl Pattern {
    /// Whether it matches a path, or a directory that the path is in.
    fn matches(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        // What takes too long to tell matches nothing: then the file counts.
        ends.into_iter().any(|end| self.regex.is_match(&path[..end]).unwrap_or(false))
    }
}

/// Without `.`, `..` and slashes that say nothing.
fn cleaned(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn regex_of(pattern: &str) -> String {
    let is_plain = |text: &str| !text.contains(['*', '?', '[', ']', '\\']);
    // `**x` is whatever ends with x, also in the middle of a name.
    if let Some(end) = pattern.strip_prefix("**").filter(|end| is_plain(end) && !end.starts_with('/')) {
        return format!("(?s)^.*{}$", fancy_regex::escape(end));
    }
    let mut regex = "(?s)^".to_owned();
    let mut rest = pattern.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '*' if rest.peek() == Some(&'*') => {
                rest.next();
                if rest.peek() == Some(&'/') {
                    rest.next();
                }
                regex += if rest.peek().is_none() { ".*" } else { "(.*/)?" };
            }
            '*' => regex += "[^/]*",
            '?' => regex += "[^/]",
            '[' | ']' | '^' => regex.push(next),
            '\\' => regex += &fancy_regex::escape(&rest.next().unwrap_or('\\').to_string()),
            other => regex += &fancy_regex::escape(&other.to_string()),
        }
    }
    regex + "$"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(text: &str, paths: &[&str]) -> Vec<String> {
        let ignore = Ignore::read(text).unwrap();
        paths.iter().filter(|path| ignore.leaves_out(path)).map(ToString::to_string).collect()
    }

    #[test]
    fn patterns_are_those_of_docker() {
        for (pattern, out, kept) in [
            ("a", vec!["a", "a/b", "a/b/c"], vec!["b/a", "ab"]),
            ("/a/", vec!["a", "a/b"], vec!["b"]),
            ("*.md", vec!["x.md"], vec!["d/x.md", "x.mdx"]),
            ("*/t*", vec!["a/t", "a/tmp/x"], vec!["t", "a/b/t"]),
            ("**/*.go", vec!["a.go", "a/b/c.go"], vec!["a.got"]),
            ("**/x", vec!["x", "a/x", "a/x/b"], vec!["ax"]),
            ("**x", vec!["x", "ax", "a/bx"], vec!["xa"]),
            ("a/**", vec!["a/b", "a/b/c"], vec!["a", "ab"]),
            ("**", vec!["a", "a/b"], vec![]),
            ("a/**/b", vec!["a/b", "a/x/y/b"], vec!["a/xb"]),
            ("te?t", vec!["test"], vec!["teest", "te/t"]),
            ("[a-c].x", vec!["b.x"], vec!["d.x"]),
            ("[^a].x", vec!["b.x"], vec!["a.x"]),
            ("a.b", vec!["a.b"], vec!["axb"]),
            ("\\*", vec!["*"], vec!["a"]),
            ("./a/../b", vec!["b"], vec!["a"]),
        ] {
            assert_eq!(left_out(pattern, &[out.clone(), kept].concat()), out, "{pattern}");
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let paths = ["README.md", "a.md", "docs/x.md"];
        assert_eq!(left_out("*.md\n!README.md", &paths), ["a.md"]);
        assert_eq!(left_out("!README.md\n*.md", &paths), ["README.md", "a.md"]);
        assert_eq!(left_out("**\n!docs\n!a.md", &paths), ["README.md"]);
        assert_eq!(left_out("# a.md\n\n  a.md  \n", &paths), ["a.md"]);
        assert!(
            !Ignore::read("*").unwrap().has_exceptions() && Ignore::read("*\n! a").unwrap().has_exceptions()
        );
        assert_eq!(Ignore::read("[").unwrap_err(), "[");
    }
}
