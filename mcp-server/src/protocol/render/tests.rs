use bytes::Bytes;
use serde_json::{Value, json};

use super::{Renderer, SHARED, notification, rendered};
use crate::protocol::{
    CacheScope, Completion, Content, Failure, Hints, Implementation, InputRequired, Json, ListKind, ListPage,
    PromptMessage, PromptResult, ReadResult, RequestId, ResourceContents, Revision, Role, ToolResult,
    WireForm, code,
};
use crate::{Answer, Operation, PartialArgument, Reference, Rendered, Reply};

fn id() -> RequestId {
    RequestId::new(&Json::parse(Bytes::from_static(br#""q""#)).unwrap()).unwrap()
}

fn renderer() -> Renderer {
    Renderer::new(&Implementation::new("srv", "1.2"))
}

fn sent(answer: impl Into<Answer>, revision: Revision) -> Value {
    let bytes = renderer().response(&id(), answer.into(), revision);
    assert!(!bytes.contains(&b'\n') && !bytes.contains(&b'\r'), "a newline in {bytes:?}");
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((&value["jsonrpc"], &value["id"]), (&json!("2.0"), &json!("q")));
    value
}

fn result(reply: Reply, revision: Revision) -> Value {
    sent(Answer::Done(reply), revision)["result"].clone()
}

fn tool(result: ToolResult, revision: Revision) -> Value {
    self::result(Reply::Tool(result), revision)
}

fn json_of(value: Value) -> Json {
    Json::from(value)
}

fn server_info() -> Value {
    json!({ "io.modelcontextprotocol/serverInfo": { "name": "srv", "version": "1.2" } })
}

fn complete() -> Operation {
    let argument = PartialArgument::new("a", "");
    Operation::Complete { reference: Reference::prompt("p"), argument, chosen: Json::EMPTY }
}

/// One reply of each type.
fn replies() -> Vec<(Operation, Reply)> {
    let contents = [ResourceContents::text("a://b", "x"), ResourceContents::blob("a://c", vec![1, 2, 255])];
    let mut page = ListPage::new(ListKind::Tools, vec![json_of(json!({"name": "t"}))], Some("next".into()));
    page.hints = Some(Hints::new(5, CacheScope::Public));
    let mut read = ReadResult::new(contents);
    read.hints = Some(Hints::new(7, CacheScope::Private));
    let completion = Completion::new(["a"]).total(1);
    let call = Operation::CallTool { name: "t".into(), arguments: Json::EMPTY };
    let structured = ToolResult::structured(json_of(json!({"a": 1}))).with_meta(json_of(json!({"k": "v"})));
    vec![
        (call, Reply::Tool(structured)),
        (Operation::ReadResource { uri: "a://b".into() }, Reply::Resource(read)),
        (
            Operation::GetPrompt { name: "p".into(), arguments: Json::EMPTY },
            Reply::Prompt(PromptResult::new([PromptMessage::user("hi"), PromptMessage::assistant("ho")])),
        ),
        (Operation::List { kind: ListKind::Tools, cursor: None }, Reply::List(page)),
        (complete(), Reply::Completion(completion)),
        (Operation::Discover, Reply::Object(json_of(json!({"supportedVersions": []})))),
    ]
}

/// Every result, not only that of discover (gap 2 of the official SDK).
#[test]
fn every_result_of_2026_07_28_says_its_type_and_who_answers_and_none_before() {
    for (operation, reply) in replies() {
        for revision in Revision::ALL {
            let result = result(reply.clone(), revision);
            let modern = revision.is_stateless();
            assert_eq!(result.get("resultType"), modern.then(|| json!("complete")).as_ref(), "{operation:?}");
            let info = result["_meta"].get("io.modelcontextprotocol/serverInfo");
            assert_eq!(info.is_some(), modern, "{revision} {operation:?}");
        }
    }
}

#[test]
fn hints_stand_on_lists_and_reads_of_2026_07_28_only() {
    for (operation, reply) in replies() {
        for revision in Revision::ALL {
            let result = result(reply.clone(), revision);
            let expected = match &operation {
                Operation::List { .. } if revision.is_stateless() => Some((json!(5), json!("public"))),
                Operation::ReadResource { .. } if revision.is_stateless() => {
                    Some((json!(7), json!("private")))
                }
                _ => None,
            };
            let hints = result.get("ttlMs").cloned().zip(result.get("cacheScope").cloned());
            assert_eq!(hints, expected, "{revision} {operation:?}");
        }
    }
    let unsaid = result(Reply::Resource(ReadResult::new([])), Revision::V2026_07_28);
    assert_eq!((&unsaid["ttlMs"], &unsaid["cacheScope"]), (&json!(0), &json!("private")));
}

#[test]
fn the_exact_bytes_of_a_trivial_answer() {
    let text = |revision| renderer().response(&id(), ToolResult::text("3").into(), revision);
    let handshake = r#"{"jsonrpc":"2.0","id":"q","result":{"content":[{"type":"text","text":"3"}]}}"#;
    assert_eq!(text(Revision::V2025_11_25), handshake);
    let modern = r#"{"jsonrpc":"2.0","id":"q","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"srv","version":"1.2"}},"content":[{"type":"text","text":"3"}]}}"#;
    assert_eq!(text(Revision::V2026_07_28), modern);
}

#[test]
fn structured_content_takes_the_shape_of_each_revision() {
    let cases = [
        // (value, on 2025-06-18 and 2025-11-25)
        (json!({"a": 1}), json!({"a": 1})),
        (json!([1]), json!({"result": [1]})),
        (json!(null), json!({"result": null})),
        (json!("x"), json!({"result": "x"})),
    ];
    for (value, structured) in cases {
        for revision in Revision::ALL {
            let result = tool(ToolResult::structured(json_of(value.clone())), revision);
            let expected = match revision.form() {
                WireForm::PlainWithoutAudio | WireForm::Plain => None,
                WireForm::Structured => Some(&structured),
                WireForm::Stateless => Some(&value),
            };
            assert_eq!(result.get("structuredContent"), expected, "{revision} {value}");
            let copy = json!([{"type": "text", "text": value.to_string()}]);
            assert_eq!(result["content"], copy, "the text copy says the value itself");
        }
    }
}

#[test]
fn content_that_is_there_is_not_replaced_by_the_copy() {
    let mut both = ToolResult::text("two users");
    both.structured = Some(json_of(json!([1, 2])));
    for revision in Revision::ALL {
        assert_eq!(tool(both.clone(), revision)["content"], json!([{"type": "text", "text": "two users"}]));
        assert_eq!(tool(ToolResult::default(), revision)["content"], json!([]));
    }
}

#[test]
fn blocks_that_a_revision_does_not_know_become_text() {
    let link = Content::ResourceLink {
        uri: "a://b".into(),
        name: "B".into(),
        description: Some("what it is".into()),
        mime_type: None,
    };
    let blocks = [
        Content::text("t"),
        Content::image(vec![1], "image/png"),
        Content::audio(vec![1; 9], "audio/wav"),
        link,
    ];
    for revision in Revision::ALL {
        let prompt =
            PromptResult::new(blocks.iter().map(|block| PromptMessage::new(Role::User, block.clone())));
        let of_tool = tool(ToolResult::content(blocks.clone()), revision)["content"].clone();
        let of_prompt = result(Reply::Prompt(prompt), revision)["messages"].clone();
        let types = match revision {
            Revision::V2024_11_05 => ["text", "image", "text", "text"],
            Revision::V2025_03_26 => ["text", "image", "audio", "text"],
            _ => ["text", "image", "audio", "resource_link"],
        };
        for (index, expected) in types.into_iter().enumerate() {
            assert_eq!(of_tool[index]["type"], expected, "{revision}");
            assert_eq!(of_prompt[index]["content"], of_tool[index], "{revision}");
        }
        if revision == Revision::V2024_11_05 {
            assert_eq!(of_tool[2]["text"], "[audio, audio/wav, 9 bytes]");
            assert_eq!(of_tool[3]["text"], "B: a://b\nwhat it is");
        }
    }
}

#[test]
fn a_failed_call_is_a_result_that_says_so() {
    for revision in Revision::ALL {
        assert_eq!(tool(ToolResult::error("no"), revision)["isError"], true);
        assert_eq!(tool(ToolResult::text("yes"), revision).get("isError"), None);
    }
}

#[test]
fn a_handlers_own_meta_is_merged_and_cannot_name_another_server() {
    let own = json!({"k": "v", "io.modelcontextprotocol/serverInfo": {"name": "evil", "version": "0"}});
    let reply = ToolResult::text("x").with_meta(json_of(own));
    assert_eq!(tool(reply.clone(), Revision::V2025_06_18)["_meta"], json!({"k": "v"}));
    let mut merged = server_info();
    merged["k"] = json!("v");
    assert_eq!(tool(reply, Revision::V2026_07_28)["_meta"], merged);
    for meta in ["{}", " { } ", "null", "[]"] {
        let reply = ToolResult::text("x").with_meta(Json::parse(meta.into()).unwrap());
        assert_eq!(tool(reply.clone(), Revision::V2025_06_18).get("_meta"), None, "{meta}");
        assert_eq!(tool(reply, Revision::V2026_07_28)["_meta"], server_info(), "{meta}");
    }
    let listened = json!({"x": 1, "_meta": {"io.modelcontextprotocol/subscriptionId": 1}});
    let result = result(Reply::Object(json_of(listened)), Revision::V2026_07_28);
    assert_eq!(result["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
    assert_eq!(
        (&result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], &result["x"]),
        (&json!("srv"), &json!(1))
    );
}

#[test]
fn newlines_of_foreign_json_never_reach_the_wire() {
    let pretty = Json::parse("{\n\"a\":\r\n \"x\\ny\"\n}".into()).unwrap();
    let mut reply = ToolResult::structured(pretty.clone()).with_meta(pretty.clone());
    reply.content = vec![Content::text("line\nline")];
    for revision in Revision::ALL {
        let sent = tool(reply.clone(), revision);
        assert_eq!(sent["content"][0]["text"], "line\nline");
        assert_eq!(sent["_meta"]["a"], "x\ny");
    }
    let sent = notification("notifications/message", &json!({"data": "a\nb"})).unwrap();
    assert!(!sent.contains(&b'\n'));
    let error = Failure::invalid_params("two\nlines").with_data(pretty);
    assert!(!renderer().error(None, &error).contains(&b'\n'));
}

#[test]
fn errors_carry_the_id_where_it_is_known_and_data_where_there_is_some() {
    let failure = Failure::invalid_params("say \"please\"").with_data(json!({"a": 1}));
    let with: Value = serde_json::from_slice(&renderer().error(Some(&id()), &failure)).unwrap();
    let expected = json!({"code": -32602, "message": "say \"please\"", "data": {"a": 1}});
    assert_eq!(with, json!({"jsonrpc": "2.0", "id": "q", "error": expected}));
    let without: Value = serde_json::from_slice(&renderer().error(None, &Failure::internal())).unwrap();
    assert_eq!(without, json!({"jsonrpc": "2.0", "error": {"code": -32603, "message": "internal error"}}));
}

#[test]
fn resource_not_found_has_the_code_of_the_revision() {
    let failure =
        Failure::new(code::RESOURCE_NOT_FOUND, "resource not found").with_data(json!({"uri": "a://b"}));
    for revision in Revision::ALL {
        let error = sent(failure.clone(), revision)["error"].clone();
        let expected = if revision.is_stateless() { -32602 } else { -32002 };
        assert_eq!(
            (&error["code"], &error["data"]["uri"]),
            (&json!(expected), &json!("a://b")),
            "{revision}"
        );
    }
}

#[test]
fn questions_exist_on_2026_07_28_only_and_carry_no_hints() {
    let asked = || {
        Answer::Asked(InputRequired::new(
            json_of(json!({"k": {"method": "elicitation/create"}})),
            Some("s".into()),
        ))
    };
    let result = sent(asked(), Revision::V2026_07_28)["result"].clone();
    assert_eq!(result["resultType"], "input_required");
    assert_eq!((&result["requestState"], &result["_meta"]), (&json!("s"), &server_info()));
    assert_eq!(result["inputRequests"]["k"]["method"], "elicitation/create");
    assert!(result.get("ttlMs").is_none() && result.get("cacheScope").is_none());
    assert_eq!(sent(asked(), Revision::V2025_11_25)["error"]["code"], code::INTERNAL_ERROR);
}

#[test]
fn completions_beyond_a_hundred_are_cut_and_counted() {
    let completion = Completion::new((0..150).map(|index| index.to_string()));
    let result = result(Reply::Completion(completion), Revision::V2025_06_18);
    assert_eq!(result["completion"]["values"].as_array().unwrap().len(), 100);
    assert_eq!(
        (&result["completion"]["total"], &result["completion"]["hasMore"]),
        (&json!(150), &json!(true))
    );
}

#[test]
fn what_a_completer_counts_itself_goes_before_what_is_counted_here() {
    let counts = |completion: Completion| {
        let result = result(Reply::Completion(completion), Revision::V2026_07_28);
        (result["completion"]["total"].clone(), result["completion"]["hasMore"].clone())
    };
    let few = || Completion::new(["a", "b"]);
    let many = || Completion::new((0..150).map(|index| index.to_string()));
    assert_eq!(counts(few()), (Value::Null, json!(false)));
    assert_eq!(counts(few().total(2)), (json!(2), json!(false)));
    assert_eq!(counts(few().total(7)), (json!(7), json!(true)), "more than are sent");
    assert_eq!(counts(few().and_more()), (Value::Null, json!(true)));
    assert_eq!(counts(few().total(1)), (json!(2), json!(false)), "never less than are sent");
    assert_eq!(counts(many().total(900)), (json!(900), json!(true)));
    assert_eq!(counts(many().total(3)), (json!(150), json!(true)));
}

#[test]
fn rendered_bytes_are_sent_as_the_typed_reply_would_be() {
    for (operation, reply) in replies() {
        for revision in Revision::ALL {
            let typed = renderer().response(&id(), Answer::Done(reply.clone()), revision);
            let kept = rendered(&reply, revision.form());
            let again = renderer().response(&id(), kept.clone().into(), revision);
            assert_eq!(typed, again, "{revision} {operation:?}");
            let parsed = Reply::Rendered(kept).typed(&operation);
            assert!(!matches!(parsed, Reply::Rendered(_)), "{revision} {operation:?}");
            assert_eq!(
                renderer().response(&id(), Answer::Done(parsed), revision),
                typed,
                "{revision} {operation:?}"
            );
        }
    }
}

#[test]
fn a_large_result_that_is_bytes_already_is_sent_as_it_lies() {
    let meta = json_of(json!({"m": 1}));
    for meta in [None, Some(meta)] {
        let text = "long\n".repeat(SHARED);
        let large = Reply::Tool(ToolResult { meta, ..ToolResult::text(text) });
        for revision in Revision::ALL {
            let kept = rendered(&large, revision.form());
            let bytes = kept.bytes().as_ptr_range();
            let mut pieces = renderer().pieces(&id(), kept.into(), revision);
            assert_eq!(
                pieces.clone().join(),
                renderer().response(&id(), Answer::Done(large.clone()), revision)
            );
            assert!(pieces.next().is_some_and(|head| !bytes.contains(&head.as_ptr())));
            assert!(pieces.next().is_some_and(|shared| bytes.contains(&shared.as_ptr())));
            assert_eq!(pieces.next(), None, "a piece of two bytes would be a write of its own");
        }
    }
}

#[test]
fn a_large_result_of_meta_alone_is_whole() {
    let meta = format!(r#"{{"_meta":{{"m":"{}"}}}}"#, "x".repeat(SHARED));
    for revision in Revision::ALL {
        let kept = Rendered::new(revision.form(), meta.clone().into(), None);
        assert_eq!(
            result(Reply::Rendered(kept), revision)["_meta"]["m"].as_str().map(str::len),
            Some(SHARED)
        );
    }
}

#[test]
fn rendered_bytes_are_one_line_whatever_was_given() {
    let kept = Rendered::new(WireForm::Plain, Bytes::from_static(b"{\n\"a\":\r1}"), None);
    assert_eq!(kept.bytes(), &Bytes::from_static(b"{ \"a\": 1}"));
}

#[test]
fn what_is_left_of_a_ttl_replaces_the_declared_one() {
    let (_, read) = replies().remove(1);
    let hit = rendered(&read, WireForm::Stateless).with_hints(Some(Hints::new(3, CacheScope::Public)));
    let result = result(Reply::Rendered(hit), Revision::V2026_07_28);
    assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(3), &json!("public")));
}

#[test]
fn bytes_of_another_form_are_a_fault_here() {
    let kept = rendered(&Reply::Tool(ToolResult::text("x")), WireForm::Structured);
    assert_eq!(sent(kept, Revision::V2026_07_28)["error"]["code"], code::INTERNAL_ERROR);
}

#[test]
fn wrapped_content_of_a_cached_result_is_not_wrapped_again() {
    let kept = rendered(&Reply::Tool(ToolResult::structured(json_of(json!(3)))), WireForm::Structured);
    let operation = Operation::CallTool { name: "t".into(), arguments: Json::EMPTY };
    let Reply::Tool(typed) = Reply::Rendered(kept).typed(&operation) else { panic!("not typed") };
    assert_eq!(tool(typed, Revision::V2025_11_25)["structuredContent"], json!({"result": 3}));
}

#[test]
fn bytes_that_are_no_result_of_the_operation_stay_bytes() {
    let odd = Reply::Rendered(Rendered::new(WireForm::Plain, Bytes::from_static(b"{}"), None));
    assert!(matches!(
        odd.typed(&Operation::CallTool { name: "t".into(), arguments: Json::EMPTY }),
        Reply::Rendered(_)
    ));
}

#[test]
fn a_notification_is_one_object_without_an_id() {
    let sent = notification("notifications/progress", &json!({"progress": 1})).unwrap();
    let value: Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(
        value,
        json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}})
    );
}
