//! What ends a handler in a process of its own, over real pipes: a cancellation, and the end of standard input. What the
//! handlers do is seen in the files that they leave.

use std::time::Duration;

use larder_tests::effects::Effects;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::children::{Server, call, hello, modern};

/// A client of a server of its own.
struct Client {
    server: Server,
    effects: Effects,
    /// 2026-07-28, else a handshake of 2025-11-25.
    stateless: bool,
    _dir: TempDir,
}

impl Client {
    async fn start(stateless: bool) -> Self {
        let dir = TempDir::new().unwrap();
        let mut server = Server::start(&["--effects", dir.path().to_str().unwrap()]);
        if !stateless {
            server.answer(hello("2025-11-25")).await;
        }
        Self { server, effects: Effects::in_dir(dir.path()), stateless, _dir: dir }
    }

    /// Begins a call of `tool`, under a key that is its name.
    async fn hold(&mut self, id: u32, tool: &str) {
        let arguments = json!({ "key": tool });
        let message = if self.stateless {
            modern(id, "tools/call", json!({ "name": tool, "arguments": arguments }))
        } else {
            call(id, tool, &arguments)
        };
        self.server.send(&message).await;
        self.effects.wait(&format!("began:{tool}")).await;
    }

    async fn cancel(&mut self, id: u32) {
        let params = json!({ "requestId": id });
        let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
        self.server.send(&cancelled).await;
    }

    /// Asks something else: its answer is the next line, so nothing came in between.
    async fn assert_nothing_came(&mut self) {
        let next = if self.stateless {
            modern(99, "server/discover", json!({}))
        } else {
            json!({ "jsonrpc": "2.0", "id": 99, "method": "ping" })
        };
        let answer = self.server.answer(next).await;
        assert_eq!((&answer["id"], answer["result"].is_object()), (&json!(99), true), "{answer}");
    }

    /// The texts of the answers until the output ends, by their ids.
    async fn rest(&mut self) -> Vec<(u64, String)> {
        let mut rest = Vec::new();
        while let Some(line) = self.server.output.next_line().await.unwrap() {
            let answer: Value = serde_json::from_str(&line).unwrap();
            let text = answer["result"]["content"][0]["text"].as_str().unwrap_or(&line).to_owned();
            rest.push((answer["id"].as_u64().unwrap(), text));
        }
        rest
    }
}

#[tokio::test]
async fn a_process_drops_what_is_cancelled_at_its_await_and_does_not_answer_it() {
    for stateless in [false, true] {
        let mut client = Client::start(stateless).await;
        client.hold(7, "hold").await;
        client.cancel(8).await; // nobody's
        client.assert_nothing_came().await;
        assert!(!client.effects.has("dropped:hold"));
        client.cancel(7).await;
        client.effects.wait("dropped:hold").await;
        client.effects.open("hold");
        client.assert_nothing_came().await;
        assert!(!client.effects.has("done:hold"));
    }
}

#[tokio::test]
async fn a_process_lets_what_must_finish_finish_when_it_is_cancelled_and_does_not_answer_it() {
    for stateless in [false, true] {
        let mut client = Client::start(stateless).await;
        client.hold(6, "hold_to_the_end").await;
        client.hold(7, "hold_blocking").await;
        client.cancel(6).await;
        client.cancel(7).await;
        client.effects.wait("told:hold_blocking").await; // behind the other cancellation
        for tool in ["hold_to_the_end", "hold_blocking"] {
            assert!(!client.effects.has(&format!("dropped:{tool}")));
            client.effects.open(tool);
            client.effects.wait(&format!("done:{tool}")).await;
        }
        client.assert_nothing_came().await;
    }
}

#[tokio::test]
async fn the_end_of_its_input_leaves_a_process_2_s_for_what_is_in_flight() {
    for stateless in [false, true] {
        let mut client = Client::start(stateless).await;
        client.hold(6, "hold_to_the_end").await;
        client.hold(7, "hold").await;
        let started = std::time::Instant::now();
        drop(client.server.input.take());
        client.effects.open("hold_to_the_end");
        client.effects.wait("done:hold_to_the_end").await;
        assert_eq!(client.rest().await, [(6, "held hold_to_the_end".to_owned())]);
        assert!(client.server.exit().await.1);
        let took = started.elapsed();
        assert!((Duration::from_millis(1_800)..Duration::from_secs(12)).contains(&took), "{took:?}");
        client.effects.wait("dropped:hold").await;
        assert!(!client.effects.has("done:hold"));
    }
}

#[tokio::test]
async fn the_end_of_its_input_cancels_nothing_that_is_done_in_time() {
    let mut client = Client::start(false).await;
    for (id, tool) in [(5, "hold"), (6, "hold_to_the_end"), (7, "hold_blocking")] {
        client.hold(id, tool).await;
    }
    drop(client.server.input.take());
    for tool in ["hold", "hold_to_the_end", "hold_blocking"] {
        client.effects.open(tool);
    }
    let mut rest = client.rest().await;
    rest.sort();
    let held = |id: u64, tool: &str| (id, format!("held {tool}"));
    assert_eq!(rest, [held(5, "hold"), held(6, "hold_to_the_end"), held(7, "hold_blocking")]);
    assert!(client.server.exit().await.1);
}

#[tokio::test]
async fn a_process_whose_input_ends_lets_what_must_finish_finish_though_it_was_cancelled() {
    let mut client = Client::start(true).await;
    client.hold(6, "hold_to_the_end").await;
    client.cancel(6).await;
    client.assert_nothing_came().await;
    drop(client.server.input.take());
    assert!(client.server.lives_on().await);
    client.effects.open("hold_to_the_end");
    client.effects.wait("done:hold_to_the_end").await;
    assert!(client.server.exit().await.1);
}
