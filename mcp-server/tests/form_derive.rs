//! `#[derive(Form)]` and `#[derive(Choice)]`: the schemas they make and the answers they read.

use mcp_server::{Choice, ChoiceOption, Form};
use serde_json::{Value, json};

/// The form that the conformance suite asks for (SEP-1034).
#[derive(Form, Debug, PartialEq)]
struct Defaults {
    #[form(default = "John Doe")]
    name: String,
    #[form(default = 30)]
    age: i64,
    #[form(default = 95.5)]
    score: f64,
    #[form(default = Status::Active)]
    status: Status,
    #[form(default = true)]
    verified: bool,
}

#[derive(Choice, Clone, Copy, Debug, PartialEq)]
#[choice(rename_all = "lowercase")]
enum Status {
    Active,
    Inactive,
    Pending,
}

/// The choices that the conformance suite asks for (SEP-1330).
#[derive(Form, Debug, PartialEq)]
struct Choices {
    #[form(rename = "untitledSingle")]
    untitled_single: Plain,
    #[form(rename = "titledSingle")]
    titled_single: Titled,
    #[form(rename = "untitledMulti")]
    untitled_multi: Vec<Plain>,
    #[form(rename = "titledMulti", min_items = 1, max_items = 2, default = [Titled::First])]
    titled_multi: Option<Vec<Titled>>,
}

#[derive(Choice, Clone, Copy, Debug, PartialEq)]
enum Plain {
    #[choice(value = "option1")]
    One,
    #[choice(value = "option2")]
    Two,
    #[choice(value = "option3")]
    Three,
}

#[derive(Choice, Clone, Copy, Debug, PartialEq)]
#[choice(rename_all = "snake_case")]
enum Titled {
    #[choice(value = "value1", title = "First Option")]
    First,
    #[choice(title = "Second Option")]
    SecondValue,
    r#Else,
}

/// All that a field can say, and all that it can be.
#[derive(Form, Debug, PartialEq)]
struct Everything {
    /// What you are called,
    /// by whom you like.
    #[form(title = "Your name", min_length = 2, max_length = 5)]
    name: String,
    /// Not this
    #[form(description = "Where to write")]
    #[form(format = "email")]
    email: Option<String>,
    #[form(format = "uri")]
    page: Option<String>,
    #[form(format = "date")]
    day: Option<String>,
    #[form(format = "date-time")]
    moment: Option<String>,
    #[form(min = 18, max = 99)]
    r#type: u8,
    #[form(min = -1, max = 1, default = 0)]
    share: f32,
    #[form(min = -40)]
    degrees: Option<i16>,
    #[form(default)]
    agreed: bool,
    #[form(not_secret)]
    token: Option<u64>,
}

#[derive(Form, Debug, PartialEq)]
struct Nothing {}

fn schema<F: Form>() -> Value {
    F::schema().to().expect("a schema is JSON")
}

fn read<F: Form>(content: Value) -> Result<F, String> {
    F::read(&content.into())
}

fn with(changes: Value) -> Value {
    let mut content = json!({ "name": "Ada", "type": 36 });
    let fields = content.as_object_mut().expect("it is an object");
    if let Value::Object(changes) = changes {
        fields.extend(changes);
    }
    content
}

#[test]
fn defaults_stand_in_the_schema_and_for_what_is_left_out() {
    let expected = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
            "verified": { "type": "boolean", "default": true },
        },
    });
    assert_eq!(schema::<Defaults>(), expected);
    let left_out = read::<Defaults>(json!({})).unwrap();
    let name = "John Doe".to_owned();
    assert_eq!(left_out, Defaults { name, age: 30, score: 95.5, status: Status::Active, verified: true });
    let answer =
        json!({ "name": "Jane Smith", "age": 25, "score": 88, "status": "inactive", "verified": false });
    let name = "Jane Smith".to_owned();
    let expected = Defaults { name, age: 25, score: 88.0, status: Status::Inactive, verified: false };
    assert_eq!(read(answer), Ok(expected));
}

#[test]
fn choices_are_plain_or_titled_and_one_or_several() {
    let plain = json!(["option1", "option2", "option3"]);
    let titled = json!([
        { "const": "value1", "title": "First Option" },
        { "const": "second_value", "title": "Second Option" },
        { "const": "else", "title": "else" },
    ]);
    let expected = json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": plain },
            "titledSingle": { "type": "string", "oneOf": titled },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
            "titledMulti": {
                "type": "array",
                "minItems": 1,
                "maxItems": 2,
                "items": { "anyOf": titled },
                "default": ["value1"],
            },
        },
        "required": ["untitledSingle", "titledSingle", "untitledMulti"],
    });
    assert_eq!(schema::<Choices>(), expected);
    let answer = json!({
        "untitledSingle": "option1",
        "titledSingle": "second_value",
        "untitledMulti": ["option1", "option2"],
        "titledMulti": ["else"],
    });
    let expected = Choices {
        untitled_single: Plain::One,
        titled_single: Titled::SecondValue,
        untitled_multi: vec![Plain::One, Plain::Two],
        titled_multi: Some(vec![Titled::Else]),
    };
    assert_eq!(read(answer), Ok(expected));
    assert_eq!(Plain::Three.value(), "option3");
    assert_eq!(Titled::options().first(), Some(&ChoiceOption::titled("value1", "First Option")));
}

#[test]
fn fields_say_all_that_stands_above_them() {
    let expected = json!({
        "type": "object",
        "properties": {
            "name": {
                "type": "string",
                "title": "Your name",
                "description": "What you are called,\nby whom you like.",
                "minLength": 2,
                "maxLength": 5,
            },
            "email": { "type": "string", "description": "Where to write", "format": "email" },
            "page": { "type": "string", "format": "uri" },
            "day": { "type": "string", "format": "date" },
            "moment": { "type": "string", "format": "date-time" },
            "type": { "type": "integer", "minimum": 18, "maximum": 99 },
            "share": { "type": "number", "minimum": -1, "maximum": 1, "default": 0 },
            "degrees": { "type": "integer", "minimum": -40, "maximum": 32767 },
            "agreed": { "type": "boolean", "default": false },
            "token": { "type": "integer", "minimum": 0 },
        },
        "required": ["name", "type"],
    });
    assert_eq!(schema::<Everything>(), expected);
    assert_eq!(schema::<Nothing>(), json!({ "type": "object", "properties": {} }));
}

#[test]
fn properties_stand_in_the_order_of_the_fields() {
    let schema = Everything::schema();
    let names = ["name", "email", "page", "day", "moment", "type", "share", "degrees", "agreed", "token"];
    let places: Vec<_> = names.iter().map(|name| schema.as_str().find(&format!("\"{name}\":{{"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
}

#[test]
fn an_answer_is_read_into_the_struct() {
    let least: Everything = read(with(json!({}))).unwrap();
    assert_eq!((least.name.as_str(), least.r#type, least.share, least.agreed), ("Ada", 36, 0.0, false));
    assert_eq!((least.email, least.degrees, least.token), (None, None, None));
    let more = json!({
        "email": "ada@example.com", "page": "https://example.com", "day": "2026-07-28", "moment": "2026-07-28T12:00:00Z",
        "share": 1, "degrees": -40, "agreed": true, "token": 7, "unknown": [1],
    });
    let more: Everything = read(with(more)).unwrap();
    assert_eq!(
        (more.email.as_deref(), more.degrees, more.token),
        (Some("ada@example.com"), Some(-40), Some(7))
    );
    assert_eq!(
        (more.page.as_deref(), more.day.as_deref()),
        (Some("https://example.com"), Some("2026-07-28"))
    );
    assert_eq!((more.moment.as_deref(), more.share, more.agreed), (Some("2026-07-28T12:00:00Z"), 1.0, true));
    assert_eq!(read::<Nothing>(json!({ "unknown": 1 })), Ok(Nothing {}));
}

#[test]
fn every_rule_is_enforced_and_told_without_the_value() {
    for (change, told) in [
        (json!({ "name": null }), "`name` is missing"),
        (json!({ "name": 4242 }), "`name` must be text"),
        (json!({ "name": "x" }), "`name` must have at least 2 characters"),
        (json!({ "name": "s3cret" }), "`name` must have at most 5 characters"),
        (json!({ "email": "s3cret" }), "`email` must be an email address"),
        (json!({ "email": "" }), "`email` must be an email address"),
        (json!({ "page": "s3cret" }), "`page` must be a URI with its scheme"),
        (json!({ "day": "s3cret" }), "`day` must be a date as `2026-07-28`"),
        (json!({ "type": 17 }), "`type` must be at least 18"),
        (json!({ "type": 4242 }), "`type` must be at most 99"),
        (json!({ "type": 18.5 }), "`type` must be a whole number"),
        (json!({ "share": 4242 }), "`share` must be at most 1"),
        (json!({ "share": "4242" }), "`share` must be a number"),
        (json!({ "degrees": -4242 }), "`degrees` must be at least -40"),
        (json!({ "agreed": "s3cret" }), "`agreed` must be true or false"),
        (json!({ "token": -1 }), "`token` must be at least 0"),
    ] {
        assert_eq!(read::<Everything>(with(change.clone())).unwrap_err(), told, "{change}");
    }
    let moment = read::<Everything>(with(json!({ "moment": "s3cret" }))).unwrap_err();
    assert!(moment.starts_with("`moment` must be a date and a time"), "{moment}");
    let many = json!({ "untitledSingle": "option1", "titledSingle": "else", "untitledMulti": [], "titledMulti": [] });
    assert_eq!(read::<Choices>(many).unwrap_err(), "`titledMulti` must hold at least 1 choice");
}

mod elsewhere {
    //! A module without any imports: the expansion names everything by its whole path.

    #[derive(mcp_server::Form)]
    pub(crate) struct Form {
        pub(crate) choice: Choice,
        pub(crate) ok: std::option::Option<std::string::String>,
    }

    #[derive(mcp_server::Choice, Debug, PartialEq)]
    pub(crate) enum Choice {
        Some,
        None,
    }
}

#[test]
fn a_form_may_have_any_name() {
    let form: elsewhere::Form = read(json!({ "choice": "None" })).unwrap();
    assert_eq!((form.choice, form.ok), (elsewhere::Choice::None, None));
    assert_eq!(elsewhere::Choice::from_value("Some"), Some(elsewhere::Choice::Some));
}
