//! Types that have few values complete themselves: truth values, and enums without parts.

use serde::de::value::Error as ValueError;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use super::Completer;
use crate::component::TextArguments;

/// A completer for arguments of type `T`, if `T` has few values.
pub(in crate::component) fn by_type<T: DeserializeOwned>() -> Option<Completer> {
    let values = values::<T>();
    (!values.is_empty()).then(|| Completer::one_of(values))
}

/// The values of `T`, as clients write them; none if they are many.
fn values<T: DeserializeOwned>() -> Vec<&'static str> {
    let mut named: &'static [&'static str] = &[];
    let _ = T::deserialize(Asked(&mut named)); // it fails: what it asks for is all that is wanted
    named.iter().copied().filter(|value| is_read::<T>(value)).collect()
}

/// A variant with parts is named, but cannot be written as text.
fn is_read<T: DeserializeOwned>(value: &str) -> bool {
    let argument: TextArguments = std::iter::once(("value", value)).collect();
    argument.parse::<T>("value").is_ok()
}

/// Keeps the names that a type asks for when it is read.
struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = ValueError;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, ValueError> {
        *self.0 = variants;
        Err(ValueError::custom("asked"))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ValueError> {
        *self.0 = &["true", "false"];
        Err(ValueError::custom("asked"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ValueError> {
        Err(ValueError::custom("many"))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{by_type, values};

    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only read")]
    enum Tone {
        VeryKind,
        #[serde(rename = "loud")]
        Harsh,
        Custom(String),
        #[serde(skip)]
        Secret,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Wrapped(Option<Tone>);

    #[test]
    fn enums_and_truth_values_complete_themselves_also_where_they_are_optional() {
        let tones = ["very-kind", "loud"];
        assert_eq!(values::<Tone>(), tones);
        assert_eq!(values::<Option<Tone>>(), tones);
        assert_eq!(values::<Wrapped>(), tones);
        assert_eq!(values::<bool>(), ["true", "false"]);
    }

    #[test]
    fn what_has_many_values_does_not() {
        assert!(by_type::<String>().is_none());
        assert!(by_type::<Option<u8>>().is_none());
        assert!(by_type::<Vec<Tone>>().is_none());
        assert!(by_type::<serde_json::Value>().is_none());
    }
}
