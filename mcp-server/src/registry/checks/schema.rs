//! JSON schemas as far as clients depend on them (2026-07-28, basic/index, "JSON Schema Usage").

use serde_json::{Map, Value};

use crate::protocol::Json;

/// The deepest nesting of schemas in a schema, and the most of them: beyond, validating costs too much.
const MAX_DEPTH: usize = 32;
const MAX_SUBSCHEMAS: usize = 4_096;

/// Keywords whose value is data, not a schema.
pub(super) const DATA: [&str; 5] = ["const", "enum", "default", "examples", "example"];
/// Keywords whose value holds schemas by names that mean nothing here.
pub(super) const NAMED: [&str; 5] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// # Errors
/// How the schema of a tool's arguments is wrong, as the end of a sentence.
pub(super) fn input(schema: &Json) -> Result<(), String> {
    let schema = parsed(schema)?;
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(
            "whose root is not of type object: arguments are always an object, so add \"type\": \"object\""
                .into(),
        );
    }
    walk(schema)
}

/// # Errors
/// How the schema of structured content is wrong, as the end of a sentence.
pub(super) fn output(schema: &Json) -> Result<(), String> {
    walk(parsed(schema)?)
}

fn parsed(schema: &Json) -> Result<Map<String, Value>, String> {
    schema.to().map_err(|_| "that is no JSON object of at most 128 levels: write it as one".to_owned())
}

fn walk(schema: Map<String, Value>) -> Result<(), String> {
    let root = Value::Object(schema);
    let mut walk = Walk { root: &root, seen: 0 };
    walk.schema(&root, 0)
}

struct Walk<'a> {
    root: &'a Value,
    seen: usize,
}

impl Walk<'_> {
    fn schema(&mut self, schema: &Value, depth: usize) -> Result<(), String> {
        let Value::Object(keywords) = schema else { return Ok(()) }; // true and false are schemas too
        self.seen += 1;
        if depth > MAX_DEPTH || self.seen > MAX_SUBSCHEMAS {
            return Err(format!(
                "with over {MAX_DEPTH} levels or {MAX_SUBSCHEMAS} parts: make it flatter, or take the rest as any JSON"
            ));
        }
        for (keyword, value) in keywords {
            match (keyword.as_str(), value) {
                ("$ref" | "$dynamicRef", Value::String(target)) => self.reference(target)?,
                (keyword, _) if DATA.contains(&keyword) => {}
                (keyword, Value::Object(named)) if NAMED.contains(&keyword) => {
                    self.all(named.values(), depth)?;
                }
                (_, Value::Array(schemas)) => self.all(schemas.iter(), depth)?,
                (_, value) => self.schema(value, depth + 1)?,
            }
        }
        Ok(())
    }

    fn all<'v>(&mut self, mut schemas: impl Iterator<Item = &'v Value>, depth: usize) -> Result<(), String> {
        schemas.try_for_each(|schema| self.schema(schema, depth + 1))
    }

    /// Nobody may fetch what a reference points at, so it points into the schema itself.
    fn reference(&self, target: &str) -> Result<(), String> {
        let Some(fragment) = target.strip_prefix('#') else {
            return Err(format!(
                "that refers to {target:?}, which clients must not fetch: put it under $defs"
            ));
        };
        let dangling = fragment.starts_with('/') && self.root.pointer(fragment).is_none();
        if dangling { Err(format!("that refers to {target:?}, which is not in it")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{MAX_DEPTH, MAX_SUBSCHEMAS, input, output};
    use crate::protocol::Json;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!({"type": "string"}), |inner, _| json!({"type": "array", "items": inner}))
    }

    #[test]
    fn schemas_that_clients_take_pass() {
        let schemas = [
            json!({"type": "object"}),
            json!({"type": "object", "properties": {"$ref": {"type": "string"}, "enum": {"type": "string"}}}),
            json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}}),
            json!({"type": "object", "properties": {"a": {"const": {"$ref": "https://x"}}}}),
            json!({"type": "object", "properties": {"a": true, "b": {"$ref": "#anchor"}}}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}),
            json!({"type": "object", "properties": {"a": nested(MAX_DEPTH - 1)}}),
        ];
        for schema in schemas {
            assert_eq!(input(&Json::from(schema.clone())), Ok(()), "{schema}");
        }
        assert_eq!(output(&Json::from(json!({"type": "array", "items": {"type": "integer"}}))), Ok(()));
    }

    #[test]
    fn schemas_that_clients_refuse_are_refused_with_the_remedy() {
        let many: Value = (0..MAX_SUBSCHEMAS).map(|index| (index.to_string(), json!({}))).collect();
        let cases = [
            (json!(null), "JSON object"),
            (json!([]), "JSON object"),
            (json!({}), "type object"),
            (json!({"type": "array"}), "type object"),
            (json!({"type": ["object", "null"]}), "type object"),
            (json!({"type": "object", "properties": {"a": {"$ref": "https://x/y.json"}}}), "must not fetch"),
            (json!({"type": "object", "anyOf": [{"$ref": "file:///etc/passwd"}]}), "must not fetch"),
            (
                json!({"type": "object", "$defs": {"a": {"items": {"$dynamicRef": "other"}}}}),
                "must not fetch",
            ),
            (json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/B"}}}), "not in it"),
            (json!({"type": "object", "properties": {"a": nested(MAX_DEPTH)}}), "levels"),
            (json!({"type": "object", "properties": many}), "parts"),
            (json!({"type": "object", "properties": {"a": nested(60)}}), "levels"),
        ];
        for (schema, expected) in cases {
            let defect = input(&Json::from(schema.clone())).expect_err(expected);
            assert!(defect.contains(expected), "{schema}: {defect}");
        }
    }
}
