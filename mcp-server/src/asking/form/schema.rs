//! The schema of a form, in the order in which its fields are asked.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

use super::choice::ChoiceOption;
use super::field::Field;
use super::format::Format;
use super::value::FormValue;
use crate::protocol::Json;

/// The schema of a form (client/elicitation, "Requested Schema"): an object of primitive properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FormSchema {
    #[serde(rename = "type")]
    kind: Object,
    #[serde(with = "in_order")]
    properties: Vec<(String, Property)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    required: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Object {
    #[default]
    Object,
}

impl FormSchema {
    /// No fields yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field behind those that are there. It must be answered unless it has a default.
    #[must_use]
    pub fn and<V: FormValue>(mut self, field: &Field<V>) -> Self {
        if !field.has_default() {
            self.required.push(field.name().to_owned());
        }
        self.and_optional(field)
    }

    /// Adds a field that may be left out.
    #[must_use]
    pub fn and_optional<V: FormValue>(mut self, field: &Field<V>) -> Self {
        self.properties.push((field.name().to_owned(), field.property()));
        self
    }

    /// The schema.
    pub fn schema(self) -> Json {
        self.to_json()
    }

    pub(in crate::asking) fn to_json(&self) -> Json {
        Json::of(self).unwrap_or(Json::EMPTY)
    }

    /// Whether it has fields of several choices, which came with 2025-11-25.
    pub(in crate::asking) fn has_lists(&self) -> bool {
        self.properties.iter().any(|(_, property)| property.kind == Kind::Array)
    }

    /// The same for 2025-06-18, which has titles of choices in a list of their own and few defaults. Lists, which it
    /// does not have, stay as they are.
    pub(in crate::asking) fn of_2025_06_18(mut self) -> Self {
        for (_, property) in &mut self.properties {
            property.in_2025_06_18();
        }
        self
    }
}

/// The schema of one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Property {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) min_length: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_length: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<Format>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) minimum: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) maximum: Option<Number>,
    #[serde(rename = "enum", default, skip_serializing_if = "Option::is_none")]
    pub(super) values: Option<Vec<String>>,
    /// Of revision 2025-06-18, and still understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) enum_names: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) one_of: Option<Vec<Offer>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) min_items: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_items: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) items: Option<Items>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) default: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    String,
    Integer,
    Number,
    Boolean,
    Array,
}

/// One choice of several that have titles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Offer {
    #[serde(rename = "const")]
    value: String,
    title: String,
}

/// What a list may hold: `enum` beside a type, or `anyOf` alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Items {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    #[serde(rename = "enum", default, skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    any_of: Option<Vec<Offer>>,
}

impl Property {
    pub(super) const fn of(kind: Kind) -> Self {
        Self {
            kind,
            title: None,
            description: None,
            min_length: None,
            max_length: None,
            format: None,
            minimum: None,
            maximum: None,
            values: None,
            enum_names: None,
            one_of: None,
            min_items: None,
            max_items: None,
            items: None,
            default: None,
        }
    }

    /// One of `options`.
    pub(super) fn of_choice(options: &[ChoiceOption]) -> Self {
        match offers(options) {
            Some(offers) => Self { one_of: Some(offers), ..Self::of(Kind::String) },
            None => Self { values: Some(values(options)), ..Self::of(Kind::String) },
        }
    }

    /// Several of `options`.
    pub(super) fn of_choices(options: &[ChoiceOption]) -> Self {
        let items = match offers(options) {
            Some(offers) => Items { kind: None, values: None, any_of: Some(offers) },
            None => Items { kind: Some(Kind::String), values: Some(values(options)), any_of: None },
        };
        Self { items: Some(items), ..Self::of(Kind::Array) }
    }

    fn in_2025_06_18(&mut self) {
        if let Some(offers) = self.one_of.take() {
            let (values, names) = offers.into_iter().map(|offer| (offer.value, offer.title)).unzip();
            (self.values, self.enum_names) = (Some(values), Some(names));
        }
        if self.kind != Kind::Boolean {
            self.default = None;
        }
    }
}

/// The options with their titles; `None` where none has one.
fn offers(options: &[ChoiceOption]) -> Option<Vec<Offer>> {
    let offer = |option: &ChoiceOption| {
        let title = option.title().unwrap_or(option.value()).to_owned();
        Offer { value: option.value().to_owned(), title }
    };
    options.iter().any(|option| option.title().is_some()).then(|| options.iter().map(offer).collect())
}

fn values(options: &[ChoiceOption]) -> Vec<String> {
    options.iter().map(|option| option.value().to_owned()).collect()
}

/// An object whose properties keep their order.
mod in_order {
    use super::{Deserializer, MapAccess, Property, Serializer, Visitor, fmt};

    pub(super) fn serialize<S: Serializer>(
        properties: &[(String, Property)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(properties.iter().map(|(name, property)| (name, property)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, Property)>, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, Property)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of primitive properties")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut properties = Vec::new();
                while let Some(property) = map.next_entry()? {
                    properties.push(property);
                }
                Ok(properties)
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests;
