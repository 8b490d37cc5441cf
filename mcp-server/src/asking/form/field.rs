//! A field of a form: its name, its words and its rules.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;

use super::format::Format;
use super::rules::Rules;
use super::schema::Property;
use super::value::{FormValue, Ranged, Several, Textual};
use crate::protocol::Json;

/// What a field can be: a value, or one that may be left out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a form",
    label = "a form cannot ask for this",
    note = "a form is flat: its fields are `String`, `bool`, numbers of up to 64 bits, an enum with `#[derive(Choice)]`, \
            a `Vec` of such, or an `Option` of these"
)]
pub trait FormField: Sized {
    /// The value, if there is one.
    type Value: FormValue;
    /// Whether there must be one.
    const REQUIRED: bool;

    /// The field with a value.
    fn given(value: Self::Value) -> Self;

    /// The field without one, if it can be.
    fn absent() -> Option<Self>;
}

#[diagnostic::do_not_recommend]
impl<V: FormValue> FormField for V {
    type Value = V;
    const REQUIRED: bool = true;

    fn given(value: V) -> Self {
        value
    }

    fn absent() -> Option<Self> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<V: FormValue> FormField for Option<V> {
    type Value = V;
    const REQUIRED: bool = false;

    fn given(value: V) -> Self {
        Some(value)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// A field of a form.
pub struct Field<T: FormField> {
    name: &'static str,
    title: Option<&'static str>,
    description: Option<&'static str>,
    rules: Rules<T::Value>,
    default: Option<fn() -> T::Value>,
}

impl<T: FormField> Field<T> {
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
    pub fn default(mut self, make: fn() -> T::Value) -> Self {
        self.default = Some(make);
        self
    }

    /// Reads the field.
    ///
    /// # Errors
    /// The field and the rule that it breaks; never the value.
    pub fn read(&self, content: &Content<'_>) -> Result<T, String> {
        let name = self.name;
        if let Some(answer) = content.0.get(name).filter(|answer| answer.get() != "null") {
            let value = T::Value::read(answer, &self.rules);
            return value.map(T::given).map_err(|rule| format!("`{name}` {rule}"));
        }
        let default = self.default.filter(|_| T::REQUIRED);
        let otherwise = default.map(|make| T::given(make())).or_else(T::absent);
        otherwise.ok_or_else(|| format!("`{name}` is missing"))
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) const fn is_required(&self) -> bool {
        T::REQUIRED && self.default.is_none()
    }

    pub(super) fn property(&self) -> Property {
        Property {
            title: self.title.map(str::to_owned),
            description: self.description.map(str::to_owned),
            default: self.default.map(|make| make().shown()),
            ..T::Value::property(&self.rules)
        }
    }
}

/// Rules that some types have.
impl<T: FormField> Field<T> {
    /// The least that it may be.
    #[must_use]
    pub fn min(mut self, min: T::Value) -> Self
    where
        T::Value: Ranged,
    {
        self.rules.min = Some(min);
        self
    }

    /// The most that it may be.
    #[must_use]
    pub fn max(mut self, max: T::Value) -> Self
    where
        T::Value: Ranged,
    {
        self.rules.max = Some(max);
        self
    }

    /// How many characters it has at least.
    #[must_use]
    pub fn min_length(mut self, characters: u32) -> Self
    where
        T::Value: Textual,
    {
        self.rules.min_length = Some(characters);
        self
    }

    /// How many characters it has at most.
    #[must_use]
    pub fn max_length(mut self, characters: u32) -> Self
    where
        T::Value: Textual,
    {
        self.rules.max_length = Some(characters);
        self
    }

    /// What it looks like.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self
    where
        T::Value: Textual,
    {
        self.rules.format = Some(format);
        self
    }

    /// How many are chosen at least.
    #[must_use]
    pub fn min_items(mut self, choices: u32) -> Self
    where
        T::Value: Several,
    {
        self.rules.min_items = Some(choices);
        self
    }

    /// How many are chosen at most.
    #[must_use]
    pub fn max_items(mut self, choices: u32) -> Self
    where
        T::Value: Several,
    {
        self.rules.max_items = Some(choices);
        self
    }
}

impl<T: FormField> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What was entered, by field; values are looked at only where a field is the form's.
pub struct Content<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Content<'a> {
    /// Takes an object apart.
    ///
    /// # Errors
    /// It is none.
    pub fn of(content: &'a Json) -> Result<Self, String> {
        let fields = serde_json::from_slice(content.as_bytes());
        fields.map(Self).map_err(|_| "`content` must be an object".to_owned())
    }
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} fields)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Content, Field, FormField};

    fn read<T: FormField>(field: &Field<T>, content: Value) -> Result<T, String> {
        field.read(&Content::of(&content.into())?)
    }

    #[test]
    fn an_absent_answer_is_none_or_the_default_or_missing() {
        let required = Field::<u8>::new("n");
        let preset = Field::<u8>::new("n").default(|| 7);
        let optional = Field::<Option<u8>>::new("n");
        let suggested = Field::<Option<u8>>::new("n").default(|| 7);
        for absent in [json!({}), json!({ "n": null }), json!({ "N": 1 })] {
            assert_eq!(read(&required, absent.clone()), Err("`n` is missing".to_owned()));
            assert_eq!(read(&preset, absent.clone()), Ok(7));
            assert_eq!(read(&optional, absent.clone()), Ok(None));
            assert_eq!(read(&suggested, absent), Ok(None), "the person took it out");
        }
        assert_eq!(read(&preset, json!({ "n": 1 })), Ok(1));
        assert_eq!(read(&optional, json!({ "n": 1 })), Ok(Some(1)));
        assert_eq!(read(&optional, json!({ "n": "1" })), Err("`n` must be a whole number".to_owned()));
    }

    #[test]
    fn rules_hold_for_what_may_be_left_out_too() {
        let field = Field::<Option<u8>>::new("n").min(2).max(3);
        assert_eq!(read(&field, json!({ "n": 3 })), Ok(Some(3)));
        assert_eq!(read(&field, json!({ "n": 4 })), Err("`n` must be at most 3".to_owned()));
    }

    #[test]
    fn nothing_of_what_was_entered_is_printed() {
        let content = json!({ "n": "s3cret" }).into();
        assert_eq!(format!("{:?}", Content::of(&content).unwrap()), "Content(1 fields)");
        assert!(format!("{:?}", Field::<u8>::new("n")).starts_with("Field"));
    }
}
