//! One text, or a list of texts.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::local::Text;

/// What the texts are.
pub(in crate::settings) trait Kind {
    /// What is expected, after "expected".
    const EXPECTED: &'static str;
    /// The name of the schema.
    const NAME: &'static str;
}

/// One text, or a list of texts, of a kind.
#[derive(Debug, Clone)]
pub(in crate::settings) struct OneOrMany<K> {
    /// The texts; of one that stands alone, that one.
    pub(in crate::settings) texts: Vec<String>,
    /// They are written as a list.
    pub(in crate::settings) is_list: bool,
    kind: PhantomData<K>,
}

impl<K> OneOrMany<K> {
    fn new(texts: Vec<String>, is_list: bool) -> Self {
        Self { texts, is_list, kind: PhantomData }
    }
}

impl<'de, K: Kind> Deserialize<'de> for OneOrMany<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<K>(PhantomData<K>);

        impl<'de, K: Kind> Visitor<'de> for Either<K> {
            type Value = OneOrMany<K>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(K::EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(OneOrMany::new(vec![text.to_owned()], false))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(Text(text)) = items.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMany::new(texts, true))
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<K: Kind> JsonSchema for OneOrMany<K> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        K::NAME.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = Text::json_schema(generator);
        json_schema!({
            "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "array", "items": item, "minItems": 1 },
            ]
        })
    }
}
