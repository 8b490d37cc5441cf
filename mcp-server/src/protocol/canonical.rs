//! One form for equal JSON, so that equal values have equal bytes.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Json;

/// The same bytes for the same JSON: keys sorted, no blanks.
///
/// `None` where two readers may see different values in it: a key that stands twice, numbers that a parser rounds, and
/// nesting deeper than a parser follows. A fraction counts as rounded unless it is written in the shortest form.
pub(crate) fn canonical(json: &Json) -> Option<Vec<u8>> {
    let Plain(mut value) = json.to().ok()?;
    if !is_exact(&value) || !fractions(json.as_str()).all(is_shortest) {
        return None;
    }
    value.sort_all_objects();
    serde_json::to_vec(&value).ok()
}

/// Whether no integer was rounded: one beyond 64 bits becomes a float, and then several are the same.
fn is_exact(value: &Value) -> bool {
    const LARGEST: f64 = 9_007_199_254_740_992.0; // 2^53
    match value {
        Value::Number(number) => {
            !number.is_f64() || number.as_f64().is_some_and(|float| float.abs() < LARGEST)
        }
        Value::Array(values) => values.iter().all(is_exact),
        Value::Object(fields) => fields.values().all(is_exact),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// The numbers with a point or an exponent in a valid JSON text.
fn fractions(text: &str) -> impl Iterator<Item = &str> {
    let mut is_string = false;
    let outside = text.split('"').filter(move |part| {
        let inside = is_string;
        // A quote that ends in an odd number of backslashes before it does not end the string.
        let escaped = inside && part.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
        is_string = !inside || escaped;
        !inside
    });
    let is_separator =
        |letter: char| !(letter.is_ascii_digit() || matches!(letter, '-' | '+' | '.' | 'e' | 'E'));
    let tokens = outside.flat_map(move |part| part.split(is_separator));
    tokens.filter(|token| token.bytes().any(|byte| byte.is_ascii_digit()) && token.contains(['.', 'e', 'E']))
}

fn is_shortest(number: &str) -> bool {
    let float = number.parse::<f64>().ok();
    float.and_then(|float| serde_json::to_string(&float).ok()).is_some_and(|shortest| shortest == number)
}

/// A value in which no object has a key twice.
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainVisitor).map(Self)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without doubled keys")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Plain(value)) = values.next_element()? {
            all.push(value);
        }
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some((key, Plain(value))) = fields.next_entry::<String, Plain>()? {
            if all.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(all.into())
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;
    use crate::protocol::Json;

    fn of(text: &'static str) -> Option<Vec<u8>> {
        canonical(&Json::parse(text.into()).unwrap())
    }

    #[test]
    fn the_order_of_keys_does_not_matter_and_values_do() {
        assert_eq!(of(r#"{"a":1,"b":{"c":2,"d":[1,2]}}"#), of(r#"{ "b": {"d":[1,2], "c":2}, "a":1 }"#));
        assert_ne!(of(r#"{"a":[1,2]}"#), of(r#"{"a":[2,1]}"#));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":"1"}"#));
        assert!(of(r#"{"a":null,"b":[true,false,-3],"c":"\u00e4\"1.10\\"}"#).is_some());
    }

    #[test]
    fn what_two_readers_may_read_differently_has_no_form() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"[{"b":{"c":1,"c":1}}]"#,
            r#"{"n":0.10000000000000001}"#,
            r#"{"n":1.50}"#,
            r#"{"s":"\\","n":1.50}"#,
            r#"{"s":"\"","n":15e-1}"#,
            "1E0",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        for text in [r#"{"n":0.1}"#, r#"{"s":"1.50"}"#, r#"{"s":"\",1.50"}"#, r#"{"1.50":1}"#, "1.5", "-0.0"]
        {
            assert!(of(text).is_some(), "{text}");
        }
    }

    #[test]
    fn integers_that_a_parser_would_round_are_not_brought_into_one_form() {
        for text in [r#"{"n":36893488147419103232}"#, r#"{"n":[{"m":-36893488147419103233}]}"#] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_ne!(of(r#"{"n":18446744073709551615}"#), of(r#"{"n":18446744073709551614}"#));
    }
}
