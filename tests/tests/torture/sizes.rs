//! Too much of everything: heads, bodies, connections; and where the memory is afterwards.

use larder_tests::raw::Raw;
use mcp_server::MAX_MESSAGE;
use serde_json::json;

use crate::messages::{HEAD, assert_refused, chunked, echo, naming, post, text_of, with_head};
use crate::server::{Dice, Server, assert_grown_at_most};

const INVALID_REQUEST: i64 = -32_600;
const MAX_HEAD: usize = 64 << 10;
/// What the allocator may keep, in KiB.
const KEPT: u64 = 64 << 10;

/// An echo of exactly so many bytes.
fn sized(bytes: usize) -> String {
    let bare = echo(1, "").to_string();
    echo(1, &"x".repeat(bytes - bare.len())).to_string()
}

#[tokio::test]
async fn a_head_over_64_kib_is_refused_in_one_line_and_in_many() {
    let mut server = Server::start().await;
    let body = echo(1, "head").to_string();
    let with = |lines: &str| with_head(&format!("{}{lines}connection: close\r\n", naming("echo")), &body);
    let small = with(&format!("x: {}\r\n", "x".repeat(32 << 10)));
    let answers = Raw::sent(server.address, small).await.answers().await;
    assert_eq!(text_of(&answers[0], &json!(1)), "head");
    let name = "n".repeat(65 << 10);
    let many = (0..5_000).map(|line| format!("x{line}: {line}")).collect::<Vec<_>>().join("\r\n") + "\r\n";
    for (what, lines) in [
        ("one line", format!("x: {}\r\n", "x".repeat(128 << 10))),
        ("many lines", many),
        ("a name", format!("{name}: x\r\n")),
    ] {
        let answers = Raw::sent(server.address, with(&lines)).await.answers().await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(matches!(statuses[..], [] | [431 | 400]), "{what}: {statuses:?}"); // a reset may overtake it
    }
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(128 << 10));
    let statuses: Vec<u16> =
        Raw::sent(server.address, long).await.answers().await.iter().map(|answer| answer.status).collect();
    assert!(matches!(statuses[..], [] | [414 | 431]), "a target: {statuses:?}");
    server.assert_unharmed().await;
}

#[tokio::test]
async fn a_head_is_served_up_to_64_kib_and_refused_by_431_where_it_has_not_ended_then() {
    let mut server = Server::start().await;
    let body = echo(1, "head").to_string();
    let filled = |bytes: usize| with_head(&format!("{}x: {}\r\n", naming("echo"), "x".repeat(bytes)), &body);
    let bare = filled(0).len() - body.len();
    let fits = Raw::sent(server.address, filled(MAX_HEAD - 1 - bare)).await.answer().await;
    assert_eq!(text_of(&fits.expect("an answer"), &json!(1)), "head");
    // All of it is read, so no reset overtakes the answer.
    let refused = Raw::sent(server.address, &filled(MAX_HEAD)[..MAX_HEAD]).await.answer().await;
    assert_eq!(refused.expect("an answer").status, 431);
    server.assert_unharmed().await;
}

#[tokio::test]
async fn a_body_of_4_mib_is_served_and_one_byte_more_is_refused() {
    let mut server = Server::start().await;
    for framed in [with_head, chunked] {
        let mut raw = Raw::sent(server.address, framed(&naming("echo"), &sized(MAX_MESSAGE))).await;
        let text = text_of(&raw.answer().await.expect("an answer"), &json!(1));
        assert!(text.len() > MAX_MESSAGE - 1_024, "{}", text.len());
        let mut raw = Raw::sent(server.address, framed(&naming("echo"), &sized(MAX_MESSAGE + 1))).await;
        assert_refused(raw.answer().await.as_ref(), 413, INVALID_REQUEST, "4 MiB and a byte");
    }
    server.assert_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_connections_leave_room_for_who_asks() {
    let mut server = Server::start().await;
    let before = server.resident();
    let mut idle = Vec::new();
    for number in 0..1_000 {
        let begun = if number % 2 == 0 { "POST /mcp HT" } else { "" };
        idle.push(Raw::sent(server.address, begun).await);
    }
    server.assert_unharmed().await;
    assert_grown_at_most(before, server.resident(), 32 << 10, "1,000 idle connections");
    drop(idle);
    server.assert_unharmed().await;
}

/// One round of everything that takes memory, cut in the middle.
async fn round(server: &Server, dice: &mut Dice) {
    for _ in 0..40 {
        let request = with_head(&naming("echo"), &sized(MAX_MESSAGE));
        let end = dice.below(request.len());
        Raw::sent(server.address, &request[..end]).await.cut();
    }
    for _ in 0..4 {
        let mut raw = Raw::sent(server.address, with_head(&naming("echo"), &sized(MAX_MESSAGE))).await;
        raw.take(1 + dice.below(MAX_MESSAGE)).await;
        raw.cut();
    }
    for _ in 0..400 {
        let request = post(&echo(1, &"x".repeat(1_000)));
        let end = dice.below(request.len());
        let mut raw = Raw::sent(server.address, &request[..end]).await;
        raw.send(dice.bytes(100)).await;
        raw.cut();
    }
    for _ in 0..100 {
        let filling = "y".repeat(dice.below(60 << 10));
        Raw::sent(server.address, format!("{HEAD}x: {filling}")).await.cut();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cut_requests_took_comes_back() {
    let mut server = Server::start().await;
    let mut dice = Dice::new(7);
    round(&server, &mut dice).await;
    server.assert_unharmed().await;
    let after_one = server.resident();
    for _ in 0..4 {
        round(&server, &mut dice).await;
    }
    server.assert_unharmed().await;
    assert_grown_at_most(after_one, server.resident(), KEPT, "four rounds more");
}
