//! A field of a form: its name, its words and its rules.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;

use super::format::Format;
use super::rules::Rules;
use super::schema::Property;
use super::value::{FormValue, Ranged, Several, Textual};
use crate::protocol::Json;

/// A field of a form.
pub struct Field<V> {
    name: &'static str,
    title: Option<&'static str>,
    description: Option<&'static str>,
    rules: Rules<V>,
    default: Option<fn() -> V>,
}

impl<V> Field<V> {
    /// A field of that name on the wire.
    pub fn new(name: &'static str) -> Self {
        Self { name, title: None, description: None, rules: Rules::none(), default: None }
    }

    /// What people read in place of the name.
    #[must_use]
    pub fn title(mut self, title: &'static str) -> Self {
        self.title = Some(title);
        self
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// What stands there before the person writes. Where the field is no `Option` it is also what an answer without it
    /// stands for.
    #[must_use]
    pub fn default(mut self, make: fn() -> V) -> Self {
        self.default = Some(make);
        self
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) const fn has_default(&self) -> bool {
        self.default.is_some()
    }

    pub(super) fn property(&self) -> Property
    where
        V: FormValue,
    {
        Property {
            title: self.title.map(str::to_owned),
            description: self.description.map(str::to_owned),
            default: self.default.map(|make| make().shown()),
            ..V::property(&self.rules)
        }
    }
}

/// Rules that some types have.
impl<V> Field<V> {
    /// The least that it may be.
    #[must_use]
    pub fn min(mut self, min: V) -> Self
    where
        V: Ranged,
    {
        self.rules.min = Some(min);
        self
    }

    /// The most that it may be.
    #[must_use]
    pub fn max(mut self, max: V) -> Self
    where
        V: Ranged,
    {
        self.rules.max = Some(max);
        self
    }

    /// How many characters it has at least.
    #[must_use]
    pub fn min_length(mut self, characters: u32) -> Self
    where
        V: Textual,
    {
        self.rules.min_length = Some(characters);
        self
    }

    /// How many characters it has at most.
    #[must_use]
    pub fn max_length(mut self, characters: u32) -> Self
    where
        V: Textual,
    {
        self.rules.max_length = Some(characters);
        self
    }

    /// What it looks like.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self
    where
        V: Textual,
    {
        self.rules.format = Some(format);
        self
    }

    /// How many are chosen at least.
    #[must_use]
    pub fn min_items(mut self, choices: u32) -> Self
    where
        V: Several,
    {
        self.rules.min_items = Some(choices);
        self
    }

    /// How many are chosen at most.
    #[must_use]
    pub fn max_items(mut self, choices: u32) -> Self
    where
        V: Several,
    {
        self.rules.max_items = Some(choices);
        self
    }
}

impl<V> fmt::Debug for Field<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What was entered, by field; values are looked at only where a field is the form's.
pub struct Entered<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Entered<'a> {
    /// Takes an object apart.
    ///
    /// # Errors
    /// It is none.
    pub fn of(entered: &'a Json) -> Result<Self, String> {
        let fields = serde_json::from_slice(entered.as_bytes());
        fields.map(Self).map_err(|_| "`content` must be an object".to_owned())
    }

    /// Reads a field.
    ///
    /// # Errors
    /// The field and the rule that it breaks, or that it is missing and has no default; never the value.
    pub fn read<V: FormValue>(&self, field: &Field<V>) -> Result<V, String> {
        let otherwise = || field.default.map(|make| make());
        self.read_optional(field)?.or_else(otherwise).ok_or_else(|| format!("`{}` is missing", field.name))
    }

    /// Reads a field that may be left out.
    ///
    /// # Errors
    /// The field and the rule that it breaks; never the value.
    pub fn read_optional<V: FormValue>(&self, field: &Field<V>) -> Result<Option<V>, String> {
        let answer = self.0.get(field.name).filter(|answer| answer.get() != "null");
        let value = answer.map(|answer| V::read(answer, &field.rules)).transpose();
        value.map_err(|rule| format!("`{}` {rule}", field.name))
    }
}

impl fmt::Debug for Entered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entered({} fields)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Entered, Field, FormValue};

    fn read<V: FormValue>(field: &Field<V>, content: Value) -> Result<V, String> {
        Entered::of(&content.into())?.read(field)
    }

    fn read_optional<V: FormValue>(field: &Field<V>, content: Value) -> Result<Option<V>, String> {
        Entered::of(&content.into())?.read_optional(field)
    }

    #[test]
    fn an_absent_answer_is_none_or_the_default_or_missing() {
        let required = Field::<u8>::new("n");
        let preset = Field::<u8>::new("n").default(|| 7);
        for absent in [json!({}), json!({ "n": null }), json!({ "N": 1 })] {
            assert_eq!(read(&required, absent.clone()), Err("`n` is missing".to_owned()));
            assert_eq!(read(&preset, absent.clone()), Ok(7));
            assert_eq!(read_optional(&required, absent.clone()), Ok(None));
            assert_eq!(read_optional(&preset, absent), Ok(None), "the person took it out");
        }
        assert_eq!(read(&preset, json!({ "n": 1 })), Ok(1));
        assert_eq!(read_optional(&required, json!({ "n": 1 })), Ok(Some(1)));
        let wrong = Err("`n` must be a whole number".to_owned());
        assert_eq!(read_optional(&required, json!({ "n": "1" })), wrong);
    }

    #[test]
    fn rules_hold_for_what_may_be_left_out_too() {
        let field = Field::<u8>::new("n").min(2).max(3);
        assert_eq!(read_optional(&field, json!({ "n": 3 })), Ok(Some(3)));
        assert_eq!(read_optional(&field, json!({ "n": 4 })), Err("`n` must be at most 3".to_owned()));
    }

    #[test]
    fn nothing_of_what_was_entered_is_printed() {
        let content = json!({ "n": "s3cret" }).into();
        assert_eq!(format!("{:?}", Entered::of(&content).unwrap()), "Entered(1 fields)");
        assert!(format!("{:?}", Field::<u8>::new("n")).starts_with("Field"));
    }
}
