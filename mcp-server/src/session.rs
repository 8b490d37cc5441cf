//! Handshake sessions: what a client said at `initialize`, kept in the store under its principal.

mod copies;
mod counted;
mod opened;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use kv_core::{AnyStore, Collection, Key, NewEntry, PutMode, Store, StoreExt as _};
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::Principal;
use crate::asking::Ready;
use crate::hub::{MAX_URI_BYTES, MAX_URIS};
use crate::protocol::{Failure, Implementation, Json, Level, Revision, abridged, present};
use crate::request::Caller;

use self::copies::Copies;
use self::counted::Counted;
pub(crate) use self::counted::{Full, Owner, SessionLimits};
pub use self::opened::{Session, UserSession};

/// The id of a session, of a handshake or of [`Context::open_session`](crate::Context::open_session): 128 random bits in
/// hexadecimal. As an argument of a tool it is a string.
///
/// It names, it does not authenticate: everything kept for a session stands under its principal first.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(ByteString);

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
    let mut text = String::with_capacity(bytes.len() * 2);
    let digit = |half: u8| char::from(half + if half < 10 { b'0' } else { b'a' - 10 });
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0xf));
    }
    text
}

/// What was agreed at `initialize`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Handshake {
    /// The name of the revision that was agreed on.
    revision: String,
    /// What was kept of the client's own description, as each request hands it on.
    client: Json,
    capabilities: Json,
    level: Option<Level>,
    /// Whether the client has said `notifications/initialized`. Not kept where nothing can be told or asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    initialized: bool,
    /// The URIs that the client wants to be told of (`resources/subscribe`).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    subscriptions: BTreeSet<String>,
    /// Which of its `GET` streams is the newest, in whatever process. Not kept where there is one process alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<u64>,
    /// Whether it is over, and only what belongs to it is not all gone yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
}

impl Handshake {
    const MAX_TEXT: usize = 256;
    const MAX_CAPABILITIES: usize = 4 << 10;
    /// With the white space of who writes them in many lines. What is longer is not taken apart: its parts take many
    /// times the memory of its text.
    const MAX_UNREAD_CAPABILITIES: usize = 16 << 10;

    /// Reads the parameters of `initialize`; an unknown version is answered by the newest with a handshake.
    ///
    /// Kept of the client's name, title and version are 256 bytes each.
    ///
    /// # Errors
    /// `Invalid params` where the version is missing or the capabilities exceed 4 KiB.
    pub(crate) fn from_params(params: &Json) -> Result<Self, Failure> {
        let unfit = |error: serde_json::Error| {
            Failure::invalid_params(format!(
                "initialize needs protocolVersion, capabilities and clientInfo: {}",
                abridged(error.to_string())
            ))
        };
        let params: Params<'_> = serde_json::from_slice(params.as_bytes()).map_err(unfit)?;
        let exceeded = || Failure::invalid_params("the capabilities exceed 4 KiB");
        let capabilities = params.capabilities.map_or("{}", RawValue::get);
        if capabilities.len() > Self::MAX_UNREAD_CAPABILITIES {
            return Err(exceeded());
        }
        let capabilities: Map<String, Value> = serde_json::from_str(capabilities).map_err(unfit)?;
        let capabilities = Json::from(Value::from(capabilities));
        if capabilities.as_bytes().len() > Self::MAX_CAPABILITIES {
            return Err(exceeded());
        }
        let asked = Revision::from_name(&params.protocol_version).filter(|revision| !revision.is_stateless());
        Ok(Self {
            revision: asked.unwrap_or(Revision::LATEST_HANDSHAKE).as_str().to_owned(),
            client: Json::of(&params.client_info.trimmed()).map_err(unfit)?,
            capabilities,
            level: None,
            initialized: false,
            subscriptions: BTreeSet::new(),
            stream: None,
            ended: false,
        })
    }

    pub(crate) fn revision(&self) -> Revision {
        Revision::from_name(&self.revision).unwrap_or(Revision::LATEST_HANDSHAKE)
    }

    pub(crate) fn set_level(&mut self, level: Level) {
        self.level = Some(level);
    }

    pub(crate) const fn is_initialized(&self) -> bool {
        self.initialized
    }

    /// Whether no other stream of the session is newer than this one. Where none is named, a process of an older version
    /// has changed the session since.
    pub(crate) fn is_told_on(&self, stream: u64) -> bool {
        self.stream.is_none_or(|newest| newest == stream)
    }

    /// Whether the client declared anything that it can be asked for.
    pub(crate) fn can_be_asked(&self) -> bool {
        let declared = self.capabilities.to::<Map<String, Value>>().unwrap_or_default();
        ["elicitation", "sampling", "roots"].iter().any(|name| declared.contains_key(*name))
    }

    /// The URIs of the resources whose updates the client is told of.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = &str> {
        self.subscriptions.iter().map(String::as_str)
    }

    /// Adds a resource to those that the client is told of; `false` where it has as many as it may.
    fn subscribe(&mut self, uri: &str) -> bool {
        let bytes: usize = self.subscriptions.iter().map(String::len).sum();
        let fits = self.subscriptions.len() < MAX_URIS && bytes + uri.len() <= MAX_URI_BYTES;
        self.subscriptions.contains(uri) || (fits && self.subscriptions.insert(uri.to_owned()))
    }

    /// What a request of this session knows of its client.
    pub(crate) fn caller(&self) -> Caller {
        Caller {
            info: Some(self.client.clone()),
            capabilities: Some(self.capabilities.clone()),
            log_level: self.level,
            progress: None,
            ready: if self.initialized { Ready::Yes } else { Ready::Kept },
        }
    }
}

/// The parameters of `initialize`, as far as they are looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    protocol_version: String,
    #[serde(borrow, default, deserialize_with = "present")]
    capabilities: Option<&'a RawValue>,
    #[serde(default)]
    client_info: Client,
}

/// What is kept of a client's own description.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Client {
    name: String,
    title: Option<String>,
    version: String,
}

impl Client {
    fn trimmed(&self) -> Implementation {
        let mut kept = Implementation::new(cut(&self.name), cut(&self.version));
        kept.title = self.title.as_deref().map(cut);
        kept
    }
}

/// The beginning of `text`, at most 256 bytes, of whole characters.
fn cut(text: &str) -> String {
    let end = (0..=Handshake::MAX_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
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
    /// Whose life is being extended: so many at once.
    extending: Semaphore,
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
/// Of how many sessions the life is extended at once: many may be due after a pause.
const EXTENDED_AT_ONCE: usize = 64;
/// The collection of values kept for sessions and users.
pub(crate) const STATE: &str = "state";

impl Sessions {
    pub(crate) fn new(store: AnyStore, limits: SessionLimits) -> Self {
        let (copies, counted) = (Copies::new(limits.copies, limits.all), Counted::new(limits));
        let (is_shared, extending) = (!store.capabilities().exclusive, Semaphore::new(EXTENDED_AT_ONCE));
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
        let created = self.collection().create(&key, handshake).await;
        created.map(drop).map_err(|error| {
            self.0.counted.forget(owner, &key);
            NotBegun::Store(error)
        })
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
        let Ok(handshake) = serde_json::from_slice::<Handshake>(&entry.value) else { return Ok(None) };
        if handshake.ended {
            self.forget(Owner::from(principal), &key);
            return Ok(None);
        }
        if self.0.is_shared {
            self.0.counted.serve(Owner::from(principal), &key, served);
        }
        let (left, extended_at) = (entry.ttl.unwrap_or(Duration::MAX), self.0.idle / 4 * 3);
        self.0.copies.keep(&key, &handshake, left.saturating_sub(extended_at), asked); // a copy extends nothing
        if left < extended_at {
            let (sessions, principal) = (self.clone(), principal.clone());
            tokio::spawn(async move { sessions.extend(&principal, &key, entry).await });
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

    /// Adds a resource to those that a session is told of: whether it had room; `None` where the session is gone.
    pub(crate) async fn subscribe(
        &self,
        principal: &Principal,
        id: &SessionId,
        uri: &str,
    ) -> kv_core::Result<Option<bool>> {
        self.change(principal, id, |handshake| handshake.subscribe(uri)).await
    }

    /// Takes a resource away from those that a session is told of; `None` where the session is gone.
    pub(crate) async fn unsubscribe(
        &self,
        principal: &Principal,
        id: &SessionId,
        uri: &str,
    ) -> kv_core::Result<Option<bool>> {
        self.change(principal, id, |handshake| handshake.subscriptions.remove(uri)).await
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
        let closed = collection.update_with(&key, |handshake| {
            handshake.map(|handshake: Handshake| Handshake { ended: true, ..handshake })
        });
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
        // The semaphore is never closed.
        let _turn = self.0.extending.acquire().await;
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

    use kv_core::{AnyStore, StoreExt as _};
    use kv_memory::MemoryStore;

    use super::{Handshake, MAX_URI_BYTES, MAX_URIS, NotBegun, SessionId, SessionLimits, Sessions};
    use crate::Principal;
    use crate::protocol::Json;

    #[test]
    fn what_a_client_says_of_itself_is_not_taken_apart_where_it_is_long() {
        let of = |capabilities: &str, icons: &str| {
            let text = format!(
                r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities},
                "clientInfo":{{"name":"n","version":"1","icons":{icons}}}}}"#
            );
            Handshake::from_params(&Json::parse(text.into()).unwrap())
        };
        let deep = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        for capabilities in [format!(r#"{{"a":{deep}}}"#), format!("[{}0]", "0,".repeat(1 << 20))] {
            assert_eq!(of(&capabilities, "[]").unwrap_err().message, "the capabilities exceed 4 KiB");
        }
        assert_eq!(of(r#"{"a":{}}"#, &deep).unwrap().client.as_str(), r#"{"name":"n","version":"1"}"#);
        let indented = format!("{{{}\"a\":{{}}}}", " ".repeat(8 << 10));
        assert_eq!(of(&indented, "[]").unwrap().capabilities.as_str(), r#"{"a":{}}"#);
        for wrong in ["null", "[]", "7"] {
            assert!(of(wrong, "[]").is_err(), "{wrong}");
        }
    }

    #[test]
    fn of_what_a_client_says_of_itself_the_beginning_is_kept_in_whole_characters() {
        let long = "ä".repeat(500);
        let params = serde_json::json!({
            "protocolVersion": "2025-06-18",
            "clientInfo": { "name": format!("x{long}"), "title": long, "version": "1".repeat(257), "websiteUrl": long },
        });
        let kept = Handshake::from_params(&Json::from(params)).unwrap().client;
        let (name, whole) = (format!("x{}", "ä".repeat(127)), "ä".repeat(128));
        let expected = serde_json::json!({ "name": name, "title": whole, "version": "1".repeat(256) });
        assert_eq!(kept.to::<serde_json::Value>().unwrap(), expected);
        assert_eq!((name.len(), whole.len()), (255, 256));
    }

    #[tokio::test]
    async fn a_session_keeps_its_subscriptions_within_their_bounds() {
        let sessions = Sessions::new(AnyStore::new(MemoryStore::new()), SessionLimits::default());
        let params = Json::parse(r#"{"protocolVersion":"2025-11-25"}"#.into()).unwrap();
        let (principal, id) = (Principal::local(), SessionId::random());
        sessions.begin(&principal, &id, &Handshake::from_params(&params).unwrap()).await.unwrap();
        let subscribe = async |uri: &str| sessions.subscribe(&principal, &id, uri).await.unwrap();
        let long = "x".repeat(MAX_URI_BYTES - 10);
        assert_eq!(subscribe(&long).await, Some(true));
        assert_eq!(subscribe("a://longer").await, Some(true));
        assert_eq!(subscribe("a").await, Some(false));
        assert_eq!(subscribe(&long).await, Some(true), "what it has already takes no more room");
        assert_eq!(sessions.unsubscribe(&principal, &id, &long).await.unwrap(), Some(true));
        assert_eq!(sessions.unsubscribe(&principal, &id, &long).await.unwrap(), Some(false));
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
}
