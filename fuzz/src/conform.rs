//! JSON-RPC 2.0 as MCP narrows it, read by other code than the server's own.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// One message that a server sent.
#[derive(Debug)]
pub enum Sent {
    /// An answer, under the id of its request as it was written; `None` where that could not be read.
    Answer(Option<String>, Result<Box<RawValue>, i64>),
    /// A notification, or a request of the server's.
    Said(String),
    /// The answers to a batch.
    Several(Vec<Sent>),
}

impl Sent {
    /// The answers in it.
    pub fn answers(&self) -> usize {
        match self {
            Self::Answer(..) => 1,
            Self::Said(_) => 0,
            Self::Several(messages) => messages.iter().map(Self::answers).sum(),
        }
    }

    /// The code of an error.
    pub fn code(&self) -> Option<i64> {
        match self {
            Self::Answer(_, Err(code)) => Some(*code),
            _ => None,
        }
    }

    /// The result of an answer.
    pub fn result(&self) -> Option<serde_json::Value> {
        match self {
            Self::Answer(_, Ok(result)) => {
                Some(serde_json::from_str(result.get()).expect("what was read is JSON"))
            }
            _ => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    jsonrpc: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    method: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    result: Option<Box<RawValue>>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    code: i64,
    message: String,
    #[serde(rename = "data")]
    _data: Option<serde_json::Value>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads what a server sent; panics at anything that no server may send.
pub fn sent(text: &str) -> Sent {
    assert!(!text.contains('\n'), "a newline inside a message: {text}");
    if text.starts_with('[') {
        let batch: Vec<&RawValue> = serde_json::from_str(text).expect("an array");
        assert!(!batch.is_empty(), "an empty batch");
        return Sent::Several(batch.into_iter().map(|message| sent(message.get())).collect());
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(envelope.jsonrpc, "2.0", "{text}");
    assert!(envelope.params.is_none_or(|params| params.get().starts_with(['{', '['])), "{text}");
    let id = envelope.id.map(|id| id.get().to_owned());
    assert!(id.as_deref().is_none_or(is_id), "{text}");
    match (envelope.method, envelope.result, envelope.error) {
        (Some(method), None, None) => Sent::Said(method),
        (None, Some(result), None) if id.is_some() => Sent::Answer(id, Ok(result)),
        (None, None, Some(Failure { code, message, .. })) => {
            let is_unused = (-32_019..=-32_000).contains(&code) && code != -32_002;
            assert!(!message.is_empty() && !is_unused, "{text}");
            Sent::Answer(id, Err(code))
        }
        _ => panic!("neither a request nor an answer: {text}"),
    }
}

/// Whether this JSON can be the id of a request: a string that is text, or an integer, of at most 256 bytes.
pub fn is_id(json: &str) -> bool {
    let digits = json.strip_prefix('-').unwrap_or(json);
    let integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    json.len() <= 256 && (integer || (json.starts_with('"') && serde_json::from_str::<String>(json).is_ok()))
}

/// A message of a client that nothing is wrong with but, perhaps, its parameters.
#[derive(Debug, Deserialize)]
pub struct Asked<'a> {
    #[serde(borrow)]
    jsonrpc: &'a RawValue,
    /// The id, as it was written.
    #[serde(borrow, default, deserialize_with = "present")]
    pub id: Option<&'a RawValue>,
    /// What is asked for.
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// What goes with it.
    #[serde(borrow)]
    pub params: Option<&'a RawValue>,
    #[serde(borrow, rename = "result")]
    _result: Option<&'a RawValue>,
    #[serde(borrow, rename = "error")]
    _error: Option<&'a RawValue>,
}

/// The parameters that headers repeat.
#[derive(Debug, Deserialize)]
pub struct Target<'a> {
    /// Of a tool or a prompt.
    #[serde(borrow)]
    pub name: Option<Cow<'a, str>>,
    /// Of a resource.
    #[serde(borrow)]
    pub uri: Option<Cow<'a, str>>,
    /// What a tool is called with.
    #[serde(borrow)]
    pub arguments: Option<&'a RawValue>,
}

impl<'a> Asked<'a> {
    /// The request in these bytes: what has an id, so that it must be answered.
    pub fn request(data: &'a [u8]) -> Option<Self> {
        let asked: Self = serde_json::from_str(std::str::from_utf8(data).ok()?).ok()?;
        let good = asked.jsonrpc.get() == r#""2.0""# && asked.id.is_some_and(|id| is_id(id.get()));
        good.then_some(asked)
    }

    /// What the request is about, where that can be read.
    pub fn target(&self) -> Option<Target<'a>> {
        serde_json::from_str(self.params?.get()).ok()
    }
}
