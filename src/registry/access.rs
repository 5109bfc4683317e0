//! One repository of one registry, asked as one person: https or http, what is to be given before it answers, redirects.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HeaderName, LOCATION, RANGE, WWW_AUTHENTICATE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use tokio::sync::Mutex;

use super::challenge::Challenge;
use super::credentials::Credential;
use super::failure::{Failure, unanswered};
use super::redirect::Guard;
use super::{REQUEST, Reference, token};

/// The largest manifest that registries take; a configuration is smaller.
const LARGEST: usize = 4 << 20;
/// So often a registry may lead on before its content is reached.
const MOST_REDIRECTS: usize = 5;

/// How the registry is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Https,
    Http,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) at: At<'a>,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Option<Bytes>,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum At<'a> {
    /// A path in the repository.
    Path(&'a str),
    /// An address that the registry gave.
    Url(&'a Url),
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, path: &'a str) -> Self {
        Self { method, at: At::Path(path), headers: Vec::new(), body: None }
    }

    pub(super) fn at(method: Method, url: &'a Url) -> Self {
        Self { method, at: At::Url(url), headers: Vec::new(), body: None }
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// One repository, asked as one person.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) client: Client,
    pub(super) reference: Reference,
    pub(super) credential: Option<Credential>,
    /// The rights to ask a token server for; where there are none, what the registry says.
    scopes: Vec<String>,
    pub(super) guard: Guard,
    /// Known once the registry has answered.
    scheme: OnceLock<Scheme>,
    /// The header, once the registry has asked for it.
    authorization: Mutex<Option<String>>,
}

impl Access {
    pub(super) fn new(
        client: &Client,
        reference: &Reference,
        credential: Option<&Credential>,
        scopes: Vec<String>,
        guard: Guard,
    ) -> Self {
        Self {
            client: client.clone(),
            reference: reference.clone(),
            credential: credential.cloned(),
            scopes,
            guard,
            scheme: OnceLock::new(),
            authorization: Mutex::new(None),
        }
    }

    /// The registry, as it is named in sentences.
    pub(super) fn who(&self) -> String {
        format!("registry {}", self.reference.registry)
    }

    /// Asks, with what the registry wants given to it, and follows where it leads on. The answer may be of any status.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Response, Failure> {
        let mut was_renewed = false;
        loop {
            let used = self.authorization.lock().await.clone();
            let response = self.first(ask, used.as_deref()).await?;
            let is_own = self.is_own(response.url());
            let response = self.followed(response, ask).await?;
            if response.status() != StatusCode::UNAUTHORIZED || was_renewed || !is_own {
                return Ok(response);
            }
            self.renew(&response, used.as_deref()).await?;
            was_renewed = true;
        }
    }

    /// A request with a body that cannot be sent twice, to an address that the registry gave. It is for the caller to see that it
    /// comes to an end.
    pub(super) async fn streamed(
        &self,
        method: Method,
        url: &Url,
        headers: &[(HeaderName, String)],
        body: reqwest::Body,
    ) -> Result<Response, Failure> {
        let used = self.authorization.lock().await.clone();
        let request = self.with_headers(self.client.request(method, url.clone()), headers);
        let request = self.authorized(request, url, used.as_deref()).body(body);
        let response = request.send().await.map_err(|error| unanswered(&error, &self.who()))?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.renew(&response, used.as_deref()).await?;
            return Err(Failure::passing(format!("{} wanted a new token", self.who())));
        }
        Ok(response)
    }

    /// Where an answer leads to: its `Location`, which may be relative.
    pub(super) fn location(&self, response: &Response) -> Result<Url, Failure> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let url = location.and_then(|location| response.url().join(location).ok());
        let url =
            url.ok_or_else(|| Failure::Lasting(format!("{} does not say where to go on", self.who())))?;
        self.guard.admit(response.url(), &url).map_err(Failure::Named)?;
        Ok(url)
    }

    /// At the first request it turns out whether the registry serves https, or http where that may be.
    async fn first(&self, ask: &Ask<'_>, authorization: Option<&str>) -> Result<Response, Failure> {
        let known = self.scheme.get().copied();
        let tried = known.unwrap_or(Scheme::Https);
        let failed = |error: &reqwest::Error| unanswered(error, &self.who());
        let (response, scheme) = match self.sent(self.request(tried, ask, authorization)).await? {
            Err(error) if known.is_none() && error.is_connect() && self.reference.may_be_plain() => {
                let again = self.sent(self.request(Scheme::Http, ask, authorization)).await?;
                (again.map_err(|error| failed(&error))?, Scheme::Http)
            }
            other => (other.map_err(|error| failed(&error))?, tried),
        };
        self.scheme.get_or_init(|| scheme);
        Ok(response)
    }

    /// Sends a small request: its answer has to begin in time.
    async fn sent(&self, request: RequestBuilder) -> Result<Result<Response, reqwest::Error>, Failure> {
        let late =
            |_| Failure::passing(format!("{} does not answer within {} s", self.who(), REQUEST.as_secs()));
        tokio::time::timeout(REQUEST, request.send()).await.map_err(late)
    }

    fn request(&self, scheme: Scheme, ask: &Ask<'_>, authorization: Option<&str>) -> RequestBuilder {
        let scheme = if scheme == Scheme::Https { "https" } else { "http" };
        let Reference { registry, repository, .. } = &self.reference;
        let (request, is_own) = match ask.at {
            At::Path(path) => {
                let url = format!("{scheme}://{registry}/v2/{repository}/{path}");
                (self.client.request(ask.method.clone(), url), true)
            }
            At::Url(url) => (self.client.request(ask.method.clone(), url.clone()), self.is_own(url)),
        };
        let mut request = self.with_headers(request, &ask.headers);
        if let Some(body) = &ask.body {
            request = request.body(body.clone());
        }
        match authorization {
            Some(authorization) if is_own => request.header(AUTHORIZATION, authorization),
            _ => request,
        }
    }

    fn with_headers(&self, mut request: RequestBuilder, headers: &[(HeaderName, String)]) -> RequestBuilder {
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request
    }

    /// What the registry wants is given to it alone, and not to where its content lies.
    fn authorized(&self, request: RequestBuilder, url: &Url, authorization: Option<&str>) -> RequestBuilder {
        match authorization {
            Some(authorization) if self.is_own(url) => request.header(AUTHORIZATION, authorization),
            _ => request,
        }
    }

    /// Whether an address is the registry's own.
    fn is_own(&self, url: &Url) -> bool {
        let scheme = if self.scheme.get() == Some(&Scheme::Http) { "http" } else { "https" };
        let own = Url::parse(&format!("{scheme}://{}/", self.reference.registry));
        own.is_ok_and(|own| own.origin() == url.origin())
    }

    /// Follows redirects of what is only looked at.
    async fn followed(&self, mut response: Response, ask: &Ask<'_>) -> Result<Response, Failure> {
        let is_look = matches!(ask.method, Method::GET | Method::HEAD);
        for _ in 0..MOST_REDIRECTS {
            if !is_look || !response.status().is_redirection() || !response.headers().contains_key(LOCATION) {
                return Ok(response);
            }
            let next = self.location(&response)?;
            let kept: Vec<_> =
                ask.headers.iter().filter(|(name, _)| matches!(*name, ACCEPT | RANGE)).cloned().collect();
            let request = self.with_headers(self.client.request(ask.method.clone(), next.clone()), &kept);
            let used = self.authorization.lock().await.clone();
            let request = self.authorized(request, &next, used.as_deref());
            let who = format!("{}, to which {} leads,", next.host_str().unwrap_or_default(), self.who());
            response = self.sent(request).await?.map_err(|error| unanswered(&error, &who))?;
        }
        Err(Failure::Lasting(format!("{} leads on more than {MOST_REDIRECTS} times", self.who())))
    }

    /// Gets what the registry asks for, unless another request has got it in the meantime.
    async fn renew(&self, response: &Response, used: Option<&str>) -> Result<(), Failure> {
        let mut held = self.authorization.lock().await;
        if held.as_deref() == used {
            *held = Some(self.authorize(response).await?);
        }
        Ok(())
    }

    /// What the registry is to be given, as the header's text.
    async fn authorize(&self, response: &Response) -> Result<String, Failure> {
        let headers = response.headers().get_all(WWW_AUTHENTICATE);
        let challenge = Challenge::read(headers.iter().filter_map(|header| header.to_str().ok()));
        let is_open = self.scheme.get() == Some(&Scheme::Http) && !self.reference.is_loopback();
        if self.credential.is_some() && is_open {
            return Err(token::in_the_clear(&self.reference));
        }
        match (challenge, &self.credential) {
            (Some(Challenge::Basic), Some(Credential::Password { user, password })) => {
                Ok(token::basic(user, password))
            }
            (Some(Challenge::Bearer { .. }), Some(Credential::Token(token))) => Ok(format!("Bearer {token}")),
            (Some(Challenge::Bearer { realm, service, scope }), credential) => {
                let usual = || format!("repository:{}:pull", self.reference.repository);
                let scopes = match self.scopes.as_slice() {
                    [] => vec![scope.unwrap_or_else(usual)],
                    wanted => wanted.to_vec(),
                };
                let server = token::Server { realm: &realm, service: service.as_deref(), scopes: &scopes };
                server.token(&self.client, &self.reference, credential.as_ref()).await
            }
            _ => Err(Failure::Refused(String::new())),
        }
    }
}

/// The body of an answer, as far as a manifest may be long.
pub(super) async fn body(mut response: Response, who: &str) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = chunk(&mut response, who, REQUEST).await? {
        if body.len() + chunk.len() > LARGEST {
            return Err(Failure::Lasting(format!("{who} answers with more than a manifest may be long")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The next part of a body, which has to come in time.
pub(super) async fn chunk(
    response: &mut Response,
    who: &str,
    within: Duration,
) -> Result<Option<Bytes>, Failure> {
    let late = |_| Failure::passing(format!("{who} stopped in the middle for {} s", within.as_secs()));
    let next = tokio::time::timeout(within, response.chunk()).await.map_err(late)?;
    next.map_err(|error| unanswered(&error, who))
}
