//! Headers that repeat arguments, as input schemas declare them. Clients leave a tool out whose declaration is wrong, so it
//! is refused here (2026-07-28, basic/transports/streamable-http, "Schema Extension").

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::schema::{DATA, NAMED};
use crate::protocol::{Json, ParamHeaders};

const KEYWORD: &str = "x-mcp-header";

/// The headers that the schema of a tool's arguments declares; `None` where it declares none.
///
/// # Errors
/// How a declaration is wrong, as the end of a sentence about the tool.
pub(super) fn declared(schema: &Json) -> Result<Option<ParamHeaders>, String> {
    let Ok(Value::Object(schema)) = schema.to() else { return Ok(None) }; // refused elsewhere
    if schema.contains_key(KEYWORD) {
        return Err(format!("has {KEYWORD:?} at the root of its input schema: move it to a property"));
    }
    let mut found = Found::default();
    found.object(&schema, &mut Vec::new())?;
    Ok((!found.headers.is_empty()).then_some(found.headers))
}

/// What was declared so far.
#[derive(Default)]
struct Found {
    headers: ParamHeaders,
    /// The argument of each header, whose name is in lower case.
    arguments: HashMap<String, String>,
}

impl Found {
    /// Looks through the schema of the object at `path`.
    fn object(&mut self, schema: &Map<String, Value>, path: &mut Vec<String>) -> Result<(), String> {
        for (keyword, value) in schema {
            match value {
                Value::Object(properties) if keyword == "properties" => {
                    for (name, property) in properties {
                        path.push(name.clone());
                        self.property(property, path)?;
                        path.pop();
                    }
                }
                _ => nowhere(keyword, value, path)?,
            }
        }
        Ok(())
    }

    fn property(&mut self, schema: &Value, path: &mut Vec<String>) -> Result<(), String> {
        let Value::Object(schema) = schema else { return Ok(()) };
        let Some(header) = schema.get(KEYWORD) else { return self.object(schema, path) };
        schema.iter().try_for_each(|(keyword, value)| nowhere(keyword, value, path))?;
        self.declare(header, schema.get("type"), path)
    }

    fn declare(&mut self, header: &Value, kind: Option<&Value>, path: &[String]) -> Result<(), String> {
        let argument = path.join(".");
        if !is_primitive(kind) {
            return Err(format!(
                "repeats the argument {argument:?} in a header, which holds a string, an integer or a boolean: make one \
                 of them its \"type\", or leave {KEYWORD:?} out"
            ));
        }
        let name =
            header.as_str().filter(|name| !name.is_empty() && self.headers.declare(name, path).is_ok());
        let Some(name) = name else {
            return Err(format!(
                "repeats the argument {argument:?} in a header that is named {header}, which no header can be: write \
                 letters, digits and `-` behind {KEYWORD:?}"
            ));
        };
        match self.arguments.insert(name.to_ascii_lowercase(), argument.clone()) {
            None => Ok(()),
            Some(other) => Err(format!(
                "repeats the arguments {other:?} and {argument:?} in the one header {name:?}, in which upper and lower \
                 case are the same: rename one of the two"
            )),
        }
    }
}

/// One type, perhaps beside null, and no `number`: that is written in more than one way.
fn is_primitive(kind: Option<&Value>) -> bool {
    let fits = |kind: &Value| ["string", "integer", "boolean"].iter().any(|primitive| kind == primitive);
    match kind {
        Some(Value::Array(kinds)) => {
            let mut kinds = kinds.iter().filter(|kind| *kind != "null");
            kinds.next().is_some_and(fits) && kinds.next().is_none()
        }
        Some(kind) => fits(kind),
        None => false,
    }
}

/// # Errors
/// A header is declared below a keyword by which clients do not find it.
fn nowhere(keyword: &str, value: &Value, path: &[String]) -> Result<(), String> {
    let Some(place) = misplaced(keyword, value) else { return Ok(()) };
    let names = path.iter().flat_map(|name| ["properties", name]);
    let place = names.chain([&*place]).collect::<Vec<_>>().join(".");
    Err(format!(
        "has {KEYWORD:?} at \"{place}\" of its input schema, where clients do not look for it: declare it on an \
         argument, or on a property of one that is an object whose schema stands in place, with neither \"$ref\" nor any \
         other keyword on the way (`#[schemars(inline)]` puts a struct in place)"
    ))
}

/// Where below `keyword` a header is declared.
fn misplaced(keyword: &str, value: &Value) -> Option<String> {
    match value {
        _ if DATA.contains(&keyword) || keyword == "dependentRequired" => None,
        Value::Object(named) if NAMED.contains(&keyword) => {
            let place = named.iter().find_map(|(name, schema)| Some(joined(name, &below(schema)?)));
            place.map(|place| joined(keyword, &place))
        }
        value => below(value).map(|place| joined(keyword, &place)),
    }
}

/// Where in a schema, or a list of them, a header is declared; empty is the schema itself.
fn below(schema: &Value) -> Option<String> {
    match schema {
        Value::Object(keywords) if keywords.contains_key(KEYWORD) => Some(String::new()),
        Value::Object(keywords) => keywords.iter().find_map(|(keyword, value)| misplaced(keyword, value)),
        Value::Array(schemas) => schemas.iter().find_map(below),
        _ => None,
    }
}

fn joined(head: &str, rest: &str) -> String {
    if rest.is_empty() { head.to_owned() } else { format!("{head}.{rest}") }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::{Value, json};

    use super::declared;
    use crate::protocol::Json;

    fn of(properties: &Value) -> Result<usize, String> {
        let schema = json!({ "type": "object", "properties": properties });
        declared(&Json::from(schema)).map(|headers| usize::from(headers.is_some()))
    }

    fn refused(properties: &Value) -> String {
        of(properties).expect_err(&properties.to_string())
    }

    #[test]
    fn a_header_repeats_a_string_an_integer_or_a_boolean() {
        for kind in [
            json!("string"),
            json!("integer"),
            json!("boolean"),
            json!(["string", "null"]),
            json!(["null", "integer"]),
        ] {
            assert_eq!(of(&json!({ "a": { "type": kind, "x-mcp-header": "A" } })), Ok(1), "{kind}");
        }
        for kind in [
            json!("number"),
            json!("object"),
            json!("array"),
            json!("null"),
            json!(["null"]),
            json!(["number", "null"]),
            json!(["string", "integer"]),
            json!([]),
            json!(null),
        ] {
            let error = refused(&json!({ "a": { "type": kind, "x-mcp-header": "A" } }));
            assert!(
                error.contains("argument \"a\"") && error.contains("make one of them its \"type\""),
                "{error}"
            );
        }
        for without_type in [
            json!({ "x-mcp-header": "A" }),
            json!({ "enum": ["x"], "x-mcp-header": "A" }),
            json!({ "$ref": "#/$defs/A", "x-mcp-header": "A" }),
            json!({ "anyOf": [{ "type": "string" }], "x-mcp-header": "A" }),
        ] {
            assert!(refused(&json!({ "a": without_type })).contains("\"type\""));
        }
    }

    #[test]
    fn a_header_has_a_name_that_is_a_token_and_its_own() {
        for name in ["Region", "x", "9", "a-b_c.d", "!#$%&'*+-.^_`|~"] {
            assert_eq!(of(&json!({ "a": { "type": "string", "x-mcp-header": name } })), Ok(1), "{name}");
        }
        let long = "x".repeat(1 << 16);
        for name in [
            "",
            " ",
            "My Region",
            "Region:Primary",
            "Région",
            "Region\t1",
            "a\r\nb",
            "a\0",
            "a/b",
            "\"a\"",
            "(a)",
            &long,
        ] {
            let error = refused(&json!({ "a": { "type": "string", "x-mcp-header": name } }));
            assert!(
                error.contains("argument \"a\"") && error.contains("letters, digits and `-`"),
                "{name:?}: {error}"
            );
        }
        for name in [json!(null), json!(7), json!(true), json!(["A"]), json!({ "name": "A" })] {
            assert!(refused(&json!({ "a": { "type": "string", "x-mcp-header": name } })).contains("letters"));
        }
        let within = json!({ "properties": { "c": { "type": "string", "x-mcp-header": "REGION" } } });
        for other in [
            json!({ "type": "string", "x-mcp-header": "Region" }),
            json!({ "type": "integer", "x-mcp-header": "rEGION" }),
            within,
        ] {
            let error = refused(&json!({ "a": { "type": "string", "x-mcp-header": "Region" }, "b": other }));
            assert!(error.contains("\"a\" and \"b") && error.contains("rename one"), "{error}");
        }
    }

    #[test]
    fn a_header_is_declared_where_only_properties_lead() {
        let region = json!({ "type": "string", "x-mcp-header": "Region" });
        let inner = json!({ "type": "object", "properties": { "region": region } });
        assert_eq!(of(&json!({ "a": inner })), Ok(1));
        assert_eq!(of(&json!({ "a": { "properties": { "b": inner } } })), Ok(1));
        let cases = [
            (json!({ "a": { "type": "array", "items": region } }), "properties.a.items"),
            (json!({ "a": { "type": "array", "prefixItems": [region] } }), "properties.a.prefixItems"),
            (json!({ "a": { "items": inner } }), "properties.a.items.properties.region"),
            (
                json!({ "a": { "oneOf": [{ "type": "null" }, inner] } }),
                "properties.a.oneOf.properties.region",
            ),
            (json!({ "a": { "anyOf": [region] } }), "properties.a.anyOf"),
            (json!({ "a": { "allOf": [region] } }), "properties.a.allOf"),
            (json!({ "a": { "not": region } }), "properties.a.not"),
            (json!({ "a": { "if": true, "then": inner } }), "properties.a.then.properties.region"),
            (json!({ "a": { "else": region } }), "properties.a.else"),
            (json!({ "a": { "additionalProperties": region } }), "properties.a.additionalProperties"),
            (json!({ "a": { "patternProperties": { "^x": region } } }), "properties.a.patternProperties.^x"),
            (json!({ "a": { "$defs": { "R": region } } }), "properties.a.$defs.R"),
            (
                json!({ "a": { "type": "string", "x-mcp-header": "A", "properties": { "b": region } } }),
                "properties.a.properties.b",
            ),
        ];
        for (properties, place) in cases {
            let error = refused(&properties);
            assert!(
                error.contains(&format!("\"{place}\"")) && error.contains("in place"),
                "{place}: {error}"
            );
        }
        let elsewhere = |schema: Value| declared(&Json::from(schema)).expect_err("refused");
        let defined = json!({
            "type": "object", "properties": { "a": { "$ref": "#/$defs/A" } }, "$defs": { "A": inner },
        });
        assert!(elsewhere(defined).contains("\"$defs.A.properties.region\""));
        assert!(elsewhere(json!({ "type": "object", "x-mcp-header": "A" })).contains("at the root"));
        assert!(
            elsewhere(json!({ "type": "object", "allOf": [inner] })).contains("\"allOf.properties.region\"")
        );
    }

    #[test]
    fn what_only_looks_like_a_declaration_is_none() {
        for properties in [
            json!({}),
            json!({ "x-mcp-header": { "type": "number" } }),
            json!({ "a": { "const": { "x-mcp-header": "" } } }),
            json!({ "a": { "enum": [{ "x-mcp-header": "" }], "default": { "x-mcp-header": 1 } } }),
            json!({ "a": { "patternProperties": { "x-mcp-header": { "type": "number" } } } }),
            json!({ "a": { "dependentRequired": { "x-mcp-header": ["b"] } } }),
            json!({ "a": true }),
        ] {
            assert_eq!(of(&properties), Ok(0), "{properties}");
        }
    }

    #[test]
    fn what_was_declared_is_compared_at_its_path() {
        let schema = json!({ "type": "object", "properties": {
            "target": { "type": "object", "properties": { "region": { "type": "string", "x-mcp-header": "Region" } } },
        } });
        let headers = declared(&Json::from(schema)).expect("declared").expect("one");
        let region = Json::from(json!({ "target": { "region": "eu" } }));
        let outside = Json::from(json!({ "region": "eu" }));
        let mut sent = HeaderMap::new();
        assert!(headers.check(&sent, &region).is_err() && headers.check(&sent, &outside).is_ok());
        sent.insert("mcp-param-region", http::HeaderValue::from_static("eu"));
        assert!(headers.check(&sent, &region).is_ok() && headers.check(&sent, &outside).is_err());
    }
}
