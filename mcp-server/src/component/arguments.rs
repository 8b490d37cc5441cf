//! A tool's arguments, read in one pass over the bytes of the request into typed slots.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::Error as ValueError;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::protocol::{Json, ToolResult, abridged, beginning, excerpt};

/// What an argument of a function with `#[tool]` can be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a tool",
    label = "the client cannot send this type",
    note = "derive `serde::Deserialize` and `schemars::JsonSchema` for it",
    note = "for a value that the server holds, take `State<{Self}>` and give it by `.state(..)`"
)]
pub trait Argument: DeserializeOwned + JsonSchema + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + JsonSchema + Send + 'static> Argument for T {}

/// Where arguments are put as they are read; made by `#[tool]`, one slot for each argument.
pub trait Slots: Default {
    /// The names, in the order of the slots.
    const NAMES: &'static [&'static str];

    /// Reads the value for slot `index`.
    ///
    /// # Errors
    /// The value does not fit.
    fn read<'de, A: MapAccess<'de>>(&mut self, index: usize, map: &mut A) -> Result<(), A::Error>;
}

/// Reads `arguments` into slots.
///
/// # Errors
/// What is wrong with them, as the model should read it: it names the argument.
pub fn read<S: Slots>(arguments: &Json) -> Result<S, String> {
    let mut json = serde_json::Deserializer::from_slice(arguments.as_bytes());
    json.deserialize_map(Reader(S::default())).map_err(|error| told(&error))
}

/// What a call with arguments that do not fit is answered with: the model reads it and may try again (SEP-1303).
pub fn bad_arguments(wrong: &str) -> ToolResult {
    ToolResult::error(format!("invalid arguments: {wrong}"))
}

/// Reads `arguments` into one value.
///
/// # Errors
/// What is wrong with them, as the model should read it.
pub(super) fn whole<A: DeserializeOwned>(arguments: &Json) -> Result<A, String> {
    arguments.to().map_err(|error| told(&error))
}

/// Reads one value into its slot, and names the argument in the error.
///
/// # Errors
/// The value does not fit, or the argument stands there twice.
pub fn fill<'de, T: Argument, A: MapAccess<'de>>(
    slot: &mut Option<T>,
    name: &str,
    map: &mut A,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(A::Error::custom(format_args!("argument `{name}` is given twice")));
    }
    let value =
        map.next_value().map_err(|error| A::Error::custom(format_args!("argument `{name}`: {error}")))?;
    *slot = Some(value);
    Ok(())
}

/// The value of an argument, or what its type makes of an absent one.
///
/// # Errors
/// The argument is missing and must not be.
pub fn given<T: Argument>(slot: Option<T>, name: &str) -> Result<T, String> {
    slot.or_else(absent).ok_or_else(|| format!("missing argument `{name}`"))
}

/// Whether `T` has a value for what is absent.
pub(super) fn is_optional<T: DeserializeOwned>() -> bool {
    absent::<T>().is_some()
}

/// What `T` makes of an absent value: `Option` and what is transparently one take it, everything else does not.
pub(super) fn absent<T: DeserializeOwned>() -> Option<T> {
    T::deserialize(Absent).ok()
}

struct Absent;

impl<'de> Deserializer<'de> for Absent {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ValueError> {
        Err(ValueError::custom("absent"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        v: V,
    ) -> Result<V::Value, ValueError> {
        v.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Reader<S>(S);

impl<'de, S: Slots> Visitor<'de> for Reader<S> {
    type Value = S;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of arguments")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<S, A::Error> {
        while let Some(index) = map.next_key_seed(Name(S::NAMES))? {
            self.0.read(index, &mut map)?;
        }
        Ok(self.0)
    }
}

/// The position of a name in the list.
struct Name(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an argument")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<usize, E> {
        let found = self.0.iter().position(|known| *known == name);
        found.ok_or_else(|| E::custom(unknown(name, self.0)))
    }
}

/// The message about a name that is not among `known`: the nearest one, or all of them.
pub(crate) fn unknown(name: &str, known: &[impl AsRef<str>]) -> String {
    let (name, shown) = (beginning(name, 64), excerpt(name));
    let nearest = known
        .iter()
        .map(AsRef::as_ref)
        .max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    match nearest {
        None => format!("unknown argument `{shown}`: there are no arguments"),
        Some(near) if strsim::jaro_winkler(name, near) > 0.8 => {
            format!("unknown argument `{shown}`, did you mean `{near}`?")
        }
        Some(_) => {
            let all: Vec<_> = known.iter().map(|name| format!("`{}`", name.as_ref())).collect();
            format!("unknown argument `{shown}`: the arguments are {}", all.join(", "))
        }
    }
}

/// The message without the position in the request's body, which the model never saw.
fn told(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    if let Some(end) = text.rfind(" at line ").filter(|_| error.line() > 0) {
        text.truncate(end);
    }
    abridged(text)
}
