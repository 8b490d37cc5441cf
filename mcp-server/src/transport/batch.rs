//! Batches of messages (2025-03-26, basic).

use bytes::{Bytes, BytesMut};

use crate::Operation;
use crate::protocol::{Malformed, Message, decode};

/// One message of a batch.
///
/// # Errors
/// It is none, or one that stands in no batch: a batch, `initialize`, and a request of 2026-07-28, which has none.
pub(crate) fn item(message: &Bytes) -> Result<Message, Malformed> {
    let message = decode(message)?;
    let refusal = match &message {
        Message::Batch(_) => "a batch in a batch",
        Message::Request(incoming) if matches!(incoming.operation, Operation::Initialize { .. }) => {
            "initialize may not stand in a batch"
        }
        Message::Request(incoming) if incoming.meta.modern => {
            "a request of 2026-07-28 may not stand in a batch"
        }
        _ => return Ok(message),
    };
    let Message::Request(incoming) = message else { return Err(Malformed::invalid(refusal, None)) };
    Err(Malformed::invalid(refusal, incoming.id))
}

/// One JSON array of these messages; nothing where there are none.
pub(crate) fn array(messages: &[Bytes]) -> Option<Bytes> {
    let (first, rest) = messages.split_first()?;
    let mut array = BytesMut::from(&b"["[..]);
    array.extend_from_slice(first);
    for message in rest {
        array.extend_from_slice(b",");
        array.extend_from_slice(message);
    }
    array.extend_from_slice(b"]");
    Some(array.freeze())
}
