use serde_json::value::RawValue;

use super::super::choice::tests::{Plain, Titled};
use super::super::format::Format;
use super::super::rules::Rules;
use super::FormValue;

fn read<V: FormValue>(text: &str, rules: &Rules<V>) -> Result<V, String> {
    V::read(serde_json::from_str::<&RawValue>(text).unwrap(), rules)
}

fn plain<V: FormValue>(text: &str) -> Result<V, String> {
    read(text, &Rules::none())
}

fn refused<V: FormValue + std::fmt::Debug>(text: &str, rules: &Rules<V>, rule: &str) {
    assert_eq!(read(text, rules).unwrap_err(), rule, "{text}");
}

#[test]
fn lengths_are_counted_in_characters() {
    let rules = Rules::<String> { min_length: Some(2), max_length: Some(3), ..Rules::none() };
    assert_eq!(read("\"äö\"", &rules).unwrap(), "äö");
    assert_eq!(read(r#""\u00e4\ud83d\ude00x""#, &rules).unwrap(), "ä😀x");
    refused("\"a\"", &rules, "must have at least 2 characters");
    refused("\"abcd\"", &rules, "must have at most 3 characters");
    for text in ["1", "true", "[\"ab\"]", "{}", r#""\ud800""#] {
        refused(text, &rules, "must be text");
    }
}

#[test]
fn formats_are_checked() {
    let rules = Rules::<String> { format: Some(Format::Date), ..Rules::none() };
    assert_eq!(read("\"2026-07-28\"", &rules).unwrap(), "2026-07-28");
    refused("\"tomorrow\"", &rules, "must be a date as `2026-07-28`");
}

#[test]
fn integers_are_whole_and_within_their_type_and_rules() {
    assert_eq!((plain::<u8>("255"), plain::<i8>("-128"), plain::<u8>("30.0")), (Ok(255), Ok(-128), Ok(30)));
    assert_eq!((plain("18446744073709551615"), plain("1e2")), (Ok(u64::MAX), Ok(100_i64)));
    assert_eq!(plain("-9223372036854775808"), Ok(i64::MIN));
    refused::<u8>("256", &Rules::none(), "must be at most 255");
    refused::<u8>("-1", &Rules::none(), "must be at least 0");
    refused::<i64>("9223372036854775808", &Rules::none(), "must be at most 9223372036854775807");
    let rules = Rules { min: Some(18_u8), max: Some(120), ..Rules::none() };
    assert_eq!((read("18", &rules), read("120", &rules)), (Ok(18), Ok(120)));
    refused("17", &rules, "must be at least 18");
    refused("121", &rules, "must be at most 120");
    refused("9999999999", &rules, "must be at most 120");
    for text in ["\"18\"", "18.5", "true", "null", "[18]", "1e300", "36893488147419103232"] {
        refused(text, &rules, "must be a whole number");
    }
}

#[test]
fn numbers_are_within_their_rules() {
    let rules = Rules { min: Some(-0.5), max: Some(1.5), ..Rules::none() };
    assert_eq!(
        (read("-0.5", &rules), read("1", &rules), read("1.5e0", &rules)),
        (Ok(-0.5), Ok(1.0), Ok(1.5))
    );
    refused("-0.6", &rules, "must be at least -0.5");
    refused("2", &rules, "must be at most 1.5");
    for text in ["\"1\"", "true", "[1]", "{}"] {
        refused(text, &rules, "must be a number");
    }
    refused::<f32>("1e39", &Rules::none(), "must be a number of a usual size");
    refused::<f64>("-1e999", &Rules::none(), "must be a number of a usual size");
    assert_eq!(plain::<f32>("0.1"), Ok(0.1));
}

#[test]
fn yes_or_no_is_a_boolean() {
    assert_eq!((plain("true"), plain("false")), (Ok(true), Ok(false)));
    for text in ["\"true\"", "1", "[]"] {
        refused::<bool>(text, &Rules::none(), "must be true or false");
    }
}

#[test]
fn a_choice_is_one_of_the_values_not_of_the_titles() {
    assert_eq!(plain("\"#FF0000\""), Ok(Titled::Red));
    for text in ["\"Red\"", "\"\"", "0", "[\"#FF0000\"]"] {
        refused::<Titled>(text, &Rules::none(), "must be one of `#FF0000`, `#00FF00`");
    }
}

#[test]
fn several_choices_are_each_offered_once_and_as_many_as_asked_for() {
    let rules = Rules { min_items: Some(1), max_items: Some(2), ..Rules::none() };
    assert_eq!(read(r#"["Blue","Red"]"#, &rules), Ok(vec![Plain::Blue, Plain::Red]));
    refused("[]", &rules, "must hold at least 1 choice");
    refused(r#"["Red","Green","Blue"]"#, &rules, "must hold at most 2 choices");
    for text in [r#"["Red","Red"]"#, r#"["Pink"]"#, "\"Red\"", "[1]", "{}"] {
        refused(text, &rules, "must be a list of `Red`, `Green`, `Blue`, each once at most");
    }
}
