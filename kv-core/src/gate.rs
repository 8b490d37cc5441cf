//! What lets `close` wait for the operations in flight.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::{Error, ErrorKind, Result};

const CLOSED: u64 = 1 << 63;
/// Enough for the threads of an executor not to fight for one counter: that costs more than the counting.
const SHARDS: usize = 16;

/// Counts who is inside, and lets nobody in once closed.
#[derive(Debug, Default)]
pub struct Gate {
    shards: [Shard; SHARDS],
    empty: Notify,
}

/// The closed bit and the number of passes, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(AtomicU64);

/// Somebody is inside until this is dropped, a cancelled future's too.
#[derive(Debug)]
pub struct Pass<'a> {
    shard: &'a AtomicU64,
    empty: &'a Notify,
}

impl Gate {
    /// Lets an operation in, until the pass is dropped.
    ///
    /// # Errors
    /// `Closed` once it is.
    pub fn enter(&self) -> Result<Pass<'_>> {
        let shard = self.own_shard();
        let pass = Pass { shard, empty: &self.empty };
        if shard.fetch_add(1, Ordering::AcqRel) & CLOSED == 0 { Ok(pass) } else { Err(closed()) }
    }

    /// For operations that are over before they could be waited for.
    ///
    /// # Errors
    /// `Closed` once it is.
    pub fn check(&self) -> Result<()> {
        if self.own_shard().load(Ordering::Acquire) & CLOSED == 0 { Ok(()) } else { Err(closed()) }
    }

    /// Lets nobody in any more and waits until nobody is inside.
    pub async fn close(&self) {
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

    fn own_shard(&self) -> &AtomicU64 {
        let [first, ..] = &self.shards;
        &self.shards.get(own_shard()).unwrap_or(first).0
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.shard.fetch_sub(1, Ordering::AcqRel) == CLOSED + 1 {
            self.empty.notify_waiters();
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store was closed")
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

    use super::Gate;
    use crate::ErrorKind;

    #[test]
    fn closing_waits_for_who_is_inside_and_lets_nobody_in() {
        let gate = Gate::default();
        let pass = gate.enter().unwrap();
        let mut close = Box::pin(gate.close());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(close.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(gate.enter().unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(gate.check().unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(close.as_mut().poll(&mut cx), Poll::Pending);
        drop(pass);
        assert_eq!(close.as_mut().poll(&mut cx), Poll::Ready(()));
    }
}
