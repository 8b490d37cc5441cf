//! Arguments that are text on the wire: those of prompts, and the parameters of resource templates.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::value::{Error as ValueError, StrDeserializer, StringDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::PromptArgument;
use super::arguments::{absent, unknown};
use crate::protocol::{Failure, Json, abridged, excerpt};

/// Named arguments whose values are text, in the order in which they were sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TextArguments(Vec<(String, String)>);

impl TextArguments {
    /// The value of `name`, if it was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of `name`, read into `T`: text as it is, numbers and truth values as they are written, the name of
    /// a variant, and JSON for everything that has parts. An absent value is what `T` makes of it: `None`.
    ///
    /// # Errors
    /// `Invalid params`: the argument is missing, or its text cannot be read as `T`.
    pub fn parse<T: DeserializeOwned>(&self, name: &str) -> Result<T, Failure> {
        let parsed = self.parse_if_given(name)?.or_else(absent);
        parsed.ok_or_else(|| Failure::invalid_params(format!("missing argument `{name}`")))
    }

    /// As [`TextArguments::parse`], with `None` for an absent argument of any type.
    ///
    /// # Errors
    /// `Invalid params`: the text cannot be read as `T`.
    pub fn parse_if_given<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let parsed =
            T::deserialize(Text(text)).map_err(|error| abridged(format!("argument `{name}`: {error}")));
        parsed.map(Some).map_err(Failure::invalid_params)
    }

    /// Those whose names `wanted` says yes to.
    pub(crate) fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|(name, _)| wanted(name));
        self
    }

    /// These, and of `others` those whose names are not among them.
    pub(crate) fn or(mut self, others: Self) -> Self {
        let more: Vec<_> = others.0.into_iter().filter(|(name, _)| self.get(name).is_none()).collect();
        self.0.extend(more);
        self
    }

    /// The arguments of a prompt, checked against what it declares.
    ///
    /// # Errors
    /// `Invalid params`: not an object of strings, an unknown argument, or a missing one.
    pub(super) fn of_prompt(sent: &Json, declared: &[PromptArgument]) -> Result<Self, Failure> {
        let arguments: Self =
            sent.to().map_err(|_| Failure::invalid_params("arguments must be an object of strings"))?;
        let names: Vec<&str> = declared.iter().map(|argument| argument.name.as_str()).collect();
        if let Some((name, _)) = arguments.0.iter().find(|(name, _)| !names.contains(&name.as_str())) {
            return Err(Failure::invalid_params(unknown(name, &names)));
        }
        let missing = declared.iter().find(|wanted| wanted.required && arguments.get(&wanted.name).is_none());
        match missing {
            Some(missing) => Err(Failure::invalid_params(format!("missing argument `{}`", missing.name))),
            None => Ok(arguments),
        }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for TextArguments {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for TextArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish() // values may hold secrets
    }
}

impl<'de> Deserialize<'de> for TextArguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Pairs)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = TextArguments;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TextArguments, A::Error> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(TextArguments(last_of_each(pairs)))
    }
}

/// Of pairs of one name the last, in time linear in the pairs: a message has room for many.
fn last_of_each(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut last: HashMap<&str, usize> = HashMap::with_capacity(pairs.len());
    for (index, (name, _)) in pairs.iter().enumerate() {
        last.insert(name, index);
    }
    if last.len() == pairs.len() {
        return pairs;
    }
    let kept: HashSet<usize> = last.into_values().collect();
    let mut index = 0..;
    pairs.retain(|_| index.next().is_some_and(|index| kept.contains(&index)));
    pairs
}

/// Text that becomes whatever is asked for.
struct Text<'a>(&'a str);

/// Reads a number as `FromStr` does.
macro_rules! parsed {
    ($($method:ident $visit:ident $what:literal,)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            match self.0.trim().parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(not(self.0, $what)),
            }
        }
    )* };
}

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        v: V,
    ) -> Result<V::Value, ValueError> {
        v.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let text: StrDeserializer<'_, ValueError> = self.0.into_deserializer();
        text.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let text: StringDeserializer<ValueError> = self.0.to_owned().into_deserializer();
        text.deserialize_string(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.json(|json| json.deserialize_seq(visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.json(|json| json.deserialize_tuple(len, visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.json(|json| json.deserialize_map(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.json(|json| json.deserialize_struct(name, fields, visitor))
    }

    parsed! {
        deserialize_bool visit_bool "true or false",
        deserialize_i8 visit_i8 "an integer",
        deserialize_i16 visit_i16 "an integer",
        deserialize_i32 visit_i32 "an integer",
        deserialize_i64 visit_i64 "an integer",
        deserialize_i128 visit_i128 "an integer",
        deserialize_u8 visit_u8 "an integer, not negative",
        deserialize_u16 visit_u16 "an integer, not negative",
        deserialize_u32 visit_u32 "an integer, not negative",
        deserialize_u64 visit_u64 "an integer, not negative",
        deserialize_u128 visit_u128 "an integer, not negative",
        deserialize_f32 visit_f32 "a number",
        deserialize_f64 visit_f64 "a number",
    }

    forward_to_deserialize_any! {
        char str bytes byte_buf unit unit_struct tuple_struct identifier ignored_any
    }
}

impl<'de> Text<'de> {
    fn json<T>(
        self,
        read: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::StrRead<'de>>) -> serde_json::Result<T>,
    ) -> Result<T, ValueError> {
        let mut json = serde_json::Deserializer::from_str(self.0);
        let value = read(&mut json).and_then(|value| json.end().map(|()| value));
        value
            .map_err(|error| serde::de::Error::custom(format_args!("not the JSON that is expected: {error}")))
    }
}

fn not(text: &str, what: &str) -> ValueError {
    let shown = excerpt(text);
    serde::de::Error::custom(format_args!("\"{shown}\" is not {what}, or out of range"))
}

#[cfg(test)]
mod tests {
    use super::TextArguments;

    fn read(json: &str) -> TextArguments {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn of_a_name_that_stands_twice_the_last_counts_in_its_place() {
        let arguments = read(r#"{"a":"1","b":"2","a":"3","c":"4","b":"5"}"#);
        assert_eq!(arguments, [("a", "3"), ("c", "4"), ("b", "5")].into_iter().collect());
    }

    #[test]
    fn a_message_full_of_arguments_is_read_in_linear_time() {
        let pairs: Vec<_> = (0..200_000).map(|index| format!(r#""{index}":"""#)).collect();
        let arguments = read(&format!("{{{}}}", pairs.join(",")));
        assert_eq!((arguments.get("0"), arguments.get("199999")), (Some(""), Some("")));
    }

    #[test]
    fn what_was_said_goes_before_what_is_added() {
        let said: TextArguments = [("a", "1"), ("b", "2")].into_iter().collect();
        let added = [("b", "3"), ("c", "4")].into_iter().collect();
        assert_eq!(said.only(|name| name != "a").or(added), [("b", "2"), ("c", "4")].into_iter().collect());
    }
}
