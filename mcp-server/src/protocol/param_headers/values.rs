//! What stands in the arguments at the paths that headers repeat, in one pass that reads nothing else.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::protocol::Json;

/// An argument, or a part of one, that a header repeats or that holds such a part.
#[derive(Clone, Debug, Default)]
pub(super) struct Property {
    name: String,
    /// The number of the header that repeats it.
    header: Option<usize>,
    within: Vec<Property>,
}

/// What stands at the path of one header.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// Nothing, or null.
    None,
    Given(&'a RawValue),
    /// A name on the path stands there twice.
    Twice,
}

impl Property {
    /// Puts the one at `path` into the tree of `properties`.
    pub(super) fn put(properties: &mut Vec<Self>, path: &[String], header: usize) {
        let Some((name, rest)) = path.split_first() else { return };
        let index = properties.iter().position(|property| property.name == *name).unwrap_or(properties.len());
        if index == properties.len() {
            properties.push(Self { name: name.clone(), ..Self::default() });
        }
        let Some(property) = properties.get_mut(index) else { return };
        if rest.is_empty() {
            property.header = Some(header);
        } else {
            Self::put(&mut property.within, rest, header);
        }
    }

    /// What is in it stands there twice, since it does itself.
    fn doubt(&self, values: &mut [Value<'_>]) {
        if let Some(value) = self.header.and_then(|header| values.get_mut(header)) {
            *value = Value::Twice;
        }
        for property in &self.within {
            property.doubt(values);
        }
    }

    fn read<'de>(&self, raw: &'de RawValue, values: &mut [Value<'de>]) -> serde_json::Result<()> {
        if raw.get() == "null" {
            return Ok(());
        }
        if let Some(value) = self.header.and_then(|header| values.get_mut(header)) {
            *value = Value::Given(raw);
        }
        if self.within.is_empty() || !raw.get().starts_with('{') {
            return Ok(());
        }
        members(raw.get(), &self.within, values)
    }
}

/// The value for each of so many headers, by their numbers.
///
/// # Errors
/// The name of an argument is no text.
pub(super) fn values<'a>(
    properties: &[Property],
    headers: usize,
    arguments: &'a Json,
) -> serde_json::Result<Vec<Value<'a>>> {
    let mut values = vec![Value::None; headers];
    members(arguments.as_str(), properties, &mut values)?;
    Ok(values)
}

fn members<'de>(
    object: &'de str,
    properties: &[Property],
    values: &mut [Value<'de>],
) -> serde_json::Result<()> {
    serde_json::Deserializer::from_str(object).deserialize_map(Members { properties, values })
}

struct Members<'p, 'v, 'de> {
    properties: &'p [Property],
    values: &'v mut [Value<'de>],
}

impl<'de> Visitor<'de> for Members<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = vec![false; self.properties.len()];
        while let Some(known) = map.next_key_seed(Name(self.properties))? {
            let found = known.and_then(|index| self.properties.get(index).zip(seen.get_mut(index)));
            let Some((property, seen)) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let raw = map.next_value::<&'de RawValue>()?;
            if std::mem::replace(seen, true) {
                property.doubt(self.values);
            } else {
                property.read(raw, self.values).map_err(serde::de::Error::custom)?;
            }
        }
        Ok(())
    }
}

/// Finds the property of a name, however the name is escaped.
struct Name<'p>(&'p [Property]);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an argument")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|property| property.name == name))
    }
}
