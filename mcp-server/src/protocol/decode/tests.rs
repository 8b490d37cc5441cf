use bytes::Bytes;
use serde_json::{Value, json};

use super::{Incoming, Malformed, Message, Place, decode};
use crate::protocol::{Json, ListKind, code};
use crate::request::Operation;

fn decoded(text: &str) -> Result<Message, Malformed> {
    decode(&Bytes::copy_from_slice(text.as_bytes()))
}

fn request(text: &str) -> Incoming {
    match decoded(text) {
        Ok(Message::Request(incoming)) => incoming,
        other => panic!("{text}: {other:?}"),
    }
}

fn with_params(method: &str, params: &str) -> Incoming {
    request(&format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#))
}

fn id(text: &'static str) -> crate::protocol::RequestId {
    crate::protocol::RequestId::new(&Json::parse(text.into()).unwrap()).unwrap()
}

#[test]
fn known_methods_become_operations_whose_parts_are_slices_of_the_body() {
    let body = Bytes::from_static(
        br#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"add","arguments":{"a":1},"_meta":{"progressToken":3}}}"#,
    );
    let Ok(Message::Request(incoming)) = decode(&body) else { panic!("no request") };
    let Operation::CallTool { name, arguments } = &incoming.operation else { panic!("{incoming:?}") };
    assert_eq!((&**name, arguments.as_str()), ("add", r#"{"a":1}"#));
    for part in [name.as_bytes(), arguments.as_bytes(), incoming.meta.raw.as_bytes()] {
        assert!(body.as_ptr_range().contains(&part.as_ptr()), "{part:?} is a copy");
    }
    assert_eq!(incoming.meta.progress.unwrap().as_json().as_str(), "3");
    assert_eq!(incoming.id.unwrap().as_json().as_str(), r#""a""#);
    assert!(incoming.resumed.is_none() && incoming.defect.is_none());
}

#[test]
fn each_list_has_its_kind_and_its_cursor() {
    for kind in ListKind::ALL {
        let incoming = with_params(kind.method(), r#"{"cursor":"x"}"#);
        let Operation::List { kind: decoded, cursor } = incoming.operation else { panic!("{kind:?}") };
        assert_eq!((decoded, cursor.as_deref()), (kind, Some("x")));
        let first = request(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, kind.method()));
        assert!(matches!(first.operation, Operation::List { cursor: None, .. }));
    }
}

#[test]
fn methods_that_keep_their_parameters_keep_them_whole() {
    for method in ["initialize", "ping", "tasks/get", "logging/setLevel"] {
        let incoming = with_params(method, r#"{"name":5,"cursor":[],"level":"info"}"#);
        let (Operation::Initialize { params } | Operation::Other { params, .. }) = &incoming.operation else {
            panic!("{method}")
        };
        assert_eq!(params.as_str(), r#"{"name":5,"cursor":[],"level":"info"}"#);
        assert_eq!(incoming.operation.method(), method);
        assert_eq!(incoming.defect, None, "{method}");
    }
    let listen = with_params("subscriptions/listen", r#"{"notifications":{"toolsListChanged":true}}"#);
    assert!(matches!(listen.operation, Operation::Listen { filter } if filter.as_str().contains("tools")));
}

#[test]
fn absent_and_null_arguments_are_an_empty_object() {
    for params in [r#"{"name":"t"}"#, r#"{"name":"t","arguments":null,"_meta":null}"#] {
        let incoming = with_params("tools/call", params);
        assert!(
            matches!(incoming.operation, Operation::CallTool { arguments, .. } if arguments == Json::EMPTY)
        );
        assert_eq!(incoming.meta.raw, Json::EMPTY);
    }
}

#[test]
fn parameters_that_do_not_fit_are_a_defect_under_the_id() {
    let cases = [
        ("tools/call", "{}"),
        ("tools/call", r#"{"name":5}"#),
        ("tools/call", r#"{"name":"t","arguments":[1]}"#),
        ("tools/call", r#"{"name":"t","name":"u"}"#),
        ("tools/call", r#"["t",{}]"#),
        ("tools/call", "7"),
        ("tools/call", r#"{"name":"\ud800"}"#),
        ("prompts/get", r#"{"arguments":{}}"#),
        ("resources/read", r#"{"uri":{}}"#),
        ("tools/list", r#"{"cursor":7}"#),
        ("subscriptions/listen", "{}"),
        ("ping", r#"{"_meta":[]}"#),
        ("ping", r#"{"_meta":{"progressToken":1.5}}"#),
        ("ping", r#"{"_meta":{"progressToken":1,"progressToken":2}}"#),
        ("ping", r#"{"_meta":{"io.modelcontextprotocol/logLevel":3}}"#),
    ];
    for (method, params) in cases {
        let incoming = with_params(method, params);
        let defect = incoming.defect.unwrap_or_else(|| panic!("{method} {params} passed"));
        assert_eq!(defect.failure.code, code::INVALID_PARAMS, "{method} {params}");
        let read = params.starts_with('{') && !params.contains(r#","name":"#);
        assert_eq!(defect.place == Place::Params, read && !params.contains("_meta"), "{method} {params}");
        assert_eq!(incoming.operation.method(), method);
        assert_eq!(incoming.id, Some(id("7")));
    }
}

/// Each a JSON-RPC error, not a bare status with text (gap 3 of the official SDK).
#[test]
fn what_is_no_message_has_its_code_and_the_id_where_it_could_be_read() {
    let seven = Some("7");
    let cases = [
        ("", code::PARSE_ERROR, None),
        ("{", code::PARSE_ERROR, None),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping"} x"#, code::PARSE_ERROR, None),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[1,}"#, code::PARSE_ERROR, None),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":5,"x":}"#, code::PARSE_ERROR, None),
        ("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"p\0\"}", code::PARSE_ERROR, None),
        ("[", code::PARSE_ERROR, None),
        ("7", code::INVALID_REQUEST, None),
        ("\"text\"", code::INVALID_REQUEST, None),
        ("null", code::INVALID_REQUEST, None),
        ("[]", code::INVALID_REQUEST, None),
        ("{}", code::INVALID_REQUEST, None),
        (r#"{"id":7,"method":"ping"}"#, code::INVALID_REQUEST, seven),
        (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, code::INVALID_REQUEST, seven),
        (r#"{"jsonrpc":2.0,"id":7,"method":"ping"}"#, code::INVALID_REQUEST, seven),
        (r#"{"jsonrpc":"2.0","id":7}"#, code::INVALID_REQUEST, seven),
        (r#"{"jsonrpc":"2.0","id":7,"method":5}"#, code::INVALID_REQUEST, seven),
        (r#"{"jsonrpc":"2.0","id":7,"method":"\udc00"}"#, code::INVALID_REQUEST, seven),
        (r#"{"jsonrpc":"2.0","id":7,"method":"a","method":"b"}"#, code::INVALID_REQUEST, seven),
        (r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{}}"#, code::INVALID_REQUEST, seven),
        (r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"a"}"#, code::INVALID_REQUEST, None),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, code::INVALID_REQUEST, None),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, code::INVALID_REQUEST, None),
        (r#"{"jsonrpc":"2.0","id":1e999,"method":"ping"}"#, code::INVALID_REQUEST, None),
        (r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, code::INVALID_REQUEST, None),
        (r#"{"jsonrpc":"2.0","result":{}}"#, code::INVALID_REQUEST, None),
    ];
    for (text, expected, readable) in cases {
        let malformed = decoded(text).expect_err(text);
        assert_eq!(malformed.failure.code, expected, "{text}");
        assert_eq!(malformed.id, readable.map(id), "{text}");
    }
}

#[test]
fn ids_over_256_bytes_are_refused_and_huge_integers_below_are_echoed() {
    let of = |id: &str| decoded(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#));
    assert_eq!(of(&"9".repeat(257)).expect_err("too long").failure.code, code::INVALID_REQUEST);
    assert!(of(&format!("\"{}\"", "x".repeat(255))).is_err());
    let Ok(Message::Request(incoming)) = of(&"9".repeat(256)) else { panic!("refused") };
    assert_eq!(incoming.id.unwrap().as_json().as_str(), "9".repeat(256));
}

#[test]
fn bytes_that_are_not_utf8_are_a_parse_error_even_where_nobody_looks() {
    let body = Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"x\":\"\xff\"}");
    assert_eq!(decode(&body).expect_err("not UTF-8").failure.code, code::PARSE_ERROR);
}

#[test]
fn a_hundred_thousand_levels_of_nesting_neither_overflow_nor_reach_a_parser_that_recurses() {
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let params = format!(r#"{{"name":"t","arguments":{{"a":{open}{close}}}}}"#);
    let incoming = with_params("tools/call", &params);
    let Operation::CallTool { arguments, .. } = incoming.operation else { panic!("no call") };
    assert!(arguments.to::<Value>().is_err(), "the recursion limit holds");
    assert_eq!(Json::of(&arguments).unwrap(), arguments, "and passing it on does not recurse");
    for bomb in [open.clone(), format!("{open}{close}"), format!(r#"{{"x":{open}{close}}}"#)] {
        assert!(!matches!(decoded(&bomb), Ok(Message::Request(_))));
    }
    let unclosed = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{open}"#);
    assert_eq!(decoded(&unclosed).expect_err("unclosed").failure.code, code::PARSE_ERROR);
}

#[test]
fn escapes_are_resolved_in_names_and_kept_in_arguments() {
    let incoming =
        with_params("tools/call", r#"{"n\u0061me":"\u0061\u0000\ud83d\ude00","arguments":{"x":"\ud800"}}"#);
    let Operation::CallTool { name, arguments } = incoming.operation else { panic!("no call") };
    assert_eq!(&*name, "a\0😀");
    assert!(arguments.to::<Value>().is_err(), "half a surrogate pair is the tool's argument error");
}

#[test]
fn without_an_id_every_method_is_a_notification() {
    for method in ["notifications/initialized", "tools/call", "initialize"] {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"name":"t"}}}}"#);
        let Ok(Message::Notification(incoming)) = decoded(&text) else { panic!("{method}") };
        let Operation::Notification { method: decoded, params } = incoming.operation else {
            panic!("{method}")
        };
        assert_eq!((&*decoded, params.as_str()), (method, r#"{"name":"t"}"#));
    }
}

#[test]
fn answers_of_clients_are_told_apart_by_result_and_error() {
    let ok = decoded(r#"{"jsonrpc":"2.0","id":"q","result":{"action":"accept"}}"#).unwrap();
    assert!(matches!(ok, Message::Response { id: Some(_), outcome: Ok(result) } if result.is_object()));
    for id in ["", r#""id":null,"#] {
        let text = format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":1,"message":"m"}}}}"#);
        assert!(matches!(decoded(&text).unwrap(), Message::Response { id: None, outcome: Err(_) }));
    }
}

#[test]
fn a_batch_holds_up_to_fifty_messages() {
    let batch = |count: usize| {
        let one = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        decoded(&format!(" [{}]", vec![one; count].join(", ")))
    };
    let Ok(Message::Batch(items)) = batch(50) else { panic!("refused") };
    assert_eq!(items.len(), 50);
    assert!(items.iter().all(|item| matches!(decode(item), Ok(Message::Request(_)))));
    assert_eq!(batch(51).expect_err("too many").failure.code, code::INVALID_REQUEST);
}

#[test]
fn the_reserved_keys_of_meta_are_read_and_tell_the_era() {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
        "io.modelcontextprotocol/logLevel": "info",
        "traceparent": "00-1-2-3",
    });
    let read = |meta: &Value| with_params("ping", &json!({ "_meta": meta }).to_string()).meta;
    let full = read(&meta);
    assert!(full.modern);
    assert_eq!(full.version.as_deref(), Some("2026-07-28"));
    assert_eq!(full.log_level.as_deref(), Some("info"));
    assert_eq!(full.capabilities.unwrap().as_str(), r#"{"elicitation":{}}"#);
    assert!(full.client_info.unwrap().as_str().contains("version"));
    assert!(full.raw.as_str().contains("traceparent"));
    assert!(!read(&json!({"progressToken": 1, "io.modelcontextprotocol/logLevel": "info"})).modern);
    let null = read(&json!({"io.modelcontextprotocol/protocolVersion": null}));
    assert!(null.modern && null.version.is_none());
    assert!(read(&json!({"io.modelcontextprotocol/clientCapabilities": []})).capabilities.is_none());
}

#[test]
fn answers_to_questions_come_back_with_the_three_methods_that_can_ask() {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    let extra = format!(r#""inputResponses":{{"k":{{}}}},"requestState":"s",{meta}"#);
    for (method, target) in [("tools/call", "name"), ("prompts/get", "name"), ("resources/read", "uri")] {
        let resumed = with_params(method, &format!(r#"{{"{target}":"t",{extra}}}"#)).resumed.unwrap();
        assert_eq!(resumed.responses.unwrap().as_str(), r#"{"k":{}}"#);
        assert_eq!(resumed.state.as_deref(), Some("s"));
    }
    assert!(with_params("tools/list", &format!("{{{extra}}}")).resumed.is_none());
    for misfit in [r#""inputResponses":[]"#, r#""requestState":1"#] {
        let defect = with_params("tools/call", &format!(r#"{{"name":"t",{misfit},{meta}}}"#)).defect.unwrap();
        assert_eq!((defect.failure.code, defect.place), (code::INVALID_PARAMS, Place::Params));
    }
    let before = with_params("tools/call", r#"{"name":"t","inputResponses":7,"requestState":"s"}"#);
    assert!(before.resumed.is_none() && before.defect.is_none(), "other revisions know no such members");
}

const WHOLE: &str = r#"{"jsonrpc":"2.0","id":"\u0061","method":"tools/call","params":{"name":"t","arguments":{"a":[1,-2.5e3,"x"]},"requestState":"s","_meta":{"progressToken":3,"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;

#[test]
fn every_prefix_of_a_message_is_a_parse_error() {
    assert!(matches!(decoded(WHOLE), Ok(Message::Request(_))));
    for length in 0..WHOLE.len() {
        let failure = decoded(&WHOLE[..length]).expect_err("a prefix passed").failure;
        assert_eq!(failure.code, code::PARSE_ERROR, "{length}");
    }
}

/// No panic, and whatever is kept as JSON is JSON: [`Json`] asserts that where tests run.
#[test]
fn a_message_with_any_one_byte_changed_is_decoded_or_refused() {
    let mut outcomes = std::collections::BTreeSet::new();
    for at in 0..WHOLE.len() {
        for byte in *b"\"\\{}[]:,0-.e \n\0nx\x80\xff" {
            let mut body = WHOLE.as_bytes().to_vec();
            body[at] = byte;
            let outcome = match decode(&Bytes::from(body)) {
                Ok(Message::Request(incoming)) => incoming.defect.map_or(0, |defect| defect.failure.code),
                Ok(_) => 1,
                Err(malformed) => malformed.failure.code,
            };
            outcomes.insert(outcome);
        }
    }
    let expected = [code::PARSE_ERROR, code::INVALID_PARAMS, code::INVALID_REQUEST, 0, 1];
    assert_eq!(outcomes, expected.into(), "each way out is taken by some");
}
