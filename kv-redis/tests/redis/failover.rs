//! Masters that die or fall silent while a replica takes their place.

use std::time::Duration;

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Result, Retry, Store};
use kv_redis::{RedisConfig, RedisStore};

use crate::crash::Watched;
use crate::place::config;
use crate::private::{PATIENCE, PROGRAMS, Server, say, until};

const MASTERS: usize = 3;
/// How long an answer may take.
const ANSWERS_TAKE: Duration = Duration::from_millis(400);
/// Callers who wait for more than one answer, but not for all tries to connect.
const STAY: Duration = Duration::from_millis(800);
/// Callers who are gone before they could learn that no answer came.
const LEAVE: Duration = Duration::from_millis(200);
const IDS: [&str; 12] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b"];

/// A cluster of three masters, of which one has a replica and will be the victim.
struct Cluster {
    /// The victim first.
    masters: Vec<Server>,
    _replica: Server,
}

#[derive(Clone, Copy)]
enum Victim {
    FirstById,
    LastById,
}

async fn ask(server: &Server, question: &str) -> String {
    redis::cmd("CLUSTER").arg(question).query_async(&mut server.raw().await).await.unwrap()
}

impl Cluster {
    async fn start(victim: Victim) -> Option<Self> {
        let settings = [
            "--cluster-enabled yes --cluster-node-timeout 1000 --cluster-require-full-coverage no",
            "--cluster-replica-validity-factor 0 --repl-diskless-sync-delay 0",
        ]
        .join(" ");
        let settings: Vec<_> = settings.split(' ').collect();
        let mut nodes = Vec::new();
        for _ in 0..=MASTERS {
            let node = Server::start(&settings).await?;
            nodes.push((ask(&node, "MYID").await, node));
        }
        let replica = nodes.pop()?.1;
        nodes.sort_by(|(a, _), (b, _)| a.cmp(b));
        if matches!(victim, Victim::LastById) {
            nodes.reverse();
        }
        let victim = nodes[0].0.clone();
        let masters: Vec<_> = nodes.into_iter().map(|(_, node)| node).collect();
        let cluster = Self { masters, _replica: replica };
        cluster.join(&victim).await;
        Some(cluster)
    }

    async fn join(&self, victim: &str) {
        let Self { masters, _replica: replica } = self;
        for ((node, slots), epoch) in masters.iter().zip(["0 5460", "5461 10922", "10923 16383"]).zip(1..) {
            let mut raw = node.raw().await;
            say(&mut raw, &format!("CLUSTER ADDSLOTSRANGE {slots}")).await;
            say(&mut raw, &format!("CLUSTER SET-CONFIG-EPOCH {epoch}")).await;
        }
        let mut raw = replica.raw().await;
        for node in masters {
            say(&mut raw, &format!("CLUSTER MEET 127.0.0.1 {}", node.port)).await;
        }
        until("the replica knows all masters", async || {
            ask(replica, "INFO").await.contains("cluster_size:3")
        })
        .await;
        say(&mut raw, &format!("CLUSTER REPLICATE {victim}")).await;
        replica.follows().await;
        for node in masters {
            until("all know the replica", async || {
                let known = ask(node, "INFO").await;
                known.contains("cluster_state:ok")
                    && known.contains("cluster_size:3")
                    && ask(node, "NODES")
                        .await
                        .lines()
                        .any(|line| line.contains("slave") && line.contains(victim))
            })
            .await;
        }
    }

    fn config(&self) -> RedisConfig {
        let hosts: Vec<_> = self.masters.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        hasty(config(&format!("redis+cluster://{}", hosts.join(",")), "test"))
    }
}

fn hasty(mut config: RedisConfig) -> RedisConfig {
    (config.response_timeout, config.connect_timeout) = (ANSWERS_TAKE, ANSWERS_TAKE);
    config
}

async fn open(config: &RedisConfig) -> RedisStore {
    let mut store = None;
    until("a store opens", async || {
        store = RedisStore::open(config.clone()).await.ok();
        store.is_some()
    })
    .await;
    store.unwrap()
}

fn keys() -> [Key<'static>; IDS.len()] {
    IDS.map(|id| Key::new("c", id))
}

/// What it brings, if that comes before the caller goes away.
async fn done<T>(wait: Duration, operation: impl Future<Output = Result<T>>) -> Option<T> {
    tokio::time::timeout(wait, operation).await.ok()?.ok()
}

async fn all_done<T>(wait: Duration, operation: impl Future<Output = Result<Vec<Result<T>>>>) -> bool {
    done(wait, operation).await.is_some_and(|answers| answers.iter().all(Result::is_ok))
}

async fn puts_one_by_one(wait: Duration, store: &RedisStore) -> bool {
    let mut all = true;
    for key in keys() {
        all &= done(wait, store.put(key, NewEntry::new("x"), PutMode::Replace)).await.is_some();
    }
    all
}

async fn puts_many(wait: Duration, store: &RedisStore) -> bool {
    all_done(wait, store.put_many(keys().map(|key| (key, NewEntry::new("x"))).into())).await
}

/// Strikes the victim; each kind of operation, on a store that does nothing else, works again.
async fn all_go_on(victim: Victim, wait: Duration, strike: impl FnOnce(&mut Server)) {
    let Some(mut cluster) = Cluster::start(victim).await else { return };
    let config = cluster.config();
    let [puts, batches, gets, deletes] =
        [open(&config).await, open(&config).await, open(&config).await, open(&config).await];
    for store in [&puts, &batches, &gets, &deletes] {
        until("all is well", async || puts_many(wait, store).await).await;
    }
    strike(&mut cluster.masters[0]);
    tokio::join!(
        until("each is put", async || puts_one_by_one(wait, &puts).await),
        until("all are put at once", async || puts_many(wait, &batches).await),
        until("all are read at once", async || all_done(wait, gets.get_many(&keys())).await),
        until("all are deleted at once", async || all_done(wait, deletes.delete_many(&keys())).await),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replica_of_a_dead_node_is_found_by_singles_and_batches() {
    Box::pin(all_go_on(Victim::FirstById, STAY, Server::kill)).await;
    Box::pin(all_go_on(Victim::LastById, STAY, Server::kill)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replica_of_a_silent_node_is_found_though_callers_go_away_before() {
    Box::pin(all_go_on(Victim::FirstById, STAY, |node| node.freeze(true))).await;
    Box::pin(all_go_on(Victim::LastById, STAY, |node| node.freeze(true))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replica_of_a_silent_node_is_found_though_no_caller_learns_of_the_silence() {
    let found = all_go_on(Victim::FirstById, LEAVE, |node| node.freeze(true));
    tokio::time::timeout(PATIENCE / 2, Box::pin(found))
        .await
        .expect("before the clock is read the next time");
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_wait_for_replicas_leave_a_silent_master() {
    let Some(watched) = Watched::start(2).await else { return };
    let mut settings = hasty(config(&format!("redis+sentinel://127.0.0.1:{}/main/0", watched.port), "test"));
    settings.wait = 1;
    let (patient, hurried) = (open(&settings).await, open(&settings).await);
    for store in [&patient, &hurried] {
        until("all connections stand", async || puts_one_by_one(STAY, store).await).await;
    }
    watched.master.freeze(true);
    tokio::join!(
        until("the patient are served", async || puts_one_by_one(STAY, &patient).await),
        until("the hurried are served", async || puts_one_by_one(LEAVE, &hurried).await),
    );
}

#[tokio::test]
async fn what_no_replica_confirmed_is_not_told_as_done_however_often_it_is_tried() {
    let Some(server) = Server::start(&[]).await else { return };
    let mut settings = config(&format!("redis://127.0.0.1:{}", server.port), "test");
    let bare = open(&settings).await;
    (settings.wait, settings.response_timeout) = (1, Duration::from_millis(250));
    let store = Retry::new(open(&settings).await);
    let key = Key::new("c", "i");
    let put = |mode| store.put(key, NewEntry::new("x"), mode);
    let mut told = vec![put(PutMode::Create).await.map(drop)];
    let version = bare.put(key, NewEntry::new("old"), PutMode::Replace).await.unwrap();
    told.push(put(PutMode::Update(version)).await.map(drop));
    told.push(put(PutMode::Replace).await.map(drop));
    told.push(store.delete_many(&[key]).await.unwrap().remove(0));
    assert!(bare.get(key).await.unwrap().is_none(), "it is gone here");
    told.push(store.delete_many(&[key]).await.unwrap().remove(0));
    for (at, told) in told.into_iter().enumerate() {
        let error = told.expect_err(&at.to_string());
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Unavailable, Outcome::Unknown),
            "{at}: {error:?}"
        );
    }
    assert!(store.take(key, None).await.unwrap().is_none(), "nothing is written, nothing to be confirmed");
}

#[tokio::test]
async fn a_delete_that_no_replica_confirmed_is_not_told_as_done_when_it_finds_nothing_more() {
    for program in PROGRAMS {
        let Some((master, replica)) = Server::replicated(program, &[]).await else { continue };
        let mut settings = master.config();
        settings.wait = 1;
        let patient = open(&settings).await;
        settings.response_timeout = Duration::from_millis(50);
        let hurried = open(&settings).await;
        let keys = ["a", "b"].map(|id| Key::new("c", id));
        for key in keys {
            patient.put(key, NewEntry::new("x"), PutMode::Create).await.unwrap();
        }
        replica.freeze(true);
        for at in 0..10 {
            // More often than there are connections that wait: on one of them it is the first write, on another it is not.
            for told in hurried.delete_many(&keys).await.unwrap() {
                assert_eq!(told.expect_err(program).outcome(), Outcome::Unknown, "{program}: {at}");
            }
        }
        replica.freeze(false);
        until("the replica confirms", async || all_done(PATIENCE, patient.delete_many(&keys)).await).await;
        let copied: u64 = redis::cmd("DBSIZE").query_async(&mut replica.raw().await).await.unwrap();
        assert_eq!(copied, 0, "{program}");
    }
}

#[tokio::test]
async fn each_kind_of_write_that_waits_is_on_the_replica_when_it_returns() {
    for program in PROGRAMS {
        let Some((master, replica)) = Server::replicated(program, &[]).await else { continue };
        let mut settings = master.config();
        settings.wait = 1;
        let (store, copy) = (open(&settings).await, open(&replica.config()).await);
        let key = Key::new("c", "a");
        let copied = async || copy.get(key).await.unwrap().map(|entry| entry.value);
        for _ in 0..10 {
            let version = store.put(key, NewEntry::new("1"), PutMode::Create).await.unwrap();
            assert_eq!(copied().await, Some("1".into()), "{program}");
            let version = store.put(key, NewEntry::new("2"), PutMode::Update(version)).await.unwrap();
            assert_eq!(copied().await, Some("2".into()), "{program}");
            assert!(store.take(key, Some(version)).await.unwrap().is_some());
            assert_eq!(copied().await, None, "{program}");
            store.put(key, NewEntry::new("3"), PutMode::Replace).await.unwrap();
            assert_eq!(copied().await, Some("3".into()), "{program}");
            assert!(store.take(key, None).await.unwrap().is_some());
            assert_eq!(copied().await, None, "{program}");
            assert!(all_done(PATIENCE, store.put_many(vec![(key, NewEntry::new("4"))])).await);
            assert_eq!(copied().await, Some("4".into()), "{program}");
            assert!(all_done(PATIENCE, store.delete_many(&[key])).await);
            assert_eq!(copied().await, None, "{program}");
            assert!(all_done(PATIENCE, store.delete_many(&[key])).await, "{program}: nothing is there");
        }
    }
}
