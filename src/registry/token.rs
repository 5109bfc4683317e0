//! Tokens: <https://distribution.github.io/distribution/spec/auth/token/>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;

use super::Reference;
use super::access::body;
use super::credentials::Credential;
use super::failure::{Failure, unable, unanswered};

/// Who gives tokens for a registry, and what for.
pub(super) struct Server<'a> {
    /// Where to ask.
    pub(super) realm: &'a str,
    /// For which service.
    pub(super) service: Option<&'a str>,
    /// For which rights.
    pub(super) scopes: &'a [String],
}

impl Server<'_> {
    /// Asks for a token; the header's text.
    pub(super) async fn token(
        &self,
        client: &Client,
        reference: &Reference,
        credential: Option<&Credential>,
    ) -> Result<String, Failure> {
        let foreign =
            || Failure::Lasting(format!("{} answers, but not as a registry does", reference.registry));
        let mut url = Url::parse(self.realm).map_err(|_| foreign())?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let is_loopback = host == "localhost" || host.starts_with("127.") || host == "[::1]";
        if credential.is_some() && url.scheme() != "https" && !is_loopback {
            return Err(in_the_clear(reference));
        }
        let scopes = self.scopes.iter().map(|scope| ("scope", scope.as_str()));
        let asked = self.service.map(|service| ("service", service)).into_iter().chain(scopes);
        let request = match credential {
            Some(Credential::Refresh(refresh)) => {
                // The text of a form is that of a query. A form has one scope, with spaces in it.
                let scopes = self.scopes.join(" ");
                let service = self.service.map(|service| ("service", service));
                let mut form = url.clone();
                form.query_pairs_mut().clear().extend_pairs(service).extend_pairs([
                    ("scope", scopes.as_str()),
                    ("grant_type", "refresh_token"),
                    ("client_id", "tidegate"),
                    ("refresh_token", refresh),
                ]);
                let form = form.query().unwrap_or_default().to_owned();
                client.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
            }
            other => {
                url.query_pairs_mut().extend_pairs(asked);
                let request = client.get(url);
                match other {
                    Some(Credential::Password { user, password }) => {
                        request.header(AUTHORIZATION, basic(user, password))
                    }
                    _ => request,
                }
            }
        };
        let server = format!("the token server {host}");
        let response = request.timeout(super::REQUEST).send().await;
        let response = response.map_err(|error| unanswered(&error, &server))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Failure::Refused(String::new())),
            _ => return Err(unable(&response, &server)),
        }
        let read = serde_json::from_slice::<Value>(&body(response, &server).await?).unwrap_or_default();
        let token = read["token"].as_str().or_else(|| read["access_token"].as_str());
        token
            .filter(|token| token.chars().all(|c| c.is_ascii_graphic()))
            .map(|token| format!("Bearer {token}"))
            .ok_or_else(|| Failure::Lasting(format!("{server} gives no token")))
    }
}

pub(super) fn in_the_clear(reference: &Reference) -> Failure {
    let registry = &reference.registry;
    Failure::Lasting(format!("the credentials for registry {registry} would have to go over plain http"))
}

pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
