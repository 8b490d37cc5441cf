//! Forms: flat objects of primitive fields that a person fills in.

mod choice;
mod field;
mod format;
pub mod private;
mod rules;
mod schema;
mod value;

pub use choice::{Choice, ChoiceOption};
pub(super) use schema::FormSchema;

use crate::protocol::Json;

/// A form that the person fills in (client/elicitation, form mode). Derived from a struct:
///
/// ```
/// use mcp_server::{Choice, Form};
/// use serde_json::{Value, json};
///
/// #[derive(Form)]
/// struct Booking {
///     /// Who comes
///     #[form(min_length = 1, max_length = 80)]
///     name: String,
///     #[form(format = "email")]
///     email: Option<String>,
///     #[form(title = "Seats", default = 2, min = 1, max = 8)]
///     seats: u8,
///     #[form(default = Meal::Vegan)]
///     meal: Meal,
/// }
///
/// #[derive(Choice)]
/// #[choice(rename_all = "kebab-case")]
/// enum Meal {
///     Vegan,
///     FishOfTheDay,
/// }
///
/// let schema: Value = Booking::schema().to()?;
/// assert_eq!(schema["properties"]["name"]["description"], "Who comes");
/// assert_eq!(schema["properties"]["meal"]["enum"], json!(["vegan", "fish-of-the-day"]));
/// assert_eq!(schema["required"], json!(["name"]));
///
/// let booking = Booking::read(&json!({ "name": "Ada", "seats": 3 }).into()).unwrap();
/// assert_eq!((booking.seats, booking.email), (3, None));
/// let wrong = Booking::read(&json!({ "name": "Ada", "seats": 9 }).into());
/// assert_eq!(wrong.err().as_deref(), Some("`seats` must be at most 8"));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// `()` is a form without fields: a question that is only agreed to or declined.
///
/// Clients, and perhaps their models, read what is entered. Secrets are asked for on a page of your own (URL mode): a
/// field whose name or type says that it holds one does not compile.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a form",
    label = "not a form",
    note = "write `#[derive(Form)]` above a struct whose fields have names"
)]
pub trait Form: Sized + Send + 'static {
    /// The schema: an object whose properties are primitive, in the order in which they are asked.
    fn schema() -> Json;

    /// Reads what was entered, an object. Fields that are not the form's are ignored.
    ///
    /// # Errors
    /// The first field that breaks a rule, and the rule; never the value.
    fn read(content: &Json) -> Result<Self, String>;
}

/// Nothing is asked but whether the person agrees.
impl Form for () {
    fn schema() -> Json {
        FormSchema::default().to_json()
    }

    fn read(_: &Json) -> Result<Self, String> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::Form;
    use super::private::{Entered, Field, Fields, Format};
    use crate::protocol::Json;

    /// The example of the specification, as the macro would write it.
    pub(in crate::asking) struct Contact {
        pub(in crate::asking) name: String,
        pub(in crate::asking) email: String,
        pub(in crate::asking) age: Option<f64>,
    }

    fn name() -> Field<String> {
        Field::new("name").description("Your full name")
    }

    fn email() -> Field<String> {
        Field::new("email").description("Your email address").format(Format::Email)
    }

    fn age() -> Field<f64> {
        Field::new("age").description("Your age").min(18.0)
    }

    impl Form for Contact {
        fn schema() -> Json {
            Fields::new().and(&name()).and(&email()).and_optional(&age()).schema()
        }

        fn read(content: &Json) -> Result<Self, String> {
            let entered = Entered::of(content)?;
            let (name, email) = (entered.read(&name())?, entered.read(&email())?);
            Ok(Self { name, email, age: entered.read_optional(&age())? })
        }
    }

    fn read(content: Value) -> Result<Contact, String> {
        Contact::read(&content.into())
    }

    #[test]
    fn the_schema_is_that_of_the_specification() {
        let schema: Value = Contact::schema().to().unwrap();
        let expected = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "Your full name" },
                "email": { "type": "string", "format": "email", "description": "Your email address" },
                "age": { "type": "number", "minimum": 18, "description": "Your age" },
            },
            "required": ["name", "email"],
        });
        assert_eq!(schema, expected);
    }

    #[test]
    fn fields_are_asked_in_the_order_of_the_struct() {
        let schema = Contact::schema();
        let at = |field: &str| schema.as_str().find(field).unwrap();
        assert!(at("\"name\":") < at("\"email\":") && at("\"email\":") < at("\"age\":"));
    }

    #[test]
    fn what_is_not_the_forms_is_ignored() {
        let deep =
            format!(r#"{{"name":"A","email":"a@b.example","more":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
        let contact = Contact::read(&Json::parse(deep.into()).unwrap()).unwrap();
        assert_eq!((contact.name.as_str(), contact.email.as_str(), contact.age), ("A", "a@b.example", None));
    }

    #[test]
    fn the_first_broken_rule_is_told_by_its_field() {
        let of = |content: Value| read(content).map(|_| ()).unwrap_err();
        assert_eq!(of(json!({ "email": "a@b.example" })), "`name` is missing");
        assert_eq!(of(json!({ "name": null, "email": "a@b.example" })), "`name` is missing");
        assert_eq!(of(json!({ "name": 1, "email": "a@b.example" })), "`name` must be text");
        assert_eq!(of(json!({ "name": "A", "email": "s3cret" })), "`email` must be an email address");
        let young = json!({ "name": "A", "email": "a@b.example", "age": 17.5 });
        assert_eq!(of(young), "`age` must be at least 18");
        for content in [json!([]), json!("s3cret"), json!(null)] {
            assert_eq!(of(content), "`content` must be an object");
        }
    }

    #[test]
    fn a_form_without_fields_asks_for_agreement() {
        let schema: Value = <()>::schema().to().unwrap();
        assert_eq!(schema, json!({ "type": "object", "properties": {} }));
        assert_eq!(<()>::read(&Json::EMPTY), Ok(()));
    }
}
