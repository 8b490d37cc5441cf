//! A store that was closed.

use bytes::Bytes;
use kv_core::{ErrorKind, Store};
use kv_elastic::ElasticStore;

use crate::fake::Fake;

#[tokio::test]
async fn what_the_servers_cannot_do_is_unsupported_until_close_and_then_closed() {
    let fake = Fake::start(|_| None).await;
    let store = ElasticStore::open(fake.config()).await.unwrap();
    for expected in [ErrorKind::Unsupported, ErrorKind::Closed] {
        let signal = store.signal("topic", Bytes::new()).await.unwrap_err();
        let signals = store.signals("topic").await.unwrap_err();
        let changes = store.changes().await.unwrap_err();
        for (error, operation) in [(signal, "signal"), (signals, "signals"), (changes, "changes")] {
            assert_eq!((error.kind(), error.operation()), (expected, Some(operation)), "{error}");
        }
        store.close().await.unwrap();
    }
}
