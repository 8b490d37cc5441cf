//! Ids that are used again, and cancelled again.

use larder_tests::raw::Raw;
use serde_json::{Value, json};

use crate::messages::{assert_refused, call_in_session, echo, post, post_in, text_of};
use crate::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_id_on_many_connections_never_crosses_answers() {
    let mut server = Server::start().await;
    let mut connections = Vec::new();
    for number in 0..100 {
        connections.push((Raw::connect(server.address).await, format!("number {number}")));
    }
    for (raw, text) in &mut connections {
        for part in 0..10 {
            raw.send(post(&echo("same", &format!("{text}.{part}")))).await;
        }
    }
    for (mut raw, text) in connections.into_iter().rev() {
        for part in 0..10 {
            let answer = raw.answer().await.expect("an answer");
            assert_eq!(text_of(&answer, &json!("same")), format!("{text}.{part}"));
        }
    }
    server.assert_unharmed().await;
}

#[tokio::test]
async fn one_id_in_one_session_is_answered_on_each_of_its_connections() {
    let mut server = Server::start().await;
    let mut first = Raw::connect(server.address).await;
    let session = server.session(&mut first).await;
    let held = |key: &str| post_in(&session, &call_in_session(7, "hold", &json!({ "key": key })));
    first.send(held("never")).await;
    let mut others = Vec::new();
    for number in 0..20 {
        let text = format!("number {number}");
        let request = post_in(&session, &call_in_session(7, "echo", &json!({ "text": text })));
        others.push((Raw::sent(server.address, request).await, text));
    }
    for (mut raw, text) in others {
        assert_eq!(text_of(&raw.answer().await.expect("an answer"), &json!(7)), text);
    }
    let mut raw = Raw::connect(server.address).await;
    assert_eq!(cancelled(&mut raw, &session, &json!(7)).await, 202);
    let ended = first.answer().await.expect("the end of what was held");
    assert!(ended.is_stream() && ended.messages().is_empty(), "{ended:?}");
    server.assert_unharmed().await;
}

/// Sends `notifications/cancelled`; its status.
async fn cancelled(raw: &mut Raw, session: &str, id: &Value) -> u16 {
    let params = json!({ "requestId": id });
    let message = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
    raw.send(post_in(session, &message)).await;
    raw.answer().await.expect("an answer").status
}

#[tokio::test]
async fn cancelling_what_is_not_there_or_again_is_passed_over() {
    let mut server = Server::start().await;
    let mut raw = Raw::connect(server.address).await;
    let session = server.session(&mut raw).await;
    let long = "x".repeat(100_000);
    for id in [json!(1), json!("unknown"), json!(null), json!([1]), json!({}), json!(1.5), json!(long)] {
        for _ in 0..20 {
            assert_eq!(cancelled(&mut raw, &session, &id).await, 202, "{} bytes", id.to_string().len());
        }
    }
    for round in 0..50 {
        let message = call_in_session(round, "hold", &json!({ "key": "never" }));
        let mut held = Raw::sent(server.address, post_in(&session, &message)).await;
        let mut ended = false;
        while !ended {
            assert_eq!(cancelled(&mut raw, &session, &json!(round)).await, 202);
            let answer = tokio::time::timeout(std::time::Duration::from_millis(50), held.answer()).await;
            ended = answer.is_ok_and(|answer| answer.expect("an end").messages().is_empty());
        }
        let again = call_in_session(round, "echo", &json!({ "text": "again" }));
        held.send(post_in(&session, &again)).await;
        assert_eq!(text_of(&held.answer().await.expect("an answer"), &json!(round)), "again");
    }
    server.assert_unharmed().await;
}

#[tokio::test]
async fn a_session_of_nobody_is_one_404_whatever_is_asked_in_it() {
    let mut server = Server::start().await;
    let mut raw = Raw::connect(server.address).await;
    let ended = server.session(&mut raw).await;
    raw.send(format!("DELETE /mcp HTTP/1.1\r\nhost: localhost\r\nmcp-session-id: {ended}\r\n\r\n")).await;
    assert_eq!(raw.answer().await.expect("an answer").status, 204);
    let long = "a".repeat(30_000);
    for session in [&*ended, "", " ", "0123", &long, "../../etc/passwd", "%00"] {
        raw.send(post_in(session, &call_in_session(1, "echo", &json!({ "text": "x" })))).await;
        assert_refused(raw.answer().await.as_ref(), 404, -32_600, &session[..session.len().min(20)]);
    }
    server.assert_unharmed().await;
}
