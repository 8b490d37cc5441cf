//! One form for equal JSON, so that equal values have equal bytes.

use serde_json::Value;

use super::Json;

/// The same bytes for the same JSON: keys sorted, no blanks.
///
/// `None` where it cannot be brought into one form: nested deeper than a parser follows, or with numbers that it rounds.
pub(crate) fn canonical(json: &Json) -> Option<Vec<u8>> {
    let mut value: Value = json.to().ok()?;
    if !is_exact(&value) {
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

#[cfg(test)]
mod tests {
    use super::canonical;
    use crate::protocol::Json;

    fn of(text: &'static str) -> Vec<u8> {
        canonical(&Json::parse(text.into()).unwrap()).unwrap()
    }

    #[test]
    fn the_order_of_keys_does_not_matter_and_values_do() {
        assert_eq!(of(r#"{"a":1,"b":{"c":2,"d":[1,2]}}"#), of(r#"{ "b": {"d":[1,2], "c":2}, "a":1 }"#));
        assert_ne!(of(r#"{"a":[1,2]}"#), of(r#"{"a":[2,1]}"#));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":"1"}"#));
    }

    #[test]
    fn integers_that_a_parser_would_round_are_not_brought_into_one_form() {
        for text in [r#"{"n":36893488147419103232}"#, r#"{"n":[{"m":-36893488147419103233}]}"#] {
            assert_eq!(canonical(&Json::parse(text.into()).unwrap()), None, "{text}");
        }
        assert_ne!(of(r#"{"n":18446744073709551615}"#), of(r#"{"n":18446744073709551614}"#));
        assert_eq!(of(r#"{"n":1.5}"#), of(r#"{"n":1.50}"#));
    }
}
