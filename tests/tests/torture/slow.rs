//! Clients that take their time: many heads and bodies, a byte now and then.

use std::time::{Duration, Instant};

use larder_tests::raw::Raw;

use crate::messages::{HEAD, assert_refused, echo, naming};
use crate::server::Server;

const EACH: usize = 100;
/// How often each sends another byte.
const DRIP: Duration = Duration::from_millis(500);

/// Sends bytes one at a time until the server takes no more, and gives what it answered.
async fn drip(mut raw: Raw, deadline: Instant) -> Vec<larder_tests::http::HttpAnswer> {
    loop {
        let ended = tokio::time::timeout(DRIP, raw.answer()).await;
        match ended {
            Ok(None) => return Vec::new(),
            Ok(Some(answer)) => return vec![answer],
            Err(_) => {}
        }
        assert!(Instant::now() < deadline, "it may go on for ever");
        raw.send("x").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_and_bodies_are_cut_in_time_and_hold_up_nobody() {
    let mut server = Server::start().await;
    let head = format!("{HEAD}x: ");
    let body = format!("{HEAD}{}content-length: 10000\r\n\r\n{{", naming("echo"));
    let mut slow = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(90);
    for number in 0..2 * EACH {
        let begun = if number % 2 == 0 { &head } else { &body };
        let raw = Raw::sent(server.address, begun).await;
        slow.push((number % 2 == 0, tokio::spawn(drip(raw, deadline))));
    }
    let meanwhile = Instant::now();
    server.assert_unharmed().await;
    assert!(meanwhile.elapsed() < Duration::from_secs(8), "others wait {:?}", meanwhile.elapsed());
    for (is_head, dripping) in slow {
        let answers = dripping.await.unwrap();
        if is_head {
            assert!(answers.iter().all(|answer| answer.status == 408), "{answers:?}");
        } else {
            assert_refused(answers.first(), 408, -32_600, "a body that does not end");
        }
    }
    server.assert_unharmed().await;
}

#[tokio::test]
async fn a_request_that_comes_byte_by_byte_is_served() {
    let mut server = Server::start().await;
    let mut raw = Raw::connect(server.address).await;
    for byte in crate::messages::post(&echo(1, "slowly")) {
        raw.send([byte]).await;
    }
    let answer = raw.answer().await.expect("an answer");
    assert_eq!(crate::messages::text_of(&answer, &serde_json::json!(1)), "slowly");
    server.assert_unharmed().await;
}
