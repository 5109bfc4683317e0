//! Where a registry may lead to. A registry sends on to where its content lies; one that is not meant well could send on to
//! what only this machine can reach, such as the metadata service of a cloud, and have the answer told or sent back.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::failure::RegistryError;

/// The rule for redirects, and the resolver that keeps it: a name is resolved once, by whoever connects, so it cannot mean
/// another address when it is asked than when it was looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    /// Whether private addresses are allowed.
    allows_private: bool,
    /// Hosts to which a redirect led, which must not be at a private address.
    watched: Arc<RwLock<HashSet<String>>>,
}

impl Guard {
    pub(super) fn new(allows_private: bool) -> Self {
        Self { allows_private, ..Self::default() }
    }

    /// Whether one may go on from an address to another: never from https to http, nor to a private address, unless that is
    /// allowed or the host stays the same.
    pub(super) fn admit(&self, from: &Url, to: &Url) -> Result<(), RegistryError> {
        let leads = || format!("registry {} leads on to {}", host(from), host(to));
        if from.scheme() == "https" && to.scheme() != "https" {
            return Err(RegistryError::new("unsafe-redirect", format!("{}, which is plain http", leads())));
        }
        if !matches!(to.scheme(), "https" | "http") {
            return Err(RegistryError::new("unsafe-redirect", format!("{} by `{}`", leads(), to.scheme())));
        }
        if self.allows_private || from.host_str() == to.host_str() {
            return Ok(());
        }
        match literal(to) {
            Some(address) if is_private(address) => Err(private(&leads())),
            Some(_) => Ok(()),
            None => {
                let mut watched = self.watched.write().unwrap_or_else(PoisonError::into_inner);
                watched.insert(to.host_str().unwrap_or_default().to_owned());
                Ok(())
            }
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let watched = self.watched.read().unwrap_or_else(PoisonError::into_inner).contains(name.as_str());
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if watched && found.iter().any(|address| is_private(address.ip())) {
                return Err(private(&format!("a registry leads on to {}", name.as_str())).into());
            }
            let found: Addrs = Box::new(found.into_iter());
            Ok(found)
        })
    }
}

fn private(leads: &str) -> RegistryError {
    RegistryError::new("unsafe-redirect", format!("{leads}, which is a private address"))
        .hint("if the registry is known to keep its content there, allow it with --allow-private-redirects")
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

fn literal(url: &Url) -> Option<IpAddr> {
    host(url).trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address is reached only from inside: of this machine, its link, a private network, or none at all.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || first == 0
                || first >= 240
                // Shared by the customers of a provider: RFC 6598.
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            // Addresses that stand for one of version 4: mapped, and by the well-known prefix of RFC 6052.
            let carried = v6.to_ipv4_mapped().or_else(|| {
                let all = v6.octets();
                (first == 0x64 && v6.segments()[1] == 0xff9b)
                    .then(|| Ipv4Addr::new(all[12], all[13], all[14], all[15]))
            });
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || first & 0xfe00 == 0xfc00
                || first & 0xffc0 == 0xfe80
                || carried.is_some_and(|carried| is_private(IpAddr::V4(carried)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(guard: &Guard, from: &str, to: &str) -> Option<&'static str> {
        guard.admit(&Url::parse(from).unwrap(), &Url::parse(to).unwrap()).err().map(|error| error.code)
    }

    #[test]
    fn private_addresses_are_refused_unless_allowed_or_the_same_host() {
        let guard = Guard::default();
        for to in [
            "https://169.254.169.254/latest",
            "https://10.0.0.1/x",
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://[fd00::1]/x",
            "https://[::ffff:192.168.0.1]/x",
            "https://[64:ff9b::a00:1]/x",
            "https://100.64.0.1/x",
            "https://0.0.0.0/x",
            "http://store.test/x",
            "ftp://store.test/x",
        ] {
            assert_eq!(code(&guard, "https://registry.test/v2/", to), Some("unsafe-redirect"), "{to}");
        }
        for to in ["https://store.test/x", "https://8.8.8.8/x", "https://[2001:db8::1]/x"] {
            assert_eq!(code(&guard, "https://registry.test/v2/", to), None, "{to}");
        }
        assert_eq!(code(&guard, "http://127.0.0.1:5000/v2/", "http://127.0.0.1:9000/x"), None);
        let open = Guard { allows_private: true, ..Guard::default() };
        assert_eq!(code(&open, "https://registry.test/v2/", "https://10.0.0.1/x"), None);
        assert_eq!(code(&open, "https://registry.test/v2/", "http://10.0.0.1/x"), Some("unsafe-redirect"));
    }

    #[tokio::test]
    async fn a_name_that_means_a_private_address_is_refused_when_it_is_resolved() {
        let guard = Guard::default();
        let resolve = |guard: &Guard| guard.resolve("localhost".parse().unwrap());
        assert!(resolve(&guard).await.is_ok());
        assert_eq!(code(&guard, "https://registry.test/v2/", "https://localhost/x"), None);
        let told = resolve(&guard).await.err().unwrap();
        assert_eq!(told.downcast_ref::<RegistryError>().unwrap().code, "unsafe-redirect");
    }
}
