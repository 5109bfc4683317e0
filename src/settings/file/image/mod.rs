//! `image` as it is written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::local::{Command, Text};

mod build;

pub(in crate::settings) use build::{Build, Cache, Toggle};

/// The image of the app: where it is kept, what it is called, and what it is made of. With `build`, `binary` or `directory`
/// `tidegate build` makes it; without any of them it is made elsewhere, and only looked up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of the image"
)]
pub(in crate::settings) struct Image {
    /// Registry and repository, without a tag, such as `ghcr.io/acme/shop`. Every container of the manifests whose image is of it
    /// takes the release's digest.
    #[schemars(required, length(min = 1))]
    pub(in crate::settings) repository: Option<String>,
    /// What tags there are to be: rules as `tidegate image tags` takes them, as a list or with a line each. By default the version.
    pub(in crate::settings) tags: Option<Lines>,
    /// What holds for all tags: `latest`, `prefix`, `suffix`; as a list or with a line each.
    pub(in crate::settings) flavor: Option<Lines>,
    /// Labels besides the usual ones, or in their place: a mapping, or `key=value` as a list or with a line each; `-key` leaves one
    /// out.
    pub(in crate::settings) labels: Option<Pairs>,
    /// Annotations besides the usual ones, or in their place, written as labels are.
    pub(in crate::settings) annotations: Option<Pairs>,
    /// Make it by a Dockerfile.
    pub(in crate::settings) build: Option<Box<Build>>,
    /// Make it of a program for Linux, without a daemon: a path relative to the folder of this file; a list of such programs for
    /// several platforms; or a mapping from platforms (`linux/amd64`) to them.
    pub(in crate::settings) binary: Option<Binary>,
    /// Make it of what is in a directory, without a daemon: a path relative to the folder of this file.
    #[schemars(length(min = 1))]
    pub(in crate::settings) directory: Option<String>,
    /// The image that a program or directory is put upon, by its digest: `REGISTRY/REPOSITORY@sha256:…`. By default none.
    #[schemars(length(min = 1))]
    pub(in crate::settings) base: Option<String>,
    /// Where in the image it goes. By default `/NAME` for a program, `/app` for a directory.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::settings) at: Option<String>,
    /// What is run, as a list or as one line with quotes. By default the program; with a directory, what the base runs.
    pub(in crate::settings) entrypoint: Option<Command>,
    /// Who runs it: a user, or user and group with a colon between them.
    #[schemars(extend("default" = "65532:65532"))]
    pub(in crate::settings) user: Option<Text>,
    /// What a directory is for, such as `linux/amd64`. By default Linux on the architecture of the machine that builds.
    #[schemars(length(min = 1))]
    pub(in crate::settings) platform: Option<String>,
    /// How its layers are packed.
    #[schemars(extend("default" = "gzip"))]
    pub(in crate::settings) compression: Option<Compression>,
    /// Attach a list of what is in it (SPDX).
    #[schemars(extend("default" = true))]
    pub(in crate::settings) sbom: Option<bool>,
}

/// How layers are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(in crate::settings) enum Compression {
    /// Compressed.
    Gzip,
    /// As they are.
    None,
}

/// Programs, one a platform.
#[derive(Debug, Clone)]
pub(in crate::settings) enum Binary {
    /// One.
    One(String),
    /// Several; each says itself what it is for.
    Many(Vec<String>),
    /// By what they are to be for.
    ByPlatform(Vec<(String, String)>),
}

/// Entries of an input: a line each, or a list.
#[derive(Debug, Clone)]
pub(in crate::settings) enum Lines {
    /// As one text.
    Text(String),
    /// As a list.
    List(Vec<String>),
}

/// Keys with their values.
#[derive(Debug, Clone)]
pub(in crate::settings) enum Pairs {
    /// `key=value`, a line each or as a list.
    Lines(Lines),
    /// As a mapping.
    Mapping(Vec<(String, String)>),
}

/// Reads a text, a list of texts, or where it is wanted a mapping to texts.
struct Entries {
    expecting: &'static str,
    takes_mapping: bool,
}

/// What [`Entries`] reads.
enum Read {
    Text(String),
    List(Vec<String>),
    Mapping(Vec<(String, String)>),
}

impl<'de> Visitor<'de> for Entries {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Read, E> {
        Ok(Read::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Read, A::Error> {
        let mut all = Vec::new();
        while let Some(Text(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Read::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        if !self.takes_mapping {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self));
        }
        let mut all = Vec::new();
        while let Some((key, Text(value))) = map.next_entry::<String, Text>()? {
            all.push((key, value));
        }
        Ok(Read::Mapping(all))
    }
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "a text with an entry a line, or a list of entries";
        match deserializer.deserialize_any(Entries { expecting, takes_mapping: false })? {
            Read::Text(text) => Ok(Self::Text(text)),
            Read::List(list) => Ok(Self::List(list)),
            Read::Mapping(_) => Err(D::Error::custom(format!("it takes {expecting}"))),
        }
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "a mapping from keys to values, or `key=value` as a list or with a line each";
        Ok(match deserializer.deserialize_any(Entries { expecting, takes_mapping: true })? {
            Read::Text(text) => Self::Lines(Lines::Text(text)),
            Read::List(list) => Self::Lines(Lines::List(list)),
            Read::Mapping(all) => Self::Mapping(all),
        })
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "the path of a program, a list of such paths, or a mapping from platforms to them";
        Ok(match deserializer.deserialize_any(Entries { expecting, takes_mapping: true })? {
            Read::Text(path) => Self::One(path),
            Read::List(paths) => Self::Many(paths),
            Read::Mapping(all) => Self::ByPlatform(all),
        })
    }
}

impl JsonSchema for Lines {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "lines".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = Text::json_schema(generator);
        json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": item, "minItems": 1 }] })
    }
}

impl JsonSchema for Pairs {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "pairs".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = Text::json_schema(generator);
        json_schema!({
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": item, "minItems": 1 },
                { "type": "object", "additionalProperties": item, "minProperties": 1 },
            ]
        })
    }
}

impl JsonSchema for Binary {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "programs".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = Text::json_schema(generator);
        json_schema!({
            "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "array", "items": item, "minItems": 1 },
                { "type": "object", "additionalProperties": item, "minProperties": 1 },
            ]
        })
    }
}
