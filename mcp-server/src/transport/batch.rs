//! Batches of messages (2025-03-26, basic).

use bytes::{Bytes, BytesMut};

/// The most messages in one batch.
pub(crate) const MAX_BATCH: usize = 50;

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
