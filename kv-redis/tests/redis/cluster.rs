//! A cluster whose slots move while it is used.

use std::time::Duration;

use kv_core::testing::service;
use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Scan, Signal, Store, Version};
use kv_redis::RedisStore;
use redis::Value;

use crate::place::{config, namespace};
use crate::private::{Server, counted, say, until};

const NODES: usize = 2;
const CLUSTER: [&str; 4] = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"];

/// A cluster of two masters, the lower and the upper half of the slots.
pub(crate) async fn cluster() -> Option<Vec<Server>> {
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(Server::start(&CLUSTER).await?);
    }
    for (node, range) in nodes.iter().zip(["0 8191", "8192 16383"]) {
        say(&mut node.raw().await, &format!("CLUSTER ADDSLOTSRANGE {range}")).await;
    }
    say(&mut nodes[0].raw().await, &format!("CLUSTER MEET 127.0.0.1 {}", nodes[1].port)).await;
    for node in &nodes {
        let mut raw = node.raw().await;
        until("the cluster is whole", async || {
            let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut raw).await.unwrap();
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2")
        })
        .await;
    }
    Some(nodes)
}

pub(crate) async fn id_of(node: &Server) -> String {
    redis::cmd("CLUSTER").arg("MYID").query_async(&mut node.raw().await).await.unwrap()
}

pub(crate) async fn open(nodes: &[Server]) -> RedisStore {
    let hosts: Vec<_> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    RedisStore::open(config(&format!("redis+cluster://{}", hosts.join(",")), "test")).await.unwrap()
}

/// Every operation on a key, its value known.
async fn every_operation(store: &RedisStore, id: &str, when: &str) {
    let key = Key::new("c", id);
    let version = store.put(key, NewEntry::new("1"), PutMode::Replace).await.expect(when);
    let error = store.put(key, NewEntry::new("x"), PutMode::Create).await.expect_err(when);
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{when}");
    let version = store.put(key, NewEntry::new("2"), PutMode::Update(version)).await.expect(when);
    assert_eq!(store.get(key).await.expect(when).expect(when).value, "2");
    let answers = store.get_many(&[key, Key::new("c", "elsewhere"), key]).await.expect(when);
    let found: Vec<_> =
        answers.into_iter().map(|answer| answer.expect(when).map(|entry| entry.value)).collect();
    assert_eq!(found, [Some("2".into()), None, Some("2".into())], "{when}");
    assert!(store.take(key, Some(version)).await.expect(when).is_some());
    assert!(store.put_many(vec![(key, NewEntry::new("3"))]).await.expect(when)[0].is_ok());
    assert!(store.delete_many(&[key]).await.expect(when)[0].is_ok());
    assert!(store.get(key).await.expect(when).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_each_node_is_checked_and_asked_for_its_own() {
    let Some(url) = service("LARDER_TEST_REDIS_CLUSTER_TLS") else { return };
    let config = config(&url, &namespace());
    let mut untrusting = config.clone();
    untrusting.tls.as_mut().unwrap().ca_file = None;
    let error = RedisStore::open(untrusting).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::Invalid), "{error:?}");

    let store = RedisStore::open(config).await.unwrap();
    let ids: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    for id in &ids[..10] {
        every_operation(&store, id, "over TLS").await;
    }
    let entries = ids.iter().map(|id| (Key::new("c", id), NewEntry::new("x"))).collect();
    assert!(store.put_many(entries).await.unwrap().iter().all(Result::is_ok), "all nodes have some");
    let (mut from, mut found) = (None, 0);
    loop {
        let page = store.scan(Scan::one("c"), from.as_ref()).await.unwrap();
        found += page.items.len();
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert!(found >= ids.len(), "{found}");
    let keys: Vec<_> = ids.iter().map(|id| Key::new("c", id)).collect();
    assert!(store.delete_many(&keys).await.unwrap().iter().all(Result::is_ok));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_is_followed() {
    let Some(nodes) = cluster().await else { return };
    let store = open(&nodes).await;
    let Value::Int(slot) = say(&mut nodes[0].raw().await, "CLUSTER KEYSLOT test:c:id").await else {
        panic!("a slot")
    };
    let (from, to) = if slot < 8_192 { (&nodes[0], &nodes[1]) } else { (&nodes[1], &nodes[0]) };
    let (from_id, to_id) = (id_of(from).await, id_of(to).await);
    every_operation(&store, "id", "before").await;

    say(&mut to.raw().await, &format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}")).await;
    say(&mut from.raw().await, &format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}")).await;
    every_operation(&store, "id", "while it moves").await;

    for node in [to, from] {
        say(&mut node.raw().await, &format!("CLUSTER SETSLOT {slot} NODE {to_id}")).await;
    }
    every_operation(&store, "id", "after it moved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_lists_every_node_and_ends_when_slots_move() {
    let Some(nodes) = cluster().await else { return };
    let store = open(&nodes).await;
    let ids: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    let entries = ids.iter().map(|id| (Key::new("c", id), NewEntry::new(id.clone()))).collect();
    assert!(store.put_many(entries).await.unwrap().iter().all(Result::is_ok));
    let page = store.scan(Scan::one("c").limit(50), None).await.unwrap();
    let cursor = page.next.expect("there is more");
    store.scan(Scan::one("c").limit(50), Some(&cursor)).await.unwrap();

    let (first, second) = (id_of(&nodes[0]).await, id_of(&nodes[1]).await);
    let empty = empty_slot(&nodes[0]).await;
    for node in nodes.iter().rev() {
        say(&mut node.raw().await, &format!("CLUSTER SETSLOT {empty} NODE {second}")).await;
    }
    assert_ne!(first, second);
    let answer =
        async || store.scan(Scan::one("c").limit(50), Some(&cursor)).await.map_err(|e| e.kind()).err();
    until("the cursor is refused", async || answer().await == Some(ErrorKind::Conflict)).await;
    let (mut count, mut from) = (0, None);
    loop {
        let page = store.scan(Scan::one("c").limit(50), from.as_ref()).await.unwrap();
        count += page.items.len();
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert!(count >= 300, "{count}");
}

/// A slot of this node that holds nothing.
async fn empty_slot(node: &Server) -> u16 {
    let mut raw = node.raw().await;
    for slot in 0..8_192_u16 {
        let count: u32 =
            redis::cmd("CLUSTER").arg("COUNTKEYSINSLOT").arg(slot).query_async(&mut raw).await.unwrap();
        if count == 0 {
            return slot;
        }
    }
    panic!("every slot holds something");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_that_stand_go_on_while_one_is_down() {
    let Some(mut nodes) = cluster().await else { return };
    for node in &nodes {
        say(&mut node.raw().await, "CONFIG SET cluster-require-full-coverage no").await;
    }
    let store = open(&nodes).await;
    let ids: Vec<_> = (0..40).map(|n| n.to_string()).collect();
    let keys: Vec<_> = ids.iter().map(|id| Key::new("c", id)).collect();
    let entries = keys.iter().map(|key| (*key, NewEntry::new("x"))).collect();
    assert!(store.put_many(entries).await.unwrap().iter().all(Result::is_ok));
    nodes[1].kill();
    let answers = store.get_many(&keys).await.unwrap();
    let (found, failed): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.is_ok());
    assert!(found.len() >= 5 && failed.len() >= 5, "{} and {}", found.len(), failed.len());
    assert!(failed.iter().all(|answer| answer.as_ref().is_err_and(kv_core::Error::is_retryable)));
    nodes[1].restart().await;
    until("all is well", async || {
        let answers = store.get_many(&keys).await;
        answers.is_ok_and(|answers| answers.iter().all(Result::is_ok))
    })
    .await;
}

/// Opens the door of the other node to the slot of this key; who has it still.
async fn begin_to_move<'a>(nodes: &'a [Server], key: &str) -> &'a Server {
    let Value::Int(slot) = say(&mut nodes[0].raw().await, &format!("CLUSTER KEYSLOT {key}")).await else {
        panic!("a slot")
    };
    let (from, to) = if slot < 8_192 { (&nodes[0], &nodes[1]) } else { (&nodes[1], &nodes[0]) };
    let (from_id, to_id) = (id_of(from).await, id_of(to).await);
    say(&mut to.raw().await, &format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}")).await;
    say(&mut from.raw().await, &format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}")).await;
    from
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moving_slot_is_followed_to_nodes_that_do_not_say_their_host() {
    let Some(nodes) = cluster().await else { return };
    for node in &nodes {
        say(&mut node.raw().await, "CONFIG SET cluster-preferred-endpoint-type unknown-endpoint").await;
    }
    let store = open(&nodes).await;
    begin_to_move(&nodes, "test:c:id").await;
    every_operation(&store, "id", "the slot moves").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_opens_the_door_of_a_moving_slot_is_no_write_that_replicas_have_to_confirm() {
    let Some(nodes) = cluster().await else { return };
    let store = open(&nodes).await;
    let key = Key::new("c", "id");
    let from = begin_to_move(&nodes, "test:c:id").await;
    store.put(key, NewEntry::new("1"), PutMode::Replace).await.unwrap();

    // No replica is there to confirm anything, and nothing is written that one would have to.
    let mut config = config(&format!("redis+cluster://127.0.0.1:{}", from.port), "test");
    (config.wait, config.response_timeout) = (1, Duration::from_secs(3));
    let waiting = RedisStore::open(config).await.unwrap();
    let error = waiting.put(key, NewEntry::new("2"), PutMode::Create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:?}");
    let error = waiting.take(key, Some(Version::random())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    let error = waiting.put(key, NewEntry::new("3"), PutMode::Replace).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown), "{error:?}");
}

/// Whether a client of this server listens to a channel.
async fn is_listened_at(node: &Server) -> bool {
    let clients: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut node.raw().await).await.unwrap();
    clients.contains(" sub=1 ")
}

/// Gives all slots to one of two nodes.
async fn give_all(gone: &Server, stays: &Server) {
    let stays_id = id_of(stays).await;
    say(&mut stays.raw().await, "CLUSTER BUMPEPOCH").await;
    for node in [stays, gone] {
        // Else it becomes a replica when its last slot goes.
        say(&mut node.raw().await, "CONFIG SET cluster-allow-replica-migration no").await;
        let mut all = redis::pipe();
        for slot in 0..16_384 {
            all.cmd("CLUSTER").arg("SETSLOT").arg(slot).arg("NODE").arg(&stays_id).ignore();
        }
        all.exec_async(&mut node.raw().await).await.unwrap();
    }
    say(&mut stays.raw().await, "CLUSTER BUMPEPOCH").await;
}

/// Takes all slots from one node, which then is no part of the cluster any more, though it goes on.
async fn take_out(gone: &Server, stays: &Server) {
    let gone_id = id_of(gone).await;
    give_all(gone, stays).await;
    say(&mut stays.raw().await, &format!("CLUSTER FORGET {gone_id}")).await;
    say(&mut gone.raw().await, "CLUSTER RESET SOFT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_at_a_node_that_leaves_the_cluster_listens_at_another() {
    let Some(mut nodes) = cluster().await else { return };
    let listening = open(&nodes).await;
    let mut signals = listening.signals("topic").await.unwrap();
    if is_listened_at(&nodes[1]).await {
        nodes.swap(0, 1);
    }
    let [gone, stays] = &nodes[..] else { panic!("two nodes") };
    assert!(is_listened_at(gone).await);
    take_out(gone, stays).await;
    let speaking = open(&nodes[1..]).await;
    // Who reads of both halves notices that its map is old.
    let ids: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    let keys: Vec<_> = ids.iter().map(|id| Key::new("c", id)).collect();
    listening.get_many(&keys).await.unwrap();
    until("it is heard", async || {
        speaking.signal("topic", "hello".into()).await.unwrap();
        let heard = tokio::time::timeout(Duration::from_millis(100), signals.next()).await;
        matches!(heard, Ok(Some(Signal::Message(_))))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_batch_that_have_moved_are_followed_together() {
    let Some(nodes) = cluster().await else { return };
    let [puts, gets, deletes] = [open(&nodes).await, open(&nodes).await, open(&nodes).await];
    give_all(&nodes[0], &nodes[1]).await;
    let mut raw = nodes[1].raw().await;
    let ids: Vec<_> = (0..1_000).map(|n| n.to_string()).collect();
    let keys: Vec<_> = ids.iter().map(|id| Key::new("c", id)).collect();
    let entries = keys.iter().map(|key| (*key, NewEntry::new("x"))).collect();

    let mut before = counted(&mut raw, "total_reads_processed").await;
    let mut few_reads = async |what: &str| {
        let now = counted(&mut raw, "total_reads_processed").await;
        assert!(now - before < 200, "{what}: {}", now - before);
        before = now;
    };
    assert!(puts.put_many(entries).await.unwrap().iter().all(Result::is_ok));
    few_reads("put_many").await;
    let found = gets.get_many(&keys).await.unwrap();
    assert!(found.iter().all(|entry| matches!(entry, Ok(Some(_)))));
    few_reads("get_many").await;
    assert!(deletes.delete_many(&keys).await.unwrap().iter().all(Result::is_ok));
    few_reads("delete_many").await;
    assert!(gets.get_many(&keys).await.unwrap().iter().all(|entry| matches!(entry, Ok(None))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_calls_the_cluster_down_is_not_believed_where_another_is_up() {
    let Some(nodes) = cluster().await else { return };
    let [cut_off, other] = &nodes[..] else { panic!("two nodes") };
    let ids = [id_of(cut_off).await, id_of(other).await];
    say(&mut other.raw().await, &format!("CLUSTER FORGET {}", ids[0])).await;
    say(&mut cut_off.raw().await, &format!("CLUSTER FORGET {}", ids[1])).await;
    say(&mut other.raw().await, "CLUSTER ADDSLOTSRANGE 0 8191").await;
    for (node, state) in [(cut_off, "fail"), (other, "ok")] {
        let mut raw = node.raw().await;
        until("each has its own view", async || {
            let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut raw).await.unwrap();
            info.contains(&format!("cluster_state:{state}"))
        })
        .await;
    }
    let store = open(&nodes).await;
    for id in 0..40 {
        every_operation(&store, &id.to_string(), "beside a node that was cut off").await;
    }
}
