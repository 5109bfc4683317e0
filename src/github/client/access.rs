//! Whom is asked, about which repository, and as whom.

use std::fmt;

use super::failure::Failure;

/// GitHub's own API, where nothing names another.
const PUBLIC: &str = "https://api.github.com";

/// A token. It is shown nowhere: neither when it is printed nor in an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token as it was given; the white space around it, which comes from files and forms, is no part of it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// Whether it stands for an app: that of a workflow, or another one.
    #[must_use]
    pub fn is_app(&self) -> bool {
        self.0.starts_with("ghs_")
    }

    /// What the header `authorization` says to a server that git fetches from: any name, and the token as the password.
    pub(crate) fn basic(&self) -> String {
        use base64::Engine as _;
        let both = format!("x-access-token:{}", self.0);
        format!("basic {}", base64::engine::general_purpose::STANDARD.encode(both))
    }

    /// What the header `authorization` says.
    ///
    /// # Errors
    /// `github-token` when it has characters that no token has.
    pub(in crate::github) fn header(&self) -> Result<http::HeaderValue, Failure> {
        let is_plausible = !self.0.is_empty() && self.0.bytes().all(|byte| byte.is_ascii_graphic());
        let header = is_plausible.then(|| http::HeaderValue::from_str(&format!("Bearer {}", self.0)).ok());
        let mut header = header.flatten().ok_or_else(Failure::no_token)?;
        header.set_sensitive(true);
        Ok(header)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Whom is asked, about which repository, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The API's address without a slash at its end, such as `https://api.github.com`.
    pub api: String,
    /// `OWNER/NAME`.
    pub repository: String,
    /// As whom.
    pub token: Token,
}

impl Access {
    /// As a workflow's variables say it: `GITHUB_API_URL`, `GITHUB_REPOSITORY`, and the token that the step was given as an input
    /// or as `GITHUB_TOKEN`; nothing where there is no repository or no token.
    #[must_use]
    pub fn of(variable: &impl Fn(&str) -> Option<String>) -> Option<Self> {
        let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let token = given("INPUT_GITHUB-TOKEN").or_else(|| given("GITHUB_TOKEN"))?;
        let api = given("GITHUB_API_URL").unwrap_or_else(|| PUBLIC.to_owned());
        Some(Self {
            api: api.trim_end_matches('/').to_owned(),
            repository: given("GITHUB_REPOSITORY").filter(|name| is_repository(name))?,
            token: Token::new(&token),
        })
    }
}

/// Two parts of the characters that names have: nothing that could be another path.
fn is_repository(name: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty()
            && !part.starts_with("..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    name.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(variables: &[(&str, &str)]) -> Option<Access> {
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Access::of(&|name: &str| {
            variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        })
    }

    #[test]
    fn the_input_is_the_token_before_the_variable() {
        let both =
            access(&[("GITHUB_REPOSITORY", "a/b"), ("INPUT_GITHUB-TOKEN", "one"), ("GITHUB_TOKEN", "two")]);
        let both = both.unwrap();
        assert_eq!((both.api.as_str(), both.token), ("https://api.github.com", Token::new("one")));
        let other = access(&[
            ("GITHUB_REPOSITORY", "a/b"),
            ("INPUT_GITHUB-TOKEN", " "),
            ("GITHUB_TOKEN", "two\n"),
            ("GITHUB_API_URL", "https://ghe.example.com/api/v3/"),
        ]);
        let other = other.unwrap();
        assert_eq!((other.api.as_str(), other.token), ("https://ghe.example.com/api/v3", Token::new("two")));
        assert_eq!(access(&[("GITHUB_REPOSITORY", "a/b")]), None);
        for wrong in ["a", "a/b/c", "a/../b", "a/b?c", "/b", ""] {
            assert_eq!(access(&[("GITHUB_REPOSITORY", wrong), ("GITHUB_TOKEN", "t")]), None, "{wrong}");
        }
    }

    #[test]
    fn a_token_is_never_shown_and_a_broken_one_is_no_header() {
        let token = Token::new("ghs_secret");
        assert!(!format!("{token:?}").contains("secret") && token.is_app());
        assert!(token.header().unwrap().is_sensitive());
        for broken in ["", "a b", "a\nb", "é"] {
            let failure = Token::new(broken).header().unwrap_err();
            assert_eq!(failure.code, "github-token");
        }
    }
}
