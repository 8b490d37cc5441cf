//! Cursors whose ground moves, and databases that hold much else.

use std::collections::BTreeSet;
use std::time::Duration;

use kv_core::{ErrorKind, Key, NewEntry, Scan, Store};
use kv_redis::RedisStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::place::config;
use crate::private::{Server, until};

async fn fill(store: &RedisStore, count: usize) {
    let ids: Vec<_> = (0..count).map(|n| format!("{n:05}")).collect();
    let entries = ids.iter().map(|id| (Key::new("c", id), NewEntry::new(id.clone()))).collect();
    assert!(store.put_many(entries).await.unwrap().iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_cursor_ends_with_the_run_of_the_server() {
    let Some(mut server) = Server::start(&["--appendonly", "yes"]).await else { return };
    let store = RedisStore::open(server.config()).await.unwrap();
    fill(&store, 500).await;
    let cursor = store.scan(Scan::one("c").limit(20), None).await.unwrap().next.expect("there is more");
    store.scan(Scan::one("c").limit(20), Some(&cursor)).await.unwrap();
    let elsewhere = RedisStore::open(server.config()).await.unwrap();
    elsewhere.scan(Scan::one("c").limit(20), Some(&cursor)).await.expect("another process goes on");
    server.kill();
    server.restart().await;
    until("it is back", async || store.get(Key::new("c", "00000")).await.is_ok()).await;
    let error = store.scan(Scan::one("c").limit(20), Some(&cursor)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!(
        store.scan(Scan::one("c"), None).await.unwrap().items.len(),
        500,
        "from the start it is whole"
    );
}

#[tokio::test]
async fn few_entries_among_many_others_are_found() {
    let Some(server) = Server::start(&[]).await else { return };
    let mut other = server.config();
    other.namespace = "other".to_owned();
    fill(&RedisStore::open(other).await.unwrap(), 20_000).await;
    let store = RedisStore::open(server.config()).await.unwrap();
    fill(&store, 7).await;
    let (mut found, mut from, mut pages) = (BTreeSet::new(), None, 0);
    loop {
        let page = store.scan(Scan::one("c").limit(3), from.as_ref()).await.unwrap();
        found.extend(page.items.into_iter().map(|item| item.id));
        (from, pages) = (page.next, pages + 1);
        if from.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), 7);
    assert!(pages < 30, "{pages} pages");
}

/// A way to the server on which each piece takes a while, in both directions; its port.
async fn slow_way(server: &Server) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (port, upstream) = (listener.local_addr().unwrap().port(), server.port);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", upstream)).await.unwrap();
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::spawn(carry_slowly(from_client, to_server));
            tokio::spawn(carry_slowly(from_server, to_client));
        }
    });
    port
}

async fn carry_slowly(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut piece = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn over_a_slow_way_a_page_is_short_rather_than_late() {
    let Some(server) = Server::start(&[]).await else { return };
    fill(&RedisStore::open(server.config()).await.unwrap(), 5).await;
    let others = "for n = 1, 50000 do redis.call('SET', 'other' .. n, '') end";
    redis::cmd("EVAL").arg(others).arg(0).exec_async(&mut server.raw().await).await.unwrap();
    let way = slow_way(&server).await;
    let store = RedisStore::open(config(&format!("redis://127.0.0.1:{way}"), "test")).await.unwrap();
    let (mut found, mut from, mut pages) = (BTreeSet::new(), None, 0);
    loop {
        let page = store.scan(Scan::one("c").values(), from.as_ref()).await.unwrap();
        found.extend(page.items.into_iter().map(|item| item.id));
        (from, pages) = (page.next, pages + 1);
        if from.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), 5);
    assert!(pages > 1, "fifty times forty milliseconds are more than a page may take");
}

#[tokio::test]
async fn a_scan_goes_on_behind_a_damaged_entry_where_that_is_asked_for() {
    let Some(server) = Server::start(&[]).await else { return };
    let store = RedisStore::open(server.config()).await.unwrap();
    fill(&store, 30).await;
    let namespace = server.config().namespace;
    let mut raw = server.raw().await;
    let key = format!("{namespace}:c:00007");
    redis::cmd("SETRANGE").arg(&key).arg(32).arg("#").exec_async(&mut raw).await.unwrap();
    assert_eq!(store.scan(Scan::one("c").values(), None).await.unwrap_err().key(), Some("c/00007"));
    for limit in [1, 7, 1_000] {
        let (mut found, mut damaged, mut from) = (BTreeSet::new(), BTreeSet::new(), None);
        loop {
            let page =
                store.scan(Scan::one("c").values().limit(limit).skip_damaged(), from.as_ref()).await.unwrap();
            found.extend(page.items.into_iter().map(|item| item.id));
            damaged.extend(page.damaged.into_iter().map(|one| one.name.unwrap().1));
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!((found.len(), damaged), (29, BTreeSet::from(["00007".to_owned()])));
    }
}
