use serde_json::{Value, json};

use super::super::choice::tests::{Plain, Titled};
use super::super::field::Field;
use super::super::format::Format;
use super::super::value::FormValue;
use super::FormSchema;

fn property<V: FormValue>(field: &Field<V>) -> Value {
    serde_json::to_value(field.property()).unwrap()
}

#[test]
fn text_is_described_as_in_the_specification() {
    let field = Field::<String>::new("email")
        .title("Display Name")
        .description("Description text")
        .min_length(3)
        .max_length(50)
        .format(Format::Email)
        .default(|| "user@example.com".to_owned());
    let expected = json!({
        "type": "string",
        "title": "Display Name",
        "description": "Description text",
        "minLength": 3,
        "maxLength": 50,
        "format": "email",
        "default": "user@example.com",
    });
    assert_eq!(property(&field), expected);
    for (format, name) in [
        (Format::Email, "email"),
        (Format::Uri, "uri"),
        (Format::Date, "date"),
        (Format::DateTime, "date-time"),
    ] {
        assert_eq!(property(&Field::<String>::new("x").format(format))["format"], name);
    }
}

#[test]
fn numbers_are_described_as_in_the_specification() {
    let words = |field: Field<f64>| field.title("Display Name").description("Description text");
    let number = words(Field::new("n")).min(0.0).max(100.0).default(|| 50.0);
    let expected = json!({
        "type": "number",
        "title": "Display Name",
        "description": "Description text",
        "minimum": 0,
        "maximum": 100,
        "default": 50,
    });
    assert_eq!(property(&number), expected);
    let integer = Field::<i64>::new("n").min(0).max(100).default(|| 50);
    let expected = json!({ "type": "integer", "minimum": 0, "maximum": 100, "default": 50 });
    assert_eq!(property(&integer), expected);
    let fractions = Field::<f32>::new("n").min(0.1).default(|| 95.5);
    assert_eq!(property(&fractions), json!({ "type": "number", "minimum": 0.1, "default": 95.5 }));
}

#[test]
fn integers_say_what_their_type_holds_where_every_client_can_say_it_too() {
    assert_eq!(property(&Field::<u8>::new("n")), json!({ "type": "integer", "minimum": 0, "maximum": 255 }));
    let narrowed = json!({ "type": "integer", "minimum": 1, "maximum": 127 });
    assert_eq!(property(&Field::<i8>::new("n").min(1)), narrowed);
    assert_eq!(property(&Field::<i64>::new("n")), json!({ "type": "integer" }));
    assert_eq!(property(&Field::<u64>::new("n")), json!({ "type": "integer", "minimum": 0 }));
}

#[test]
fn yes_or_no_is_described_as_in_the_specification() {
    let field =
        Field::<bool>::new("b").title("Display Name").description("Description text").default(|| false);
    let expected = json!({
        "type": "boolean",
        "title": "Display Name",
        "description": "Description text",
        "default": false,
    });
    assert_eq!(property(&field), expected);
}

#[test]
fn one_choice_is_described_as_in_the_specification() {
    let plain = Field::<Plain>::new("c")
        .title("Color Selection")
        .description("Choose your favorite color")
        .default(|| Plain::Red);
    let expected = json!({
        "type": "string",
        "title": "Color Selection",
        "description": "Choose your favorite color",
        "enum": ["Red", "Green", "Blue"],
        "default": "Red",
    });
    assert_eq!(property(&plain), expected);
    let titled = Field::<Titled>::new("c").default(|| Titled::Red);
    let expected = json!({
        "type": "string",
        "oneOf": [{ "const": "#FF0000", "title": "Red" }, { "const": "#00FF00", "title": "#00FF00" }],
        "default": "#FF0000",
    });
    assert_eq!(property(&titled), expected);
}

#[test]
fn several_choices_are_described_as_in_the_specification() {
    let plain =
        Field::<Vec<Plain>>::new("c").min_items(1).max_items(2).default(|| vec![Plain::Red, Plain::Green]);
    let expected = json!({
        "type": "array",
        "minItems": 1,
        "maxItems": 2,
        "items": { "type": "string", "enum": ["Red", "Green", "Blue"] },
        "default": ["Red", "Green"],
    });
    assert_eq!(property(&plain), expected);
    let titled = Field::<Vec<Titled>>::new("c").default(|| vec![Titled::Green]);
    let expected = json!({
        "type": "array",
        "items": { "anyOf": [
            { "const": "#FF0000", "title": "Red" },
            { "const": "#00FF00", "title": "#00FF00" },
        ] },
        "default": ["#00FF00"],
    });
    assert_eq!(property(&titled), expected);
}

#[test]
fn what_may_be_left_out_is_not_required() {
    let schema = FormSchema::new()
        .and_optional(&Field::<String>::new("optional"))
        .and(&Field::<String>::new("required"))
        .and(&Field::<bool>::new("preset").default(|| true));
    assert_eq!(serde_json::to_value(&schema).unwrap()["required"], json!(["required"]));
}

#[test]
fn revision_2025_06_18_names_its_choices_beside_them_and_knows_one_kind_of_default() {
    let schema = FormSchema::new()
        .and(&Field::<Titled>::new("z").default(|| Titled::Red))
        .and(&Field::<String>::new("b").min_length(1).default(|| "x".to_owned()))
        .and(&Field::<f64>::new("a").max(1.0).default(|| 0.5))
        .and(&Field::<bool>::new("y").default(|| true));
    assert!(!schema.has_lists());
    let text = schema.of_2025_06_18().to_json();
    let expected = concat!(
        r##"{"type":"object","properties":{"##,
        r##""z":{"type":"string","enum":["#FF0000","#00FF00"],"enumNames":["Red","#00FF00"]},"##,
        r##""b":{"type":"string","minLength":1},"##,
        r##""a":{"type":"number","maximum":1},"##,
        r##""y":{"type":"boolean","default":true}}}"##,
    );
    assert_eq!(text.as_str(), expected);
}

#[test]
fn a_schema_by_hand_is_read_in_its_order_or_not_at_all() {
    let read = |text: &str| serde_json::from_str::<FormSchema>(text);
    let text = concat!(
        r#"{"type":"object","properties":{"#,
        r#""z":{"type":"array","items":{"type":"string","enum":["a"]}},"#,
        r#""a":{"type":"string","enum":["1"],"enumNames":["One"]}},"required":["z"]}"#,
    );
    let schema = read(text).unwrap();
    assert!(schema.has_lists());
    assert_eq!(schema.to_json().as_str(), text);
    for text in [
        r#"{"type":"object","properties":{"a":{"type":"object","properties":{}}}}"#,
        r#"{"type":"array","items":{"type":"string"}}"#,
        r#"{"type":"object"}"#,
        r#"{"type":"object","properties":{"a":{"type":["string","null"]}}}"#,
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}
