//! Which tags a repository has.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::failure::Failure;
use super::session::Session;
use super::{Credential, Credentials, FIRST_PAUSE, LONGEST_PAUSE, REQUEST, Reference, Registries};

/// The registry of images whose name says none, as those who build and push images mean it.
const DEFAULT_REGISTRY: &str = "index.docker.io";
/// Other names of the same.
const ALIASES: [&str; 2] = ["docker.io", "registry-1.docker.io"];
/// How many tags are asked for at a time; registries may give fewer.
const PAGE: usize = 1000;
/// So many pages are read: a repository may have more tags than anybody can use.
const PAGES: usize = 100;

/// What a registry says of a repository's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tags {
    /// These are there, in no order.
    Known(Vec<String>),
    /// The registry has no such repository.
    Absent,
    /// The registry does not tell. Many say so of a repository that is not there, too.
    Forbidden {
        /// Whether there were credentials for it.
        tried: bool,
    },
    /// It cannot be told: why, as part of a sentence.
    Unknown {
        /// Why.
        why: String,
    },
}

impl Registries {
    /// The tags of the repository that an image is in, by its [`full_name`].
    pub async fn tags(&self, image: &str, credentials: &Credentials) -> Tags {
        let reference = match Reference::parse(&full_name(image)) {
            Ok(reference) => reference,
            Err(error) => return Tags::Unknown { why: error.to_string() },
        };
        let asked = self.list_patiently(&reference, credentials);
        // A slow registry may take its time for each of many pages.
        tokio::time::timeout(self.patience + REQUEST, asked)
            .await
            .unwrap_or_else(|_| Tags::Unknown { why: "its list of tags takes too long".to_owned() })
    }

    async fn list_patiently(&self, reference: &Reference, credentials: &Credentials) -> Tags {
        let end = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.list(reference, credentials).await {
                Ok(tags) => return Tags::Known(tags),
                Err(Failure::Passing { why, wait }) => {
                    let next = wait.unwrap_or(pause);
                    if Instant::now() + next >= end {
                        return Tags::Unknown { why };
                    }
                    sleep(next).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(Failure::Lasting(why)) => return Tags::Unknown { why },
                Err(Failure::Named(error)) => return Tags::Unknown { why: error.sentence },
                Err(Failure::Absent) => return Tags::Absent,
                Err(Failure::Refused(_)) => {
                    return Tags::Forbidden { tried: !credentials.of(reference).is_empty() };
                }
            }
        }
    }

    /// One try with each of the credentials, until one is not refused.
    async fn list(&self, reference: &Reference, credentials: &Credentials) -> Result<Vec<String>, Failure> {
        let known = credentials.of(reference);
        let tries: Vec<Option<&Credential>> =
            if known.is_empty() { vec![None] } else { known.into_iter().map(Some).collect() };
        let mut last = Err(Failure::Refused(String::new()));
        for credential in tries {
            last = all(Session::new(&self.client, reference, credential)).await;
            if !matches!(last, Err(Failure::Refused(_))) {
                break;
            }
        }
        last
    }
}

/// Page by page, as the registry names them. Of one that names none more is asked for from the last tag on, until nothing new
/// comes.
async fn all(session: Session) -> Result<Vec<String>, Failure> {
    let mut all = BTreeSet::new();
    let mut path = format!("tags/list?n={PAGE}");
    for number in 0..PAGES {
        let (body, next) =
            session.page(&path, "application/json").await.map_err(|failure| match failure {
                Failure::Absent if number > 0 => Failure::Lasting("its list of tags breaks off".to_owned()),
                other => other,
            })?;
        let page = tags_of(&body)?;
        let (before, last) = (all.len(), page.last().cloned());
        all.extend(page);
        path = match (next, last) {
            (Some(_), _) if all.len() == before => {
                return Err(Failure::Lasting("its list of tags goes round in circles".to_owned()));
            }
            (Some(next), _) => next,
            (None, Some(last)) if all.len() > before => {
                format!("tags/list?n={PAGE}&last={last}")
            }
            (None, _) => return Ok(all.into_iter().collect()),
        };
    }
    Err(Failure::Lasting(format!("it has more than {} tags", all.len())))
}

fn tags_of(body: &[u8]) -> Result<Vec<String>, Failure> {
    let mut read = serde_json::from_slice::<Value>(body).unwrap_or_default();
    match read.get_mut("tags").map(Value::take) {
        Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(tags)) => {
            Ok(tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect())
        }
        _ => Err(Failure::Lasting("the registry answers with what is no list of tags".to_owned())),
    }
}

/// The name of an image with its registry: where it names none, it is Docker's, as it is for whoever pushes.
#[must_use]
pub fn full_name(image: &str) -> String {
    let (first, rest) = image.split_once('/').unwrap_or(("", image));
    if first.is_empty() {
        return format!("{DEFAULT_REGISTRY}/library/{rest}");
    }
    if ALIASES.contains(&first) {
        let folder = if rest.contains('/') { "" } else { "library/" };
        return format!("{DEFAULT_REGISTRY}/{folder}{rest}");
    }
    if first.contains(['.', ':']) || first == "localhost" {
        image.to_owned()
    } else {
        format!("{DEFAULT_REGISTRY}/{image}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_registry_means_dockers() {
        for (image, full) in [
            ("shop", "index.docker.io/library/shop"),
            ("acme/shop", "index.docker.io/acme/shop"),
            ("docker.io/shop", "index.docker.io/library/shop"),
            ("docker.io/acme/shop", "index.docker.io/acme/shop"),
            ("registry.test/shop", "registry.test/shop"),
            ("localhost/shop", "localhost/shop"),
            ("registry.test:5000/a/shop", "registry.test:5000/a/shop"),
        ] {
            assert_eq!(full_name(image), full);
        }
    }
}
