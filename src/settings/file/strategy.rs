//! Strategies as they are written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::{Check, Load, Percent, Time};
use crate::rollout::Weight;
use crate::rollout::step::Unsettled;

/// How a new release takes over.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(transform = allow_names)]
pub(in crate::settings) enum Strategy {
    /// Batch by batch, each healthy before the next.
    Rolling(Rolling),
    /// A whole new set, verified, then all traffic at once.
    BlueGreen(BlueGreen),
    /// Weight by weight, each ended by evidence.
    Canary(Canary),
    /// The old release ends before the new one starts: for what must not run twice. Requests wait meanwhile.
    Recreate(Recreate),
}

/// The name of a strategy alone stands for the strategy with all defaults.
fn allow_names(schema: &mut Schema) {
    let names = json_schema!({ "type": "string", "enum": ["rolling", "blue-green", "canary", "recreate"] });
    if let Some(serde_json::Value::Array(forms)) = schema.get_mut("oneOf") {
        forms.insert(0, names.to_value());
    }
}

/// Settings of `rolling`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of `rolling`"
)]
pub(in crate::settings) struct Rolling {
    /// How many instances more than wanted may exist meanwhile: a number, or percent of the instances, rounded up.
    #[schemars(extend("default" = 1))]
    pub(in crate::settings) max_surge: Option<Amount>,
    /// How many instances fewer than wanted may be ready meanwhile: a number, or percent of the instances, rounded down.
    #[schemars(extend("default" = 0))]
    pub(in crate::settings) max_unavailable: Option<Amount>,
    /// How long each batch is watched before the next.
    #[schemars(extend("default" = "0s"))]
    pub(in crate::settings) wait: Option<Time>,
}

/// Settings of `blue-green`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of `blue-green`"
)]
pub(in crate::settings) struct BlueGreen {
    /// Requests that are checked against the new set, and gates that are asked, before traffic moves.
    pub(in crate::settings) before: Option<Vec<Check>>,
    /// How long the new set is watched after the switch, before it counts as good.
    #[schemars(extend("default" = "0s"))]
    pub(in crate::settings) watch: Option<Time>,
    /// What is compared while watching, against the former release as it was before. Needs `watch`.
    #[schemars(extend("default" = false))]
    pub(in crate::settings) compare: Option<Compare>,
    /// Wait for a person before traffic moves.
    #[schemars(extend("default" = false))]
    pub(in crate::settings) confirm: Option<bool>,
}

/// Settings of `canary`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of `canary`"
)]
pub(in crate::settings) struct Canary {
    /// The shares of all requests that the new release gets, strictly growing, on the way to 100.
    #[schemars(length(min = 1), extend("default" = [5, 25, 50]))]
    pub(in crate::settings) weights: Option<Vec<Stage>>,
    /// What is compared with the former release at each weight. `false` goes by time alone: each weight lasts `at-most`.
    pub(in crate::settings) compare: Option<Compare>,
    /// Each weight lasts at least this long, however clear the evidence for it is.
    #[schemars(extend("default" = "0s"))]
    pub(in crate::settings) at_least: Option<Time>,
    /// Each weight lasts at most this long.
    #[schemars(extend("default" = "10m"))]
    pub(in crate::settings) at_most: Option<Time>,
    /// Requests that are checked against the new release, and gates that are asked, before it gets any traffic.
    pub(in crate::settings) before: Option<Vec<Check>>,
    /// Gates that are asked at each weight, once its comparison has passed.
    pub(in crate::settings) gates: Option<Vec<Check>>,
}

/// Settings of `recreate`: there are none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an empty mapping: `recreate` has no settings")]
pub(in crate::settings) struct Recreate {}

/// What is compared between the new and the former release, and how strictly.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of the comparison"
)]
pub(in crate::settings) struct Comparison {
    /// The new release passes once it is shown that its share of errors (5xx) exceeds the former one's by less than this
    /// many percentage points.
    #[schemars(extend("default" = "1%"))]
    pub(in crate::settings) errors: Option<Percent>,
    /// A request that takes longer than this counts as slow. Without it, latency is not compared. In a cluster the app's own
    /// histogram tells: the next lower of its bounds is taken.
    pub(in crate::settings) slower_than: Option<Time>,
    /// As `errors`, for the share of slow requests. Needs `slower-than`.
    #[schemars(extend("default" = "1%"))]
    pub(in crate::settings) slow: Option<Percent>,
    /// Probability, over a whole rollout, that a release as good as the former one is taken back.
    #[schemars(extend("default" = "1%"))]
    pub(in crate::settings) alpha: Option<Percent>,
    /// The new release does not pass before it answered this many requests.
    #[schemars(range(min = 1), extend("default" = 50))]
    pub(in crate::settings) min_requests: Option<u64>,
    /// What happens when the evidence has not settled it in time: `hold` waits for a person, `pass` goes on (but never when who counts
    /// the requests is silent by then), `fail` goes back.
    #[schemars(extend("default" = "hold"))]
    pub(in crate::settings) inconclusive: Option<Unsettled>,
    /// Requests that Tidegate sends to the public address meanwhile: for a release that hardly anybody visits.
    pub(in crate::settings) load: Option<Load>,
}

/// A comparison, or none.
#[derive(Debug)]
pub(in crate::settings) enum Compare {
    /// `false`.
    Off,
    /// What is compared.
    On(Comparison),
}

impl<'de> Deserialize<'de> for Compare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OffOrOn;

        impl<'de> Visitor<'de> for OffOrOn {
            type Value = Compare;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`false` or a mapping, such as `{ errors: 1% }`")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Compare, E> {
                if on {
                    let fault = "`true` does not say what is compared\nwrite `{}` for the default comparison";
                    return Err(E::custom(fault));
                }
                Ok(Compare::Off)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Compare, A::Error> {
                Comparison::deserialize(MapAccessDeserializer::new(map)).map(Compare::On)
            }
        }

        deserializer.deserialize_any(OffOrOn)
    }
}

impl JsonSchema for Compare {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "comparison or none".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let comparison = generator.subschema_for::<Comparison>();
        json_schema!({ "anyOf": [{ "const": false }, comparison] })
    }
}

/// A weight of a canary.
#[derive(Debug)]
pub(in crate::settings) struct Stage {
    /// Share of the requests; not zero.
    pub(in crate::settings) weight: Weight,
    /// Wait for a person before the next weight.
    pub(in crate::settings) confirm: bool,
}

/// A weight of a canary with its settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a weight, such as `5`, or `{ weight: 5 }`"
)]
#[schemars(rename = "Stage")]
struct LongStage {
    /// Share of all requests in percent, such as `5` or `0.5%`; more than 0, at most 100.
    weight: Share,
    /// Wait for a person before the next weight.
    #[schemars(extend("default" = false))]
    confirm: Option<bool>,
}

impl<'de> Deserialize<'de> for Stage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShortOrLong;

        impl<'de> Visitor<'de> for ShortOrLong {
            type Value = Stage;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a weight in percent, such as `5` or `0.5%`")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Stage, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Stage, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Stage, E> {
                Ok(Stage { weight: share(text).map_err(E::custom)?, confirm: false })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Stage, A::Error> {
                let long = LongStage::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Stage { weight: long.weight.0, confirm: long.confirm.unwrap_or(false) })
            }
        }

        deserializer.deserialize_any(ShortOrLong)
    }
}

impl JsonSchema for Stage {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "stage".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (short, long) = (Share::json_schema(generator), generator.subschema_for::<LongStage>());
        json_schema!({ "anyOf": [short, long] })
    }
}

/// A share of all requests, written as a number of percent or with the sign.
#[derive(Debug)]
struct Share(Weight);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = super::local::Text::deserialize(deserializer)?.0;
        share(&text).map(Self).map_err(D::Error::custom)
    }
}

impl JsonSchema for Share {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "number", "exclusiveMinimum": 0, "maximum": 100 },
            { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?%?$" },
        ] })
    }
}

/// Reads a share of the requests.
fn share(text: &str) -> Result<Weight, String> {
    let percent = Percent::read(&format!("{}%", text.strip_suffix('%').unwrap_or(text))).map_err(|_| {
        format!("`{text}` is not a share of the requests\nwrite percent, such as `5` or `0.5%`")
    })?;
    let points = u16::try_from(percent.millionths() / 100).unwrap_or(u16::MAX);
    match points {
        _ if percent.millionths() % 100 != 0 => {
            Err(format!("the weight `{text}` is finer than 0.01 %\nround it to two digits after the point"))
        }
        0 => Err(format!("the weight `{text}` sends no request\ngive more than 0")),
        10_001.. => Err(format!("the weight `{text}` is more than all requests\ngive at most 100")),
        _ => Ok(Weight::from_basis_points(points)),
    }
}

/// A number of instances, or percent of them.
#[derive(Debug, Clone, Copy)]
pub(in crate::settings) enum Amount {
    /// So many.
    Count(u32),
    /// This share of them.
    Share(Percent),
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountOrShare;

        impl Visitor<'_> for CountOrShare {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of instances, such as `1`, or percent of them, such as `25%`")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Amount, E> {
                match u32::try_from(number) {
                    Ok(count @ 0..=1000) => Ok(Amount::Count(count)),
                    _ => Err(E::custom(format!("`{number}` is not a number of instances from 0 to 1000"))),
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Amount, E> {
                Percent::read(text).map(Amount::Share).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(CountOrShare)
    }
}

impl JsonSchema for Amount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "amount".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let percent = Percent::json_schema(generator);
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 0, "maximum": 1000 }, percent] })
    }
}
