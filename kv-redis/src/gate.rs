//! What lets `close` wait for the operations in flight.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use kv_core::Result;
use tokio::sync::Notify;

use crate::error;

const CLOSED: u64 = 1 << 63;
/// Enough for the threads of an executor not to fight for one counter: that costs more than the counting.
const SHARDS: usize = 16;

/// Counts who is inside, and lets nobody in once closed.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    shards: [Shard; SHARDS],
    empty: Notify,
}

/// The closed bit and the number of passes, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(AtomicU64);

/// Somebody is inside until this is dropped, a cancelled future's too.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    shard: &'a AtomicU64,
    empty: &'a Notify,
}

impl Gate {
    /// Lets an operation in.
    pub(crate) fn enter(&self) -> Result<Pass<'_>> {
        let [first, ..] = &self.shards;
        let shard = &self.shards.get(own_shard()).unwrap_or(first).0;
        let pass = Pass { shard, empty: &self.empty };
        if shard.fetch_add(1, Ordering::AcqRel) & CLOSED == 0 { Ok(pass) } else { Err(error::closed()) }
    }

    /// Lets nobody in any more and waits until nobody is inside.
    pub(crate) async fn close(&self) {
        for Shard(inside) in &self.shards {
            inside.fetch_or(CLOSED, Ordering::AcqRel);
        }
        for Shard(inside) in &self.shards {
            loop {
                let mut empty = std::pin::pin!(self.empty.notified());
                empty.as_mut().enable();
                if inside.load(Ordering::Acquire) == CLOSED {
                    break;
                }
                empty.await;
            }
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.shard.fetch_sub(1, Ordering::AcqRel) == CLOSED + 1 {
            self.empty.notify_waiters();
        }
    }
}

/// The shard of this thread.
fn own_shard() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    OWN.with(|own| *own)
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use kv_core::ErrorKind;

    use super::Gate;

    #[test]
    fn closing_waits_for_who_is_inside_and_lets_nobody_in() {
        let gate = Gate::default();
        let pass = gate.enter().unwrap();
        let mut close = Box::pin(gate.close());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(close.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(gate.enter().unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(close.as_mut().poll(&mut cx), Poll::Pending);
        drop(pass);
        assert_eq!(close.as_mut().poll(&mut cx), Poll::Ready(()));
    }
}
