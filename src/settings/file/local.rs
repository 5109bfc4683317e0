//! The `local` target as it is written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::{Ordered, Size, Time};
use crate::yaml::TEXT;

/// Processes on this machine behind the embedded router.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of a local target"
)]
pub(in crate::settings) struct Local {
    /// Program and arguments, as a list or as one line with quotes. No shell runs it: nothing is expanded. The port that
    /// an instance must listen on is in its environment variable `PORT`.
    #[schemars(required)]
    pub(in crate::settings) command: Option<Command>,
    /// Working directory of the instances, relative to the folder of this file.
    #[schemars(extend("default" = "."))]
    pub(in crate::settings) directory: Option<String>,
    /// Files and directories that belong to the release besides the program, relative to `directory`. A change in one of
    /// them makes a new release.
    pub(in crate::settings) files: Option<Vec<String>>,
    /// How many instances carry all of the traffic.
    #[schemars(range(min = 1, max = 1000), extend("default" = 1))]
    pub(in crate::settings) instances: Option<u32>,
    /// Public address of the app: IP address and port.
    #[schemars(required)]
    pub(in crate::settings) listen: Option<Listen>,
    /// Address of the supervisor's own `/health` and `/metrics`: IP address and port. Without it there is none.
    pub(in crate::settings) admin: Option<Listen>,
    /// Environment variables of the instances. A value that is exactly `$NAME` or `${NAME}` is taken from the
    /// environment of the deploying process and treated as a secret.
    #[schemars(extend("propertyNames" = { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" }))]
    pub(in crate::settings) env: Option<Ordered<Text>>,
    /// Time between the request to end (SIGTERM) and the forced end (SIGKILL).
    #[schemars(extend("default" = "10s"))]
    pub(in crate::settings) stop_grace: Option<Time>,
    /// How the router behaves.
    pub(in crate::settings) proxy: Option<Proxy>,
    /// What is kept of the instances' output.
    pub(in crate::settings) logs: Option<Logs>,
}

/// How the router behaves.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of the router"
)]
pub(in crate::settings) struct Proxy {
    /// Cookie that keeps a visitor on the release that answered first. Without it, each request is divided anew.
    pub(in crate::settings) sticky_cookie: Option<String>,
    /// Requests with this header and value go to the candidate, whatever the weights say.
    pub(in crate::settings) header: Option<Header>,
    /// What is spoken to the instances: HTTP/1.1, or HTTP/2 without TLS.
    #[schemars(extend("default" = "http1"))]
    pub(in crate::settings) upstream: Option<Upstream>,
    /// How long a request waits for an instance that can take it.
    #[schemars(extend("default" = "30s"))]
    pub(in crate::settings) hold: Option<Time>,
    /// Limit for a connection to an instance.
    #[schemars(extend("default" = "2s"))]
    pub(in crate::settings) connect_timeout: Option<Time>,
    /// Limit for the head of an instance's answer.
    #[schemars(extend("default" = "60s"))]
    pub(in crate::settings) response_timeout: Option<Time>,
    /// A connection on which nothing moves is closed after this time.
    #[schemars(extend("default" = "5m"))]
    pub(in crate::settings) idle_timeout: Option<Time>,
    /// How long upgraded connections, such as WebSocket, may go on when their instance is drained.
    #[schemars(extend("default" = "10s"))]
    pub(in crate::settings) upgraded_grace: Option<Time>,
    /// Believe the `Forwarded` and `X-Forwarded-*` headers of clients. Only behind another proxy.
    #[schemars(extend("default" = false))]
    pub(in crate::settings) trust_forwarded: Option<bool>,
}

/// A header with its value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a mapping with `name` and `value`")]
pub(in crate::settings) struct Header {
    /// Name of the header; letter case does not matter.
    pub(in crate::settings) name: String,
    /// The value, compared exactly.
    pub(in crate::settings) value: Text,
}

/// What is spoken to the instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(in crate::settings) enum Upstream {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS.
    H2c,
}

/// What is kept of the instances' output.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of the log files"
)]
pub(in crate::settings) struct Logs {
    /// A log file that grows over this size is put aside.
    #[schemars(extend("default" = "10MiB"))]
    pub(in crate::settings) max_size: Option<Size>,
    /// How many files put aside are kept.
    #[schemars(range(max = 1000), extend("default" = 3))]
    pub(in crate::settings) keep: Option<u32>,
}

/// An IP address with a port, not yet read.
#[derive(Debug, Clone)]
pub(in crate::settings) struct Listen(pub(in crate::settings) String);

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Address;

        impl Visitor<'_> for Address {
            type Value = Listen;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an IP address with a port, such as \"127.0.0.1:8080\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Listen, E> {
                Ok(Listen(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, port: i64) -> Result<Listen, E> {
                Err(E::custom(format!(
                    "`{port}` is not an address: the IP address is missing\nwrite \"127.0.0.1:{port}\" for this machine \
                     only, or \"0.0.0.0:{port}\" for every network"
                )))
            }
        }

        deserializer.deserialize_str(Address)
    }
}

impl JsonSchema for Listen {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9.]+|\\[[0-9A-Fa-f:.%]+\\]):([0-9]{1,5}|[{]port[}])$" })
    }
}

/// Text that may be written as a number or truth value too: it is taken as written.
#[derive(Debug, Clone)]
pub(in crate::settings) struct Text(pub(in crate::settings) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsWritten;

        impl Visitor<'_> for AsWritten {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
        }

        deserializer.deserialize_newtype_struct(TEXT, AsWritten)
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// A command, not yet split.
#[derive(Debug, Clone)]
pub(in crate::settings) enum Command {
    /// One line with quotes.
    Line(String),
    /// Program and arguments.
    Words(Vec<String>),
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LineOrWords;

        impl<'de> Visitor<'de> for LineOrWords {
            type Value = Command;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a command, such as `[./server, --flag]` or `./server --flag`")
            }

            fn visit_str<E: Error>(self, line: &str) -> Result<Command, E> {
                Ok(Command::Line(line.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Command, A::Error> {
                let mut words = Vec::new();
                while let Some(Text(word)) = items.next_element()? {
                    words.push(word);
                }
                Ok(Command::Words(words))
            }
        }

        deserializer.deserialize_any(LineOrWords)
    }
}

impl JsonSchema for Command {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "command".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let word = Text::json_schema(generator);
        json_schema!({
            "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "array", "items": word, "minItems": 1 },
            ]
        })
    }
}
