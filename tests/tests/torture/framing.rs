//! Requests that are none, or not whole.

use larder_tests::raw::Raw;
use serde_json::json;

use crate::messages::{HEAD, assert_no_http, assert_refused, call, echo, naming, post, text_of};
use crate::server::{Dice, Server};

const PARSE_ERROR: i64 = -32_700;
const INVALID_REQUEST: i64 = -32_600;

#[tokio::test]
async fn a_request_that_is_cut_at_any_byte_runs_nothing_and_harms_nobody() {
    let mut server = Server::start().await;
    let request = post(&echo(1, "cut"));
    for end in 0..request.len() {
        let mut raw = Raw::sent(server.address, &request[..end]).await;
        if end % 8 == 0 {
            raw.end_input().await; // it may still be told why
            let answers = raw.answers().await;
            let told = answers.first().is_none_or(|answer| matches!(answer.status, 400 | 408));
            assert!(told && answers.len() <= 1, "cut at {end}: {answers:?}");
        } else {
            raw.cut();
        }
    }
    server.assert_unharmed().await;
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_the_connection_closed() {
    let mut server = Server::start().await;
    let good =
        |line: &str| format!("{HEAD}{}{line}content-length: 2\r\n\r\n{{}}", naming("echo")).into_bytes();
    let cases: [(&str, Vec<u8>); 18] = [
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("HTTP/2 at once", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("HTTP/0.9", b"GET /mcp\r\n\r\n".to_vec()),
        ("HTTP/3.0", b"GET /mcp HTTP/3.0\r\nhost: localhost\r\n\r\n".to_vec()),
        ("no method", b" /mcp HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        ("a method with a NUL", b"PO\0ST /mcp HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        ("JSON", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r\n\r\n".to_vec()),
        ("a line without a colon", good("nonsense\r\n")),
        ("a name with a space", good("bad name: x\r\n")),
        ("a space before the colon", good("x-space : x\r\n")),
        ("a folded line", good("x-folded: a\r\n b\r\n")),
        ("a NUL in a value", good("x-nul: a\0b\r\n")),
        ("a lone carriage return in a value", good("x-cr: a\rb\r\n")),
        ("a negative length", format!("{HEAD}content-length: -1\r\n\r\n").into_bytes()),
        ("a length with a sign", format!("{HEAD}content-length: +2\r\n\r\n{{}}").into_bytes()),
        ("a length in words", format!("{HEAD}content-length: two\r\n\r\n{{}}").into_bytes()),
        (
            "a length beyond 64 bits",
            format!("{HEAD}content-length: 99999999999999999999\r\n\r\n").into_bytes(),
        ),
        ("an endless length", format!("{HEAD}content-length: 18446744073709551615\r\n\r\n").into_bytes()),
    ];
    for (what, bytes) in cases {
        assert_no_http(&Raw::sent(server.address, bytes).await.answers().await, what);
    }
    server.assert_unharmed().await;
}

#[tokio::test]
async fn noise_is_refused_and_the_connection_closed() {
    let mut server = Server::start().await;
    let mut dice = Dice::new(42);
    for round in 0..300 {
        let length = 1 + dice.below(2_000);
        let mut raw = Raw::sent(server.address, dice.bytes(length)).await;
        raw.end_input().await;
        assert_no_http(&raw.answers().await, &format!("round {round}"));
    }
    server.assert_unharmed().await;
}

#[tokio::test]
async fn a_body_that_is_shorter_than_announced_runs_nothing() {
    let mut server = Server::start().await;
    let body = echo(1, "short").to_string();
    let announced = body.len() + 5;
    let request = format!("{HEAD}{}content-length: {announced}\r\n\r\n{body}", naming("echo"));
    let mut raw = Raw::sent(server.address, request).await;
    raw.end_input().await;
    let answers = raw.answers().await; // mostly none: who closes does not listen
    if let Some(answer) = answers.first() {
        assert_refused(Some(answer), 400, INVALID_REQUEST, "a short body");
    }
    assert!(answers.len() <= 1, "{answers:?}");
    server.assert_unharmed().await;
}

#[tokio::test]
async fn a_body_that_is_longer_than_announced_is_cut_there_and_its_rest_is_no_request() {
    let mut server = Server::start().await;
    let body = echo(1, "long").to_string();
    let announced = body.len() - 1;
    let request = format!("{HEAD}{}content-length: {announced}\r\n\r\n{body}", naming("echo"));
    let mut raw = Raw::sent(server.address, request).await;
    assert_refused(raw.answer().await.as_ref(), 400, PARSE_ERROR, "the message lacks its end");
    raw.send("\r\n\r\n").await; // the rest is `}`: the next request begins so
    assert_no_http(&raw.answers().await, "the rest of the body");
    server.assert_unharmed().await;
}

#[tokio::test]
async fn chunks_that_are_none_end_the_body_and_the_connection() {
    let mut server = Server::start().await;
    let body = echo(1, "chunks").to_string();
    let size = body.len();
    let cases = [
        ("no digits", format!("zz\r\n{body}\r\n0\r\n\r\n")),
        ("a negative size", format!("-{size:x}\r\n{body}\r\n0\r\n\r\n")),
        ("a size with 0x", format!("0x{size:x}\r\n{body}\r\n0\r\n\r\n")),
        ("a size beyond 64 bits", format!("fffffffffffffffff\r\n{body}\r\n0\r\n\r\n")),
        ("a chunk longer than its size", format!("{:x}\r\n{body}\r\n0\r\n\r\n", size - 1)),
        ("no line behind the chunk", format!("{size:x}\r\n{body}0\r\n\r\n")),
        ("a line of newlines alone", format!("{size:x}\n{body}\n0\n\n")),
        ("no size", format!("\r\n{body}\r\n0\r\n\r\n")),
        ("an extension without end", format!("{size:x};{}\r\n{body}\r\n0\r\n\r\n", "x".repeat(64 << 10))),
    ];
    for (what, chunks) in cases {
        let head = format!("{HEAD}{}transfer-encoding: chunked\r\n\r\n", naming("echo"));
        let answers = Raw::sent(server.address, head + &chunks).await.answers().await;
        assert_refused(answers.first(), 400, INVALID_REQUEST, what);
        assert_eq!(answers.len(), 1, "{what}: {answers:?}");
    }
    server.assert_unharmed().await;
}

#[tokio::test]
async fn a_pipeline_is_answered_in_order_whatever_is_in_it() {
    let mut server = Server::start().await;
    let mut all = Vec::new();
    for round in 0..50_u32 {
        all.extend(post(&echo(round, &format!("round {round}"))));
        all.extend(crate::messages::with_head("", "{"));
        all.extend(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
        all.extend(post(&call(round, "say", &json!({})))); // a stream
        all.extend(b"PUT /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n");
    }
    let mut raw = Raw::connect(server.address).await;
    for part in all.chunks(777) {
        raw.send(part).await;
    }
    for round in 0..50_u32 {
        let answer = raw.answer().await.expect("an echo");
        assert_eq!(text_of(&answer, &json!(round)), format!("round {round}"));
        assert_refused(raw.answer().await.as_ref(), 400, PARSE_ERROR, "half a message");
        assert_eq!(raw.answer().await.expect("a probe").body, "ok\n");
        let stream = raw.answer().await.expect("a stream");
        assert!(stream.is_stream() && text_of(&stream, &json!(round)) == "said", "{stream:?}");
        assert_refused(raw.answer().await.as_ref(), 405, INVALID_REQUEST, "PUT");
    }
    server.assert_unharmed().await;
}
