//! The types that a field can have, and how their answers are read.

use serde_json::value::RawValue;
use serde_json::{Number, Value};

use super::choice::{Choice, ChoiceOption};
use super::rules::{Rules, check_count};
use super::schema::{Kind, Property};

/// The type of a field's answer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a form",
    label = "a form cannot ask for this",
    note = "a form is flat: its fields are `String`, `bool`, numbers of up to 64 bits, an enum with `#[derive(Choice)]`, \
            a `Vec` of such, or an `Option` of these"
)]
pub trait FormValue: Sized + Send + 'static {
    /// Its schema under these rules.
    fn property(rules: &Rules<Self>) -> Property;

    /// Reads it under these rules.
    ///
    /// # Errors
    /// The rule that it breaks, as the end of a sentence.
    fn read(answer: &RawValue, rules: &Rules<Self>) -> Result<Self, String>;

    /// As it stands on the wire.
    fn shown(&self) -> Value;
}

/// A number.
#[diagnostic::on_unimplemented(
    message = "`min` and `max` do not fit `{Self}`",
    label = "not a number",
    note = "text has `min_length` and `max_length`, several choices have `min_items` and `max_items`"
)]
pub trait Ranged: FormValue {}

/// Text.
#[diagnostic::on_unimplemented(
    message = "`min_length`, `max_length` and `format` do not fit `{Self}`",
    label = "not text",
    note = "numbers have `min` and `max`, several choices have `min_items` and `max_items`"
)]
pub trait Textual: FormValue {}

/// Several choices.
#[diagnostic::on_unimplemented(
    message = "`min_items` and `max_items` do not fit `{Self}`",
    label = "not several choices",
    note = "numbers have `min` and `max`, text has `min_length` and `max_length`"
)]
pub trait Several: FormValue {}

impl FormValue for String {
    fn property(rules: &Rules<Self>) -> Property {
        Property {
            min_length: rules.min_length,
            max_length: rules.max_length,
            format: rules.format,
            ..Property::of(Kind::String)
        }
    }

    fn read(answer: &RawValue, rules: &Rules<Self>) -> Result<Self, String> {
        let text: Self = text(answer).ok_or("must be text")?;
        let lengths = [rules.min_length, rules.max_length];
        if lengths.iter().any(Option::is_some) {
            check_count(text.chars().count(), lengths, ["have", "character", "characters"])?;
        }
        rules.format.map_or(Ok(()), |format| format.check(&text))?;
        Ok(text)
    }

    fn shown(&self) -> Value {
        Value::from(self.as_str())
    }
}

impl Textual for String {}

impl FormValue for bool {
    fn property(_: &Rules<Self>) -> Property {
        Property::of(Kind::Boolean)
    }

    fn read(answer: &RawValue, _: &Rules<Self>) -> Result<Self, String> {
        serde_json::from_str(answer.get()).map_err(|_| "must be true or false".to_owned())
    }

    fn shown(&self) -> Value {
        Value::from(*self)
    }
}

macro_rules! integers {
    ($($type:ty),*) => { $(
        impl FormValue for $type {
            fn property(rules: &Rules<Self>) -> Property {
                Property {
                    minimum: bound(rules.min, Self::MIN),
                    maximum: bound(rules.max, Self::MAX),
                    ..Property::of(Kind::Integer)
                }
            }

            fn read(answer: &RawValue, rules: &Rules<Self>) -> Result<Self, String> {
                let number = integer(answer).ok_or("must be a whole number")?;
                let (min, max) = (rules.min.unwrap_or(Self::MIN), rules.max.unwrap_or(Self::MAX));
                if wide(&min).is_some_and(|min| number < min) {
                    return Err(format!("must be at least {min}"));
                }
                let fitting = Self::try_from(number).ok().filter(|number| *number <= max);
                fitting.ok_or_else(|| format!("must be at most {max}"))
            }

            fn shown(&self) -> Value {
                Value::from(*self)
            }
        }

        impl Ranged for $type {}
    )* };
}

integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

macro_rules! floats {
    ($($type:ty),*) => { $(
        impl FormValue for $type {
            fn property(rules: &Rules<Self>) -> Property {
                Property {
                    minimum: rules.min.and_then(|min| number(&min.to_string())),
                    maximum: rules.max.and_then(|max| number(&max.to_string())),
                    ..Property::of(Kind::Number)
                }
            }

            fn read(answer: &RawValue, rules: &Rules<Self>) -> Result<Self, String> {
                let number: Self = answer.get().parse().map_err(|_| "must be a number")?;
                if let Some(min) = rules.min.filter(|min| number < *min) {
                    return Err(format!("must be at least {min}"));
                }
                if let Some(max) = rules.max.filter(|max| number > *max) {
                    return Err(format!("must be at most {max}"));
                }
                if number.is_finite() { Ok(number) } else { Err("must be a number of a usual size".to_owned()) }
            }

            fn shown(&self) -> Value {
                number(&self.to_string()).map_or(Value::Null, Value::Number)
            }
        }

        impl Ranged for $type {}
    )* };
}

floats!(f32, f64);

#[diagnostic::do_not_recommend]
impl<C: Choice> FormValue for C {
    fn property(_: &Rules<Self>) -> Property {
        Property::of_choice(C::options())
    }

    fn read(answer: &RawValue, _: &Rules<Self>) -> Result<Self, String> {
        let choice = text(answer).and_then(|value| C::from_value(&value));
        choice.ok_or_else(|| format!("must be one of {}", offered(C::options())))
    }

    fn shown(&self) -> Value {
        Value::from(self.value())
    }
}

#[diagnostic::do_not_recommend]
impl<C: Choice> FormValue for Vec<C> {
    fn property(rules: &Rules<Self>) -> Property {
        Property {
            min_items: rules.min_items,
            max_items: rules.max_items,
            ..Property::of_choices(C::options())
        }
    }

    fn read(answer: &RawValue, rules: &Rules<Self>) -> Result<Self, String> {
        let wrong = || format!("must be a list of {}, each once at most", offered(C::options()));
        let values: Vec<String> = serde_json::from_str(answer.get()).map_err(|_| wrong())?;
        let once = values
            .iter()
            .enumerate()
            .all(|(index, value)| values.iter().take(index).all(|other| other != value));
        let choices: Option<Self> = values.iter().map(|value| C::from_value(value)).collect();
        let choices = choices.filter(|_| once).ok_or_else(wrong)?;
        check_count(choices.len(), [rules.min_items, rules.max_items], ["hold", "choice", "choices"])?;
        Ok(choices)
    }

    fn shown(&self) -> Value {
        self.iter().map(Choice::value).collect()
    }
}

#[diagnostic::do_not_recommend]
impl<C: Choice> Several for Vec<C> {}

fn text(answer: &RawValue) -> Option<String> {
    serde_json::from_str(answer.get()).ok()
}

/// JSON knows one kind of number: 30.0 is whole too, as far as a float is exact.
fn integer(answer: &RawValue) -> Option<i128> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    let number: Number = serde_json::from_str(answer.get()).ok()?;
    if let Some(number) = wide(&number) {
        return Some(number);
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT)?;
    format!("{float:.0}").parse().ok()
}

fn wide(number: &impl ToString) -> Option<i128> {
    number.to_string().parse().ok()
}

/// The end of a range: the rule's, or that of the type where every client can say it (a float is exact up to 2^53).
fn bound<N: ToString + Copy>(rule: Option<N>, of_type: N) -> Option<Number> {
    const EXACT: i128 = 1 << 53;
    let of_type = || Some(of_type).filter(|end| wide(end).is_some_and(|end| end.abs() <= EXACT));
    number(&rule.or_else(of_type)?.to_string())
}

/// The shortest number that says the same: 18 rather than 18.0.
fn number(text: &str) -> Option<Number> {
    text.parse().ok()
}

fn offered(options: &[ChoiceOption]) -> String {
    let all: Vec<_> = options.iter().map(|option| format!("`{}`", option.value())).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests;
