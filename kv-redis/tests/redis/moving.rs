//! Listings of a cluster whose slots move from one node to the other meanwhile.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kv_core::{Cursor, ErrorKind, Key, NewEntry, Page, PutMode, Result, Scan, Store};
use kv_redis::RedisStore;
use redis::aio::MultiplexedConnection;

use crate::cluster::{cluster, id_of, open};
use crate::private::{Server, say, until};

const COUNT: usize = 200;
/// What is looked at and not listed: a page takes as long as a slot may need to move.
const OTHERS: usize = 40_000;
/// Lies in the lower half of the slots under its name in the store, `test:c:moves`.
const MOVES: Key<'static> = Key::new("c", "moves");

/// The slot of one key, and the nodes between which it moves.
struct Moving {
    slot: String,
    nodes: Vec<(MultiplexedConnection, String, u16)>,
}

impl Moving {
    /// The first node is the owner.
    async fn of(nodes: &[Server], key: &str) -> Self {
        let redis::Value::Int(slot) = say(&mut nodes[0].raw().await, &format!("CLUSTER KEYSLOT {key}")).await
        else {
            panic!("a slot")
        };
        let mut known = Vec::new();
        for node in nodes {
            known.push((node.raw().await, id_of(node).await, node.port));
        }
        if slot >= 8_192 {
            known.reverse();
        }
        Self { slot: slot.to_string(), nodes: known }
    }

    async fn say(&mut self, node: usize, what: &str) {
        let words = format!("CLUSTER SETSLOT {} {what}", self.slot);
        say(&mut self.nodes[node].0, &words).await;
    }

    async fn begin(&mut self) {
        let (from, to) = (self.nodes[0].1.clone(), self.nodes[1].1.clone());
        self.say(1, &format!("IMPORTING {from}")).await;
        self.say(0, &format!("MIGRATING {to}")).await;
    }

    async fn carry(&mut self) {
        let (slot, port) = (self.slot.clone(), self.nodes[1].2);
        let from = &mut self.nodes[0].0;
        let keys: Vec<String> =
            redis::cmd("CLUSTER").arg("GETKEYSINSLOT").arg(slot).arg(100).query_async(from).await.unwrap();
        for key in keys {
            say(from, &format!("MIGRATE 127.0.0.1 {port} {key} 0 20000")).await;
        }
    }

    async fn end(&mut self) {
        let to = self.nodes[1].1.clone();
        self.say(1, &format!("NODE {to}")).await;
        self.say(0, &format!("NODE {to}")).await;
        self.nodes.reverse();
        // A node that has not heard of the other's newer claim yet would be overruled by it, and drop what it was given.
        until("both nodes agree", async || self.told(0).await == self.told(1).await).await;
    }

    /// Ids, epochs and slots, as a node knows them.
    async fn told(&mut self, node: usize) -> Vec<String> {
        let said: String =
            redis::cmd("CLUSTER").arg("NODES").query_async(&mut self.nodes[node].0).await.unwrap();
        let told = |line: &str| {
            let fields: Vec<_> = line.split(' ').collect();
            format!("{} {} {:?}", fields[0], fields[6], &fields[8..])
        };
        let mut told: Vec<_> = said.lines().map(told).collect();
        told.sort();
        told
    }
}

async fn page(store: &RedisStore, limit: usize, from: Option<&Cursor>) -> Result<Page> {
    store.scan(Scan::one("c").limit(limit), from).await
}

async fn listed(store: &RedisStore) -> Result<BTreeSet<String>> {
    let (mut ids, mut from) = (BTreeSet::new(), None);
    loop {
        let page = page(store, COUNT * 2, from.as_ref()).await?;
        ids.extend(page.items.into_iter().map(|item| String::from(item.id)));
        from = page.next;
        if from.is_none() {
            return Ok(ids);
        }
    }
}

/// A cluster with entries.
async fn filled() -> Option<(Vec<Server>, RedisStore)> {
    let nodes = cluster().await?;
    let store = open(&nodes).await;
    let ids: Vec<_> = (1..COUNT).map(|n| n.to_string()).collect();
    let entries = ids.iter().map(|id| (Key::new("c", id), NewEntry::new("x"))).collect();
    assert!(store.put_many(entries).await.unwrap().iter().all(Result::is_ok));
    store.put(MOVES, NewEntry::new("x"), PutMode::Create).await.unwrap();
    Some((nodes, store))
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_slot_moves_a_listing_is_refused_and_afterwards_it_begins_anew() {
    let Some((nodes, store)) = filled().await else { return };
    let mut slot = Moving::of(&nodes, "test:c:moves").await;
    let begun = page(&store, COUNT / 4, None).await.unwrap().next.expect("there is more");
    slot.begin().await;
    for from in [None, Some(&begun)] {
        let error = page(&store, COUNT / 4, from).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.message().contains("slots are moving"), "{error:?}");
    }
    slot.carry().await;
    assert_eq!(page(&store, COUNT / 4, None).await.unwrap_err().kind(), ErrorKind::Unavailable);
    slot.end().await;
    until("the cursor is refused", async || {
        page(&store, COUNT / 4, Some(&begun)).await.is_err_and(|error| error.kind() == ErrorKind::Conflict)
    })
    .await;
    let mut ids = Err(ErrorKind::Unavailable);
    until("it is listed again", async || {
        ids = listed(&store).await.map_err(|error| error.kind());
        ids.is_ok()
    })
    .await;
    assert_eq!(ids.unwrap().len(), COUNT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_ends_well_has_everything_however_often_a_slot_moves() {
    let Some((nodes, store)) = filled().await else { return };
    let others: Vec<_> = (0..OTHERS).map(|n| n.to_string()).collect();
    let entries = others.iter().map(|id| (Key::new("others", id), NewEntry::new("x"))).collect();
    assert!(store.put_many(entries).await.unwrap().iter().all(Result::is_ok));
    let mut slot = Moving::of(&nodes, "test:c:moves").await;
    let over = AtomicBool::new(false);
    let moves = async {
        let mut moves = 0;
        while !over.load(Ordering::SeqCst) {
            slot.begin().await;
            slot.carry().await;
            slot.end().await;
            moves += 1;
            tokio::time::sleep(Duration::from_millis(moves * 97 % 400)).await;
        }
    };
    let lists = async {
        let (mut whole, mut refused) = (0, 0);
        until("it was listed and refused often enough", async || {
            match listed(&store).await {
                Ok(ids) => {
                    if ids.len() < COUNT {
                        let entry = store.get(MOVES).await;
                        panic!("{} listed after {whole} whole ones, {refused} refused: {entry:?}", ids.len());
                    }
                    whole += 1;
                }
                Err(error) => {
                    let expected = [ErrorKind::Conflict, ErrorKind::Unavailable];
                    assert!(expected.contains(&error.kind()), "{error:?}");
                    refused += 1;
                }
            }
            whole >= 20 && refused >= 10
        })
        .await;
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(moves, lists);
}
