//! What is held near, and for how long.

#![cfg(feature = "near")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use kv_cache::{Cache, LEASE, Near, NearCache, NearExt as _};
use kv_core::testing::{Fault, Faults, Faulty, ReferenceStore};
use kv_core::{
    Capabilities, Change, Changes, Clock, Consistency, Cursor, Entry, Error, ErrorKind, Key, Meta, NewEntry,
    Page, PutMode, Result, Scan, Signals, Store, StoreExt as _, Version,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

const KEY: Key<'static> = Key::new("c", "id");

/// A store that counts what reaches it, and whose news a test sends.
#[derive(Clone, Debug)]
struct Counted {
    inner: ReferenceStore,
    capabilities: Capabilities,
    asked: Arc<AtomicU64>,
    subscriptions: Arc<AtomicU64>,
    news: Arc<std::sync::Mutex<Option<UnboundedSender<Change>>>>,
    broken: Arc<std::sync::Mutex<Option<ErrorKind>>>,
}

impl Counted {
    fn new(clock: &Clock, has_news: bool) -> Self {
        let inner = ReferenceStore::new(clock);
        let mut capabilities = inner.capabilities().clone();
        capabilities.changes = has_news;
        Self {
            inner,
            capabilities,
            asked: Arc::default(),
            subscriptions: Arc::default(),
            news: Arc::default(),
            broken: Arc::default(),
        }
    }

    /// How many entries were asked of it since this was called last.
    fn asked(&self) -> u64 {
        self.asked.swap(0, Ordering::SeqCst)
    }

    fn tell(&self, change: Change) {
        let news = self.news.lock().expect("nobody panicked");
        news.as_ref().expect("somebody listens").send(change).expect("somebody listens");
    }

    fn lose_the_subscription(&self) {
        self.news.lock().expect("nobody panicked").take().expect("somebody listens");
    }

    fn answer(&self) -> Result<()> {
        let broken = *self.broken.lock().expect("nobody panicked");
        broken.map_or(Ok(()), |kind| Err(Error::new(kind, "no answer")))
    }
}

impl Store for Counted {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.inner.get(key).await
    }
    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        self.answer()?;
        self.inner.put(key, entry, mode).await
    }
    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        self.inner.take(key, version).await
    }
    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.asked.fetch_add(keys.len() as u64, Ordering::SeqCst);
        self.inner.get_many(keys).await
    }
    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        self.inner.put_many(entries).await
    }
    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        self.inner.delete_many(keys).await
    }
    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        self.inner.scan(scan, from).await
    }
    async fn signal(&self, topic: &str, message: Bytes) -> Result<()> {
        self.inner.signal(topic, message).await
    }
    async fn signals(&self, topic: &str) -> Result<Signals> {
        self.inner.signals(topic).await
    }
    async fn changes(&self) -> Result<Changes> {
        self.subscriptions.fetch_add(1, Ordering::SeqCst);
        self.answer()?;
        let (sender, receiver) = unbounded_channel();
        sender.send(Change::All).expect("we hold the receiver");
        *self.news.lock().expect("nobody panicked") = Some(sender);
        let stream =
            futures_util::stream::unfold(receiver, |mut news| async { Some((news.recv().await?, news)) });
        Ok(Changes::new(stream))
    }
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

struct Bench {
    clock: Clock,
    far: Counted,
    near: NearCache<Counted>,
}

fn bench(has_news: bool) -> Bench {
    let clock = Clock::manual();
    let far = Counted::new(&clock, has_news);
    let near = far.clone().near_cached(&Near::default().clock(clock.clone()));
    Bench { clock, far, near }
}

fn changed(id: &str) -> Change {
    Change::Key { collection: "c".to_owned(), id: id.to_owned() }
}

/// Lets the follower hear what was sent.
async fn heard() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

async fn put(store: &impl Store, id: &str, value: &'static str) -> Version {
    store.put(Key::new("c", id), NewEntry::new(value), PutMode::Replace).await.expect("a put")
}

async fn value(store: &impl Store, id: &str) -> Option<Bytes> {
    store.get(Key::new("c", id)).await.expect("a get").map(|entry| entry.value)
}

#[tokio::test]
async fn what_was_read_once_is_answered_from_here_as_it_was() {
    let Bench { clock, far, near } = bench(false);
    let mut meta = Meta::codec(9);
    meta.tags = vec![("tag".into(), [7; 16])];
    let entry = NewEntry::new("value").ttl(Duration::from_secs(60)).meta(meta);
    near.put(KEY, entry, PutMode::Create).await.unwrap();
    let first = near.get(KEY).await.unwrap().unwrap();
    clock.advance(Duration::from_secs(1));
    let mut second = near.get(KEY).await.unwrap().unwrap();
    assert_eq!(far.asked(), 1);
    assert_eq!(second.ttl, Some(Duration::from_secs(59)));
    second.ttl = first.ttl;
    assert_eq!(second, first);
    assert_eq!(far.get(KEY).await.unwrap().unwrap().version, second.version);
}

#[tokio::test]
async fn a_copy_is_used_for_the_near_ttl_and_the_entrys_own() {
    let Bench { clock, far, near } = bench(false);
    put(&far, "long", "1").await;
    let short = NewEntry::new("1").ttl(Duration::from_secs(2));
    far.put(Key::new("c", "short"), short, PutMode::Replace).await.unwrap();
    value(&near, "long").await;
    value(&near, "short").await;
    put(&far, "long", "2").await;
    clock.advance(Duration::from_millis(1_999));
    assert_eq!(value(&near, "short").await, Some("1".into()));
    clock.advance(Duration::from_millis(2));
    assert_eq!(value(&near, "short").await, None);
    clock.advance(Duration::from_millis(2_998));
    assert_eq!(value(&near, "long").await, Some("1".into()), "nobody told");
    clock.advance(Duration::from_millis(2));
    assert_eq!(value(&near, "long").await, Some("2".into()), "5 s at most");
}

#[tokio::test]
async fn a_write_through_it_is_seen_at_once_however_it_was_done() {
    let Bench { near, .. } = bench(false);
    let again = near.clone();
    put(&near, "id", "0").await;
    for step in 1..6 {
        assert!(value(&near, "id").await.is_some() && value(&near, "id").await.is_some());
        let new = Bytes::from(step.to_string());
        match step {
            1 => drop(near.put_many(vec![(KEY, NewEntry::new(new.clone()))]).await.unwrap()),
            2 => {
                let version = near.get(KEY).await.unwrap().unwrap().version;
                near.put(KEY, NewEntry::new(new.clone()), PutMode::Update(version)).await.unwrap();
            }
            3 => drop(near.put(KEY, NewEntry::new(new.clone()), PutMode::Replace).await.unwrap()),
            4 => drop(near.take(KEY, None).await.unwrap()),
            _ => drop(put(&near, "id", "5").await),
        }
        assert_eq!(value(&again, "id").await, (step != 4).then_some(new), "step {step}");
        if step == 4 {
            put(&near, "id", "4").await;
        }
    }
    value(&near, "id").await;
    near.delete_many(&[KEY]).await.unwrap();
    assert_eq!(value(&near, "id").await, None);
}

#[tokio::test]
async fn a_batch_asks_only_for_what_is_not_here_and_keeps_its_order() {
    let Bench { far, near, .. } = bench(false);
    let ids: Vec<_> = (0..10).map(|n| n.to_string()).collect();
    for id in &ids {
        far.put(Key::new("c", id), NewEntry::new(id.clone()), PutMode::Replace).await.unwrap();
    }
    for id in ids.iter().step_by(2) {
        value(&near, id).await;
    }
    far.asked();
    let keys: Vec<_> =
        ids.iter().chain(&ids).map(|id| Key::new("c", id)).chain([Key::new("c", "none")]).collect();
    for asked in [11, 1] {
        let answers = near.get_many(&keys).await.unwrap();
        for (key, answer) in keys.iter().zip(answers) {
            let expected = (key.id != "none").then(|| Bytes::from(key.id.to_owned()));
            assert_eq!(answer.unwrap().map(|entry| entry.value), expected);
        }
        assert_eq!(far.asked(), asked);
    }
}

#[tokio::test]
async fn news_of_a_change_remove_its_copy_alone() {
    let Bench { far, near, .. } = bench(true);
    for id in ["a", "b"] {
        put(&far, id, "1").await;
    }
    value(&near, "a").await; // from the first use on it follows
    heard().await;
    for id in ["a", "b"] {
        value(&near, id).await;
        put(&far, id, "2").await;
    }
    assert_eq!((value(&near, "a").await, value(&near, "b").await), (Some("1".into()), Some("1".into())));
    far.tell(changed("a"));
    heard().await;
    assert_eq!((value(&near, "a").await, value(&near, "b").await), (Some("2".into()), Some("1".into())));
    far.tell(Change::All);
    heard().await;
    assert_eq!(value(&near, "b").await, Some("2".into()));
    assert_eq!(far.subscriptions.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_lost_subscription_empties_it_and_is_asked_for_again() {
    let Bench { far, near, .. } = bench(true);
    put(&far, "id", "1").await;
    value(&near, "id").await;
    heard().await;
    value(&near, "id").await;
    put(&far, "id", "2").await;
    far.lose_the_subscription();
    heard().await;
    assert_eq!(value(&near, "id").await, Some("2".into()));
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while far.subscriptions.load(Ordering::SeqCst) < 2 {
        assert!(std::time::Instant::now() < until, "it never subscribes again");
        tokio::time::sleep(Duration::from_millis(20)).await;
        value(&near, "id").await;
    }
}

#[tokio::test]
async fn news_that_are_refused_are_not_asked_for_again() {
    for refusal in [ErrorKind::Denied, ErrorKind::Unsupported, ErrorKind::Unavailable] {
        let Bench { far, near, .. } = bench(true);
        *far.broken.lock().unwrap() = Some(refusal);
        for _ in 0..2 {
            assert_eq!(value(&near, "id").await, None);
            heard().await;
            tokio::time::sleep(Duration::from_millis(1100)).await; // a lost one is tried each second
        }
        assert_eq!(value(&near, "id").await, None);
        heard().await;
        let tries = far.subscriptions.load(Ordering::SeqCst);
        assert_eq!(tries == 1, refusal != ErrorKind::Unavailable, "{refusal:?}: {tries}");
    }
}

#[tokio::test]
async fn the_subscription_ends_with_the_last_handle() {
    let Bench { far, near, .. } = bench(true);
    value(&near, "id").await;
    heard().await;
    drop(near.clone());
    heard().await;
    far.tell(changed("id"));
    drop(near);
    heard().await;
    let news = far.news.lock().unwrap().clone().unwrap();
    assert!(news.is_closed());
}

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

#[tokio::test]
async fn who_hears_of_a_change_through_it_finds_no_older_copy() {
    let Bench { far, near, .. } = bench(false);
    put(&far, "id", "1").await;
    value(&near, "id").await;
    put(&far, "id", "2").await;
    let mut changes = near.changes().await.unwrap();
    assert_eq!(changes.next().await, Some(Change::All));
    assert_eq!(value(&near, "id").await, Some("2".into()));
    put(&far, "id", "3").await;
    far.tell(changed("id"));
    assert_eq!(changes.next().await, Some(changed("id")));
    assert_eq!(value(&near, "id").await, Some("3".into()));
}

#[tokio::test]
async fn a_write_that_may_still_land_keeps_its_entry_from_being_copied() {
    let Bench { clock, far, near } = bench(false);
    put(&far, "id", "1").await;
    *far.broken.lock().unwrap() = Some(ErrorKind::Timeout);
    near.put(KEY, NewEntry::new("2"), PutMode::Replace).await.unwrap_err();
    assert_eq!(value(&near, "id").await, Some("1".into()));
    put(&far.inner, "id", "2").await; // it lands
    assert_eq!(value(&near, "id").await, Some("2".into()));
    clock.advance(Duration::from_millis(5_001));
    value(&near, "id").await;
    far.asked();
    value(&near, "id").await;
    assert_eq!(far.asked(), 0, "by now it is copied again");
}

#[tokio::test]
async fn a_write_that_was_not_done_does_not_keep_copies_out() {
    let Bench { far, near, .. } = bench(false);
    put(&far, "id", "1").await;
    near.put(KEY, NewEntry::new("2"), PutMode::Create).await.unwrap_err();
    value(&near, "id").await;
    far.asked();
    assert_eq!(value(&near, "id").await, Some("1".into()));
    assert_eq!(far.asked(), 0);
}

#[tokio::test]
async fn a_read_that_was_dropped_does_not_keep_copies_out() {
    let Bench { far, near, .. } = bench(false);
    put(&far, "id", "1").await;
    // Nothing waits in there, so the mark is left by a read that finds nothing.
    assert_eq!(value(&near, "later").await, None);
    put(&far, "later", "1").await;
    value(&near, "later").await;
    far.asked();
    assert_eq!(value(&near, "later").await, Some("1".into()));
    assert_eq!(far.asked(), 0);
}

#[tokio::test]
async fn large_values_and_leases_are_not_copied() {
    let clock = Clock::manual();
    let far = Counted::new(&clock, false);
    let near = far.clone().near_cached(&Near::default().max_item_bytes(10).clock(clock));
    put(&far, "large", "12345678901").await;
    put(&far, "small", "1234567890").await;
    let lease = NewEntry::new("").meta(Meta::codec(LEASE));
    far.put(Key::new("c", "lease"), lease, PutMode::Replace).await.unwrap();
    for (id, asked) in [("large", 2), ("small", 1), ("lease", 2)] {
        far.asked();
        value(&near, id).await;
        value(&near, id).await;
        assert_eq!(far.asked(), asked, "{id}");
    }
}

#[tokio::test]
async fn it_holds_no_more_than_it_may() {
    let clock = Clock::manual();
    let far = Counted::new(&clock, false);
    let near = far.clone().near_cached(&Near::default().max_bytes(64 << 10).clock(clock));
    for n in 0..500 {
        let id = n.to_string();
        far.put(Key::new("c", &id), NewEntry::new(vec![0; 1_000]), PutMode::Replace).await.unwrap();
        value(&near, &id).await;
    }
    let held = near.held();
    assert!(held.bytes <= 64 << 10 && held.entries > 20, "{held:?}");
}

#[tokio::test]
async fn it_promises_no_more_than_best_effort() {
    let Bench { far, near, .. } = bench(true);
    let mut told = near.capabilities().clone();
    assert_eq!(told.consistency, Consistency::BestEffort);
    told.consistency = far.capabilities().consistency;
    assert_eq!(&told, far.capabilities());
}

#[tokio::test]
async fn a_cache_with_a_near_tier_asks_the_store_once_and_hears_of_invalidations() {
    let clock = Clock::manual();
    let far = Counted::new(&clock, true);
    let near = Near::default().clock(clock.clone());
    let cache = |store: &Counted| Cache::<u64>::new(store.clone(), "c").near(&near);
    let (here, there) = (cache(&far), cache(&far));
    let read = |cache: &Cache<u64>, value| {
        let cache = cache.tagged(["t"]);
        async move { cache.get_or_fetch("id", move || async move { Ok::<_, Infallible>(value) }).await.unwrap() }
    };
    assert_eq!(read(&here, 1).await, 1);
    heard().await; // the first news: anything may have changed
    read(&here, 2).await;
    far.asked();
    for _ in 0..5 {
        assert_eq!(read(&here, 3).await, 1);
    }
    assert_eq!(far.asked(), 0, "neither the value nor its tag");
    there.invalidate("id").await.unwrap();
    far.tell(changed("id"));
    heard().await;
    assert_eq!(read(&here, 4).await, 4);
    read(&here, 5).await;
    there.invalidate_tag("t").await.unwrap();
    assert_eq!(read(&here, 6).await, 4, "the news did not come");
    clock.advance(Duration::from_millis(1_001));
    assert_eq!(read(&here, 7).await, 7, "a tag is asked for after a second");
}

#[tokio::test]
async fn one_near_tier_may_stand_before_several_caches() {
    let Bench { far, near, .. } = bench(false);
    let store = near.erased();
    let (one, two): (Cache<u64>, Cache<u64>) = (Cache::new(store.clone(), "c"), Cache::new(store, "c"));
    one.get_or_fetch("id", || async { Ok::<_, Infallible>(1) }).await.unwrap();
    assert_eq!(one.get("id").await.unwrap().value, 1);
    far.asked();
    assert_eq!(two.get("id").await.unwrap().value, 1);
    assert_eq!(far.asked(), 0);
    two.invalidate("id").await.unwrap();
    assert_eq!(one.get("id").await, None, "they are one process");
}

/// How often the store is asked while the entry is read twice.
async fn asked_twice(far: &Counted, store: &impl Store) -> u64 {
    far.asked();
    for _ in 0..2 {
        store.get(KEY).await.expect("read");
    }
    far.asked()
}

#[tokio::test]
async fn outside_the_retry_a_write_that_came_through_is_copied_and_inside_its_lost_try_forbids_that() {
    for outside in [true, false] {
        let (clock, faults) = (Clock::manual(), Faults::none());
        let far = Counted::new(&clock, false);
        let (failing, near) = (Faulty::new(far.clone(), &faults), Near::default().clock(clock));
        let store = if outside {
            failing.retried().near_cached(&near).erased()
        } else {
            failing.near_cached(&near).retried().erased()
        };
        faults.next("put", Fault::lost(ErrorKind::Timeout));
        store.put(KEY, NewEntry::new("x"), PutMode::Replace).await.expect("a second try");
        let expected = if outside { 1 } else { 2 };
        assert_eq!(asked_twice(&far, &store).await, expected, "outside: {outside}");
    }
}

#[tokio::test]
async fn outside_a_near_tier_a_refused_write_leaves_the_copy_and_inside_it_costs_it() {
    for outside in [true, false] {
        let clock = Clock::manual();
        let far = Counted::new(&clock, false);
        far.put(KEY, NewEntry::new("x"), PutMode::Create).await.expect("written");
        let near = Near::default().clock(clock);
        let store = if outside {
            far.clone().near_cached(&near).read_only().erased()
        } else {
            far.clone().read_only().near_cached(&near).erased()
        };
        assert_eq!(asked_twice(&far, &store).await, 1);
        let refused = store.put(KEY, NewEntry::new("y"), PutMode::Replace).await.expect_err("read-only");
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert_eq!(asked_twice(&far, &store).await, u64::from(!outside), "outside: {outside}");
    }
}

#[tokio::test]
async fn on_either_side_of_a_policy_of_ttls_a_copy_ends_with_its_entry() {
    let ttl = Duration::from_secs(2);
    for outside in [true, false] {
        let clock = Clock::manual();
        let far = Counted::new(&clock, false);
        let near = Near::default().clock(clock.clone());
        let store = if outside {
            far.clone().near_cached(&near).default_ttl(ttl).erased()
        } else {
            far.clone().default_ttl(ttl).near_cached(&near).erased()
        };
        store.put(KEY, NewEntry::new("x"), PutMode::Replace).await.expect("written");
        assert_eq!(asked_twice(&far, &store).await, 1);
        let left = store.get(KEY).await.expect("read").expect("it lives").ttl;
        assert_eq!(left, Some(ttl), "outside: {outside}");
        clock.advance(ttl + Duration::from_millis(50));
        assert!(store.get(KEY).await.expect("read").is_none(), "outside: {outside}");
    }
}
