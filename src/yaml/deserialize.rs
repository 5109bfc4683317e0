//! The tree as a source for serde.
//!
//! Differs from a plain one in four ways. A fault carries the place and the way to it. What stands in the set of
//! left-out entries is not seen, so that reading can go on after a fault. An enum's name alone stands for the variant with all
//! defaults. A key without a value is never the same as no key.

use std::collections::HashSet;
use std::rc::Rc;
use std::{iter, slice};

use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Entry, Fault, Kind, Node, Scalar, Segment, Value};

/// The name of a newtype struct that takes a scalar as the text it was written as, of whatever type it is.
pub(crate) const TEXT: &str = "tidegate text as written";

/// One value of the tree, to be read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    node: &'a Node,
    left_out: &'a HashSet<usize>,
}

impl<'a> Reader<'a> {
    /// Reads `node` without the entries and items in `left_out`.
    pub(crate) const fn new(node: &'a Node, left_out: &'a HashSet<usize>) -> Self {
        Self { node, left_out }
    }

    fn on(self, node: &'a Node) -> Self {
        Self { node, left_out: self.left_out }
    }

    /// What stands here, for a fault.
    fn unexpected(self) -> Unexpected<'a> {
        match &self.node.value {
            Value::Scalar(Scalar::Null, _) => Unexpected::Unit,
            Value::Scalar(Scalar::Bool(value), _) => Unexpected::Bool(*value),
            Value::Scalar(Scalar::Integer(value), _) => Unexpected::Signed(*value),
            Value::Scalar(Scalar::Float(value), _) => Unexpected::Float(*value),
            Value::Scalar(Scalar::Text, text) => Unexpected::Str(text),
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        }
    }

    /// True when something directly in it was left out.
    fn maimed(self) -> bool {
        match &self.node.value {
            Value::Scalar(..) => false,
            Value::List(items) => items.iter().any(|item| self.left_out.contains(&item.id)),
            Value::Map(entries) => entries.iter().any(|entry| self.left_out.contains(&entry.id)),
        }
    }

    /// Reads the value of an entry; a fault in it is located there.
    fn entry<T: DeserializeSeed<'a>>(self, entry: &'a Entry, seed: T) -> Result<T::Value, Fault> {
        let value = self.on(&entry.value);
        seed.deserialize(value).map_err(|fault| {
            let at = match *fault.kind {
                Kind::Missing(_) => entry.at,
                _ => entry.value.at,
            };
            fault.located(entry.id, at, value.maimed()).within(Segment::Key(entry.key.clone()))
        })
    }
}

impl<'de> de::Deserializer<'de> for Reader<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Scalar(Scalar::Null, _) => visitor.visit_unit(),
            Value::Scalar(Scalar::Bool(value), _) => visitor.visit_bool(*value),
            Value::Scalar(Scalar::Integer(value), _) => visitor.visit_i64(*value),
            Value::Scalar(Scalar::Float(value), _) if value.is_finite() => visitor.visit_f64(*value),
            Value::Scalar(Scalar::Float(_), text) => Err(Fault::custom(format!(
                "`{text}` is not a finite number\nput it in quotes if a text is meant"
            ))),
            Value::Scalar(Scalar::Text, text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(Items { reader: self, items: items.iter(), index: 0 }),
            Value::Map(entries) => {
                visitor.visit_map(Entries { reader: self, entries: entries.iter(), now: None })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Scalar(scalar, text) if name == TEXT && *scalar != Scalar::Null => {
                visitor.visit_borrowed_str(text)
            }
            _ if name == TEXT => self.deserialize_any(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    /// A list is never taken for a mapping by the order of its items.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Map(_) => self.deserialize_any(visitor),
            _ => Err(Fault::invalid_type(self.unexpected(), &visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let one_of = || format!("one of {}", crate::yaml::words::listed(variants.iter().copied()));
        match &self.node.value {
            Value::Scalar(Scalar::Text, name) => {
                visitor.visit_enum(Choice { reader: self, name, entry: None })
            }
            Value::Map(entries) => {
                let mut seen = entries.iter().filter(|entry| !self.left_out.contains(&entry.id));
                match (seen.next(), seen.next()) {
                    (Some(entry), None) => {
                        visitor.visit_enum(Choice { reader: self, name: &entry.key, entry: Some(entry) })
                    }
                    (None, _) => Err(Fault::custom(format!("nothing is chosen here\ngive {}", one_of()))),
                    (Some(first), Some(second)) => Err(Fault::custom(format!(
                        "`{}` and `{}` are both given, but only one can be chosen\nkeep {}",
                        first.key,
                        second.key,
                        one_of()
                    ))),
                }
            }
            _ => Err(Fault::invalid_type(self.unexpected(), &one_of().as_str())),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'a> {
    reader: Reader<'a>,
    items: slice::Iter<'a, Rc<Node>>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        for item in self.items.by_ref() {
            let index = self.index;
            self.index += 1;
            if self.reader.left_out.contains(&item.id) {
                continue;
            }
            let value = self.reader.on(item);
            let locate =
                |fault: Fault| fault.located(item.id, item.at, value.maimed()).within(Segment::Index(index));
            return seed.deserialize(value).map(Some).map_err(locate);
        }
        Ok(None)
    }
}

struct Entries<'a> {
    reader: Reader<'a>,
    entries: slice::Iter<'a, Entry>,
    now: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let left_out = self.reader.left_out;
        let Some(entry) = self.entries.by_ref().find(|entry| !left_out.contains(&entry.id)) else {
            return Ok(None);
        };
        self.now = Some(entry);
        let key: StrDeserializer<'_, Fault> = entry.key.as_str().into_deserializer();
        let locate =
            |fault: Fault| fault.located(entry.id, entry.at, false).within(Segment::Key(entry.key.clone()));
        seed.deserialize(key).map(Some).map_err(locate)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        match self.now.take() {
            Some(entry) => self.reader.entry(entry, seed),
            None => Err(Fault::custom("a value was read before its key")),
        }
    }
}

/// A variant of an enum: a name alone, or a mapping of the name to its settings.
struct Choice<'a> {
    reader: Reader<'a>,
    name: &'a str,
    entry: Option<&'a Entry>,
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.into_deserializer();
        match seed.deserialize(name) {
            Ok(value) => Ok((value, self)),
            Err(fault) => Err(match self.entry {
                Some(entry) => {
                    fault.located(entry.id, entry.at, false).within(Segment::Key(entry.key.clone()))
                }
                None => fault,
            }),
        }
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.entry {
            None => Ok(()),
            Some(entry) => Err(Fault::custom(format!("`{0}` has no settings\nwrite only `{0}`", entry.key))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let Some(entry) = self.entry else {
            let defaults: MapDeserializer<'de, _, Fault> =
                MapDeserializer::new(iter::empty::<(&str, &str)>());
            return seed
                .deserialize(defaults)
                .map_err(|fault| fault.within(Segment::Key(self.name.to_owned())));
        };
        self.reader.entry(entry, seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value, Fault> {
        Err(Fault::custom("a list has no meaning here"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Fault> {
        Err(Fault::custom("a mapping has no meaning here"))
    }
}
