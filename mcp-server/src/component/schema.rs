//! JSON schemas (2020-12) of arguments and results, made from Rust types.

mod mirrored;

use schemars::generate::{Contract, SchemaSettings};
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::arguments::{Argument, is_optional};
use crate::protocol::Json;

/// The schema of what is read into `T`: what a handler of [`Tool::new`](crate::Tool::new) takes as its arguments.
///
/// Only the formats that JSON Schema names are kept: clients warn about others, such as `uint8`.
pub fn schema_for<T: JsonSchema>() -> Json {
    let schema = generator(Contract::Deserialize).into_root_schema_for::<T>();
    Json::from(tidy(schema))
}

/// The schema of what `T` is written as; `None` where it says nothing, as that of any JSON.
pub(super) fn output_schema<T: JsonSchema>() -> Option<Json> {
    let schema = tidy(generator(Contract::Serialize).into_root_schema_for::<T>());
    let says_something =
        schema.as_object().is_some_and(|schema| schema.keys().any(|key| key != "description"));
    says_something.then(|| Json::from(schema))
}

/// The output schema for revisions where structured content is an object: other values stand under `result`.
///
/// Where the values may be objects or not, both ways of sending them are allowed.
pub(super) fn object_output(schema: &Json) -> Json {
    let Ok(mut schema) = schema.to::<Map<String, Value>>() else { return schema.clone() };
    let definitions = schema.remove("$defs");
    let mut shown = match kind(&schema, definitions.as_ref()) {
        Kind::Object => {
            schema.insert("type".to_owned(), Value::from("object"));
            schema
        }
        Kind::Other => wrapped(schema),
        Kind::Either => {
            let mut either = Map::new();
            let object = Value::Object(schema.clone());
            either.insert("type".to_owned(), Value::from("object"));
            either.insert("anyOf".to_owned(), Value::from(vec![object, Value::Object(wrapped(schema))]));
            either
        }
    };
    if let Some(definitions) = definitions {
        shown.insert("$defs".to_owned(), definitions);
    }
    Json::from(Value::Object(shown))
}

fn wrapped(schema: Map<String, Value>) -> Map<String, Value> {
    let mut outer = Map::new();
    outer.insert("type".to_owned(), Value::from("object"));
    outer.insert(
        "properties".to_owned(),
        Value::Object(Map::from_iter([("result".to_owned(), schema.into())])),
    );
    outer.insert("required".to_owned(), json!(["result"]));
    outer
}

/// What the values of a schema are.
enum Kind {
    Object,
    Other,
    Either,
}

fn kind(schema: &Map<String, Value>, definitions: Option<&Value>) -> Kind {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.strip_prefix("#/$defs/").unwrap_or_default();
        return match definitions.and_then(|all| all.get(name)).and_then(Value::as_object) {
            Some(target) if !target.contains_key("$ref") => kind(target, definitions),
            _ => Kind::Either,
        };
    }
    match schema.get("type") {
        Some(Value::String(one)) if one == "object" => Kind::Object,
        Some(Value::String(_)) => Kind::Other,
        Some(Value::Array(many)) if !many.iter().any(|one| one == "object") => Kind::Other,
        _ => alternatives(schema, definitions),
    }
}

fn alternatives(schema: &Map<String, Value>, definitions: Option<&Value>) -> Kind {
    let listed = ["oneOf", "anyOf"].into_iter().find_map(|key| schema.get(key)?.as_array());
    let Some(listed) = listed.filter(|listed| !listed.is_empty()) else {
        return Kind::Either;
    };
    let all = |wanted: fn(&Kind) -> bool| {
        listed.iter().all(|one| one.as_object().is_some_and(|one| wanted(&kind(one, definitions))))
    };
    if all(|kind| matches!(kind, Kind::Object)) {
        Kind::Object
    } else if all(|kind| matches!(kind, Kind::Other)) {
        Kind::Other
    } else {
        Kind::Either
    }
}

/// The schema of a tool's arguments, argument by argument; made by `#[tool]`.
#[derive(Debug)]
pub struct InputSchema {
    generator: SchemaGenerator,
    properties: Map<String, Value>,
    required: Vec<&'static str>,
}

impl InputSchema {
    /// No arguments yet.
    #[expect(clippy::new_without_default, reason = "called by the macros alone")]
    pub fn new() -> Self {
        Self { generator: generator(Contract::Deserialize), properties: Map::new(), required: Vec::new() }
    }

    /// Adds one. It is required unless it has a default or its type takes what is absent, as `Option` does.
    #[must_use]
    pub fn argument<T: Argument>(
        mut self,
        name: &'static str,
        description: Option<&'static str>,
        default: Option<Default>,
    ) -> Self {
        let schema = self.generator.subschema_for::<T>();
        self.property::<T>(name, schema, description, default)
    }

    /// As [`InputSchema::argument`], for one that clients repeat in the HTTP header `Mcp-Param-{header}`.
    #[must_use]
    pub fn mirrored_argument<T: Argument>(
        self,
        name: &'static str,
        description: Option<&'static str>,
        default: Option<Default>,
        header: &'static str,
    ) -> Self {
        // What may be left out says nothing of null here, so its default does not either.
        let default = default.map(|default| Default(default.0.filter(|value| !value.is_null())));
        self.property::<T>(name, mirrored::mirrored::<T>(header), description, default)
    }

    fn property<T: Argument>(
        mut self,
        name: &'static str,
        mut schema: Schema,
        description: Option<&'static str>,
        default: Option<Default>,
    ) -> Self {
        if let Some(description) = description {
            schema.insert("description".to_owned(), Value::from(description));
        }
        if default.is_none() && !is_optional::<T>() {
            self.required.push(name);
        }
        if let Some(Default(Some(value))) = default {
            schema.insert("default".to_owned(), value);
        }
        self.properties.insert(name.to_owned(), Value::from(schema));
        self
    }

    /// The schema: an object without other properties.
    pub fn finish(mut self) -> Json {
        let mut schema = Schema::default();
        schema.insert("type".to_owned(), Value::from("object"));
        schema.insert("properties".to_owned(), Value::Object(self.properties));
        if !self.required.is_empty() {
            schema.insert("required".to_owned(), Value::from(self.required));
        }
        schema.insert("additionalProperties".to_owned(), Value::from(false));
        let definitions = self.generator.take_definitions(true);
        if !definitions.is_empty() {
            schema.insert("$defs".to_owned(), Value::Object(definitions));
        }
        Json::from(tidy(schema))
    }
}

/// The default of an argument, as the schema shows it; `None` where it cannot be written as JSON.
#[derive(Debug)]
pub struct Default(pub Option<Value>);

fn generator(contract: Contract) -> SchemaGenerator {
    settings(contract).into_generator()
}

fn settings(contract: Contract) -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.contract = contract;
    })
}

/// Without the name of the Rust type at the root, and without formats that clients do not know.
fn tidy(mut schema: Schema) -> Value {
    RecursiveTransform(drop_unknown_format).transform(&mut schema);
    schema.remove("title");
    Value::from(schema)
}

fn drop_unknown_format(schema: &mut Schema) {
    let known = schema.get("format").and_then(Value::as_str).is_none_or(|format| FORMATS.contains(&format));
    if !known {
        schema.remove("format");
    }
}

/// JSON Schema 2020-12, validation, section 7.3.
const FORMATS: [&str; 19] = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uuid",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];
