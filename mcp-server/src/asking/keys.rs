//! The keys that states are sealed with: of the program, or a ring in the store that all replicas share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hkdf::Hkdf;
use kv_core::{AnyStore, Clock, Collection, StoreExt as _};
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// A key, and the number that a sealed state names it by.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: [u8; 4],
    pub(super) bytes: [u8; 32],
}

/// Where keys come from. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Keys(Arc<Source>);

enum Source {
    Given(Key),
    InStore { collection: Collection<Ring>, clock: Clock, known: Mutex<Known> },
}

/// What was last read of the ring.
#[derive(Default)]
struct Known {
    ring: Ring,
    looked_ms: Option<u64>,
}

/// The newest key first.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Ring {
    keys: Vec<Kept>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    id: String,
    key: String,
    made_ms: u64,
}

const RING: &str = "ring";
/// The age at which a key seals no more.
const SEALS: Duration = Duration::from_secs(24 * 3600);
/// How long it still opens: longer than any state lives.
const OPENS: Duration = Duration::from_secs(2 * 3600);
/// A state that names an unknown key makes the ring be read again, so often at most.
const LOOKS: Duration = Duration::from_secs(1);

impl Keys {
    /// A key made of the program's secret (RFC 5869), the same on every replica that has it.
    pub(crate) fn given(secret: &[u8]) -> Self {
        let (mut id, mut bytes) = ([0; 4], [0; 32]);
        let derived = Hkdf::<Sha256>::new(None, secret);
        let made = derived.expand(b"larder request state id", &mut id);
        let made = made.and(derived.expand(b"larder request state key", &mut bytes));
        debug_assert!(made.is_ok(), "36 bytes are not too many");
        Self(Arc::new(Source::Given(Key { id, bytes })))
    }

    /// A ring in `store`, made when it is first needed.
    pub(crate) fn in_store(store: &AnyStore, clock: Clock) -> Self {
        let collection = store.clone().collection("asking/keys");
        Self(Arc::new(Source::InStore { collection, clock, known: Mutex::default() }))
    }

    /// The key that seals now.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn sealing(&self) -> kv_core::Result<Key> {
        let (collection, clock) = match &*self.0 {
            Source::Given(key) => return Ok(key.clone()),
            Source::InStore { collection, clock, .. } => (collection, clock),
        };
        let now = clock.unix_ms();
        if let Some(key) = self.known().and_then(|known| known.ring.sealing(now)) {
            return Ok(key);
        }
        let fresh = Kept::fresh(now);
        let changed = collection.update_with(RING, |ring| {
            let mut ring = ring.unwrap_or_default();
            ring.turn(now, &fresh);
            Some(ring)
        });
        changed.await?;
        let ring = collection.get(RING).await?.unwrap_or_default();
        let key = ring.sealing(now).or_else(|| fresh.key());
        self.learn(ring, now);
        key.ok_or_else(|| kv_core::Error::new(kv_core::ErrorKind::Corrupt, "the ring of keys holds none"))
    }

    /// The key of this number; `None` for one that was never made, or is too old.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn opening(&self, id: [u8; 4]) -> kv_core::Result<Option<Key>> {
        let (collection, clock) = match &*self.0 {
            Source::Given(key) => return Ok((key.id == id).then(|| key.clone())),
            Source::InStore { collection, clock, .. } => (collection, clock),
        };
        let now = clock.unix_ms();
        if let Some(known) = self.known() {
            if let Some(key) = known.ring.opening(id, now) {
                return Ok(Some(key));
            }
            let looked = known.looked_ms.is_some_and(|at| now.saturating_sub(at) < millis(LOOKS));
            if looked {
                return Ok(None);
            }
        }
        let ring = collection.get(RING).await?.unwrap_or_default();
        let key = ring.opening(id, now);
        self.learn(ring, now);
        Ok(key)
    }

    fn known(&self) -> Option<MutexGuard<'_, Known>> {
        match &*self.0 {
            Source::Given(_) => None,
            Source::InStore { known, .. } => Some(known.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn learn(&self, ring: Ring, now: u64) {
        if let Some(mut known) = self.known() {
            *known = Known { ring, looked_ms: Some(now) };
        }
    }
}

impl Ring {
    fn sealing(&self, now: u64) -> Option<Key> {
        let newest = self.keys.first()?;
        (newest.age(now) < millis(SEALS)).then(|| newest.key()).flatten()
    }

    fn opening(&self, id: [u8; 4], now: u64) -> Option<Key> {
        let fits = |kept: &&Kept| kept.age(now) < millis(SEALS + OPENS);
        self.keys.iter().filter(fits).filter_map(Kept::key).find(|key| key.id == id)
    }

    /// Puts `fresh` first where the newest seals no more, and forgets what opens no more.
    fn turn(&mut self, now: u64, fresh: &Kept) {
        if self.sealing(now).is_none() {
            self.keys.insert(0, fresh.clone());
        }
        self.keys.retain(|kept| kept.age(now) < millis(SEALS + OPENS));
    }
}

impl Kept {
    fn fresh(now: u64) -> Self {
        let (mut id, mut key) = ([0; 4], [0; 32]);
        rand::rng().fill_bytes(&mut id);
        rand::rng().fill_bytes(&mut key);
        Self { id: STANDARD_NO_PAD.encode(id), key: STANDARD_NO_PAD.encode(key), made_ms: now }
    }

    /// By a clock that stands behind the one that made it, it is new.
    const fn age(&self, now: u64) -> u64 {
        now.saturating_sub(self.made_ms)
    }

    fn key(&self) -> Option<Key> {
        let id = STANDARD_NO_PAD.decode(&self.id).ok()?.try_into().ok()?;
        let bytes = STANDARD_NO_PAD.decode(&self.key).ok()?.try_into().ok()?;
        Some(Key { id, bytes })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::{AnyStore, Clock};
    use kv_memory::MemoryStore;

    use super::{Keys, OPENS, SEALS};

    fn store() -> AnyStore {
        AnyStore::new(MemoryStore::new())
    }

    #[tokio::test]
    async fn replicas_on_one_store_have_one_key_and_others_do_not() {
        let (one, clock) = (store(), Clock::manual());
        let [first, second] = [Keys::in_store(&one, clock.clone()), Keys::in_store(&one, clock.clone())];
        let (a, b) = tokio::join!(first.sealing(), second.sealing());
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a.bytes, b.bytes);
        assert!(second.opening(a.id).await.unwrap().is_some());
        let elsewhere = Keys::in_store(&store(), clock);
        assert!(elsewhere.opening(a.id).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_key_is_replaced_after_a_day_and_opens_for_two_hours_more() {
        let clock = Clock::manual();
        let keys = Keys::in_store(&store(), clock.clone());
        let old = keys.sealing().await.unwrap();
        clock.advance(SEALS);
        let new = keys.sealing().await.unwrap();
        assert_ne!(old.bytes, new.bytes);
        assert!(keys.opening(old.id).await.unwrap().is_some());
        clock.advance(OPENS);
        assert!(keys.opening(old.id).await.unwrap().is_none());
        assert!(keys.opening(new.id).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_another_replica_made_is_found_when_it_is_named() {
        let (one, clock) = (store(), Clock::manual());
        let [first, second] = [Keys::in_store(&one, clock.clone()), Keys::in_store(&one, clock.clone())];
        second.sealing().await.unwrap();
        clock.advance(SEALS);
        let new = first.sealing().await.unwrap();
        assert_eq!(second.opening(new.id).await.unwrap().unwrap().bytes, new.bytes);
    }

    #[tokio::test]
    async fn names_of_no_key_do_not_make_the_store_be_asked_each_time() {
        let clock = Clock::manual();
        let keys = Keys::in_store(&store(), clock.clone());
        assert!(keys.opening([1; 4]).await.unwrap().is_none());
        let others = keys.clone();
        others.sealing().await.unwrap();
        assert!(keys.opening([1; 4]).await.unwrap().is_none());
        clock.advance(Duration::from_secs(2));
        assert!(keys.opening([1; 4]).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_given_secret_makes_the_same_key_everywhere() {
        let [one, other] = [Keys::given(b"a secret"), Keys::given(b"a secret")];
        let key = one.sealing().await.unwrap();
        assert_eq!(other.opening(key.id).await.unwrap().unwrap().bytes, key.bytes);
        assert!(Keys::given(b"another").opening(key.id).await.unwrap().is_none());
    }
}
