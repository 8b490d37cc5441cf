//! The schema of an argument that clients repeat in a header (2026-07-28, server/tools, "`x-mcp-header`").

use schemars::generate::Contract;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use super::settings;

/// The schema of `T` with the header's name: in place and of one type.
///
/// Clients leave out a tool that repeats what they cannot tell to be of one primitive type. So nothing is referred to,
/// an enum whose variants are told one by one has their type, and what may be absent does not say `null`, by which it is
/// still taken.
pub(super) fn mirrored<T: JsonSchema>(header: &str) -> Schema {
    let in_place = settings(Contract::Deserialize).with(|settings| settings.inline_subschemas = true);
    let mut schema = in_place.into_generator().subschema_for::<T>();
    if let Some(keywords) = schema.as_object_mut() {
        without_null(keywords);
    }
    if let Some(kind) = kind(schema.as_value()).cloned() {
        schema.insert("type".to_owned(), kind);
    }
    schema.insert("x-mcp-header".to_owned(), Value::from(header));
    schema
}

/// Takes away what `Option` adds.
fn without_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            schema.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") {
        alternatives.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(alone)] = alternatives.as_slice() {
            let alone = alone.clone();
            schema.remove("anyOf");
            schema.extend(alone);
        }
    }
}

/// The type of a schema, or the one that all its alternatives have.
fn kind(schema: &Value) -> Option<&Value> {
    if let Some(kind) = schema.get("type") {
        return Some(kind);
    }
    let alternatives = ["oneOf", "anyOf"].into_iter().find_map(|keyword| schema.get(keyword)?.as_array())?;
    let first = kind(alternatives.first()?)?;
    alternatives.iter().all(|one| kind(one) == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde_json::{Value, json};

    use super::mirrored;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    enum Plain {
        North,
        South,
    }

    /// Where it is done.
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    enum Told {
        /// Where it is cold.
        North,
        South,
    }

    fn of<T: JsonSchema>() -> Value {
        mirrored::<T>("H").to_value()
    }

    #[test]
    fn an_argument_has_one_type_and_its_header() {
        assert_eq!(of::<String>(), json!({ "type": "string", "x-mcp-header": "H" }));
        assert_eq!(of::<bool>(), json!({ "type": "boolean", "x-mcp-header": "H" }));
        assert_eq!(of::<i64>()["type"], "integer");
        assert_eq!(of::<Option<String>>(), of::<String>());
        assert_eq!(of::<Option<u8>>(), of::<u8>());
    }

    #[test]
    fn an_enum_stands_in_place_with_the_type_of_its_variants() {
        let plain = json!({ "type": "string", "enum": ["North", "South"], "x-mcp-header": "H" });
        assert_eq!(of::<Plain>(), plain);
        assert_eq!(of::<Option<Plain>>(), plain);
        for told in [of::<Told>(), of::<Option<Told>>()] {
            assert_eq!(
                (&told["type"], &told["description"]),
                (&json!("string"), &json!("Where it is done."))
            );
            assert!(told["oneOf"].as_array().is_some_and(|variants| variants.len() == 2), "{told}");
            assert!(!told.to_string().contains("null") && !told.to_string().contains("$ref"), "{told}");
        }
    }

    #[test]
    fn what_no_header_holds_stays_what_it_is() {
        assert_eq!(of::<f64>()["type"], "number");
        assert_eq!(of::<Vec<String>>()["type"], "array");
        assert_eq!(of::<()>()["type"], "null");
        assert_eq!(of::<Value>().get("type"), None);
    }
}
