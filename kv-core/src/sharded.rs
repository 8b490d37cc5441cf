//! What every operation touches, once for each thread.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Enough for the threads of an executor not to fight for one cache line: that costs more than most of what is done in it.
const SHARDS: usize = 16;

/// A `T` for each thread, or for a few that share one; each is on a cache line of its own.
#[derive(Debug, Default)]
pub struct Sharded<T>([Shard<T>; SHARDS]);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard<T>(T);

impl<T> Sharded<T> {
    /// That of this thread, always the same one.
    pub fn own(&self) -> &T {
        let [first, ..] = &self.0;
        &self.0.get(number()).unwrap_or(first).0
    }

    /// Those of all threads.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|Shard(shard)| shard)
    }
}

/// Which shard is this thread's.
fn number() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    OWN.with(|own| *own)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::{SHARDS, Sharded};

    #[test]
    fn a_thread_has_one_shard_and_all_are_seen() {
        let sharded = Sharded::<Mutex<Vec<usize>>>::default();
        std::thread::scope(|scope| {
            for thread in 0..3 * SHARDS {
                let sharded = &sharded;
                scope.spawn(move || {
                    let first = std::ptr::from_ref(sharded.own());
                    sharded.own().lock().unwrap().push(thread);
                    assert!(std::ptr::eq(first, sharded.own()));
                });
            }
        });
        let used = sharded.iter().filter(|own| !own.lock().unwrap().is_empty());
        assert!(used.count() > SHARDS / 2, "threads are spread");
        let mut seen: Vec<usize> = sharded.iter().flat_map(|own| own.lock().unwrap().clone()).collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..3 * SHARDS));
    }
}
