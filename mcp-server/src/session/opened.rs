//! Sessions that handlers open for a model to come back to, and what is kept for a user: on every revision, without
//! anything but a tool's argument.

use std::fmt;

use kv_core::{AnyStore, Collection, StoreExt as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{STATE, SessionId, hex};
use crate::component::Inject;
use crate::protocol::{Failure, code};
use crate::state::{StateError, States};
use crate::{Context, Principal};

type Map = serde_json::Map<String, Value>;

const OPENED: &str = "opened";

/// Named values under an id that a handler hands out and a model passes back: [`Context::open_session`],
/// [`Context::session`].
///
/// It belongs to who asked when it was opened: for everybody else there is no such session. Among anonymous callers the id,
/// 128 random bits, is all that tells them apart. Values change one at a time, so two concurrent writes of different names
/// both hold. It lives for a day after the last write, unless `.opened_session_ttl(..)` says otherwise.
#[derive(Clone)]
pub struct Session {
    id: SessionId,
    values: Values,
}

/// Named values of the authenticated user, or of whoever started the process: [`Context::user_session`], or a parameter
/// `#[arg(inject)] user: UserSession` of a handler; `Option<UserSession>` is `None` for anonymous callers.
///
/// On 2026-07-28 they are those of [`Context::state`]; in a handshake session, whose state is its own, they are what all
/// sessions of the user share. They live for 30 days after the last write, unless `.state_ttl(..)` says otherwise.
#[derive(Clone)]
pub struct UserSession(Values);

/// Values of one owner: one entry, changed as a whole.
#[derive(Clone)]
struct Values {
    collection: Collection<Map, AnyStore>,
    key: String,
    /// Whether there is nothing to change where there is no entry.
    opened: bool,
}

impl Context {
    /// Opens a session; its id is for the model to pass back.
    ///
    /// # Errors
    /// The component's cached answers are public, or the store failed.
    pub async fn open_session(&self) -> Result<Session, StateError> {
        let session = self.session_of(SessionId::random())?;
        let values = &session.values;
        values.collection.create(&values.key, &Map::new()).await.map_err(StateError::store)?;
        Ok(session)
    }

    /// The session of this id, which has to be open, and to belong to who asks.
    ///
    /// # Errors
    /// There is none: unknown, ended and another's are one and the same. Else as for [`Context::open_session`].
    pub async fn session(&self, id: &SessionId) -> Result<Session, StateError> {
        let session = self.session_of(id.clone())?;
        session.values.read().await?;
        Ok(session)
    }

    /// What is kept for the user.
    ///
    /// # Errors
    /// Nobody in particular asks, or the component's cached answers are public.
    pub fn user_session(&self) -> Result<UserSession, StateError> {
        let principal = self.principal()?;
        if principal.is_anonymous() {
            return Err(StateError::nobody());
        }
        let states = self.states();
        let collection = states.store.clone().collection(STATE).ttl(states.user);
        Ok(UserSession(Values { collection, key: hex(&principal.key()), opened: false }))
    }

    fn session_of(&self, id: SessionId) -> Result<Session, StateError> {
        let states = self.states();
        let values = Values::opened(states, self.principal()?, &id);
        Ok(Session { id, values })
    }
}

impl Session {
    /// The id that the model passes back.
    pub const fn id(&self) -> &SessionId {
        &self.id
    }

    /// The value under `name`; absent is `None`, and a kept null is `Some` of what `T` makes of null.
    ///
    /// # Errors
    /// The session has ended, the value is of another type, or the store failed.
    pub async fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        self.values.get(name).await
    }

    /// Keeps `value` under `name`.
    ///
    /// # Errors
    /// The session has ended, the value is no JSON, or the store failed.
    pub async fn set<T: Serialize + Sync + ?Sized>(&self, name: &str, value: &T) -> Result<(), StateError> {
        self.values.set(name, value).await
    }

    /// Forgets the value under `name`; tells whether there was one.
    ///
    /// # Errors
    /// The session has ended, or the store failed.
    pub async fn delete(&self, name: &str) -> Result<bool, StateError> {
        self.values.delete(name).await
    }

    /// Forgets all values; the session stays open.
    ///
    /// # Errors
    /// The session has ended, or the store failed.
    pub async fn clear(&self) -> Result<(), StateError> {
        self.values.change(Map::clear).await
    }

    /// Ends the session: from now on there is none of this id.
    ///
    /// # Errors
    /// It has ended already, or the store failed.
    pub async fn end(self) -> Result<(), StateError> {
        let ended = self.values.collection.take(&self.values.key).await.map_err(StateError::store)?;
        ended.map(drop).ok_or_else(StateError::no_session)
    }
}

impl UserSession {
    /// The value under `name`; absent is `None`, and a kept null is `Some` of what `T` makes of null.
    ///
    /// # Errors
    /// The value is of another type, or the store failed.
    pub async fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        self.0.get(name).await
    }

    /// Keeps `value` under `name`.
    ///
    /// # Errors
    /// The value is no JSON, or the store failed.
    pub async fn set<T: Serialize + Sync + ?Sized>(&self, name: &str, value: &T) -> Result<(), StateError> {
        self.0.set(name, value).await
    }

    /// Forgets the value under `name`; tells whether there was one.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete(&self, name: &str) -> Result<bool, StateError> {
        self.0.delete(name).await
    }

    /// Forgets all values.
    ///
    /// # Errors
    /// The store failed.
    pub async fn clear(&self) -> Result<(), StateError> {
        self.0.collection.delete(&self.0.key).await.map_err(StateError::store)
    }
}

impl Values {
    fn opened(states: &States, principal: &Principal, id: &SessionId) -> Self {
        let collection = states.store.clone().collection(OPENED).ttl(states.opened);
        Self { collection, key: id.key(principal), opened: true }
    }

    async fn read(&self) -> Result<Map, StateError> {
        match self.collection.get(&self.key).await.map_err(StateError::store)? {
            None if self.opened => Err(StateError::no_session()),
            map => Ok(map.unwrap_or_default()),
        }
    }

    async fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let Some(value) = self.read().await?.remove(name) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|error| StateError::shape(name, error))
    }

    async fn set<T: Serialize + Sync + ?Sized>(&self, name: &str, value: &T) -> Result<(), StateError> {
        let value = serde_json::to_value(value).map_err(|error| StateError::not_json(name, error))?;
        self.change(|map| drop(map.insert(name.to_owned(), value.clone()))).await
    }

    async fn delete(&self, name: &str) -> Result<bool, StateError> {
        let mut deleted = false;
        self.change(|map| deleted = map.remove(name).is_some()).await?;
        Ok(deleted)
    }

    /// Changes the values as if nobody else did meanwhile.
    async fn change(&self, mut change: impl FnMut(&mut Map) + Send) -> Result<(), StateError> {
        let changed = self.collection.update_with(&self.key, |map: Option<Map>| {
            let mut map = if self.opened { map? } else { map.unwrap_or_default() };
            change(&mut map);
            Some(map)
        });
        match changed.await.map_err(StateError::store)? {
            Some(_) => Ok(()),
            None => Err(StateError::no_session()),
        }
    }
}

impl Inject for UserSession {
    fn inject(context: &Context) -> Result<Self, Failure> {
        context.user_session().map_err(|error| Failure::new(code::INVALID_REQUEST, error.to_string()))
    }
}

impl Inject for Option<UserSession> {
    fn inject(context: &Context) -> Result<Self, Failure> {
        Ok(context.user_session().ok())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for UserSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserSession").finish_non_exhaustive()
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::presented(&text).ok_or_else(|| serde::de::Error::custom("a session id is visible ASCII text"))
    }
}

impl JsonSchema for SessionId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SessionId".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "the id of a session, exactly as the tool that opened it returned it",
        })
    }
}
