//! What the log hears of a failing store.
//!
//! One test in a process of its own: whether a log line is listened to is remembered for the whole process when it is
//! first reached, so that a test on another thread, without a subscriber, would silence it for this one.

#[cfg(test)]
#[path = "cache/down.rs"]
mod down;

use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kv_cache::{ByteCache, Cache};
use kv_core::{ErrorKind, Key, NewEntry, PutMode, Store};

use crate::down::Failing;

#[tokio::test]
async fn the_log_names_the_failure_once_and_never_a_value() {
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || lines.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let store = Failing::new(ErrorKind::Unavailable);
    let cache = ByteCache::bytes(store.clone(), "replies");
    let secret = || async { Ok::<_, Infallible>(Bytes::from_static(b"s3cret")) };
    for _ in 0..5 {
        cache.get_or_fetch("id", secret).await.unwrap();
    }
    store.reads.store(true, Ordering::SeqCst);
    store.writes.store(true, Ordering::SeqCst);
    store.inner.put(Key::new("replies", "odd"), NewEntry::new("s3cret"), PutMode::Replace).await.unwrap();
    let typed: Cache<u64> = Cache::new(store, "replies");
    assert_eq!(typed.get("odd").await, None);
    cache.get_or_fetch("id", secret).await.unwrap();
    let text = log.text();
    assert_eq!(text.matches("WARN").count(), 2, "{text}");
    assert_eq!(text.matches("answers again").count(), 1, "{text}");
    assert!(text.contains("replies") && !text.contains("s3cret"), "{text}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("nobody panicked").clone()).expect("the log is text")
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
