//! Clients that go away while they are answered.

use larder_tests::raw::Raw;
use serde_json::json;

use crate::messages::{call, call_in_session, echo, post, post_in};
use crate::server::{Server, assert_grown_at_most};

/// Reads one byte more of the answer each time, and goes.
async fn at_every_byte(server: &mut Server, request: &[u8]) {
    let mut whole = Raw::sent(server.address, request).await;
    let answer = whole.answer().await.expect("a whole answer, once");
    let longest = answer.body.len()
        + answer.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>()
        + 17;
    let before = server.resident();
    for bytes in 0..=longest {
        let mut raw = Raw::sent(server.address, request).await;
        let taken = raw.take(bytes).await;
        assert_eq!(taken.len(), bytes, "{}", String::from_utf8_lossy(&taken));
        raw.cut();
    }
    assert_grown_at_most(before, server.resident(), 16 << 10, "answers that were cut");
    server.assert_unharmed().await;
}

#[tokio::test]
async fn an_answer_may_be_cut_at_any_byte() {
    let mut server = Server::start().await;
    at_every_byte(&mut server, &post(&echo(1, "cut me anywhere"))).await;
}

#[tokio::test]
async fn a_stream_may_be_cut_at_any_byte() {
    let mut server = Server::start().await;
    at_every_byte(&mut server, &post(&call(1, "say", &json!({})))).await;
}

#[tokio::test]
async fn an_answer_in_a_session_may_be_cut_at_any_byte() {
    let mut server = Server::start().await;
    let session = server.session(&mut Raw::connect(server.address).await).await;
    let count = call_in_session(1, "count", &json!({}));
    at_every_byte(&mut server, &post_in(&session, &count)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_while_a_handler_waits_gives_its_place_back() {
    let mut server = Server::start().await;
    // More than may be at work at once, one after the other.
    for round in 0..3 {
        let mut waiting = Vec::new();
        for number in 0..600 {
            let key = format!("never-{round}-{number}");
            waiting.push(Raw::sent(server.address, post(&call(1, "hold", &json!({ "key": key })))).await);
        }
        drop(waiting);
        server.assert_has_places().await;
    }
    server.assert_unharmed().await;
}

impl Server {
    /// Asks until a call finds a place: a server learns that a client has gone when it looks.
    async fn assert_has_places(&self) {
        let started = std::time::Instant::now();
        loop {
            let mut raw = Raw::sent(self.address, post(&echo(1, "a place?"))).await;
            let answer = raw.answer().await.expect("an answer");
            if answer.messages()[0].get("result").is_some() {
                return;
            }
            assert_eq!(answer.messages()[0]["error"]["code"], -32_603, "{answer:?}");
            assert!(started.elapsed() < std::time::Duration::from_secs(60), "all places are taken for ever");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}
