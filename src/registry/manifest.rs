//! What a manifest says of an image.

use std::fmt;

use serde_json::Value;

/// What a manifest may be: <https://github.com/opencontainers/image-spec/blob/main/media-types.md>, and Docker's names for the same.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// What an image is made for, in the words of Go and so of Kubernetes' nodes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// Operating system, such as `linux`.
    pub os: String,
    /// Architecture, such as `amd64`.
    pub architecture: String,
    /// Variant of the architecture, such as `v7`; nodes do not tell theirs.
    pub variant: Option<String>,
}

impl Platform {
    /// The platform that an object with `os` and `architecture` names. Attestations in an index name an unknown one.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let text = |key: &str| {
            let text = value[key].as_str().filter(|text| !text.is_empty() && *text != "unknown")?;
            Some(text.to_owned())
        };
        Some(Self { os: text("os")?, architecture: text("architecture")?, variant: text("variant") })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

/// What a manifest is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Manifest {
    /// A list of manifests, one a platform.
    Index(Vec<Platform>),
    /// That of one image; the digest of its configuration, which names the platform.
    Single {
        /// Where the configuration lies.
        config: String,
    },
}

impl Manifest {
    /// Reads it; nothing when it is neither.
    pub(super) fn read(manifest: &Value) -> Option<Self> {
        if let Some(all) = manifest["manifests"].as_array() {
            let mut platforms: Vec<Platform> =
                all.iter().filter_map(|one| Platform::read(&one["platform"])).collect();
            platforms.sort();
            platforms.dedup();
            return Some(Self::Index(platforms));
        }
        let config = manifest["config"]["digest"].as_str()?;
        Some(Self::Single { config: config.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_index_names_platforms_and_its_attestations_none() {
        let one = |os: &str, architecture: &str| json!({ "digest": "x", "platform": { "os": os, "architecture": architecture } });
        let mut arm = one("linux", "arm");
        arm["platform"]["variant"] = json!("v7");
        let index = json!({ "manifests": [arm, one("linux", "amd64"), one("unknown", "unknown"), one("linux", "amd64"), {}] });
        let Some(Manifest::Index(platforms)) = Manifest::read(&index) else { panic!() };
        let told: Vec<String> = platforms.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["linux/amd64", "linux/arm/v7"]);
    }

    #[test]
    fn a_single_manifest_names_its_configuration_and_anything_else_is_none() {
        let single = json!({ "config": { "digest": "sha256:1" }, "layers": [] });
        assert_eq!(Manifest::read(&single), Some(Manifest::Single { config: "sha256:1".to_owned() }));
        assert_eq!(Manifest::read(&json!({ "errors": [] })), None);
        assert_eq!(Manifest::read(&json!("text")), None);
    }
}
