//! Nothing is read once the store is closed.

use std::time::Duration;

use futures_util::future::BoxFuture;
use kv_cache::{Near, NearCache};
use kv_core::{ErrorKind, Key, Scan, Store as _, StoreExt as _};

use crate::bench::{Bench, Counted, KEY, bench, heard, put, value};

async fn closed(near: &NearCache<Counted>, id: &str) -> bool {
    near.get(Key::new("c", id)).await.is_err_and(|error| error.kind() == ErrorKind::Closed)
}

#[tokio::test]
async fn closing_it_ends_what_was_read_through_every_clone() {
    for has_news in [false, true] {
        let Bench { near, .. } = bench(has_news);
        put(&near, "id", "1").await;
        value(&near, "id").await;
        let clone = near.clone();
        near.close().await.unwrap();
        assert!(closed(&clone, "id").await && closed(&near, "id").await);
    }
}

#[tokio::test]
async fn a_store_closed_beneath_it_is_noticed_by_the_first_who_asks_it() {
    let asks: [fn(NearCache<Counted>) -> BoxFuture<'static, bool>; 4] = [
        |near| Box::pin(async move { closed(&near, "never read").await }),
        |near| Box::pin(async move { near.get_many(&[Key::new("c", "never read")]).await.is_err() }),
        |near| Box::pin(async move { near.delete(KEY).await.is_err() }),
        |near| Box::pin(async move { near.scan(Scan::one("c"), None).await.is_err() }),
    ];
    for ask in asks {
        let Bench { far, near, .. } = bench(false);
        put(&far, "id", "1").await;
        put(&far, "other", "1").await;
        value(&near, "id").await;
        value(&near, "other").await;
        far.close().await.unwrap();
        assert_eq!(value(&near, "other").await, Some("1".into()), "nobody has told it");
        assert!(ask(near.clone()).await);
        assert!(closed(&near, "other").await && closed(&near, "id").await);
    }
}

#[tokio::test]
async fn a_store_closed_beneath_it_is_noticed_when_its_news_end_or_its_copies_do() {
    let Bench { far, near, .. } = bench(true);
    put(&far, "id", "1").await;
    value(&near, "id").await;
    heard().await;
    value(&near, "id").await;
    far.close().await.unwrap();
    far.lose_the_subscription();
    heard().await;
    assert!(closed(&near, "id").await);

    let Bench { clock, far, near } = bench(false);
    put(&far, "id", "1").await;
    value(&near, "id").await;
    far.close().await.unwrap();
    clock.advance(Near::default().ttl + Duration::from_millis(50));
    assert!(closed(&near, "id").await);
}
