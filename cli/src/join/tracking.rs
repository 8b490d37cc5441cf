//! What a joiner must know of the lines that it copies, to go on with another owner.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// How the client shook hands, and which of its requests are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Tracking {
    /// The requests to be sent again to a new owner: the last ones that were answered with a result.
    initialize: Option<Vec<u8>>,
    set_level: Option<Vec<u8>>,
    /// Whether the client has said so.
    is_initialized: bool,
    /// By the text of the id, requests that are not answered, and the id as the client wrote it.
    in_flight: HashMap<String, String>,
    /// Those of them that become one of the requests above once they are answered, in order, by the text of the id.
    proposed: Vec<(String, Proposed)>,
    /// Requests of ours that the client must not see answered.
    replayed: Vec<&'static str>,
}

/// A request that is to be sent again, without what came in the same batch, if its answer is a result.
#[derive(Debug)]
enum Proposed {
    Initialize(Vec<u8>),
    SetLevel(Vec<u8>),
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
const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// What a cancellation names.
#[derive(Deserialize)]
struct Cancelled<'a> {
    #[serde(rename = "requestId", borrow)]
    request_id: &'a RawValue,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    #[serde(default, borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    params: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

impl Tracking {
    /// A line goes to the owner.
    pub(super) fn sent(&mut self, line: &[u8]) {
        for Envelope { id, method, .. } in envelopes(line) {
            let Some(method) = method else { continue };
            match &*method {
                "notifications/initialized" => self.is_initialized = true,
                "notifications/cancelled" => self.cancelled(line),
                _ => {}
            }
            let Some((id, written)) = id.and_then(|id| Some((text(id)?, id.get()))) else { continue };
            let proposed = match &*method {
                "initialize" => alone(line, &method, &id).map(Proposed::Initialize),
                "logging/setLevel" => alone(line, &method, &id).map(Proposed::SetLevel),
                _ => None,
            };
            self.proposed.extend(proposed.map(|proposed| (id.clone(), proposed)));
            self.in_flight.insert(id, written.to_owned());
        }
    }

    /// A request that the client has cancelled has no answer, neither the owner's nor ours, and is not sent again.
    /// `initialize` cannot be cancelled (MCP 2025-11-25, cancellation).
    fn cancelled(&mut self, line: &[u8]) {
        for id in cancelled_ids(line) {
            let is_greeting =
                |(own, proposed): &(String, _)| *own == id && matches!(proposed, Proposed::Initialize(_));
            if !self.proposed.iter().any(is_greeting) {
                self.in_flight.remove(&id);
                self.proposed.retain(|(own, _)| *own != id);
            }
        }
    }

    /// A line comes from the owner. False if it is not meant for the client.
    pub(super) fn received(&mut self, line: &[u8]) -> bool {
        let mut for_client = true;
        for Envelope { id, method, error, params: _ } in envelopes(line) {
            let (Some(id), None) = (id.and_then(text), method) else { continue };
            if let Some(at) = self.replayed.iter().position(|replayed| id.trim_matches('"') == *replayed) {
                self.replayed.swap_remove(at);
                for_client = false;
                continue;
            }
            self.in_flight.remove(&id);
            if let Some(at) = self.proposed.iter().position(|(own, _)| *own == id) {
                let (_, proposed) = self.proposed.remove(at);
                self.settle(proposed, error.is_none());
            }
        }
        for_client
    }

    fn settle(&mut self, proposed: Proposed, is_accepted: bool) {
        match proposed {
            _ if !is_accepted => {}
            Proposed::Initialize(request) => self.initialize = Some(request),
            Proposed::SetLevel(request) => self.set_level = Some(request),
        }
    }

    /// Whether the owner has answered our `initialize`, if we sent one.
    pub(super) fn is_settled(&self) -> bool {
        !self.replayed.contains(&INITIALIZE)
    }

    /// The owner has ended: the answers that the client gets instead of its own, a line each. An `initialize` without
    /// answer goes to the next owner instead.
    pub(super) fn lost(&mut self) -> Vec<Vec<u8>> {
        self.replayed.clear();
        let is_begun = self.initialize.is_some();
        self.proposed.retain(|(_, proposed)| !is_begun && matches!(proposed, Proposed::Initialize(_)));
        self.proposed.truncate(1);
        let greeting = self.proposed.first().and_then(|(id, _)| self.in_flight.remove_entry(id));
        let lost = std::mem::take(&mut self.in_flight);
        self.in_flight.extend(greeting);
        let answers = lost.into_values().map(|id| {
            let message = "the server that was running this request has ended; send it again";
            let error = json!({ "code": -32_603, "message": message });
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}\n").into_bytes()
        });
        answers.collect()
    }

    /// What a new owner must be told.
    pub(super) fn replay(&mut self) -> Replay {
        let Some(initialize) = self.initialize.clone() else {
            let waiting = self.proposed.iter().find_map(|(_, proposed)| match proposed {
                Proposed::Initialize(request) => Some(request.clone()),
                Proposed::SetLevel(_) => None,
            });
            return Replay { initialize: waiting, ..Replay::default() };
        };
        self.replayed.push(INITIALIZE);
        let mut rest = Vec::new();
        if self.is_initialized {
            rest.push(INITIALIZED.to_vec());
        }
        if let Some(request) = self.set_level.as_deref().and_then(|request| renamed(request, SET_LEVEL)) {
            self.replayed.push(SET_LEVEL);
            rest.push(request);
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

/// An id by its value: as it is written, but for the escapes of a string. A number beyond 64 bits stays what it is.
fn text(id: &RawValue) -> Option<String> {
    match id.get() {
        "null" => None,
        string if string.starts_with('"') => {
            serde_json::from_str(string).ok().map(|id: String| Value::from(id).to_string())
        }
        number => Some(number.to_owned()),
    }
}

/// The request of this method and id as a line of its own: of a batch nothing else is to be sent again.
fn alone(line: &[u8], method: &str, id: &str) -> Option<Vec<u8>> {
    if line.trim_ascii_start().first() != Some(&b'[') {
        return Some(line.to_vec());
    }
    let batch: Vec<&RawValue> = serde_json::from_slice(line).ok()?;
    let is_it = |message: &&RawValue| {
        serde_json::from_str(message.get()).is_ok_and(|envelope: Envelope<'_>| {
            envelope.method.as_deref() == Some(method) && envelope.id.and_then(text).as_deref() == Some(id)
        })
    };
    let request: Value = serde_json::from_str(batch.into_iter().find(is_it)?.get()).ok()?; // on one line
    Some(format!("{request}\n").into_bytes())
}

/// The ids, as texts, that the notifications of a line cancel.
fn cancelled_ids(line: &[u8]) -> Vec<String> {
    let cancelling = envelopes(line)
        .into_iter()
        .filter(|message| message.method.as_deref() == Some("notifications/cancelled"));
    let params = cancelling.filter_map(|message| serde_json::from_str(message.params?.get()).ok());
    params.filter_map(|Cancelled { request_id }| text(request_id)).collect()
}

/// The request under another id.
fn renamed(request: &[u8], id: &str) -> Option<Vec<u8>> {
    let mut message: Value = serde_json::from_slice(request).ok()?;
    message.as_object_mut()?.insert("id".to_owned(), Value::from(id));
    Some(format!("{message}\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{INITIALIZED, Tracking};

    const INITIALIZE: &[u8] = br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"x":1}}"#;

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
    fn ids_beyond_64_bits_are_told_apart_and_repeated_as_they_came() {
        let mut tracking = Tracking::default();
        for id in ["36893488147419103232", "36893488147419103233", r#""\u0061""#] {
            tracking.sent(format!(r#"{{"id":{id},"method":"a"}}"#).as_bytes());
        }
        assert!(tracking.received(br#"{"id":36893488147419103232,"result":{}}"#));
        assert!(tracking.received(br#"{"id":"a","result":{}}"#), "another spelling of the same");
        let lost = tracking.lost();
        assert_eq!(lost.len(), 1);
        assert!(String::from_utf8(lost[0].clone()).unwrap().contains(r#""id":36893488147419103233,"#));
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
    fn what_the_owner_refused_is_not_sent_to_the_next() {
        let mut tracking = Tracking::default();
        let level = |id: u32, level: &str| {
            format!(r#"{{"id":{id},"method":"logging/setLevel","params":{{"level":"{level}"}}}}"#)
                .into_bytes()
        };
        tracking.sent(INITIALIZE);
        tracking.received(br#"{"id":0,"result":{}}"#);
        tracking.sent(br#"{"id":1,"method":"initialize","params":{"x":2}}"#);
        tracking.sent(&level(2, "debug"));
        tracking.received(br#"{"id":2,"result":{}}"#);
        tracking.sent(&level(3, "loud"));
        tracking.received(br#"{"id":3,"error":{"code":-32602,"message":"no"}}"#);
        tracking.received(br#"{"id":1,"error":{"code":-32600,"message":"no"}}"#);
        let replay = tracking.replay();
        let sent = |line: &[u8]| serde_json::from_slice::<Value>(line).unwrap()["params"].clone();
        assert_eq!(sent(&replay.initialize.unwrap())["x"], 1);
        assert_eq!(sent(&replay.rest[0])["level"], "debug");
        tracking.sent(br#"{"id":4,"method":"initialize","params":{"x":3}}"#);
        assert_eq!(ids(&tracking.lost()), [4], "the client has shaken hands already");
        assert_eq!(sent(&tracking.replay().initialize.unwrap())["x"], 1);
    }

    #[test]
    fn a_cancelled_request_is_not_answered_when_the_owner_ends() {
        let mut tracking = Tracking::default();
        let cancel = |id: &str| {
            format!(r#"{{"method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#).into_bytes()
        };
        tracking.sent(INITIALIZE);
        tracking.sent(&cancel("0"));
        for id in ["1", r#""x""#, "2"] {
            tracking.sent(format!(r#"{{"id":{id},"method":"a"}}"#).as_bytes());
        }
        tracking.sent(&cancel("1"));
        tracking.sent(&cancel(r#""x""#));
        assert_eq!(ids(&tracking.lost()), [2]);
        assert_eq!(tracking.replay().initialize.as_deref(), Some(INITIALIZE), "it cannot be cancelled");
    }

    #[test]
    fn of_a_batch_nothing_is_sent_again_that_does_something() {
        let mut tracking = Tracking::default();
        tracking.sent(INITIALIZE);
        tracking.received(br#"{"id":0,"result":{}}"#);
        tracking.sent(
            br#"[{"jsonrpc":"2.0","method":"notifications/initialized"},
                {"id":"l","method":"tools/call","params":{"name":"remember"}},
                {"id":"l","method":"logging/setLevel","params":{"level":"debug"}}]"#,
        );
        tracking.received(br#"[{"id":"l","result":{}},{"id":"l","result":{}}]"#);
        for _ in 0..2 {
            let [initialized, level] = tracking.replay().rest.try_into().unwrap();
            assert_eq!(initialized, INITIALIZED);
            let level: Value = serde_json::from_slice(&level).unwrap();
            assert_eq!(
                (&level["method"], &level["params"]["level"]),
                (&"logging/setLevel".into(), &"debug".into())
            );
            assert!(tracking.lost().is_empty());
        }
    }

    #[test]
    fn an_initialize_without_an_answer_leaves_its_batch_behind() {
        let mut tracking = Tracking::default();
        tracking.sent(br#"[{"id":0,"method":"initialize"},{"id":1,"method":"tools/call"}]"#);
        assert_eq!(ids(&tracking.lost()), [1]);
        assert_eq!(ids(&[tracking.replay().initialize.unwrap()]), [0]);
    }

    #[test]
    fn a_level_that_was_cancelled_is_not_sent_to_the_next_owner() {
        let mut tracking = Tracking::default();
        tracking.sent(INITIALIZE);
        tracking.received(br#"{"id":0,"result":{}}"#);
        tracking.sent(br#"{"id":1,"method":"logging/setLevel","params":{"level":"debug"}}"#);
        tracking.sent(br#"{"method":"notifications/cancelled","params":{"requestId":1}}"#);
        tracking.sent(br#"{"id":1,"method":"ping"}"#); // ids of what was cancelled may come again
        tracking.received(br#"{"id":1,"result":{}}"#);
        assert!(tracking.replay().rest.is_empty());
    }

    #[test]
    fn who_never_shook_hands_is_not_announced() {
        let mut tracking = Tracking::default();
        tracking.sent(br#"{"id":1,"method":"tools/list"}"#);
        assert!(tracking.replay().initialize.is_none());
        assert!(tracking.received(b"garbage"));
    }
}
