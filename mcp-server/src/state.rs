//! Values that outlive a request: of a handshake session, or of a user.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kv_core::{AnyStore, Collection, StoreExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Request;
use crate::exchange::Exchange;
use crate::protocol::excerpt;
use crate::session::{STATE, hex};

type Map = serde_json::Map<String, Value>;

/// Where values are kept, and for how long.
#[derive(Clone)]
pub(crate) struct States {
    pub(crate) store: AnyStore,
    /// The life of a session's values.
    pub(crate) session: Duration,
    /// The life of a user's values, from the last write.
    pub(crate) user: Duration,
    /// The life of a session that a handler opened, from the last write.
    pub(crate) opened: Duration,
}

/// Whose values they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A handshake session of one principal.
    Session(String),
    /// A user, or whoever started the process, on 2026-07-28.
    User(String),
    /// Nobody that could be told from others.
    Nobody,
    /// A component whose cached answers are public.
    Public,
}

impl Owner {
    pub(crate) fn of(request: &Request) -> Self {
        if let Some(session) = &request.session {
            return Self::Session(session.key(&request.principal));
        }
        if request.principal.is_anonymous() {
            return Self::Nobody;
        }
        Self::User(hex(&request.principal.key()))
    }
}

/// Named values of the handshake session, or on 2026-07-28 of the authenticated user: JSON, in the server's store.
///
/// Beside them stand values of this request alone, of any type, which hide a kept value of the same name. Kept
/// values of one owner change one at a time, so two concurrent writes of different names both hold. A session's
/// values live as long as the session; a user's for 30 days after the last write, unless `.state_ttl(..)` says
/// otherwise.
pub struct StateMap {
    states: States,
    owner: Owner,
    exchange: Exchange,
}

impl StateMap {
    pub(crate) const fn new(states: States, owner: Owner, exchange: Exchange) -> Self {
        Self { states, owner, exchange }
    }

    /// The value under `name`; absent is `None`, and a kept null is `Some` of what `T` makes of null.
    ///
    /// # Errors
    /// There is nobody to keep values for, the value is of another type, a request-only value hides it, or the store
    /// failed.
    pub async fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let (collection, id) = self.kept()?;
        if self.exchange.local(name).is_some() {
            return Err(StateError::hidden(name));
        }
        let map = collection.get(id).await.map_err(StateError::store)?;
        let Some(value) = map.and_then(|mut map| map.remove(name)) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|error| StateError::shape(name, error))
    }

    /// Keeps `value` under `name`; a request-only value of that name is gone.
    ///
    /// # Errors
    /// As for [`StateMap::get`], and for a value that is no JSON: keep that with [`StateMap::set_local`].
    pub async fn set<T: Serialize + Sync + ?Sized>(&self, name: &str, value: &T) -> Result<(), StateError> {
        let value = serde_json::to_value(value).map_err(|error| StateError::not_json(name, error))?;
        let (collection, id) = self.kept()?;
        let changed = collection.update_with(id, |map| {
            let mut map: Map = map.unwrap_or_default();
            map.insert(name.to_owned(), value.clone());
            Some(map)
        });
        changed.await.map_err(StateError::store)?;
        self.exchange.remove_local(name);
        Ok(())
    }

    /// Forgets the value under `name`, kept or request-only; tells whether there was one.
    ///
    /// # Errors
    /// There is nobody to keep values for, or the store failed.
    pub async fn delete(&self, name: &str) -> Result<bool, StateError> {
        let local = self.exchange.remove_local(name);
        let (collection, id) = match self.kept() {
            Err(_) if local => return Ok(true), // nothing but that can have been there
            kept => kept?,
        };
        let mut kept = false;
        let changed = collection.update_with(id, |map: Option<Map>| {
            let mut map = map?;
            kept = map.remove(name).is_some();
            (!map.is_empty()).then_some(map)
        });
        changed.await.map_err(StateError::store)?;
        Ok(local || kept)
    }

    /// Keeps any value for this request: the same one comes back, from middlewares to the handler.
    pub fn set_local<T: Send + Sync + 'static>(&self, name: &str, value: Arc<T>) {
        self.exchange.set_local(name, value);
    }

    /// The request-only value under `name`, if it is there and of type `T`.
    pub fn local<T: Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        let value: Arc<dyn Any + Send + Sync> = self.exchange.local(name)?;
        value.downcast().ok()
    }

    fn kept(&self) -> Result<(Collection<Map, AnyStore>, &str), StateError> {
        let (id, ttl) = match &self.owner {
            Owner::Session(key) => (key, self.states.session),
            Owner::User(key) => (key, self.states.user),
            Owner::Nobody => return Err(StateError::nobody()),
            Owner::Public => return Err(StateError::public("state")),
        };
        Ok((self.states.store.clone().collection(STATE).ttl(ttl), id))
    }
}

impl fmt::Debug for StateMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateMap").finish_non_exhaustive()
    }
}

/// Why a value could not be kept or read. The text is fit for a client; the cause, where there is one, is not, and
/// stands in `source()`.
#[derive(Debug)]
pub struct StateError {
    message: Cow<'static, str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StateError {
    const fn of(message: Cow<'static, str>) -> Self {
        Self { message, source: None }
    }

    pub(crate) fn nobody() -> Self {
        Self::of(Cow::Borrowed(
            "there is nobody to keep state for: an anonymous request without a session; authenticate, or keep the \
             value under a handle that the client passes",
        ))
    }

    pub(crate) fn public(what: &str) -> Self {
        Self::of(Cow::Owned(format!(
            "{what} is not available here: this component's cached answers are public; remove `public` to use it"
        )))
    }

    pub(crate) fn not_json(name: &str, error: serde_json::Error) -> Self {
        let name = excerpt(name);
        let message =
            format!("the value of \"{name}\" cannot be kept as JSON; use set_local for this request alone");
        Self { message: Cow::Owned(message), source: Some(Box::new(error)) }
    }

    pub(crate) fn no_session() -> Self {
        Self::of(Cow::Borrowed("there is no such session: it has ended, or was never opened; open one"))
    }

    fn hidden(name: &str) -> Self {
        let name = excerpt(name);
        Self::of(Cow::Owned(format!(
            "a request-only value hides \"{name}\": read that with local, or delete it"
        )))
    }

    pub(crate) fn shape(name: &str, error: serde_json::Error) -> Self {
        let message = format!("the value of \"{}\" is of another type than asked for", excerpt(name));
        Self { message: Cow::Owned(message), source: Some(Box::new(error)) }
    }

    pub(crate) fn store(error: kv_core::Error) -> Self {
        Self { message: Cow::Borrowed("the state store failed"), source: Some(Box::new(error)) }
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}
