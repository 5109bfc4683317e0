//! What a registry asks for before it answers: the header `WWW-Authenticate` (RFC 9110, section 11.6.1).

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A token from another server.
    Bearer {
        /// Where to ask for it.
        realm: String,
        /// For which service.
        service: Option<String>,
        /// For which right.
        scope: Option<String>,
    },
    /// User and password.
    Basic,
}

impl Challenge {
    /// Reads the header; a token goes before a password where both are offered in headers of their own.
    pub(super) fn read<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut all: Vec<Self> = headers.filter_map(one).collect();
        all.sort_by_key(|challenge| *challenge == Self::Basic);
        all.into_iter().next()
    }
}

fn one(header: &str) -> Option<Challenge> {
    let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let parameters = parameters(rest);
    let of = |name: &str| {
        parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    Some(Challenge::Bearer { realm: of("realm")?, service: of("service"), scope: of("scope") })
}

/// `key="value, with \" and commas", key=value`.
fn parameters(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((key, rest)) = text.split_once('=') {
        let rest = rest.trim_start();
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let (value, after) = rest.split_once(',').unwrap_or((rest, ""));
                (value.trim().to_owned(), after)
            }
        };
        found.push((key.trim_matches([' ', ',', '\t']).to_owned(), value));
        text = after;
    }
    found
}

fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_asked_for_in_many_spellings() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            Some(Challenge::Bearer { realm: realm.to_owned(), service: owned(service), scope: owned(scope) })
        };
        let read = |headers: &[&str]| Challenge::read(headers.iter().copied());
        let usual = r#"Bearer realm="https://auth.test/token",service="registry.test",scope="repository:a/b:pull,push""#;
        assert_eq!(
            read(&[usual]),
            bearer("https://auth.test/token", Some("registry.test"), Some("repository:a/b:pull,push"))
        );
        assert_eq!(
            read(&[r#"bearer Realm = "https://a\"b" , service=x"#]),
            bearer("https://a\"b", Some("x"), None)
        );
        assert_eq!(read(&["Basic realm=\"x\"", r#"Bearer realm="y""#]), bearer("y", None, None));
        assert_eq!(read(&["Basic"]), Some(Challenge::Basic));
        assert_eq!(read(&["Bearer service=\"x\"", "Negotiate"]), None);
        assert_eq!(read(&["Bearer realm=\"open"]), bearer("open", None, None));
    }
}
