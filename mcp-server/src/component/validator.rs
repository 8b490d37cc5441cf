//! Arguments and results against schemas, where reading and writing them does not enforce these.
//!
//! A typed handler's arguments are read by serde, which enforces types, required and unknown fields. What it does not
//! enforce (`minimum`, `pattern`, ..) and every schema written by hand is enforced by the crate `jsonschema`, which
//! brings dozens of crates and so is behind the feature `validate`. A schema is never silently left unenforced.

use serde_json::{Map, Value};

use crate::protocol::Json;

/// Keywords that serde does not enforce, whatever their value.
const UNENFORCED: [&str; 19] = [
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "if",
    "maxContains",
    "maxLength",
    "maxProperties",
    "minContains",
    "minLength",
    "minProperties",
    "multipleOf",
    "not",
    "pattern",
    "patternProperties",
    "propertyNames",
    "then",
];

/// The bounds of Rust's integers, which schemas of them state and serde enforces.
const INTEGER_BOUNDS: [f64; 11] = [
    0.0,
    -128.0,
    127.0,
    255.0,
    -32_768.0,
    32_767.0,
    65_535.0,
    -2_147_483_648.0,
    2_147_483_647.0,
    4_294_967_295.0,
    9_223_372_036_854_775_807.0,
];

/// Why a schema needs more than serde; `None` where it does not.
fn unenforced(schema: &Json, by_hand: bool) -> Option<String> {
    let schema: Value = schema.to().ok()?;
    if by_hand {
        return (!says_only_object(&schema)).then(|| "has an input schema written by hand".to_owned());
    }
    let keyword = keyword(&schema)?;
    Some(format!("uses {keyword:?} in its input schema"))
}

/// `{"type": "object"}`, perhaps with words for people: any object fits, and arguments are an object.
fn says_only_object(schema: &Value) -> bool {
    const WORDS: [&str; 5] = ["$schema", "$comment", "description", "title", "type"];
    let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
    schema.as_object().is_some_and(|schema| {
        schema.iter().all(|(key, value)| {
            WORDS.contains(&key.as_str())
                || (key == "properties" && is_empty(value))
                || (key == "additionalProperties" && *value == Value::Bool(true))
        })
    })
}

/// The first keyword, at any depth, that serde does not enforce.
fn keyword(schema: &Value) -> Option<&str> {
    match schema {
        Value::Object(schema) => schema.iter().find_map(|(key, value)| match key.as_str() {
            "properties" | "$defs" => value.as_object()?.values().find_map(keyword),
            "default" | "const" | "enum" | "examples" | "description" | "title" => None,
            "minLength" | "maxLength" if is_character(schema) => None,
            key if UNENFORCED.contains(&key) => Some(key),
            key @ ("minimum" | "maximum") if !is_integer_bound(schema, value) => Some(key),
            key @ ("minItems" | "maxItems") if schema.get("minItems") != schema.get("maxItems") => Some(key),
            _ => keyword(value),
        }),
        Value::Array(values) => values.iter().find_map(keyword),
        _ => None,
    }
}

/// A string of one character, which is Rust's `char`.
fn is_character(schema: &Map<String, Value>) -> bool {
    ["minLength", "maxLength"].iter().all(|key| schema.get(*key) == Some(&Value::from(1)))
}

fn is_integer_bound(schema: &Map<String, Value>, bound: &Value) -> bool {
    let integer = match schema.get("type") {
        Some(Value::String(kind)) => kind == "integer",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "integer"),
        _ => false,
    };
    integer && bound.as_f64().is_some_and(|bound| INTEGER_BOUNDS.contains(&bound))
}

/// Enforces one schema.
#[derive(Clone)]
pub(super) struct Validator(#[cfg(feature = "validate")] std::sync::Arc<jsonschema::Validator>);

#[cfg(feature = "validate")]
impl Validator {
    /// The longest complaint that a client gets.
    const MAX_COMPLAINTS: usize = 5;

    /// The validator that a schema needs; `None` where serde enforces it.
    ///
    /// # Errors
    /// The schema is none.
    pub(super) fn of(schema: &Json, by_hand: bool) -> Result<Option<Self>, String> {
        if unenforced(schema, by_hand).is_none() {
            return Ok(None);
        }
        Self::compiled(schema).map(Some).map_err(|wrong| format!("has an input schema that is {wrong}"))
    }

    /// The validator of results, whose schema was written by hand.
    ///
    /// # Errors
    /// The schema is none.
    pub(super) fn of_output(schema: &Json) -> Result<Option<Self>, String> {
        Self::compiled(schema).map(Some).map_err(|wrong| format!("has an output schema that is {wrong}"))
    }

    fn compiled(schema: &Json) -> Result<Self, String> {
        let schema: Value = schema.to().map_err(|error| format!("no JSON: {error}"))?;
        let validator = jsonschema::draft202012::new(&schema);
        Ok(Self(std::sync::Arc::new(validator.map_err(|error| format!("none: {error}"))?)))
    }

    /// What is wrong with the value; `None` where nothing is. Names places and rules, not values.
    pub(super) fn complaint(&self, value: &Json) -> Option<String> {
        let Ok(value) = value.to::<Value>() else {
            return Some("the nesting is too deep".to_owned());
        };
        let complaints: Vec<String> = self
            .0
            .iter_errors(&value)
            .take(Self::MAX_COMPLAINTS)
            .map(|error| crate::protocol::abridged(error.masked().to_string()))
            .collect();
        (!complaints.is_empty()).then(|| complaints.join("; "))
    }
}

#[cfg(not(feature = "validate"))]
impl Validator {
    /// `None` where serde enforces the schema.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn of(schema: &Json, by_hand: bool) -> Result<Option<Self>, String> {
        match unenforced(schema, by_hand) {
            None => Ok(None),
            Some(why) => Err(format!(
                "{why}, which nothing enforces: turn on the feature `validate` of mcp-server, or let a typed handler \
                 say it"
            )),
        }
    }

    /// `None`: nothing looks at results.
    #[expect(clippy::unnecessary_wraps, reason = "as the twin with the feature answers")]
    pub(super) fn of_output(_: &Json) -> Result<Option<Self>, String> {
        Ok(None)
    }

    #[expect(clippy::unused_self, reason = "the twin with the feature looks at it")]
    pub(super) fn complaint(&self, _: &Json) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::unenforced;
    use crate::protocol::Json;

    #[test]
    fn schemas_of_rust_types_need_nothing_and_bounds_of_ones_own_do() {
        let of = |property: serde_json::Value| {
            let schema = json!({ "type": "object", "properties": { "x": property }, "required": ["x"] });
            unenforced(&Json::from(schema), false)
        };
        for fine in [
            json!({ "type": "integer", "minimum": 0 }),
            json!({ "type": ["integer", "null"], "minimum": 0, "maximum": 255 }),
            json!({ "type": "array", "minItems": 2, "maxItems": 2, "items": { "type": "number" } }),
            json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
            json!({ "type": "string", "enum": ["pattern"], "default": { "pattern": "x" } }),
            json!({ "type": "object", "properties": { "pattern": { "type": "string" } } }),
        ] {
            assert_eq!(of(fine.clone()), None, "{fine}");
        }
        for (keyword, schema) in [
            ("minimum", json!({ "type": "number", "minimum": 0 })),
            ("maximum", json!({ "type": "integer", "maximum": 10 })),
            ("pattern", json!({ "type": "array", "items": { "type": "string", "pattern": "^a" } })),
            ("minLength", json!({ "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "null" }] })),
        ] {
            assert!(of(schema.clone()).is_some_and(|why| why.contains(keyword)), "{schema}");
        }
    }

    #[test]
    fn a_schema_by_hand_that_allows_any_object_needs_nothing() {
        assert_eq!(unenforced(&Json::from(json!({ "type": "object", "properties": {} })), true), None);
        assert!(unenforced(&Json::from(json!({ "type": "object", "required": ["a"] })), true).is_some());
    }
}
