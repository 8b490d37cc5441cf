//! Requests that two readers may see the end of in two places (RFC 9112 §6.3, §11.2): nothing in a body is ever served as
//! a request of its own, and where the framing is in doubt the connection ends.

use larder_tests::http::HttpAnswer;
use larder_tests::raw::Raw;
use serde_json::json;

use crate::messages::{HEAD, assert_no_http, echo, naming, text_of};
use crate::server::Server;

/// What must never be answered.
const HIDDEN: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn assert_hidden(answers: &[HttpAnswer], what: &str) {
    assert!(answers.iter().all(|answer| !answer.body.contains("ok\n")), "{what} was smuggled: {answers:?}");
}

#[tokio::test]
async fn a_length_beside_chunks_counts_for_nothing_and_the_connection_ends() {
    let mut server = Server::start().await;
    let body = echo(1, "chunks").to_string();
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let (whole, short) = (chunks.len() + HIDDEN.len(), 4);
    for (what, framing) in [
        ("a length first", format!("content-length: {whole}\r\ntransfer-encoding: chunked\r\n")),
        ("chunks first", format!("transfer-encoding: chunked\r\ncontent-length: {whole}\r\n")),
        ("a short length", format!("content-length: {short}\r\ntransfer-encoding: chunked\r\n")),
    ] {
        let head = format!("{HEAD}{}{framing}\r\n", naming("echo"));
        let answers = Raw::sent(server.address, format!("{head}{chunks}{HIDDEN}")).await.answers().await;
        assert_hidden(&answers, what);
        assert_eq!(answers.len(), 1, "{what}: {answers:?}");
        assert_eq!(text_of(&answers[0], &json!(1)), "chunks", "{what}");
    }
    server.assert_unharmed().await;
}

#[tokio::test]
async fn framings_that_are_in_doubt_are_refused() {
    let mut server = Server::start().await;
    let body = echo(1, "doubt").to_string();
    let (length, chunks) = (body.len(), format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
    let cases = [
        ("two lengths", format!("content-length: {length}\r\ncontent-length: 0\r\n\r\n{body}{HIDDEN}")),
        ("a list of lengths", format!("content-length: {length}, {length}\r\n\r\n{body}{HIDDEN}")),
        ("an unknown encoding", format!("transfer-encoding: xchunked\r\n\r\n{chunks}{HIDDEN}")),
        (
            "an encoding behind chunks",
            format!("transfer-encoding: chunked, identity\r\n\r\n{chunks}{HIDDEN}"),
        ),
        ("identity", format!("transfer-encoding: identity\r\n\r\n{body}{HIDDEN}")),
        (
            "two encodings",
            format!("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n{chunks}{HIDDEN}"),
        ),
        ("a space before the colon", format!("transfer-encoding : chunked\r\n\r\n{chunks}{HIDDEN}")),
        ("a folded encoding", format!("transfer-encoding:\r\n chunked\r\n\r\n{chunks}{HIDDEN}")),
        ("a vertical tab", format!("transfer-encoding: \u{b}chunked\r\n\r\n{chunks}{HIDDEN}")),
    ];
    for (what, rest) in cases {
        let request = format!("{HEAD}{}{rest}", naming("echo"));
        let answers = Raw::sent(server.address, request).await.answers().await;
        assert_hidden(&answers, what);
        assert_no_http(&answers, what);
    }
    server.assert_unharmed().await;
}

#[tokio::test]
async fn chunks_of_http_1_0_are_refused() {
    let mut server = Server::start().await;
    let head = HEAD.replace("HTTP/1.1", "HTTP/1.0");
    let request = format!("{head}transfer-encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}");
    let answers = Raw::sent(server.address, request).await.answers().await;
    assert_no_http(&answers, "chunks of HTTP/1.0");
    server.assert_unharmed().await;
}

#[tokio::test]
async fn a_request_inside_of_a_body_or_a_trailer_is_not_served() {
    let mut server = Server::start().await;
    let body = echo(1, HIDDEN).to_string();
    let inside =
        format!("{HEAD}{}content-length: {}\r\nconnection: close\r\n\r\n{body}", naming("echo"), body.len());
    let answers = Raw::sent(server.address, inside).await.answers().await;
    assert_eq!((answers.len(), text_of(&answers[0], &json!(1))), (1, HIDDEN.to_owned()));
    let body = echo(2, "trailer").to_string();
    let trailer = format!(
        "{HEAD}{}transfer-encoding: chunked\r\nconnection: close\r\n\r\n{:x}\r\n{body}\r\n0\r\n\
         content-length: 0\r\ntransfer-encoding: chunked\r\nmcp-name: other\r\n\r\n{HIDDEN}",
        naming("echo"),
        body.len()
    );
    let answers = Raw::sent(server.address, trailer).await.answers().await;
    assert_hidden(&answers, "behind a trailer");
    assert!(answers.len() <= 1, "{answers:?}");
    server.assert_unharmed().await;
}

#[tokio::test]
async fn a_get_with_a_body_is_not_followed_by_what_is_in_it() {
    let mut server = Server::start().await;
    let request = format!(
        "GET /mcp HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{HIDDEN}",
        HIDDEN.len()
    );
    let answers = Raw::sent(server.address, request).await.answers().await;
    assert_hidden(&answers, "the body of a GET");
    assert_eq!(
        answers.iter().map(|answer| answer.status).collect::<Vec<_>>(),
        [400],
        "no session: {answers:?}"
    );
    server.assert_unharmed().await;
}

#[tokio::test]
async fn who_a_request_is_for_is_said_once() {
    let mut server = Server::start().await;
    let body = echo(1, "host").to_string();
    let rest = format!("{}content-length: {}\r\nconnection: close\r\n\r\n{body}", naming("echo"), body.len());
    let typed = "content-type: application/json\r\naccept: */*\r\n";
    for (what, begin) in [
        ("two hosts", "POST /mcp HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n"),
        ("no host", "POST /mcp HTTP/1.1\r\n"),
        ("a foreign target", "POST http://evil.example/mcp HTTP/1.1\r\nhost: localhost\r\n"),
        ("a user in the host", "POST /mcp HTTP/1.1\r\nhost: localhost@evil.example\r\n"),
    ] {
        let answers = Raw::sent(server.address, format!("{begin}{typed}{rest}")).await.answers().await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(matches!(statuses[..], [400 | 403]), "{what}: {answers:?}");
    }
    server.assert_unharmed().await;
}
