//! The name of an image.

use std::fmt;
use std::net::IpAddr;

/// The tag that an image has where neither tag nor digest is written.
const DEFAULT_TAG: &str = "latest";

/// An image as a registry is asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Host, and port where one is written.
    pub registry: String,
    /// Repository in the registry.
    pub repository: String,
    /// Digest or tag: where both are written, the digest, for it is what is pulled.
    pub version: String,
}

/// Why an image cannot be asked for by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReference {
    /// Each node decides by its own configuration where it looks.
    #[error("its name says no registry, and where the nodes look is known to them alone")]
    NoRegistry,
    /// It is no name of an image.
    #[error("its name cannot be read as REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST")]
    Unreadable,
}

impl Reference {
    /// Reads `REGISTRY/REPOSITORY[:TAG][@DIGEST]`; without tag and digest, the tag is `latest`.
    ///
    /// # Errors
    /// When it names no registry, or has characters that an image's name cannot have.
    pub fn parse(image: &str) -> Result<Self, BadReference> {
        let (registry, rest) = image.split_once('/').ok_or(BadReference::NoRegistry)?;
        // As Docker tells them apart: a first part without dot and port is a folder of the default registry.
        if !registry.contains(['.', ':']) && registry != "localhost" {
            return Err(BadReference::NoRegistry);
        }
        let (name, digest) = rest.split_once('@').map_or((rest, None), |(name, digest)| (name, Some(digest)));
        let tag_at = name.rfind('/').map_or(0, |at| at + 1);
        let (repository, tag) = match name[tag_at..].find(':') {
            Some(colon) => (&name[..tag_at + colon], Some(&name[tag_at + colon + 1..])),
            None => (name, None),
        };
        let version = digest.or(tag).unwrap_or(DEFAULT_TAG);
        let is_readable = is_host(registry)
            && repository
                .split('/')
                .all(|part| is_made_of(part, |c| c.is_ascii_lowercase(), "._-") && !part.starts_with('.'))
            && tag.is_none_or(|tag| {
                is_made_of(tag, |c| c.is_ascii_alphabetic(), "._-") && !tag.starts_with('.')
            })
            && digest.is_none_or(|digest| {
                digest.split_once(':').is_some_and(|(_, hex)| hex.len() >= 32)
                    && is_made_of(digest, |c| c.is_ascii_lowercase(), ":+._-")
            });
        if !is_readable {
            return Err(BadReference::Unreadable);
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            version: version.to_owned(),
        })
    }

    /// The host without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        host(&self.registry)
    }

    /// Whether the registry may serve plain http: a host without a name can hardly have a certificate.
    pub(super) fn may_be_plain(&self) -> bool {
        self.is_loopback() || self.address().is_some()
    }

    /// Whether what is sent there stays on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.host() == "localhost" || self.address().is_some_and(|address| address.is_loopback())
    }

    fn address(&self) -> Option<IpAddr> {
        self.host().trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = if self.version.contains(':') { '@' } else { ':' };
        write!(f, "{}/{}{between}{}", self.registry, self.repository, self.version)
    }
}

fn host(registry: &str) -> &str {
    match registry.rfind(':') {
        // In an IPv6 address the port follows the bracket.
        Some(colon) if !registry[colon..].contains(']') => &registry[..colon],
        _ => registry,
    }
}

fn is_host(registry: &str) -> bool {
    let port = &registry[host(registry).len()..];
    let is_port = port.is_empty() || port[1..].parse::<u16>().is_ok();
    is_port && is_made_of(host(registry), |c| c.is_ascii_alphabetic(), ".-[]:")
}

/// Whether a text is of letters, digits and some marks, and not empty.
fn is_made_of(text: &str, letter: impl Fn(char) -> bool, marks: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| letter(c) || c.is_ascii_digit() || marks.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_into_their_parts() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (image, registry, repository, version) in [
            ("registry.test/shop", "registry.test", "shop", "latest"),
            ("registry.test:5000/a/shop:1.0", "registry.test:5000", "a/shop", "1.0"),
            ("localhost/shop:1", "localhost", "shop", "1"),
            ("[::1]:5000/shop:1", "[::1]:5000", "shop", "1"),
            (&format!("registry.test/shop:1@{digest}"), "registry.test", "shop", &digest),
        ] {
            let read = Reference::parse(image).unwrap();
            assert_eq!(
                (read.registry.as_str(), read.repository.as_str(), read.version.as_str()),
                (registry, repository, version)
            );
        }
        assert_eq!(Reference::parse("[::1]:5000/shop").unwrap().host(), "[::1]");
        assert_eq!(Reference::parse("registry.test/shop:1").unwrap().to_string(), "registry.test/shop:1");
    }

    #[test]
    fn a_name_without_a_registry_and_one_that_is_none_are_told_apart() {
        for image in ["shop", "shop:1", "library/shop:1"] {
            assert_eq!(Reference::parse(image), Err(BadReference::NoRegistry), "{image}");
        }
        for image in [
            "registry.test/",
            "registry.test/Shop",
            "registry.test/shop:",
            "registry.test/shop:a b",
            "registry.test/shop@sha256:1",
            "registry.test/../shop",
            "registry.test/shop:..",
            "registry.test/a//b",
            "registry.test:x/shop",
            "user@registry.test/shop",
        ] {
            assert_eq!(Reference::parse(image), Err(BadReference::Unreadable), "{image}");
        }
    }

    #[test]
    fn only_hosts_without_a_name_may_be_plain() {
        for (image, plain, loopback) in [
            ("198.18.0.1:5000/shop", true, false),
            ("127.0.0.1/shop", true, true),
            ("[::1]:5000/shop", true, true),
            ("localhost:5000/shop", true, true),
            ("registry.test:5000/shop", false, false),
        ] {
            let read = Reference::parse(image).unwrap();
            assert_eq!((read.may_be_plain(), read.is_loopback()), (plain, loopback), "{image}");
        }
    }
}
