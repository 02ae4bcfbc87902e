//! Reading request bodies as FireFly's clients expect: names in any case, the last of several spellings wins, `null` is "not
//! given", unknown members are ignored, and what follows the first value is ignored too.
//!
//! It works for every type that derives `Deserialize`: a struct is read from an object whose names were matched to the
//! struct's own first. Free values stay the text they were.

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor},
};
use serde_json::{Error, value::RawValue};

/// Deepest nesting of typed objects and arrays. Free values are not counted: they are not looked into.
const DEPTH: usize = 32;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Not JSON.
    #[error("the body is not JSON: {0}")]
    Syntax(Error),
    /// `null`, which is nothing.
    #[error("the body is null: send a JSON object")]
    Null,
    /// JSON of another shape.
    #[error("field '{path}': {error}")]
    Field {
        /// Where, such as `header.topics`.
        path: String,
        /// What is wrong.
        error: Error,
    },
    /// JSON of another shape as a whole.
    #[error("{0}")]
    Shape(Error),
}

/// Reads the first JSON value of a text into a type.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Failure> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>();
    let first = match values.next() {
        Some(first) => first.map_err(Failure::Syntax)?,
        None => return Err(Failure::Syntax(de::Error::custom("it is empty"))),
    };
    if first.get() == "null" {
        return Err(Failure::Null);
    }
    let mut path = Vec::new();
    T::deserialize(Lenient { raw: first, path: &mut path, depth: 0 }).map_err(|error| {
        if path.is_empty() { Failure::Shape(error) } else { Failure::Field { path: path.join("."), error } }
    })
}

/// One JSON value on its way into a type. `path` names the value that failed, once one did.
struct Lenient<'a, 'p> {
    raw: &'a RawValue,
    path: &'p mut Vec<String>,
    depth: usize,
}

impl<'a, 'p> Lenient<'a, 'p> {
    fn is(&self, first: u8) -> bool {
        self.raw.get().as_bytes().first() == Some(&first)
    }

    fn plain(&self) -> serde_json::Deserializer<serde_json::de::StrRead<'a>> {
        serde_json::Deserializer::from_str(self.raw.get())
    }

    fn deeper(&self) -> Result<usize, Error> {
        if self.depth >= DEPTH { Err(de::Error::custom("too deeply nested")) } else { Ok(self.depth + 1) }
    }

    /// What the value is, for refusals.
    fn kind(&self) -> Unexpected<'static> {
        match self.raw.get().as_bytes().first() {
            Some(b'[') => Unexpected::Seq,
            Some(b'"') => Unexpected::Other("a text"),
            Some(b't' | b'f') => Unexpected::Other("true or false"),
            Some(b'n') => Unexpected::Unit,
            Some(b'{') => Unexpected::Map,
            _ => Unexpected::Other("a number"),
        }
    }

    fn items(&self) -> Result<Vec<&'a RawValue>, Error> {
        serde_json::from_str(self.raw.get())
    }
}

/// The members of an object in their order, as names and texts.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Deserialize<'a> for Members<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct Gather;
        impl<'a> Visitor<'a> for Gather {
            type Value = Members<'a>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Members<'a>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Gather)
    }
}

macro_rules! forward {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.plain().$method(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Lenient<'de, '_> {
    type Error = Error;

    forward! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.plain().deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.raw.get() == "null" { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.plain().deserialize_unit_struct(name, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        // Free JSON asks for its text under a name of serde_json's own, which only serde_json understands.
        if name.starts_with("$serde_json") {
            return self.plain().deserialize_newtype_struct(name, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.plain().deserialize_enum(name, variants, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if !self.is(b'[') {
            return self.plain().deserialize_seq(visitor);
        }
        let (items, depth) = (self.items()?, self.deeper()?);
        visitor.visit_seq(Items { items: items.into_iter(), path: self.path, depth })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if !self.is(b'{') {
            return self.plain().deserialize_map(visitor);
        }
        let Members(members) = serde_json::from_str(self.raw.get())?;
        let depth = self.deeper()?;
        visitor.visit_map(Fields { members: members.into_iter(), value: None, path: self.path, depth })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if !self.is(b'{') {
            // Not left to the type: a derived one would take an array too.
            return Err(de::Error::invalid_type(self.kind(), &visitor));
        }
        let Members(members) = serde_json::from_str(self.raw.get())?;
        let mut known: Vec<(String, &'de RawValue)> = Vec::with_capacity(fields.len());
        for (given, value) in members {
            let Some(field) = fields.iter().find(|field| field.eq_ignore_ascii_case(&given)) else { continue };
            known.retain(|(earlier, _)| earlier != field);
            if value.get() != "null" {
                known.push(((*field).to_owned(), value));
            }
        }
        let depth = self.deeper()?;
        visitor.visit_map(Fields { members: known.into_iter(), value: None, path: self.path, depth })
    }
}

struct Fields<'a, 'p> {
    members: std::vec::IntoIter<(String, &'a RawValue)>,
    value: Option<(String, &'a RawValue)>,
    path: &'p mut Vec<String>,
    depth: usize,
}

impl<'de> MapAccess<'de> for Fields<'de, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        let key = seed.deserialize(name.as_str().into_deserializer())?;
        self.value = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((name, raw)) = self.value.take() else { return Err(de::Error::custom("a value without a name")) };
        let read = seed.deserialize(Lenient { raw, path: self.path, depth: self.depth });
        if read.is_err() {
            self.path.insert(0, name);
        }
        read
    }
}

struct Items<'a, 'p> {
    items: std::vec::IntoIter<&'a RawValue>,
    path: &'p mut Vec<String>,
    depth: usize,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(raw) = self.items.next() else { return Ok(None) };
        seed.deserialize(Lenient { raw, path: self.path, depth: self.depth }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

#[cfg(test)]
mod tests {
    use photinus_model::{JsonText, message::Input};

    use super::*;

    fn input(text: &str) -> Result<Input, Failure> {
        read(text.as_bytes())
    }

    #[test]
    fn names_are_matched_in_any_case_and_the_last_wins() {
        let read =
            input(r#"{"HEADER":{"Topics":["a"],"TOPICS":["b"],"tag":null},"IdempotencyKEY":"k","x":1}"#).unwrap();
        assert_eq!(read.header.topics, ["b"]);
        assert_eq!(read.header.tag, "");
        assert_eq!(read.idempotency_key.as_deref(), Some("k"));
    }

    #[test]
    fn null_takes_back_an_earlier_spelling() {
        assert_eq!(input(r#"{"header":{"tag":"a","Tag":null}}"#).unwrap().header.tag, "");
    }

    #[test]
    fn free_values_keep_their_text() {
        let read = input(r#"{"data":[{"value":{"Header": 1.0, "header": 1e5}}]}"#).unwrap();
        assert_eq!(read.data[0].value, Some(JsonText::parse(r#"{"Header":1.0,"header":1e5}"#).unwrap()));
    }

    #[test]
    fn what_follows_is_ignored() {
        assert!(input(r#"{} trailing"#).is_ok());
    }

    #[test]
    fn failures_name_the_field() {
        let text = |text: &str| input(text).unwrap_err().to_string();
        assert!(
            text(r#"{"header":{"cid":"x"}}"#).starts_with("field 'header.cid'"),
            "{}",
            text(r#"{"header":{"cid":"x"}}"#)
        );
        assert!(text(r#"{"data":[{"id":"zzz"}]}"#).starts_with("field 'data.id'"));
        assert!(text(r#"{"header":[]}"#).starts_with("field 'header'"));
        assert!(matches!(input("null"), Err(Failure::Null)));
        assert!(matches!(input(""), Err(Failure::Syntax(_))));
        assert!(matches!(input("{oops"), Err(Failure::Syntax(_))));
        assert!(matches!(input("[]"), Err(Failure::Shape(_))));
    }

    #[test]
    fn deep_nesting_is_refused_without_recursion_to_match() {
        #[derive(Debug, serde::Deserialize)]
        struct Nest {
            #[serde(default)]
            #[expect(dead_code, reason = "read only")]
            inner: Option<Box<Nest>>,
        }
        let text = format!("{}{}", r#"{"inner":"#.repeat(60) + "{}", "}".repeat(60));
        assert!(read::<Nest>(text.as_bytes()).is_err());
    }
}
