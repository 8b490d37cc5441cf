//! Handshake sessions: what a client said at `initialize`, kept in the store under its principal.

mod copies;
mod counted;
mod extending;
mod handshake;
mod opened;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kv_core::{AnyStore, Collection, Key, NewEntry, PutMode, Store, StoreExt as _};
use rand::Rng as _;
use sha2::{Digest, Sha256};

use crate::Principal;
use crate::protocol::Level;

use self::copies::Copies;
use self::counted::Counted;
pub(crate) use self::counted::{Full, Owner, SessionLimits};
use self::extending::Extending;
pub(crate) use self::handshake::Handshake;
pub use self::opened::{Session, UserSession};

/// The id of a session, of a handshake or of [`Context::open_session`](crate::Context::open_session): 128 random bits in
/// hexadecimal. As an argument of a tool it is a string.
///
/// It names, it does not authenticate: everything kept for a session stands under its principal first.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 16];
        rand::rng().fill_bytes(&mut bytes);
        Self(format!("{:032x}", u128::from_be_bytes(bytes)).into())
    }

    /// The id that a client presents, if it can be one at all: 1 to 128 visible ASCII characters.
    pub(crate) fn presented(text: &str) -> Option<Self> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        (visible && (1..=128).contains(&text.len())).then(|| Self(text.into()))
    }

    /// The id as it stands in the `Mcp-Session-Id` header.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the store knows this session of this principal by.
    pub(crate) fn key(&self, principal: &Principal) -> String {
        let mut hash = Sha256::new();
        hash.update(principal.key());
        hash.update(self.0.as_bytes());
        hex(&hash.finalize())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}..)", self.0.get(..6).unwrap_or_default())
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| half + if half < 10 { b'0' } else { b'a' - 10 };
    let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect();
    String::from_utf8(digits).unwrap_or_default() // they are ASCII
}

/// The sessions of one server, in its store.
#[derive(Clone)]
pub(crate) struct Sessions(Arc<Inner>);

struct Inner {
    store: AnyStore,
    idle: Duration,
    counted: Counted,
    copies: Copies,
    /// Whether other processes may open sessions that are served here.
    is_shared: bool,
    extending: Extending,
}

/// Why a session could not begin.
#[derive(Debug)]
pub(crate) enum NotBegun {
    /// A cap on sessions is reached.
    Full(Full),
    /// The store failed.
    Store(kv_core::Error),
}

const SESSIONS: &str = "sessions";
/// The collection of values kept for sessions and users.
pub(crate) const STATE: &str = "state";

impl Sessions {
    pub(crate) fn new(store: AnyStore, limits: SessionLimits) -> Self {
        let (copies, counted) = (Copies::new(limits.copies, limits.all), Counted::new(limits));
        let (is_shared, extending) = (!store.capabilities().exclusive, Extending::default());
        Self(Arc::new(Inner { store, idle: limits.idle, counted, copies, is_shared, extending }))
    }

    /// How long a session lives without a request.
    pub(crate) fn idle(&self) -> Duration {
        self.0.idle
    }

    /// Begins a session of `principal` under a fresh id.
    pub(crate) async fn begin(
        &self,
        principal: &Principal,
        id: &SessionId,
        handshake: &Handshake,
    ) -> Result<(), NotBegun> {
        let key = id.key(principal);
        let owner = Owner::from(principal);
        self.0.counted.count(owner, &key).map_err(NotBegun::Full)?;
        let mut beginning = Beginning { counted: &self.0.counted, owner, key: &key, begun: false };
        self.collection().create(&key, handshake).await.map_err(NotBegun::Store)?;
        beginning.begun = true;
        Ok(())
    }

    /// As [`Sessions::find`], or as it was found a moment ago, where `.session_cache(..)` lets a request go by that.
    pub(crate) async fn presented(
        &self,
        principal: &Principal,
        id: &SessionId,
    ) -> kv_core::Result<Option<Handshake>> {
        let key = id.key(principal);
        match self.0.copies.get(&key) {
            Some(copy) => Ok(Some(copy)),
            None => self.read(principal, key).await,
        }
    }

    /// No copy of this session is trusted any more.
    pub(crate) fn forget_copy(&self, key: &str) {
        self.0.copies.forget(key);
    }

    /// The session of `principal` under `id`; another principal's, an unknown and an ended one are all `None`.
    ///
    /// Where less than three quarters of the idle timeout are left, they are extended in the background.
    pub(crate) async fn find(
        &self,
        principal: &Principal,
        id: &SessionId,
    ) -> kv_core::Result<Option<Handshake>> {
        self.read(principal, id.key(principal)).await
    }

    async fn read(&self, principal: &Principal, key: String) -> kv_core::Result<Option<Handshake>> {
        let (asked, served) = (self.0.copies.asking(), self.0.counted.asking(&key));
        let Some(entry) = self.0.store.get(Key::new(SESSIONS, &key)).await? else {
            self.forget(Owner::from(principal), &key);
            return Ok(None);
        };
        let Ok(handshake) = Handshake::read(&entry.value) else { return Ok(None) };
        if handshake.ended {
            self.forget(Owner::from(principal), &key);
            return Ok(None);
        }
        if self.0.is_shared {
            self.0.counted.serve(Owner::from(principal), &key, served);
        }
        let (left, extended_at) = (entry.ttl.unwrap_or(Duration::MAX), self.0.idle / 4 * 3);
        self.0.copies.keep(&key, &handshake, left.saturating_sub(extended_at), asked); // a copy extends nothing
        if left < extended_at
            && let Some(due) = self.0.extending.begin(&key)
        {
            let (sessions, principal) = (self.clone(), principal.clone());
            tokio::spawn(due.run(async move { sessions.extend(&principal, &key, entry).await }));
        }
        Ok(Some(handshake))
    }

    /// Sets the lowest level of log messages that the client wants; `false` where the session is gone.
    pub(crate) async fn set_level(
        &self,
        principal: &Principal,
        id: &SessionId,
        level: Level,
    ) -> kv_core::Result<bool> {
        let changed = self.change(principal, id, |handshake| handshake.set_level(level)).await?;
        Ok(changed.is_some())
    }

    /// Remembers that the client has said `notifications/initialized`; `false` where the session is gone.
    pub(crate) async fn initialized(&self, principal: &Principal, id: &SessionId) -> kv_core::Result<bool> {
        let changed = self.change(principal, id, |handshake| handshake.initialized = true).await?;
        Ok(changed.is_some())
    }

    /// Adds a resource to those that a session is told of: whether it had room, and which of its streams is the newest;
    /// `None` where the session is gone.
    pub(crate) async fn subscribe(
        &self,
        principal: &Principal,
        id: &SessionId,
        uri: &str,
    ) -> kv_core::Result<Option<(bool, Option<u64>)>> {
        self.change(principal, id, |handshake| (handshake.subscribe(uri), handshake.stream)).await
    }

    /// Takes a resource away from those that a session is told of: whether it was among them, and which of its streams is
    /// the newest; `None` where the session is gone.
    pub(crate) async fn unsubscribe(
        &self,
        principal: &Principal,
        id: &SessionId,
        uri: &str,
    ) -> kv_core::Result<Option<(bool, Option<u64>)>> {
        self.change(principal, id, |handshake| (handshake.subscriptions.remove(uri), handshake.stream)).await
    }

    /// Remembers that `stream` is the newest one of a session, as long as it `is_newest` in this process; `false` where the
    /// session is gone.
    pub(crate) async fn opened(
        &self,
        principal: &Principal,
        id: &SessionId,
        stream: u64,
        is_newest: impl Fn() -> bool + Send,
    ) -> kv_core::Result<bool> {
        let opened = self.change(principal, id, move |handshake| {
            if is_newest() {
                handshake.stream = Some(stream);
            }
        });
        Ok(opened.await?.is_some())
    }

    /// Changes what is kept of a session that is not over, and gives what `change` gave; `None` where the session is gone.
    async fn change<T: Send>(
        &self,
        principal: &Principal,
        id: &SessionId,
        mut change: impl FnMut(&mut Handshake) -> T + Send,
    ) -> kv_core::Result<Option<T>> {
        let (collection, key) = (self.collection(), id.key(principal));
        let _changed = self.0.copies.dropping(&key);
        let mut outcome = None;
        let changed = collection.update_with(&key, |handshake| {
            handshake.map(|mut handshake: Handshake| {
                outcome = (!handshake.ended).then(|| change(&mut handshake));
                handshake
            })
        });
        let changed = changed.await?;
        Ok(changed.and(outcome))
    }

    /// A session is over from now on, for every process; `false` where there is none. What belongs to it goes by
    /// [`Sessions::remove`]: until then this can be said again.
    pub(crate) async fn close(&self, principal: &Principal, id: &SessionId) -> kv_core::Result<bool> {
        let (collection, key) = (self.collection(), id.key(principal));
        let _ended = self.0.copies.dropping(&key);
        let closed = collection.update_with(&key, |handshake| handshake.map(Handshake::over));
        Ok(closed.await?.is_some())
    }

    /// Removes a session and what was kept for it; `false` where there was none. The session goes last: where the store
    /// fails before, it can be removed again.
    pub(crate) async fn remove(&self, principal: &Principal, id: &SessionId) -> kv_core::Result<bool> {
        let key = id.key(principal);
        let _ended = self.0.copies.dropping(&key);
        self.0.store.delete(Key::new(STATE, &key)).await?;
        let removed = self.0.store.take(Key::new(SESSIONS, &key), None).await?.is_some();
        self.0.counted.forget(Owner::from(principal), &key);
        Ok(removed)
    }

    /// A session is over, or gone: this process goes by it no more.
    pub(crate) fn forget(&self, owner: Owner, key: &str) {
        self.0.copies.forget(key);
        self.0.counted.forget(owner, key);
    }

    /// One `Update` per quarter of the idle timeout: the session's life, and that of its state.
    async fn extend(&self, principal: &Principal, key: &str, session: kv_core::Entry) {
        let (full, served) = (self.0.idle, self.0.counted.asking(key));
        let renewed = NewEntry::new(session.value).meta(session.meta).ttl(full);
        let extended =
            self.0.store.put(Key::new(SESSIONS, key), renewed, PutMode::Update(session.version)).await;
        if extended.is_err() {
            return; // another request extended or ended it
        }
        self.0.counted.serve(Owner::from(principal), key, served);
        let state = Key::new(STATE, key);
        if let Ok(Some(entry)) = self.0.store.get(state).await {
            let renewed = NewEntry::new(entry.value).meta(entry.meta).ttl(full);
            let kept = self.0.store.put(state, renewed, PutMode::Update(entry.version)).await;
            drop(kept); // a write meanwhile has set the full life itself
        }
    }

    fn collection(&self) -> Collection<Handshake, AnyStore> {
        self.0.store.clone().collection(SESSIONS).ttl(self.0.idle)
    }
}

/// A session that is counted and not in the store yet. One that does not get there, or whose client goes away before, does
/// not count.
struct Beginning<'a> {
    counted: &'a Counted,
    owner: Owner,
    key: &'a str,
    begun: bool,
}

impl Drop for Beginning<'_> {
    fn drop(&mut self) {
        if !self.begun {
            self.counted.forget(self.owner, self.key);
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("idle", &self.0.idle)
            .field("counted", &self.0.counted)
            .field("copies", &self.0.copies)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::testing::{Fault, Faults, Faulty};
    use kv_core::{AnyStore, Clock, StoreExt as _};
    use kv_memory::{MemoryConfig, MemoryStore};

    use super::extending::AT_ONCE;
    use super::{Handshake, NotBegun, SessionId, SessionLimits, Sessions};
    use crate::Principal;
    use crate::hub::{MAX_URI_BYTES, MAX_URIS};
    use crate::protocol::Json;

    #[tokio::test]
    async fn a_session_keeps_its_subscriptions_within_their_bounds() {
        let sessions = Sessions::new(AnyStore::new(MemoryStore::new()), SessionLimits::default());
        let params = Json::parse(r#"{"protocolVersion":"2025-11-25"}"#.into()).unwrap();
        let (principal, id) = (Principal::local(), SessionId::random());
        sessions.begin(&principal, &id, &Handshake::from_params(&params).unwrap()).await.unwrap();
        let subscribe = async |uri: &str| {
            let subscribed = sessions.subscribe(&principal, &id, uri).await.unwrap();
            subscribed.map(|(fits, _)| fits)
        };
        let long = "x".repeat(MAX_URI_BYTES - 10);
        assert_eq!(subscribe(&long).await, Some(true));
        assert_eq!(subscribe("a://longer").await, Some(true));
        assert_eq!(subscribe("a").await, Some(false));
        assert_eq!(subscribe(&long).await, Some(true), "what it has already takes no more room");
        assert_eq!(sessions.unsubscribe(&principal, &id, &long).await.unwrap(), Some((true, None)));
        assert_eq!(sessions.unsubscribe(&principal, &id, &long).await.unwrap(), Some((false, None)));
        for number in 1..MAX_URIS {
            assert_eq!(subscribe(&number.to_string()).await, Some(true));
        }
        assert_eq!(subscribe("one more").await, Some(false));
        assert!(sessions.initialized(&principal, &id).await.unwrap());
        let kept = sessions.find(&principal, &id).await.unwrap().unwrap();
        assert_eq!((kept.subscriptions().count(), kept.is_initialized()), (MAX_URIS, true));
        let other = sessions.subscribe(&Principal::anonymous(), &id, "a").await.unwrap();
        assert_eq!(other, None, "another principal has no such session");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_pause_the_sessions_are_extended_a_few_at_a_time() {
        let (clock, faults) = (Clock::manual(), Faults::none());
        let store = MemoryStore::open(MemoryConfig::default().clock(clock.clone())).unwrap();
        let sessions = Sessions::new(AnyStore::new(Faulty::new(store, &faults)), SessionLimits::default());
        let params = Json::parse(r#"{"protocolVersion":"2025-11-25"}"#.into()).unwrap();
        let (principal, handshake) = (Principal::local(), Handshake::from_params(&params).unwrap());
        let ids: Vec<_> = (0..AT_ONCE * 2).map(|_| SessionId::random()).collect();
        for id in &ids {
            sessions.begin(&principal, id, &handshake).await.unwrap();
        }
        clock.advance(sessions.idle() / 2);
        faults.calls();
        let answer = Duration::from_secs(1);
        faults.always("put", Fault::delayed(answer));
        for id in ids.iter().chain(&ids) {
            assert!(sessions.find(&principal, id).await.unwrap().is_some());
        }
        let puts = || faults.calls().into_iter().filter(|call| *call == "put").count();
        for half in [AT_ONCE, AT_ONCE] {
            tokio::time::sleep(answer / 2).await;
            assert_eq!(puts(), half);
            tokio::time::sleep(answer / 2).await;
        }
        tokio::time::sleep(answer).await;
        assert_eq!(puts(), 0, "each is extended once");
    }

    #[tokio::test]
    async fn a_session_that_did_not_begin_does_not_count() {
        let store = AnyStore::new(MemoryStore::new().read_only());
        let limits = SessionLimits { idle: Duration::from_secs(60), all: 1, ..SessionLimits::default() };
        let sessions = Sessions::new(store, limits);
        let params = Json::parse(r#"{"protocolVersion":"2025-11-25"}"#.into()).unwrap();
        let handshake = Handshake::from_params(&params).unwrap();
        for _ in 0..2 {
            let begun = sessions.begin(&Principal::local(), &SessionId::random(), &handshake).await;
            assert!(matches!(begun, Err(NotBegun::Store(_))), "{begun:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_whose_client_went_away_meanwhile_does_not_count() {
        let faults = Faults::none();
        let store = AnyStore::new(Faulty::new(MemoryStore::new(), &faults));
        let sessions = Sessions::new(store, SessionLimits { all: 1, ..SessionLimits::default() });
        let params = Json::parse(r#"{"protocolVersion":"2025-11-25"}"#.into()).unwrap();
        let (principal, handshake) = (Principal::local(), Handshake::from_params(&params).unwrap());
        faults.always("put", Fault::delayed(Duration::from_secs(3_600)));
        for _ in 0..2 {
            let id = SessionId::random();
            let begun = sessions.begin(&principal, &id, &handshake);
            assert!(tokio::time::timeout(Duration::from_secs(1), begun).await.is_err());
        }
        faults.clear();
        sessions.begin(&principal, &SessionId::random(), &handshake).await.unwrap();
    }
}
