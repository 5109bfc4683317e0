//! One image, asked for as one person: its manifest, and where that names no platform, its configuration.

use http::header::{ACCEPT, LINK};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::access::{Access, Ask, body};
use super::credentials::Credential;
use super::failure::{Failure, unable};
use super::manifest::{ACCEPTED, Manifest, Platform};
use super::redirect::Guard;
use super::{Image, Reference};

/// One image, asked for as one person.
pub(super) struct Session {
    access: Access,
}

impl Session {
    pub(super) fn new(client: &Client, reference: &Reference, credential: Option<&Credential>) -> Self {
        // Without scopes of its own: for looking at an image it is for the registry to say what right that takes.
        Self { access: Access::new(client, reference, credential, Vec::new(), Guard::default()) }
    }

    /// Asks for the manifest, and where that names no platform, for the configuration.
    pub(super) async fn image(self) -> Result<Image, Failure> {
        let reference = &self.access.reference;
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
    async fn platform(&self, config: &str) -> Result<Option<Platform>, Failure> {
        let asked = self.get(&format!("blobs/{config}"), "*/*").await;
        let body = asked.map_err(|failure| match failure {
            Failure::Absent => Failure::Lasting(format!("{} lacks its configuration", self.access.who())),
            other => other,
        })?;
        Ok(serde_json::from_slice(&body).ok().and_then(|read| Platform::read(&read)))
    }

    /// The content at a path of the repository.
    async fn get(&self, path: &str, accept: &str) -> Result<Vec<u8>, Failure> {
        self.page(path, accept).await.map(|(body, _)| body)
    }

    /// The same of a list that may go on: with the path of its next page, where the registry names one (RFC 8288).
    pub(super) async fn page(&self, path: &str, accept: &str) -> Result<(Vec<u8>, Option<String>), Failure> {
        let response = self.access.ask(&Ask::new(Method::GET, path).header(ACCEPT, accept)).await?;
        let who = self.access.who();
        match response.status() {
            StatusCode::OK => {
                let next = self.next(&response)?;
                Ok((body(response, &who).await?, next))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Failure::Refused(String::new())),
            StatusCode::NOT_FOUND => Err(self.not_found(response, &who).await),
            _ => Err(unable(&response, &who)),
        }
    }

    /// The next page, as a path of the repository: elsewhere nobody is followed.
    fn next(&self, response: &Response) -> Result<Option<String>, Failure> {
        let links = response.headers().get_all(LINK).iter().filter_map(|value| value.to_str().ok());
        let mut links = links.flat_map(|text| text.split(','));
        let Some(link) = links.find(|link| link.contains("rel=\"next\"") || link.contains("rel=next")) else {
            return Ok(None);
        };
        let to = link.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(to, _)| to);
        let next = to.and_then(|to| response.url().join(to).ok()).and_then(|url| {
            let prefix = format!("/v2/{}/", self.access.reference.repository);
            let path = url.path().strip_prefix(&prefix)?.to_owned();
            (url.host_str() == response.url().host_str()).then_some(())?;
            Some(url.query().map_or(path.clone(), |query| format!("{path}?{query}")))
        });
        next.map(Some).ok_or_else(|| Failure::Lasting(format!("{} goes on elsewhere", self.access.who())))
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
        Failure::Lasting(format!("{} answers, but not as a registry does", self.access.reference.registry))
    }
}
