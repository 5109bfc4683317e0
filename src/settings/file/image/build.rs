//! `image.build` as it is written: the names are those of docker/build-push-action, the values those of `docker buildx build`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::super::Ordered;
use super::super::local::Text;
use super::{Lines, Pairs};

/// A build by a Dockerfile. Lists are lists, or have an entry a line.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of the build"
)]
pub(in crate::settings) struct Build {
    /// What the Dockerfile may take files from: a folder, relative to the folder of this file, or the address of a git repository.
    #[schemars(extend("default" = "."))]
    pub(in crate::settings) context: Option<String>,
    /// The Dockerfile, relative to the folder of this file; of a git context, relative to its root. By default `Dockerfile` in the
    /// context.
    #[schemars(length(min = 1))]
    pub(in crate::settings) file: Option<String>,
    /// The stage to build. By default the last one.
    #[schemars(length(min = 1))]
    pub(in crate::settings) target: Option<String>,
    /// What it is built for, such as `linux/amd64`. By default what the builder runs on.
    pub(in crate::settings) platforms: Option<Lines>,
    /// Build arguments: a mapping, or as a list or with a line each `NAME=value`, or `NAME` for what that variable holds. They can be seen in the image: no secrets.
    pub(in crate::settings) args: Option<Pairs>,
    /// Further contexts by name: a mapping, or `name=folder-or-address` as a list or with a line each.
    pub(in crate::settings) contexts: Option<Pairs>,
    /// Secrets for the build by their ids: `$NAME` for what that variable holds, else the path of a file, relative to the folder of
    /// this file.
    pub(in crate::settings) secrets: Option<Ordered<Text>>,
    /// SSH agents or keys for the build: `default`, or `id=path`.
    pub(in crate::settings) ssh: Option<Lines>,
    /// Where steps that were built before are kept: `gha` is GitHub's cache, `registry` a tag `buildcache` of the repository.
    pub(in crate::settings) cache: Option<Cache>,
    /// The same in the words of `--cache-from`.
    pub(in crate::settings) cache_from: Option<Lines>,
    /// The same in the words of `--cache-to`.
    pub(in crate::settings) cache_to: Option<Lines>,
    /// Attach how it was built: `true`, `false`, or attributes such as `mode=max`.
    pub(in crate::settings) provenance: Option<Toggle>,
    /// Attach a list of what is in it: `true`, `false`, or attributes such as `generator=IMAGE`.
    pub(in crate::settings) sbom: Option<Toggle>,
    /// Other attestations, in the words of `--attest`.
    pub(in crate::settings) attests: Option<Lines>,
    /// What network its steps have: `default`, `none` or `host`.
    #[schemars(length(min = 1))]
    pub(in crate::settings) network: Option<String>,
    /// Use nothing that was built before.
    #[schemars(extend("default" = false))]
    pub(in crate::settings) no_cache: Option<bool>,
    /// Use nothing that was built before of these stages.
    pub(in crate::settings) no_cache_filters: Option<Lines>,
    /// Look for newer base images even where there are some.
    #[schemars(extend("default" = false))]
    pub(in crate::settings) pull: Option<bool>,
    /// Hosts that its steps know besides: `name:address`.
    pub(in crate::settings) add_hosts: Option<Lines>,
    /// What its steps may do besides: `network.host`, `security.insecure`.
    pub(in crate::settings) allow: Option<Lines>,
    /// The builder, by its name. By default the current one.
    #[schemars(length(min = 1))]
    pub(in crate::settings) builder: Option<String>,
    /// The control group that its steps are in.
    #[schemars(length(min = 1))]
    pub(in crate::settings) cgroup_parent: Option<String>,
    /// Size of `/dev/shm` for its steps, such as `64m`.
    pub(in crate::settings) shm_size: Option<Text>,
    /// Limits for its steps, such as `nofile=1024:1024`.
    pub(in crate::settings) ulimit: Option<Lines>,
}

/// A cache in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(in crate::settings) enum Cache {
    /// GitHub's.
    Gha,
    /// A tag in the image's own repository.
    Registry,
}

/// On, off, or on with attributes.
#[derive(Debug, Clone)]
pub(in crate::settings) struct Toggle(pub(in crate::settings) String);

impl<'de> Deserialize<'de> for Toggle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnOrOff;

        impl Visitor<'_> for OnOrOff {
            type Value = Toggle;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false`, or a text with attributes")
            }

            fn visit_bool<E: Error>(self, is_on: bool) -> Result<Toggle, E> {
                Ok(Toggle(is_on.to_string()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Toggle, E> {
                Ok(Toggle(text.to_owned()))
            }
        }

        deserializer.deserialize_any(OnOrOff)
    }
}

impl JsonSchema for Toggle {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "toggle".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "boolean" }, { "type": "string", "minLength": 1 }] })
    }
}
