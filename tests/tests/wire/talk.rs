//! One call of a handshake session in which the server may ask: what it says, message by message, whatever carries it.

use std::time::Duration;

use larder_tests::http::{Sent, Streaming};
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::lines::Lines;

pub(crate) struct Talk {
    id: Value,
    way: Way,
}

enum Way {
    Lines(Lines),
    /// Nothing was answered yet.
    Sent(Option<Sent>),
    Stream(Streaming),
}

impl Talk {
    pub(crate) async fn begin(client: &Client, method: &str, params: Value) -> Self {
        let call = client.begin(method, params).await;
        let id = call.id.clone();
        let way =
            if client.is_http() { Way::Sent(Some(call.http())) } else { Way::Lines(client.lines().clone()) };
        Self { id, way }
    }

    /// The next question, notification about one, or the answer.
    pub(crate) async fn next(&mut self) -> Value {
        if let Way::Sent(sent) = &mut self.way {
            let stream = sent.take().unwrap().head().await;
            assert_eq!((stream.status, stream.header("content-type")), (200, Some("text/event-stream")));
            self.way = Way::Stream(stream);
        }
        match &mut self.way {
            Way::Lines(lines) => {
                let id = self.id.clone();
                lines.take(move |message| is_of(message, &id)).await.expect("a message before the end").value
            }
            Way::Stream(stream) => loop {
                let event = stream.event().await.expect("a message before the end");
                if let Some(data) = event.data.filter(|data| !data.is_empty()) {
                    break serde_json::from_str(&data).unwrap();
                }
            },
            Way::Sent(_) => unreachable!("it was made a stream above"),
        }
    }

    /// Whether nothing is said for so long; else what was said. Only before the first message.
    pub(crate) async fn silent_for(&mut self, time: Duration) -> Result<(), String> {
        let said = match &mut self.way {
            Way::Lines(lines) => {
                let id = self.id.clone();
                let said = tokio::time::timeout(time, lines.take(move |message| is_of(message, &id))).await;
                said.ok().map(|line| format!("{line:?}"))
            }
            Way::Sent(sent) => sent.as_ref().unwrap().is_silent_for(time).await.err(),
            Way::Stream(_) => Some("it has spoken before".to_owned()),
        };
        said.map_or(Ok(()), Err)
    }

    /// The answer; questions may be withdrawn before it.
    pub(crate) async fn end(mut self) -> Reply {
        if let Way::Sent(sent) = &mut self.way {
            return Reply::of_http(sent.take().unwrap().answer().await);
        }
        let message = loop {
            let message = self.next().await;
            if message["method"] != "notifications/cancelled" {
                break message;
            }
        };
        assert_eq!(message["id"], self.id, "{message}");
        Reply { text: message.to_string(), message, ..Reply::default() }
    }
}

/// Whether it is a question, withdraws one, or answers the request of this id.
fn is_of(message: &Value, id: &Value) -> bool {
    match message["method"].as_str() {
        None => message["id"] == *id,
        Some(method) => message.get("id").is_some() || method == "notifications/cancelled",
    }
}

/// Answers a question of the server's.
pub(crate) async fn answer(client: &Client, question: &Value, result: Value) {
    let message = json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string();
    if client.is_http() {
        let reply = client.send(message.as_bytes()).await;
        assert_eq!((reply.status, &*reply.text), (Some(202), ""), "{reply:?}");
    } else {
        client.lines().send(message);
    }
}
