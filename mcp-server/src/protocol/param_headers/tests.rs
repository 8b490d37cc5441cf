use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::ParamHeaders;
use crate::protocol::{Json, code};

/// `Region` repeats `region`, `Zone` what is deeper.
fn declared() -> ParamHeaders {
    let mut headers = ParamHeaders::default();
    headers.declare("Region", &["region".to_owned()]).unwrap();
    headers.declare("Zone", &["target".to_owned(), "zone".to_owned()]).unwrap();
    headers.declare("Rack", &["target".to_owned(), "rack".to_owned()]).unwrap();
    headers
}

fn sent(headers: &[(&str, &[u8])]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        map.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    map
}

/// The message of the refusal; empty is none.
fn told(headers: &[(&str, &[u8])], arguments: &str) -> String {
    let arguments = Json::parse(arguments.to_owned().into()).unwrap();
    match declared().check(&sent(headers), &arguments) {
        Ok(()) => String::new(),
        Err(failure) => {
            assert_eq!((failure.code, failure.data), (code::HEADER_MISMATCH, None));
            failure.message.into_owned()
        }
    }
}

/// What is told where `value` is the region and `header` says so.
fn compared(header: &str, value: &str) -> String {
    told(&[("mcp-param-region", header.as_bytes())], &format!(r#"{{"region":{value}}}"#))
}

#[track_caller]
fn assert_same(header: &str, value: &str) {
    assert_eq!(compared(header, value), "", "{header:?} for {value}");
}

#[track_caller]
fn assert_told(message: &str, part: &str) {
    assert!(
        message.starts_with("header mismatch: ") && message.contains(part),
        "{message:?} without {part:?}"
    );
}

#[test]
fn a_value_has_its_header_and_a_header_its_value() {
    let region: (&str, &[u8]) = ("mcp-param-region", b"eu");
    assert_eq!(told(&[region], r#"{"region":"eu"}"#), "");
    assert_eq!(told(&[], "{}"), "");
    assert_eq!(told(&[], r#"{"region":null,"target":null}"#), "");
    assert_told(&told(&[], r#"{"region":"eu"}"#), "Mcp-Param-Region is missing, and the argument `region`");
    assert_told(&told(&[region], "{}"), "Mcp-Param-Region is there, and the argument `region` has no value");
    assert_told(&told(&[region], r#"{"region":null}"#), "has no value");
    assert_told(&told(&[("mcp-param-region", b"null")], r#"{"region":null}"#), "has no value");
    assert_told(&told(&[("mcp-param-region", b"")], "{}"), "has no value");
}

#[test]
fn the_value_is_the_one_at_the_exact_path() {
    let zone: (&str, &[u8]) = ("mcp-param-zone", b"b");
    assert_eq!(told(&[zone], r#"{"target":{"x":{"zone":"c"},"zone":"b"}}"#), "");
    assert_eq!(told(&[zone, ("Mcp-Param-RACK", b"7")], r#"{"target":{"rack":7,"zone":"b"}}"#), "");
    assert_told(&told(&[zone], r#"{"zone":"b","target":{}}"#), "`target.zone` has no value");
    assert_told(&told(&[], r#"{"target":{"zone":"b"}}"#), "Mcp-Param-Zone is missing");
    for no_object in ["[]", r#"[{"zone":"b"}]"#, "7", r#""zone""#, "false", "null", "{}"] {
        let arguments = format!(r#"{{"target":{no_object}}}"#);
        assert_eq!(told(&[], &arguments), "");
        assert_told(&told(&[zone], &arguments), "has no value");
    }
}

#[test]
fn text_is_compared_as_it_is() {
    for (header, value) in [
        ("us-west1", r#""us-west1""#),
        ("us-west1", r#""us\u002dwest1""#),
        ("  us-west1\t", r#""us-west1""#),
        ("two  words", r#""two  words""#),
        ("", r#""""#),
        ("42", r#""42""#),
        ("null", r#""null""#),
        ("=?base64?SGVsbG8sIOS4lueVjA==?=", r#""Hello, 世界""#),
        (" =?base64?SGVsbG8=?= ", r#""Hello""#),
        ("=?base64?IHBhZGRlZCA=?=", r#"" padded ""#),
        ("=?base64?bGluZTEKbGluZTI=?=", r#""line1\nline2""#),
        ("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", r#""=?base64?literal?=""#),
        ("=?base64??=", r#""""#),
        ("SGVsbG8=", r#""SGVsbG8=""#),
        ("=?base64?SGVsbG8=", r#""=?base64?SGVsbG8=""#),
        ("=?BASE64?SGVsbG8=?=", r#""=?BASE64?SGVsbG8=?=""#),
    ] {
        assert_same(header, value);
    }
    for (header, value) in [
        ("US-WEST1", r#""us-west1""#),
        ("us-west", r#""us-west1""#),
        ("\"us-west1\"", r#""us-west1""#),
        ("padded", r#"" padded ""#),
        ("42.0", r#""42""#),
        ("a, a", r#""a""#),
        ("", r#"" ""#),
        ("\\ud800", r#""\ud800""#),
        ("SGVsbG8=", r#""Hello""#),
        ("=?base64?SGVsbG8=?=", r#""=?base64?SGVsbG8=?=""#),
    ] {
        assert_told(&compared(header, value), "Mcp-Param-Region is not what the argument `region` says");
    }
}

#[test]
fn numbers_are_compared_by_value_and_exactly() {
    for (header, value) in [
        ("42", "42"),
        ("42.0", "42"),
        ("42", "42.0"),
        ("-7", "-7"),
        ("0", "-0"),
        ("1e+21", "1000000000000000000000"),
        ("18446744073709551616", "18446744073709551616"),
        ("=?base64?NDI=?=", "42"),
        ("\t42 ", "42"),
    ] {
        assert_same(header, value);
    }
    for (header, value) in [
        ("9007199254740992", "9007199254740993"),
        ("18446744073709551615", "18446744073709551616"),
        ("42", "-42"),
        ("+42", "42"),
        ("042", "42"),
        ("4 2", "42"),
        ("0x2a", "42"),
        ("", "0"),
        ("true", "1"),
        ("=?base64?IDQy?=", "42"),
    ] {
        assert_told(&compared(header, value), "not what the argument");
    }
}

#[test]
fn booleans_are_true_and_false_in_lower_case() {
    assert_same("true", "true");
    assert_same(" false ", "false");
    for (header, value) in
        [("false", "true"), ("True", "true"), ("TRUE", "true"), ("1", "true"), ("", "false")]
    {
        assert_told(&compared(header, value), "not what the argument");
    }
}

#[test]
fn what_no_header_can_say_is_refused_with_and_without_one() {
    for value in ["{}", "[]", r#"["eu"]"#, r#"{"region":"eu"}"#] {
        assert_told(&compared("eu", value), "a string, an integer or a boolean");
        assert_told(&told(&[], &format!(r#"{{"region":{value}}}"#)), "is missing");
    }
}

#[test]
fn a_malformed_header_is_told_as_such() {
    let headers: [&[u8]; 8] = [
        "naïve".as_bytes(),
        b"\xff",
        b"=?base64?SGVsbG8?=",
        b"=?base64?SGVs!!!bG8=?=",
        b"=?base64?SGVsbG9=?=",
        b"=?base64?SGVs bG8=?=",
        b"=?base64?_-8=?=",
        b"=?base64?/w==?=",
    ];
    for header in headers {
        assert_told(
            &told(&[("mcp-param-region", header)], r#"{"region":"Hello"}"#),
            "Mcp-Param-Region is neither",
        );
    }
}

#[test]
fn what_stands_twice_is_refused_even_where_both_say_the_same() {
    let region: (&str, &[u8]) = ("mcp-param-region", b"eu");
    assert_told(&told(&[region, region], r#"{"region":"eu"}"#), "Mcp-Param-Region is there twice");
    assert_told(&told(&[region, region], "{}"), "is there twice");
    for arguments in [
        r#"{"region":"eu","region":"eu"}"#,
        r#"{"region":"eu","x":1,"region":"us"}"#,
        r#"{"region":"eu","reg\u0069on":"us"}"#,
        r#"{"region":null,"region":"eu"}"#,
        r#"{"region":"eu","region":null}"#,
    ] {
        assert_told(
            &told(&[region], arguments),
            "the argument `region`, which Mcp-Param-Region repeats, is given twice",
        );
        assert_told(&told(&[], arguments), "is given twice");
    }
    let zone: (&str, &[u8]) = ("mcp-param-zone", b"b");
    for arguments in [
        r#"{"target":{"zone":"b"},"target":{"zone":"c"}}"#,
        r#"{"target":{"zone":"b"},"target":{}}"#,
        r#"{"target":{},"target":{"zone":"b"}}"#,
        r#"{"target":7,"target":{"zone":"b"}}"#,
        r#"{"target":{"zone":"b","zone":"b"}}"#,
    ] {
        assert_told(&told(&[zone], arguments), "the argument `target.zone`");
    }
    assert_eq!(told(&[region], r#"{"x":1,"x":2,"region":"eu"}"#), "", "others are read by others");
}

#[test]
fn headers_that_are_not_declared_and_other_arguments_mean_nothing() {
    let arguments = r#"{"other":{"region":"us","deep":[[[1e999,"\ud800"]]]},"region":"eu"}"#;
    let headers: [(&str, &[u8]); 4] = [
        ("mcp-param-region", b"eu"),
        ("mcp-param-other", b"\xff"),
        ("mcp-param-other", b"=?base64?!?="),
        ("mcp-param-", b"x"),
    ];
    assert_eq!(told(&headers, arguments), "");
}

#[test]
fn arguments_whose_names_are_no_text_are_refused() {
    assert_told(&told(&[], r#"{"\ud800":1}"#), "the arguments cannot be read");
}

#[test]
fn no_value_is_repeated_however_long() {
    let long = "secret".repeat(1 << 16);
    let arguments = json!({ "region": long }).to_string();
    let messages = [
        told(&[("mcp-param-region", b"eu")], &arguments),
        told(&[("mcp-param-region", long.as_bytes())], r#"{"region":"eu"}"#),
        told(&[("mcp-param-region", long.as_bytes())], "{}"),
        told(&[], &arguments),
    ];
    for message in messages {
        assert!(message.starts_with("header mismatch") && !message.contains("secret"), "{message}");
        assert!(message.len() < 200, "{message}");
    }
}

#[test]
fn a_header_is_declared_by_a_token_alone() {
    let mut headers = ParamHeaders::default();
    assert!(headers.is_empty());
    for name in ["two words", "a:b", "ü", "a\r\nb"] {
        assert!(headers.declare(name, &["a".to_owned()]).is_err(), "{name}");
    }
    assert!(headers.is_empty());
    headers.declare("!#$%&'*+-.^_`|~9aZ", &["a".to_owned()]).unwrap();
    assert!(!headers.is_empty());
    let nothing: Value = json!({ "b": 1 });
    assert!(headers.check(&HeaderMap::new(), &Json::from(nothing)).is_ok());
}
