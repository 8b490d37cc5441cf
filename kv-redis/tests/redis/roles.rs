//! Servers that become replicas while they are used, and replicas that are used on purpose.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use kv_core::{Key, NewEntry, PutMode, Store};
use kv_redis::{RedisConfig, RedisStore};
use tokio::net::{TcpListener, TcpStream};

use crate::place::config;
use crate::private::{PROGRAMS, Server, calls, counted, free_port, say, until};

const KEY: Key<'static> = Key::new("c", "a");

/// Leads each new connection to the server that it was told last, as the name of a host does.
struct Name {
    port: u16,
    leads_to: Arc<AtomicU16>,
}

impl Name {
    async fn of(server: &Server) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let leads_to = Arc::new(AtomicU16::new(server.port));
        let name = Self { port, leads_to: Arc::clone(&leads_to) };
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let server = (Ipv4Addr::LOCALHOST, leads_to.load(Ordering::SeqCst));
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        name
    }

    fn leads_to(&self, server: &Server) {
        self.leads_to.store(server.port, Ordering::SeqCst);
    }

    fn config(&self) -> RedisConfig {
        config(&format!("redis://127.0.0.1:{}", self.port), "test")
    }
}

/// Makes it a replica of nobody who is there: it keeps what it has.
async fn demote(server: &Server) {
    say(&mut server.raw().await, &format!("REPLICAOF 127.0.0.1 {}", free_port())).await;
}

/// A server on which this is the value of the key.
async fn holding(program: &str, value: &'static str) -> Option<Server> {
    let server = Server::of(program, &[]).await?;
    let store = RedisStore::open(server.config()).await.unwrap();
    store.put(KEY, NewEntry::new(value), PutMode::Create).await.unwrap();
    Some(server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_leaves_a_master_that_became_a_replica_for_where_its_name_leads() {
    for program in PROGRAMS {
        let (Some(old), Some(new)) = (holding(program, "old").await, holding(program, "new").await) else {
            continue;
        };
        let name = Name::of(&old).await;
        let store = RedisStore::open(name.config()).await.unwrap();
        let _listening = store.changes().await.unwrap(); // it is looked at more often
        assert_eq!(store.get(KEY).await.unwrap().unwrap().value, "old");
        name.leads_to(&new);
        demote(&old).await;
        until("it is read where the name leads", async || {
            store.get(KEY).await.unwrap().expect("it is there").value == "new"
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_listens_leaves_a_master_that_became_a_replica_too() {
    let (Some(old), Some(new)) = (holding(PROGRAMS[0], "old").await, holding(PROGRAMS[0], "new").await)
    else {
        return;
    };
    let name = Name::of(&old).await;
    let store = RedisStore::open(name.config()).await.unwrap();
    let _listening = store.signals("topic").await.unwrap();
    name.leads_to(&new);
    demote(&old).await;
    let mut raw = new.raw().await;
    until("it is listened where the name leads", async || {
        let channels: Vec<String> = redis::cmd("PUBSUB").arg("CHANNELS").query_async(&mut raw).await.unwrap();
        !channels.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_became_a_replica_is_read_on_where_nothing_takes_its_place() {
    let Some(server) = holding(PROGRAMS[0], "old").await else { return };
    let store = RedisStore::open(server.config()).await.unwrap();
    let _listening = store.changes().await.unwrap();
    let mut raw = server.raw().await;
    let before = counted(&mut raw, "total_connections_received").await;
    demote(&server).await;
    until("its name is looked up again", async || {
        assert_eq!(store.get(KEY).await.unwrap().unwrap().value, "old");
        counted(&mut raw, "total_connections_received").await > before + 1 // that of `demote`
    })
    .await;
    assert_eq!(store.get(KEY).await.unwrap().unwrap().value, "old");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_led_to_a_replica_from_the_first_reads_there_undisturbed() {
    let Some((master, replica)) = Server::replicated(PROGRAMS[0], &[]).await else { return };
    let here = RedisStore::open(master.config()).await.unwrap();
    here.put(KEY, NewEntry::new("x"), PutMode::Create).await.unwrap();
    let store = RedisStore::open(replica.config()).await.unwrap();
    let _listening = store.changes().await.unwrap();
    let mut raw = replica.raw().await;
    let before = counted(&mut raw, "total_connections_received").await;
    let looked = calls(&mut raw, "time").await;
    until("it was looked after", async || calls(&mut raw, "time").await > looked + 2).await;
    until("it is read", async || store.get(KEY).await.unwrap().is_some_and(|entry| entry.value == "x")).await;
    assert_eq!(counted(&mut raw, "total_connections_received").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_a_replica_refuses_goes_at_once_to_where_the_name_leads() {
    let (Some(old), Some(new)) = (holding(PROGRAMS[0], "old").await, holding(PROGRAMS[0], "new").await)
    else {
        return;
    };
    let name = Name::of(&old).await;
    let store = RedisStore::open(name.config()).await.unwrap();
    name.leads_to(&new);
    demote(&old).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await; // a replica is not left sooner
    let mut raw = new.raw().await;
    let before = counted(&mut raw, "total_reads_processed").await;
    let ids: Vec<_> = (0..500).map(|n| n.to_string()).collect();
    let entries = ids.iter().map(|id| (Key::new("many", id), NewEntry::new("x"))).collect();
    let answers = store.put_many(entries).await.unwrap();
    assert!(answers.iter().all(Result::is_ok), "{:?}", answers.iter().find(|answer| answer.is_err()));
    let reads = counted(&mut raw, "total_reads_processed").await - before;
    assert!(reads < 100, "{reads}");
}
