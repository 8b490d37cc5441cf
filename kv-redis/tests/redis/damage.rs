//! Entries whose bytes somebody changed.

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_redis::RedisStore;

use crate::private::Server;

#[tokio::test]
async fn a_damaged_entry_that_was_taken_is_gone_and_the_error_does_not_deny_it() {
    let Some(server) = Server::start(&[]).await else { return };
    let store = RedisStore::open(server.config()).await.unwrap();
    let mut raw = server.raw().await;
    let (key, name) = (Key::new("c", "a"), format!("{}:c:a", server.config().namespace));
    for conditional in [false, true] {
        let version = store.put(key, NewEntry::new("x"), PutMode::Replace).await.unwrap();
        redis::cmd("SETRANGE").arg(&name).arg(32).arg("#").exec_async(&mut raw).await.unwrap();
        let error = store.take(key, conditional.then_some(version)).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Corrupt, Outcome::Unknown), "{error:?}");
        assert!(store.get(key).await.unwrap().is_none());
    }
}
