//! The service that a load visits: by which name it goes and how an answer tells its version.

use http::HeaderMap;

use super::trail::Failure;
use crate::sample::{LossKind, VERSION_HEADER};

/// Where an answer tells the version that gave it. An answer that does not tell it is taken for somebody else's, such as a
/// router's own 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionIn {
    /// In a response header of this name.
    Header(&'static str),
    /// In a member of the JSON object that is the body. For services that nobody here wrote; errors mostly tell none.
    Json(&'static str),
}

impl Default for VersionIn {
    /// The header of the sample app.
    fn default() -> Self {
        Self::Header(VERSION_HEADER)
    }
}

/// What every request needs to know.
#[derive(Debug)]
pub(super) struct Service {
    /// The `Host` of requests, or the authority of HTTP/2 ones.
    pub(super) host: String,
    pub(super) version_in: VersionIn,
}

impl Service {
    /// The version that an answer tells.
    pub(super) fn version(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Result<String, Failure> {
        let (version, place) = match self.version_in {
            VersionIn::Header(name) => {
                let value = headers.get(name).and_then(|value| value.to_str().ok());
                (value.map(str::to_owned), format!("header {name}"))
            }
            VersionIn::Json(member) => {
                let object: Option<serde_json::Value> = serde_json::from_slice(body).ok();
                let value = object.as_ref().and_then(|object| object.get(member)?.as_str());
                (value.map(str::to_owned), format!("a JSON member {member:?}"))
            }
        };
        version.ok_or_else(|| {
            Failure::new(LossKind::Foreign(status), format!("status {status} without {place}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(version_in: VersionIn) -> Service {
        Service { host: "shop.test".into(), version_in }
    }

    #[test]
    fn a_version_is_read_where_the_service_tells_it() {
        let mut headers = HeaderMap::new();
        headers.insert(VERSION_HEADER, http::HeaderValue::from_static("1.2.3"));
        let told = service(VersionIn::default()).version(200, &headers, b"{\"version\": \"9\"}");
        assert_eq!(told.unwrap(), "1.2.3");
        let told = service(VersionIn::Json("version")).version(200, &headers, b"{\"version\": \"9\"}");
        assert_eq!(told.unwrap(), "9");
    }

    #[test]
    fn who_tells_no_version_is_somebody_else() {
        for body in [&b"no healthy upstream"[..], b"{}", b"{\"version\": 3}"] {
            let failure =
                service(VersionIn::Json("version")).version(503, &HeaderMap::new(), body).unwrap_err();
            assert_eq!(failure.what, LossKind::Foreign(503));
        }
        let failure = service(VersionIn::default()).version(502, &HeaderMap::new(), b"").unwrap_err();
        assert_eq!(failure.detail, "status 502 without header x-sample-version");
    }
}
