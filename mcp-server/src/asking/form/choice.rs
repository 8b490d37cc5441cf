//! A fixed set of answers.

/// An enum whose variants a field of a [`Form`](super::Form) offers; a `Vec` of it takes several.
///
/// ```
/// use mcp_server::{Choice, ChoiceOption};
///
/// #[derive(Choice, Debug, PartialEq)]
/// enum Color {
///     #[choice(value = "#FF0000", title = "Red")]
///     Red,
///     #[choice(value = "#00FF00", title = "Green")]
///     Green,
/// }
///
/// assert_eq!(Color::options()[0], ChoiceOption::titled("#FF0000", "Red"));
/// assert_eq!(Color::from_value("#00FF00"), Some(Color::Green));
/// ```
///
/// The value is the variant's name unless `#[choice(value = "..")]` says otherwise, or `#[choice(rename_all = "..")]`
/// on the enum: `lowercase`, `UPPERCASE`, `camelCase`, `snake_case`, `kebab-case` or `SCREAMING_SNAKE_CASE`. Where one
/// variant has a title, those without show their value.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a choice",
    label = "not a choice",
    note = "write `#[derive(Choice)]` above an enum whose variants have no fields"
)]
pub trait Choice: Sized + Send + 'static {
    /// What is offered, in this order; the values differ.
    fn options() -> &'static [ChoiceOption];

    /// The choice of that value.
    fn from_value(value: &str) -> Option<Self>;

    /// The value that stands for it on the wire.
    fn value(&self) -> &'static str;
}

/// One of the answers that a [`Choice`] offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChoiceOption {
    value: &'static str,
    title: Option<&'static str>,
}

impl ChoiceOption {
    /// A value that is shown as it is.
    pub const fn new(value: &'static str) -> Self {
        Self { value, title: None }
    }

    /// A value that is shown as `title`.
    pub const fn titled(value: &'static str, title: &'static str) -> Self {
        Self { value, title: Some(title) }
    }

    /// What stands for it on the wire.
    pub const fn value(&self) -> &'static str {
        self.value
    }

    /// What is shown; `None` where that is the value.
    pub const fn title(&self) -> Option<&'static str> {
        self.title
    }
}

#[cfg(test)]
pub(in crate::asking) mod tests {
    use super::{Choice, ChoiceOption};

    /// The colours of the specification's examples, without titles.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(in crate::asking) enum Plain {
        Red,
        Green,
        Blue,
    }

    impl Choice for Plain {
        fn options() -> &'static [ChoiceOption] {
            const { &[ChoiceOption::new("Red"), ChoiceOption::new("Green"), ChoiceOption::new("Blue")] }
        }

        fn from_value(value: &str) -> Option<Self> {
            [Self::Red, Self::Green, Self::Blue].into_iter().find(|choice| choice.value() == value)
        }

        fn value(&self) -> &'static str {
            match self {
                Self::Red => "Red",
                Self::Green => "Green",
                Self::Blue => "Blue",
            }
        }
    }

    /// The same with titles; one variant has none.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(in crate::asking) enum Titled {
        Red,
        Green,
    }

    impl Choice for Titled {
        fn options() -> &'static [ChoiceOption] {
            const { &[ChoiceOption::titled("#FF0000", "Red"), ChoiceOption::new("#00FF00")] }
        }

        fn from_value(value: &str) -> Option<Self> {
            [Self::Red, Self::Green].into_iter().find(|choice| choice.value() == value)
        }

        fn value(&self) -> &'static str {
            match self {
                Self::Red => "#FF0000",
                Self::Green => "#00FF00",
            }
        }
    }

    #[test]
    fn an_option_without_a_title_shows_its_value() {
        let [red, green] = Titled::options() else { panic!("two options") };
        assert_eq!((red.value(), red.title()), ("#FF0000", Some("Red")));
        assert_eq!((green.value(), green.title()), ("#00FF00", None));
        assert_eq!(Plain::options().len(), 3);
        assert_eq!(Plain::from_value("Blue"), Some(Plain::Blue));
    }
}
