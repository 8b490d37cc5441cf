//! The typed handle that people use.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::update::OnCorrupt;
use crate::{AnyStore, Codec, Error, ErrorKind, Key, Meta, Version};

mod read;
mod write;

pub use read::Listed;

/// The entries of one collection as values of type `T`.
///
/// Written as JSON unless [`Collection::cbor`] is asked for; read by the codec that each entry names. Cheap to clone;
/// clones share the store.
///
/// ```
/// # use kv_core::{Collection, Result, Store, StoreExt};
/// # use std::time::Duration;
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Token {
///     user: String,
/// }
///
/// async fn once(store: impl Store + Clone) -> Result<()> {
///     let tokens = store.collection::<Token>("tokens").ttl(Duration::from_secs(900));
///     tokens.put("jti-1", &Token { user: "ada".to_owned() }).await?;
///     let spent: Option<Token> = tokens.take("jti-1").await?;
///     assert!(spent.is_some() && tokens.take("jti-1").await?.is_none());
///     Ok(())
/// }
/// ```
pub struct Collection<T, S = AnyStore> {
    store: S,
    name: Arc<str>,
    codec: Codec,
    ttl: Option<Duration>,
    unreadable: Unreadable,
    values: PhantomData<fn() -> T>,
}

/// What an entry counts as that cannot be read: not of this type, in a codec that this build lacks, damaged, or sealed
/// with a key that is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unreadable {
    /// An error: `Corrupt`.
    #[default]
    Error,
    /// Absent. Creating, updating and putting write over it.
    Miss,
}

/// A value with what the store knows about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found<T> {
    /// The value.
    pub value: T,
    /// The identity of the write that made it, for [`Collection::update`].
    pub version: Version,
    /// What is left to live; `None` never expires.
    pub ttl: Option<Duration>,
    /// Codec and tags.
    pub meta: Meta,
}

impl<T, S> Collection<T, S> {
    /// The collection `name` of `store`: JSON, no ttl, unreadable entries are errors.
    pub fn new(store: S, name: &str) -> Self {
        let (codec, ttl, unreadable) = (Codec::Json, None, Unreadable::Error);
        Self { store, name: name.into(), codec, ttl, unreadable, values: PhantomData }
    }

    /// Writes CBOR from now on. Needs the feature `cbor`; without it each write is `Unsupported`.
    #[must_use]
    pub fn cbor(self) -> Self {
        self.codec(Codec::Cbor)
    }

    /// Writes with `codec` from now on.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// What is written lives so long; `None` never expires.
    #[must_use]
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.ttl = ttl.into();
        self
    }

    /// Decides what an unreadable entry counts as.
    #[must_use]
    pub fn unreadable(mut self, unreadable: Unreadable) -> Self {
        self.unreadable = unreadable;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The store that it stands in.
    pub fn store(&self) -> &S {
        &self.store
    }

    fn key<'a>(&'a self, id: &'a str) -> Key<'a> {
        Key::new(&self.name, id)
    }

    fn on_corrupt(&self) -> OnCorrupt {
        match self.unreadable {
            Unreadable::Error => OnCorrupt::Fail,
            Unreadable::Miss => OnCorrupt::Remove,
        }
    }

    fn counts_as_absent(&self, error: &Error) -> bool {
        self.unreadable == Unreadable::Miss && error.kind() == ErrorKind::Corrupt
    }
}

impl<T, S: Clone> Clone for Collection<T, S> {
    fn clone(&self) -> Self {
        let Self { store, name, codec, ttl, unreadable, values } = self;
        let (store, name) = (store.clone(), Arc::clone(name));
        Self { store, name, codec: *codec, ttl: *ttl, unreadable: *unreadable, values: *values }
    }
}

impl<T, S: fmt::Debug> fmt::Debug for Collection<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, name, codec, ttl, unreadable, values: _ } = self;
        f.debug_struct("Collection")
            .field("store", store)
            .field("name", name)
            .field("codec", codec)
            .field("ttl", ttl)
            .field("unreadable", unreadable)
            .finish()
    }
}
