//! Bodies on their way in and at work: each within its bound, all together within theirs.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::transport::splitter::MAX_MESSAGE;

/// What any body, and any answer, may take without asking: there are as many as connections.
pub(super) const FREE: usize = 16 << 10;

/// The room that bodies share, in bytes: thousands of connections could else hold 4 MiB each, and never end.
pub(super) struct Bodies(Arc<Semaphore>);

/// A large body, and its room: both live until the last slice of the bytes is dropped.
struct Housed {
    body: Bytes,
    _room: OwnedSemaphorePermit,
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is over 4 MiB.
    TooLong,
    /// The client, or the connection, ended it early.
    Broken,
    /// The room is taken by others.
    NoRoom,
}

impl Bodies {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Reads a body to its end. The room is taken as it arrives, whatever length was announced, and given back with the
    /// last slice of the bytes: parts of a message live in its run, which may go on when nobody waits for it any more.
    pub(super) async fn collect(&self, body: Body) -> Result<Bytes, Unread> {
        let mut body = Limited::new(body, MAX_MESSAGE);
        let (mut first, mut all) = (Bytes::new(), Vec::new());
        let mut room = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                if error.is::<LengthLimitError>() { Unread::TooLong } else { Unread::Broken }
            })?;
            let Ok(data) = frame.into_data() else { continue };
            self.take(&mut room, first.len() + all.len() + data.len())?;
            if first.is_empty() && all.is_empty() {
                first = data; // mostly there is no second
            } else {
                extend(&mut all, &std::mem::take(&mut first));
                extend(&mut all, &data);
            }
        }
        let body = if all.is_empty() { first } else { all.into() };
        Ok(match room {
            Some(room) => Bytes::from_owner(Housed { body, _room: room }),
            None => body,
        })
    }

    /// Sees to it that `room` is enough for `length` bytes.
    fn take(&self, room: &mut Option<OwnedSemaphorePermit>, length: usize) -> Result<(), Unread> {
        let held = room.as_ref().map_or(FREE, |room| FREE + room.num_permits());
        let missing = u32::try_from(length.saturating_sub(held)).map_err(|_| Unread::TooLong)?;
        if missing == 0 {
            return Ok(());
        }
        let more = Arc::clone(&self.0).try_acquire_many_owned(missing).map_err(|_| Unread::NoRoom)?;
        match room {
            Some(room) => room.merge(more),
            None => *room = Some(more),
        }
        Ok(())
    }
}

impl AsRef<[u8]> for Housed {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// Grows by a quarter: doubling would take twice what was counted.
fn extend(all: &mut Vec<u8>, part: &[u8]) {
    if all.capacity() - all.len() < part.len() {
        all.reserve_exact(part.len().max(all.len() / 4));
    }
    all.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use bytes::Bytes;
    use futures_util::stream;

    use super::{Bodies, FREE, MAX_MESSAGE, Unread};

    fn in_parts(sizes: &[usize]) -> Body {
        let parts: Vec<_> =
            (b'a'..).zip(sizes).map(|(byte, size)| Ok::<_, axum::Error>(vec![byte; *size])).collect();
        Body::from_stream(stream::iter(parts))
    }

    #[tokio::test]
    async fn a_body_is_the_same_in_however_many_parts_it_came() {
        let bodies = Bodies::new(0);
        for (parts, expected) in
            [(&[][..], ""), (&[2][..], "aa"), (&[0, 1, 2][..], "bcc"), (&[1, 0, 1][..], "ac")]
        {
            assert_eq!(bodies.collect(in_parts(parts)).await, Ok(Bytes::from(expected)));
        }
    }

    #[tokio::test]
    async fn bodies_share_the_room_and_give_it_back() {
        let bodies = Bodies::new(100);
        let large = || bodies.collect(in_parts(&[FREE, 60]));
        let first = large().await.unwrap();
        assert_eq!(large().await, Err(Unread::NoRoom));
        assert_eq!(bodies.collect(in_parts(&[FREE / 2, FREE / 2])).await.unwrap().len(), FREE);
        let slice = first.slice(..1);
        drop(first);
        assert_eq!(large().await, Err(Unread::NoRoom), "a slice holds all of it");
        drop(slice);
        assert_eq!(large().await.unwrap().len(), FREE + 60);
    }

    #[tokio::test]
    async fn what_is_too_long_is_told_so_wherever_its_parts_end() {
        let bodies = Bodies::new(MAX_MESSAGE * 2);
        for parts in [&[MAX_MESSAGE + 1][..], &[MAX_MESSAGE, 1][..]] {
            assert_eq!(bodies.collect(in_parts(parts)).await, Err(Unread::TooLong));
        }
        assert!(bodies.collect(in_parts(&[MAX_MESSAGE - 1, 1])).await.is_ok());
    }
}
