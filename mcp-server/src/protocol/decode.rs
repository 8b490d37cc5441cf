//! Bytes in, one message out: JSON-RPC 2.0 as MCP narrows it (basic/index, "Messages").

mod envelope;
mod operation;

use bytes::Bytes;
use bytestring::ByteString;
use serde_json::error::Category;

use self::envelope::{Bare, Batch, Envelope, IdAlone};
use super::id::InvalidId;
use super::{Failure, Json, ProgressToken, RequestId, code};
use crate::request::{Operation, Resumed};

/// One message of a client.
#[derive(Debug)]
pub(crate) enum Message {
    /// A request, which is answered under its id.
    Request(Incoming),
    /// A notification, which is never answered.
    Notification(Incoming),
    /// The answer to a request of ours: its result, or its error.
    Response {
        /// The id of our request; `None` where the client could not read it.
        id: Option<RequestId>,
        /// The result object or the error object, unread.
        outcome: Result<Json, Json>,
    },
    /// 1 to 50 messages, not yet decoded. Only 2025-03-26 has batches.
    Batch(Vec<Bytes>),
}

/// A request or notification. What is in it are slices of the body.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The client's id; `None` for a notification.
    pub(crate) id: Option<RequestId>,
    pub(crate) operation: Operation,
    pub(crate) meta: Meta,
    /// Answers to questions that an earlier result asked.
    pub(crate) resumed: Option<Resumed>,
    /// What is wrong with the parameters. Refused once the rules of the revision are met, which come first.
    pub(crate) defect: Option<Defect>,
}

/// Why a well-formed message cannot be performed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Defect {
    pub(crate) failure: Failure,
    pub(crate) place: Place,
}

/// Where the parameters do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Beside `_meta`.
    Params,
    /// In `_meta`; 2026-07-28 has a status of its own for that.
    Meta,
    /// Where `_meta` could not be read for it: what a request of 2026-07-28 must carry is neither there nor missing.
    Unread,
}

/// `_meta` of the parameters, and the reserved keys in it (basic/index, "`_meta`").
#[derive(Debug)]
pub(crate) struct Meta {
    /// All of it, an object; `{}` where the client sent none.
    pub(crate) raw: Json,
    /// Whether it holds a key that only 2026-07-28 and later have: the version or the capabilities.
    pub(crate) modern: bool,
    /// `io.modelcontextprotocol/protocolVersion`, if it is a string.
    pub(crate) version: Option<ByteString>,
    /// `io.modelcontextprotocol/clientInfo`, if it is an object.
    pub(crate) client_info: Option<Json>,
    /// `io.modelcontextprotocol/clientCapabilities`, if it is an object.
    pub(crate) capabilities: Option<Json>,
    /// `io.modelcontextprotocol/logLevel`, if it is a string.
    pub(crate) log_level: Option<ByteString>,
    /// `progressToken`.
    pub(crate) progress: Option<ProgressToken>,
}

/// Bytes that are no message: always status 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// -32700, or -32600.
    pub(crate) failure: Failure,
    /// The id, where it could be read.
    pub(crate) id: Option<RequestId>,
}

/// Decodes one message in one pass over `body`; what outlives the pass are slices of it.
///
/// The pass recurses into the envelope and the parameters only. What is nested deeper is walked over without
/// recursion and kept as bytes, so the memory used beside the body is at most a byte per level of nesting.
///
/// # Errors
/// `Parse error` for bytes that are not JSON, `Invalid request` for JSON that is no message of JSON-RPC 2.0: another
/// version, no method, an id that is null, a fraction or too long, an empty batch or one of over 50 messages.
/// Parameters that do not fit are no error here, but a [`Defect`] of the message.
pub(crate) fn decode(body: &Bytes) -> Result<Message, Malformed> {
    let text =
        ByteString::try_from(body.clone()).map_err(|_| Malformed::parse("the message is not UTF-8"))?;
    match text.bytes().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
        Some(b'{') => decode_object(&text),
        Some(b'[') => decode_batch(&text),
        _ => Err(decode_scalar(&text)),
    }
}

fn decode_object(text: &ByteString) -> Result<Message, Malformed> {
    match serde_json::from_str::<Envelope<'_>>(text) {
        Ok(envelope) => {
            let (bare, params) = envelope.split();
            Body { text, bare }.message(|method| operation::of_params(text, method, params))
        }
        Err(error) => decode_misfit(text, &error),
    }
}

/// The cold path: the parameters are no object, or a name stands twice.
fn decode_misfit(text: &ByteString, error: &serde_json::Error) -> Result<Message, Malformed> {
    if error.classify() != Category::Data {
        return Err(Malformed::parse("the message is not JSON"));
    }
    match serde_json::from_str::<Bare<'_>>(text) {
        Ok(bare) => {
            let params = bare.params;
            Body { text, bare }.message(|method| operation::of_misfit(text, method, params))
        }
        Err(error) if error.classify() == Category::Data => {
            let id = serde_json::from_str::<IdAlone<'_>>(text).ok().and_then(|alone| alone.id);
            let id = id.and_then(|id| RequestId::new(&json(text, id)).ok());
            Err(Malformed::invalid("a member of the message stands twice", id))
        }
        Err(_) => Err(Malformed::parse("the message is not JSON")),
    }
}

fn decode_batch(text: &ByteString) -> Result<Message, Malformed> {
    let batch: Batch<'_> =
        serde_json::from_str(text).map_err(|_| Malformed::parse("the message is not JSON"))?;
    if batch.items.is_empty() || batch.overfull {
        return Err(Malformed::invalid("a batch holds 1 to 50 messages", None));
    }
    Ok(Message::Batch(batch.items.into_iter().map(|item| json(text, item).as_bytes().clone()).collect()))
}

fn decode_scalar(text: &ByteString) -> Malformed {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Malformed::invalid("a message is an object", None),
        Err(_) => Malformed::parse("the message is not JSON"),
    }
}

/// An object that was walked over, with the text that its parts are slices of.
struct Body<'a> {
    text: &'a ByteString,
    bare: Bare<'a>,
}

impl Body<'_> {
    /// The message of this envelope; `params` makes the rest of it from the method.
    fn message(self, params: impl FnOnce(&str) -> Incoming) -> Result<Message, Malformed> {
        let Self { text, bare } = self;
        let id = bare.id.map(|id| RequestId::new(&json(text, id)));
        let readable = id.as_ref().and_then(|id| id.as_ref().ok()).cloned();
        if bare.jsonrpc.is_none_or(|version| version.get() != r#""2.0""#) {
            return Err(Malformed::invalid("jsonrpc must be \"2.0\"", readable));
        }
        let Some(method) = bare.method else { return response(text, &bare, readable) };
        let Some(method) = string(text, method) else {
            return Err(Malformed::invalid("the method must be a string", readable));
        };
        let mut incoming = params(&method);
        match id {
            None => Ok(Message::Notification(as_notification(incoming, method, text))),
            Some(Ok(id)) => {
                incoming.id = Some(id);
                if matches!(incoming.operation, Operation::Listen { .. }) {
                    incoming.detach();
                }
                Ok(Message::Request(incoming))
            }
            Some(Err(InvalidId::Text)) => {
                Err(Malformed::invalid("the id is no text: it escapes half a surrogate pair", None))
            }
            Some(Err(_)) => {
                Err(Malformed::invalid("the id must be a string or an integer of at most 256 bytes", None))
            }
        }
    }
}

/// Without an id it is a notification, whatever its method: `tools/call` too.
fn as_notification(mut incoming: Incoming, method: ByteString, text: &ByteString) -> Incoming {
    let params = match incoming.operation {
        Operation::Other { params, .. } => params,
        _ => raw_params(text),
    };
    incoming.operation = Operation::Notification { method, params };
    incoming
}

fn response(text: &ByteString, bare: &Bare<'_>, id: Option<RequestId>) -> Result<Message, Malformed> {
    let outcome = match (bare.result, bare.error) {
        (Some(result), None) => Ok(json(text, result)),
        (None, Some(error)) => Err(json(text, error)),
        _ => return Err(Malformed::invalid("a message has a method, a result or an error", id)),
    };
    if id.is_none() && outcome.is_ok() {
        return Err(Malformed::invalid("a result belongs to the id of a request", None));
    }
    Ok(Message::Response { id, outcome })
}

/// The parameters as they stand; `{}` where there are none. A second pass, for methods that keep them whole.
fn raw_params(text: &ByteString) -> Json {
    let bare: Option<Bare<'_>> = serde_json::from_str(text).ok();
    bare.and_then(|bare| bare.params).map_or(Json::EMPTY, |params| json(text, params))
}

/// A value of `text` that was walked over, as a slice.
fn json(text: &ByteString, value: &serde_json::value::RawValue) -> Json {
    Json::trusted(text.as_bytes().slice_ref(value.get().as_bytes()))
}

/// A JSON string of `text`: a slice unless it has escapes. `None` if it is none, or escapes half a surrogate pair.
fn string(text: &ByteString, value: &serde_json::value::RawValue) -> Option<ByteString> {
    let quoted = value.get();
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str::<String>(quoted).ok().map(ByteString::from);
    }
    Some(text.slice_ref(inner))
}

impl Incoming {
    /// Copies what is kept of a request that lasts, so that its body is not.
    fn detach(&mut self) {
        self.id = self.id.as_ref().map(RequestId::detached);
        if let Operation::Listen { filter } = &mut self.operation {
            *filter = filter.detached();
        }
        let Meta { raw, client_info, capabilities, progress, .. } = &mut self.meta;
        *raw = raw.detached();
        *client_info = client_info.as_ref().map(Json::detached);
        *capabilities = capabilities.as_ref().map(Json::detached);
        *progress = progress.as_ref().map(ProgressToken::detached);
    }
}

impl Malformed {
    fn parse(message: &'static str) -> Self {
        Self { failure: Failure::new(code::PARSE_ERROR, message), id: None }
    }

    pub(crate) fn invalid(message: &'static str, id: Option<RequestId>) -> Self {
        Self { failure: Failure::new(code::INVALID_REQUEST, message), id }
    }
}

impl Default for Meta {
    fn default() -> Self {
        Self {
            raw: Json::EMPTY,
            modern: false,
            version: None,
            client_info: None,
            capabilities: None,
            log_level: None,
            progress: None,
        }
    }
}

impl Defect {
    fn params(message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self { failure: Failure::invalid_params(message), place: Place::Params }
    }

    fn meta(message: &'static str) -> Self {
        Self { failure: Failure::invalid_params(message), place: Place::Meta }
    }

    fn unread(message: &'static str) -> Self {
        Self { failure: Failure::invalid_params(message), place: Place::Unread }
    }
}

#[cfg(test)]
mod tests;
