//! What a joiner must know of the lines that it copies, to go on with another owner.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

/// How the client shook hands, and which of its requests are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Tracking {
    /// The lines to be sent again to a new owner.
    initialize: Option<Vec<u8>>,
    initialized: Option<Vec<u8>>,
    set_level: Option<Vec<u8>>,
    /// By the text of the id, requests that are not answered, and the id.
    in_flight: HashMap<String, Value>,
    /// The id of the client's `initialize`, while it is not answered.
    greeting: Option<String>,
    /// Requests of ours that the client must not see answered.
    replayed: Vec<&'static str>,
}

/// What is to be sent to a new owner before the client goes on.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// First, and its answer is waited for if `answered_to_us`.
    pub(super) initialize: Option<Vec<u8>>,
    /// Whether the answer stays here: the client has had one.
    pub(super) answered_to_us: bool,
    /// Then these.
    pub(super) rest: Vec<Vec<u8>>,
}

const INITIALIZE: &str = "larder-replay-initialize";
const SET_LEVEL: &str = "larder-replay-level";

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default, borrow)]
    method: Option<Cow<'a, str>>,
}

impl Tracking {
    /// A line goes to the owner.
    pub(super) fn sent(&mut self, line: &[u8]) {
        for Envelope { id, method } in envelopes(line) {
            let Some(method) = method else { continue };
            match &*method {
                "initialize" => {
                    self.initialize = Some(line.to_vec());
                    self.greeting = id.as_ref().map(Value::to_string);
                }
                "notifications/initialized" => self.initialized = Some(line.to_vec()),
                "logging/setLevel" => self.set_level = Some(line.to_vec()),
                _ => {}
            }
            if let Some(id) = id {
                self.in_flight.insert(id.to_string(), id);
            }
        }
    }

    /// A line comes from the owner. False if it is not meant for the client.
    pub(super) fn received(&mut self, line: &[u8]) -> bool {
        let mut for_client = true;
        for Envelope { id, method } in envelopes(line) {
            let (Some(id), None) = (id, method) else { continue };
            if let Some(at) = self.replayed.iter().position(|replayed| id == *replayed) {
                self.replayed.swap_remove(at);
                for_client = false;
                continue;
            }
            let id = id.to_string();
            self.in_flight.remove(&id);
            if self.greeting.as_ref() == Some(&id) {
                self.greeting = None;
            }
        }
        for_client
    }

    /// Whether the owner has answered our `initialize`, if we sent one.
    pub(super) fn is_settled(&self) -> bool {
        !self.replayed.contains(&INITIALIZE)
    }

    /// The owner has ended: the answers that the client gets instead of its own, a line each. An `initialize` without
    /// answer goes to the next owner instead.
    pub(super) fn lost(&mut self) -> Vec<Vec<u8>> {
        self.replayed.clear();
        let greeting = self.greeting.as_ref().and_then(|id| self.in_flight.remove_entry(id));
        let lost = std::mem::take(&mut self.in_flight);
        self.in_flight.extend(greeting);
        let answers = lost.into_values().map(|id| {
            let message = "the server that was running this request has ended; send it again";
            let answer =
                json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32_603, "message": message } });
            format!("{answer}\n").into_bytes()
        });
        answers.collect()
    }

    /// What a new owner must be told.
    pub(super) fn replay(&mut self) -> Replay {
        let Some(initialize) = self.initialize.clone() else { return Replay::default() };
        if self.greeting.is_some() {
            return Replay { initialize: Some(initialize), ..Replay::default() };
        }
        self.replayed.push(INITIALIZE);
        let mut rest: Vec<Vec<u8>> = self.initialized.clone().into_iter().collect();
        if let Some(line) = self.set_level.as_deref().and_then(|line| renamed(line, SET_LEVEL)) {
            self.replayed.push(SET_LEVEL);
            rest.push(line);
        }
        Replay { initialize: renamed(&initialize, INITIALIZE), answered_to_us: true, rest }
    }
}

/// The messages of a line: one, or a batch (2025-03-26). What is no message is none.
fn envelopes(line: &[u8]) -> Vec<Envelope<'_>> {
    if line.trim_ascii_start().first() == Some(&b'[') {
        return serde_json::from_slice(line).unwrap_or_default();
    }
    serde_json::from_slice(line).into_iter().collect()
}

/// The request under another id.
fn renamed(line: &[u8], id: &str) -> Option<Vec<u8>> {
    let mut message: Value = serde_json::from_slice(line).ok()?;
    message.as_object_mut()?.insert("id".to_owned(), Value::from(id));
    Some(format!("{message}\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::Tracking;

    const INITIALIZE: &[u8] = br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"x":1}}"#;
    const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

    fn ids(lines: &[Vec<u8>]) -> Vec<Value> {
        let mut ids: Vec<Value> =
            lines.iter().map(|line| serde_json::from_slice::<Value>(line).unwrap()["id"].clone()).collect();
        ids.sort_by_key(Value::to_string);
        ids
    }

    #[test]
    fn requests_without_an_answer_are_answered_once_when_the_owner_ends() {
        let mut tracking = Tracking::default();
        for line in [
            r#"{"id":1,"method":"a"}"#,
            r#"[{"id":"x","method":"b"},{"method":"c"}]"#,
            r#"{"id":2,"method":"d"}"#,
        ] {
            tracking.sent(line.as_bytes());
        }
        tracking.sent(br#"{"id":7,"result":{}}"#); // an answer of the client's
        assert!(tracking.received(br#"{"id":2,"result":{}}"#));
        assert!(
            tracking.received(br#"{"id":1,"method":"ping"}"#),
            "a request of the server's answers nothing"
        );
        assert_eq!(ids(&tracking.lost()), ["x".into(), Value::from(1)]);
        assert!(tracking.lost().is_empty());
    }

    #[test]
    fn a_new_owner_is_greeted_and_its_answer_stays_here() {
        let mut tracking = Tracking::default();
        tracking.sent(INITIALIZE);
        assert!(tracking.received(br#"{"id":0,"result":{}}"#));
        tracking.sent(INITIALIZED);
        let replay = tracking.replay();
        assert!(replay.answered_to_us && !tracking.is_settled());
        let sent: Value = serde_json::from_slice(&replay.initialize.unwrap()).unwrap();
        assert_eq!(sent["params"]["x"], 1);
        assert_eq!(replay.rest, [INITIALIZED.to_vec()]);
        let answer = format!(r#"{{"id":{},"result":{{}}}}"#, sent["id"]);
        assert!(!tracking.received(answer.as_bytes()));
        assert!(tracking.is_settled());
    }

    #[test]
    fn an_initialize_without_an_answer_goes_to_the_next_owner_as_it_is() {
        let mut tracking = Tracking::default();
        tracking.sent(INITIALIZE);
        assert!(tracking.lost().is_empty());
        let replay = tracking.replay();
        assert_eq!(replay.initialize.as_deref(), Some(INITIALIZE));
        assert!(!replay.answered_to_us && tracking.is_settled());
        assert!(tracking.received(br#"{"id":0,"result":{}}"#), "the client waits for it");
        assert!(tracking.lost().is_empty());
    }

    #[test]
    fn who_never_shook_hands_is_not_announced() {
        let mut tracking = Tracking::default();
        tracking.sent(br#"{"id":1,"method":"tools/list"}"#);
        assert!(tracking.replay().initialize.is_none());
        assert!(tracking.received(b"garbage"));
    }
}
