//! Acknowledged writes that a crash or a failover undoes: counted, and printed with `--nocapture`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kv_core::{Key, NewEntry, PutMode, Store};
use kv_redis::RedisStore;

use crate::place::config;
use crate::private::{Sentinel, Server, free_port, raw, say, until};

const WRITERS: usize = 16;

/// Writes under ids of its own until told to stop; those that were acknowledged.
async fn write(store: RedisStore, writer: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let id = format!("{writer} {n}");
        match store.put(Key::new("c", &id), NewEntry::new(vec![7; 200]), PutMode::Create).await {
            Ok(_) => acknowledged.push(id),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    acknowledged
}

/// Lets writers run, does `strike` in the middle, lets them go on once it is over; the ids that were acknowledged.
async fn struck(store: &RedisStore, strike: impl AsyncFnOnce()) -> Vec<String> {
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..WRITERS).map(|writer| tokio::spawn(write(store.clone(), writer, Arc::clone(&stop)))).collect();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    strike().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::SeqCst);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    acknowledged
}

/// How many of the ids are not there.
async fn missing(store: &RedisStore, ids: &[String]) -> usize {
    until("it answers", async || store.get(Key::new("c", "")).await.is_ok()).await;
    let keys: Vec<_> = ids.iter().map(|id| Key::new("c", id)).collect();
    let answers = store.get_many(&keys).await.unwrap();
    answers.into_iter().filter(|answer| answer.as_ref().unwrap().is_none()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_keeps_what_it_acknowledged_if_it_always_syncs() {
    for sync in ["always", "everysec", "no", "off"] {
        let log: &[&str] = if sync == "off" { &[] } else { &["--appendonly", "yes", "--appendfsync", sync] };
        let Some(mut server) = Server::start(log).await else { return };
        let store = RedisStore::open(server.config()).await.unwrap();
        let acknowledged = struck(&store, async || {
            server.kill();
            server.restart().await;
        })
        .await;
        let lost = missing(&store, &acknowledged).await;
        println!("kill -9, appendfsync={sync}: {lost} of {} acknowledged writes lost", acknowledged.len());
        assert!(acknowledged.len() > 50, "{} are too few to tell", acknowledged.len());
        if sync == "always" {
            assert_eq!(lost, 0);
        }
        if sync == "off" {
            assert!(lost > 0, "without a log a crash cannot keep everything");
        }
    }
}

/// A master, its replicas, and a sentinel that watches them.
pub(crate) struct Watched {
    pub(crate) master: Server,
    _replicas: Vec<Server>,
    _sentinel: Sentinel,
    pub(crate) port: u16,
}

impl Watched {
    pub(crate) async fn start(replicas: usize) -> Option<Self> {
        Self::behind(replicas, None).await
    }

    /// The same, where the sentinel may want a password.
    pub(crate) async fn behind(replicas: usize, password: Option<&str>) -> Option<Self> {
        let master = Server::start(&["--repl-diskless-sync-delay", "0"]).await?;
        let of = master.port.to_string();
        let mut following = Vec::new();
        for _ in 0..replicas {
            let settings = ["--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1", &of];
            let replica = Server::start(&settings).await?;
            replica.follows().await;
            following.push(replica);
        }
        let port = free_port();
        let mut lines = vec![
            format!("port {port}"),
            "sentinel down-after-milliseconds main 1000".to_owned(),
            "sentinel failover-timeout main 5000".to_owned(),
        ];
        lines.extend(password.map(|password| format!("requirepass {password}")));
        let sentinel = Sentinel::start(master.port, &lines)?;
        until("the sentinel knows the replica", async || match raw(port).await {
            Err(_) => false,
            Ok(mut connection) => {
                if let Some(password) = password {
                    say(&mut connection, &format!("AUTH {password}")).await;
                }
                let info = redis::cmd("INFO").arg("sentinel").query_async::<String>(&mut connection).await;
                info.is_ok_and(|info| {
                    info.contains("status=ok") && info.contains(&format!("slaves={replicas}"))
                })
            }
        })
        .await;
        Some(Self { master, _replicas: following, _sentinel: sentinel, port })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_followed_and_keeps_what_a_replica_confirmed() {
    for wait in [0, 1] {
        let Some(mut watched) = Watched::start(1).await else { return };
        let mut settings = config(&format!("redis+sentinel://127.0.0.1:{}/main/0", watched.port), "test");
        settings.response_timeout = Duration::from_secs(2);
        settings.connect_timeout = Duration::from_secs(2);
        settings.wait = wait;
        let store = RedisStore::open(settings.clone()).await.unwrap();
        let mut reader = settings;
        reader.wait = 0;
        let acknowledged = struck(&store, async || {
            watched.master.kill();
            // With one server left no replica can confirm a write: reads tell that the failover is over.
            until("another master answers", async || RedisStore::open(reader.clone()).await.is_ok()).await;
            if wait == 0 {
                until("writes go on", async || {
                    store.put(Key::new("d", "a"), NewEntry::new("x"), PutMode::Replace).await.is_ok()
                })
                .await;
            }
        })
        .await;
        let lost = missing(&store, &acknowledged).await;
        println!("failover, wait={wait}: {lost} of {} acknowledged writes lost", acknowledged.len());
        assert!(acknowledged.len() > 50, "{} are too few to tell", acknowledged.len());
        if wait == 1 {
            assert_eq!(lost, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_no_replica_confirms_may_have_been_executed() {
    let Some(server) = Server::start(&[]).await else { return };
    let mut settings = server.config();
    settings.response_timeout = Duration::from_millis(500);
    settings.wait = 1;
    let store = RedisStore::open(settings).await.unwrap();
    let key = Key::new("c", "a");
    let error = store.put(key, NewEntry::new("x"), PutMode::Create).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (kv_core::ErrorKind::Unavailable, kv_core::Outcome::Unknown),
        "{error:?}"
    );
    assert_eq!(store.get(key).await.unwrap().unwrap().value, "x", "it stands on the master");
    let error = store.put(key, NewEntry::new("y"), PutMode::Create).await.unwrap_err();
    assert_eq!(
        error.kind(),
        kv_core::ErrorKind::AlreadyExists,
        "nothing was written that could be confirmed"
    );
}
