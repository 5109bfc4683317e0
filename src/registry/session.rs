//! One image, asked for as one person: https or http, the token, the requests.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::challenge::Challenge;
use super::credentials::Credential;
use super::manifest::{ACCEPTED, Manifest, Platform};
use super::{Image, Reference};

/// The largest manifest that registries take; a configuration is smaller.
const LARGEST: usize = 4 << 20;
/// The longest pause that a registry may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Why an image could not be told of.
#[derive(Debug)]
pub(super) enum Failure {
    /// The registry has no such image.
    Absent,
    /// These credentials are not enough.
    Refused,
    /// It may work in a moment, or after `wait` where the registry says so.
    Passing { why: String, wait: Option<Duration> },
    /// Asking again would not help.
    Lasting(String),
}

/// How the registry is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Https,
    Http,
}

/// One image, asked for as one person.
pub(super) struct Session<'a> {
    client: &'a Client,
    reference: &'a Reference,
    credential: Option<&'a Credential>,
    /// Known once the registry has answered.
    scheme: Option<Scheme>,
    /// The header, once the registry has asked for it.
    authorization: Option<String>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        client: &'a Client,
        reference: &'a Reference,
        credential: Option<&'a Credential>,
    ) -> Self {
        Self { client, reference, credential, scheme: None, authorization: None }
    }

    /// Asks for the manifest, and where that names no platform, for the configuration.
    pub(super) async fn image(mut self) -> Result<Image, Failure> {
        let reference = self.reference;
        let body = self.get(&format!("manifests/{}", reference.version), ACCEPTED).await?;
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&body)));
        if reference.version.starts_with("sha256:") && reference.version != digest {
            let why =
                format!("registry {} gives another manifest than {}", reference.registry, reference.version);
            return Err(Failure::Lasting(why));
        }
        let manifest = serde_json::from_slice::<Value>(&body).ok().and_then(|read| Manifest::read(&read));
        let platforms = match manifest {
            Some(Manifest::Index(platforms)) => platforms,
            Some(Manifest::Single { config }) => self.platform(&config).await?.into_iter().collect(),
            None => return Err(self.foreign()),
        };
        Ok(Image::Present { digest, platforms })
    }

    /// The platform in a configuration. What is no configuration of an image names none.
    async fn platform(&mut self, config: &str) -> Result<Option<Platform>, Failure> {
        let asked = self.get(&format!("blobs/{config}"), "*/*").await;
        let body = asked.map_err(|failure| match failure {
            Failure::Absent => {
                Failure::Lasting(format!("registry {} lacks its configuration", self.reference.registry))
            }
            other => other,
        })?;
        Ok(serde_json::from_slice(&body).ok().and_then(|read| Platform::read(&read)))
    }

    /// The content at a path of the repository, with what the registry asks for given to it.
    pub(super) async fn get(&mut self, path: &str, accept: &str) -> Result<Vec<u8>, Failure> {
        let mut response = self.send(path, accept).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.authorization.is_none() {
            self.authorization = Some(self.authorize(&response).await?);
            response = self.send(path, accept).await?;
        }
        let status = response.status();
        let registry = format!("registry {}", self.reference.registry);
        match status {
            StatusCode::OK => body(response, &registry).await,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Failure::Refused),
            StatusCode::NOT_FOUND => Err(self.not_found(response, &registry).await),
            _ => Err(unable(&response, &registry)),
        }
    }

    /// A registry says in its own words that it lacks something; other servers on that host lack everything.
    async fn not_found(&self, response: Response, registry: &str) -> Failure {
        let says_so = response.headers().contains_key("docker-distribution-api-version");
        match body(response, registry).await {
            Err(failure) => failure,
            Ok(body) => {
                let read = serde_json::from_slice::<Value>(&body).unwrap_or_default();
                if says_so || read["errors"].is_array() { Failure::Absent } else { self.foreign() }
            }
        }
    }

    fn foreign(&self) -> Failure {
        Failure::Lasting(format!("{} answers, but not as a registry does", self.reference.registry))
    }

    /// Sends a request; at the first one it turns out whether the registry serves https, or http where that may be.
    async fn send(&mut self, path: &str, accept: &str) -> Result<Response, Failure> {
        let tried = self.scheme.unwrap_or(Scheme::Https);
        let failed =
            |error: &reqwest::Error| unanswered(error, &format!("registry {}", self.reference.registry));
        let response = match self.request(tried, path, accept).send().await {
            Err(error) if self.scheme.is_none() && error.is_connect() && self.reference.may_be_plain() => {
                let response = self.request(Scheme::Http, path, accept).send().await;
                let response = response.map_err(|error| failed(&error))?;
                self.scheme = Some(Scheme::Http);
                response
            }
            other => other.map_err(|error| failed(&error))?,
        };
        self.scheme.get_or_insert(tried);
        Ok(response)
    }

    fn request(&self, scheme: Scheme, path: &str, accept: &str) -> RequestBuilder {
        let scheme = if scheme == Scheme::Https { "https" } else { "http" };
        let Reference { registry, repository, .. } = self.reference;
        let request = self.client.get(format!("{scheme}://{registry}/v2/{repository}/{path}"));
        let request = request.header(ACCEPT, accept);
        match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        }
    }

    /// What the registry is to be given, as the header's text.
    async fn authorize(&self, response: &Response) -> Result<String, Failure> {
        let headers = response.headers().get_all(WWW_AUTHENTICATE);
        let challenge = Challenge::read(headers.iter().filter_map(|header| header.to_str().ok()));
        let is_open = self.scheme == Some(Scheme::Http) && !self.reference.is_loopback();
        if self.credential.is_some() && is_open {
            return Err(self.in_the_clear());
        }
        match (challenge, self.credential) {
            (Some(Challenge::Basic), Some(Credential::Password { user, password })) => {
                Ok(basic(user, password))
            }
            (Some(Challenge::Bearer { .. }), Some(Credential::Token(token))) => Ok(format!("Bearer {token}")),
            (Some(Challenge::Bearer { realm, service, scope }), credential) => {
                let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", self.reference.repository));
                self.token(&realm, service.as_deref(), &scope, credential).await
            }
            _ => Err(Failure::Refused),
        }
    }

    /// Asks the token server: <https://distribution.github.io/distribution/spec/auth/token/>.
    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: &str,
        credential: Option<&Credential>,
    ) -> Result<String, Failure> {
        let mut url = Url::parse(realm).map_err(|_| self.foreign())?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let is_loopback = host == "localhost" || host.starts_with("127.") || host == "[::1]";
        if credential.is_some() && url.scheme() != "https" && !is_loopback {
            return Err(self.in_the_clear());
        }
        let asked = service.map(|service| ("service", service)).into_iter().chain([("scope", scope)]);
        let request = match credential {
            Some(Credential::Refresh(refresh)) => {
                // The text of a form is that of a query.
                let mut form = url.clone();
                form.query_pairs_mut().clear().extend_pairs(asked).extend_pairs([
                    ("grant_type", "refresh_token"),
                    ("client_id", "tidegate"),
                    ("refresh_token", refresh),
                ]);
                let form = form.query().unwrap_or_default().to_owned();
                let request = self.client.post(url);
                request.header("content-type", "application/x-www-form-urlencoded").body(form)
            }
            other => {
                url.query_pairs_mut().extend_pairs(asked);
                let request = self.client.get(url);
                match other {
                    Some(Credential::Password { user, password }) => {
                        request.header(AUTHORIZATION, basic(user, password))
                    }
                    _ => request,
                }
            }
        };
        let server = format!("the token server {host}");
        let response = request.send().await.map_err(|error| unanswered(&error, &server))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Failure::Refused),
            _ => return Err(unable(&response, &server)),
        }
        let read = serde_json::from_slice::<Value>(&body(response, &server).await?).unwrap_or_default();
        let token = read["token"].as_str().or_else(|| read["access_token"].as_str());
        token
            .filter(|token| token.chars().all(|c| c.is_ascii_graphic()))
            .map(|token| format!("Bearer {token}"))
            .ok_or_else(|| Failure::Lasting(format!("{server} gives no token")))
    }

    fn in_the_clear(&self) -> Failure {
        let registry = &self.reference.registry;
        Failure::Lasting(format!("the credentials for registry {registry} would have to go over plain http"))
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The body of an answer, as far as a manifest may be long.
async fn body(mut response: Response, who: &str) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(&error, who))? {
        if body.len() + chunk.len() > LARGEST {
            return Err(Failure::Lasting(format!("{who} answers with more than a manifest may be long")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A status that is neither yes nor no.
fn unable(response: &Response, who: &str) -> Failure {
    let status = response.status();
    let why = format!("{who} answers {status}");
    if status != StatusCode::TOO_MANY_REQUESTS
        && status != StatusCode::REQUEST_TIMEOUT
        && !status.is_server_error()
    {
        return Failure::Lasting(why);
    }
    let wait = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.trim().parse().ok());
    Failure::Passing { why, wait: wait.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT)) }
}

/// A request that got no answer. A certificate that is not trusted will not be in a moment.
fn unanswered(error: &reqwest::Error, who: &str) -> Failure {
    let cause = cause(error);
    let why = format!("{who} does not answer ({cause})");
    if error.is_builder() || cause.contains("certificate") {
        return Failure::Lasting(why);
    }
    Failure::Passing { why, wait: None }
}

/// The innermost cause: what a person can act on, without the request around it.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
