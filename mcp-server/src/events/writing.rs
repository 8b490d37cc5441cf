//! Whoever writes a stream.

use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;

use super::Streams;
use super::live::Live;
use crate::protocol::{Failure, Renderer, RequestId, code};
use crate::replica::Letter;

/// The one writer of a stream. Dropping it ends the stream.
pub(crate) struct Writing {
    streams: Streams,
    live: Arc<Live>,
    key: String,
    request: RequestId,
    /// Whether the log lacks its end.
    stays: bool,
}

impl Writing {
    pub(super) fn new(streams: Streams, live: Arc<Live>, key: String, request: RequestId) -> Self {
        let this = Self { streams, live, key, request, stays: false };
        this.note(None);
        this
    }

    /// Says one message.
    pub(crate) fn say(&self, message: Bytes) {
        let Some(log) = &self.streams.0.log else {
            self.live.push(message);
            return;
        };
        let (number, lost) = self.live.push(message.clone());
        log.add(&self.key, number, message);
        if !lost.is_empty() {
            log.forget(&self.key, lost);
            self.note(None);
        }
        log.flush_soon(self.live.read_elsewhere());
    }

    /// Says the last message. Where there is a log it is in there first, so that whoever loses the connection now can
    /// have it from any process. Of one that the store cannot keep the log has that; the message itself stays here.
    pub(crate) async fn finish(mut self, message: Bytes, renderer: &Renderer) {
        if let Some(log) = &self.streams.0.log {
            let number = self.live.last() + 1;
            self.stays = !log.takes(&message);
            let kept = if self.stays { self.too_large(renderer) } else { message.clone() };
            log.add(&self.key, number, kept);
            self.note(Some(number));
            log.flush_for(self.live.read_elsewhere()).await;
        }
        self.live.push(message);
    }

    /// What those learn who read the end of the stream elsewhere.
    fn too_large(&self, renderer: &Renderer) -> Bytes {
        let failure = Failure::new(
            code::INTERNAL_ERROR,
            "the request was served, and its answer is larger than the store keeps: only the replica that served it has it",
        );
        renderer.error(Some(&self.request), &failure)
    }

    /// Ends the stream where it is.
    pub(crate) async fn stop(self) {
        if let Some(log) = &self.streams.0.log {
            self.note(Some(self.live.last()));
            log.flush_for(self.live.read_elsewhere()).await;
        }
    }

    /// Has the client leave, and come back after `retry`.
    pub(crate) fn release(&self, retry: Duration) {
        if let Some((by, ticket)) = self.live.release(retry) {
            let retry_ms = u64::try_from(retry.as_millis()).ok();
            self.streams.tell(by, Letter::Unfollowed { ticket, retry_ms });
        }
    }

    /// Has the writer woken when [`Writing::has_room`] may have changed.
    pub(crate) fn watch(&self, cx: &Context<'_>) {
        self.live.watch(cx);
    }

    /// Whether the reader has taken all that was said, or there is none.
    pub(crate) fn has_room(&self) -> bool {
        self.live.has_room()
    }

    /// The id of the event of this number.
    #[cfg(test)]
    pub(super) fn id(&self, number: u64) -> String {
        self.live.id(number)
    }

    /// Has the log know of the stream itself; `last` is its last event, once there is one.
    fn note(&self, last: Option<u64>) {
        if let Some(log) = &self.streams.0.log {
            log.note(&self.key, &self.request, self.live.first(), last);
            log.flush_soon(None);
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.live.end();
        self.streams.ended(&self.key, &self.live, self.stays);
    }
}
