//! A server that cannot save what it holds.

use kv_core::{Error, ErrorKind, Key, NewEntry, Outcome, PutMode, Result, Store};
use kv_redis::RedisStore;

use crate::private::{Server, until};

const KEY: Key<'static> = Key::new("c", "a");

fn refused<T: std::fmt::Debug>(answer: Result<T>) {
    let error: Error = answer.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone), "{error:?}");
    assert!(error.message().contains("save"), "{error:?}");
}

#[tokio::test]
async fn a_server_that_cannot_save_takes_no_writes_and_keeps_the_old_values_until_it_can() {
    let Some(server) = Server::start(&[]).await else { return };
    let mut raw = server.raw().await;
    let store = RedisStore::open(server.config()).await.unwrap();
    let version = store.put(KEY, NewEntry::new("old"), PutMode::Create).await.unwrap();
    redis::cmd("CONFIG").arg("SET").arg("save").arg("1 1").exec_async(&mut raw).await.unwrap();
    server.obstruct(true);
    let mut saved = async |how: &str| {
        let how = format!("rdb_last_bgsave_status:{how}");
        until("it tried to save", async || {
            let _one_runs: redis::RedisResult<String> = redis::cmd("BGSAVE").query_async(&mut raw).await;
            let info: String = redis::cmd("INFO").arg("persistence").query_async(&mut raw).await.unwrap();
            info.contains(&how)
        })
        .await;
    };
    saved("err").await;

    refused(store.put(KEY, NewEntry::new("new"), PutMode::Replace).await);
    refused(store.put(KEY, NewEntry::new("new"), PutMode::Update(version)).await);
    refused(store.put(Key::new("c", "b"), NewEntry::new("new"), PutMode::Create).await);
    refused(store.take(KEY, None).await);
    refused(store.take(KEY, Some(version)).await);
    let batch = vec![(KEY, NewEntry::new("new")), (Key::new("c", "b"), NewEntry::new("new"))];
    store.put_many(batch).await.unwrap().into_iter().for_each(refused);
    store.delete_many(&[KEY]).await.unwrap().into_iter().for_each(refused);
    let entry = store.get(KEY).await.unwrap().expect("it stays");
    assert_eq!((entry.value, entry.version), ("old".into(), version));
    assert!(store.get(Key::new("c", "b")).await.unwrap().is_none());

    server.obstruct(false);
    saved("ok").await;
    store.put(KEY, NewEntry::new("new"), PutMode::Update(version)).await.expect("it saves again");
}
