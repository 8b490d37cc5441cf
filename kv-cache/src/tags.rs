//! Tags: many values invalidated at once, by removing one entry.
//!
//! A tag is an entry that holds a random generation. A value carries the generations of its tags that were seen
//! before it was fetched, and is there only while they all stand.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kv_core::{Entry, Error, ErrorKind, Key, Meta, NewEntry, PutMode, Result, Store as _, Version};
use tokio::time::Instant;

use crate::marks::TAG;
use crate::{Cache, Encoding};

/// The tags that a cache gives its values, and where tags stand.
#[derive(Clone, Debug)]
pub(crate) struct Tags {
    collection: Arc<str>,
    pub(crate) names: Arc<[Box<str>]>,
}

/// Tags, each with the generation that was seen.
pub(crate) type Generations = Vec<(Box<str>, Generation)>;

type Generation = [u8; 16];

/// The tags that a value will carry, as they stood before it was fetched.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    pub(crate) generations: Generations,
    /// Until when they all stand if nobody invalidates one; `None` is for ever.
    ends: Option<Instant>,
}

impl Standing {
    /// Whether they last for a value that is stored now to live for `ttl`.
    pub(crate) fn outlast(&self, ttl: Option<Duration>) -> bool {
        lasts(self.ends.map(|ends| ends.saturating_duration_since(Instant::now())), ttl)
    }

    fn push(&mut self, tag: &str, generation: Generation, ends: Option<Instant>) {
        self.generations.push((tag.into(), generation));
        self.ends = self.ends.into_iter().chain(ends).min();
    }
}

impl Tags {
    /// None yet, for the cache `name`.
    pub(crate) fn of(name: &str) -> Self {
        Self { collection: format!("{name}/#tags").into(), names: Arc::default() }
    }

    fn key<'a>(&'a self, tag: &'a str) -> Key<'a> {
        Key::new(&self.collection, tag)
    }
}

impl<T, C: Encoding<T>> Cache<T, C> {
    /// The same cache, giving what it stores these tags; what it had so far goes.
    ///
    /// ```
    /// use std::convert::Infallible;
    ///
    /// use kv_cache::Cache;
    /// use kv_memory::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> kv_core::Result<()> {
    /// let pages: Cache<String> = Cache::new(MemoryStore::new(), "pages");
    /// let of_ada = pages.tagged(["user:ada", "news"]);
    /// let page = of_ada.get_or_fetch("/ada", || async { Ok::<_, Infallible>("<p>".to_owned()) }).await;
    /// assert_eq!(page.as_deref(), Ok("<p>"));
    /// pages.invalidate_tag("user:ada").await?;
    /// assert_eq!(pages.get("/ada").await, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Values are stored with the tags' generations, seen before the fetch began, and whoever reads them, tagged or
    /// not, compares. Calls for one id with different tags do not share a fetch: give an id the same tags always.
    #[must_use]
    pub fn tagged<N: Into<Box<str>>>(&self, tags: impl IntoIterator<Item = N>) -> Self {
        let mut cache = self.clone();
        cache.change().tags.names = tags.into_iter().map(Into::into).collect();
        cache
    }

    /// Removes all values that carry `tag`, and keeps those that are being fetched at this moment, anywhere, from
    /// being found. One deletion, however many they are; their entries stay in the store until they expire.
    ///
    /// # Errors
    /// Those of the store: the old values may then still be there.
    pub async fn invalidate_tag(&self, tag: &str) -> Result<()> {
        let deleted = self.store.delete_many(&[self.settings.tags.key(tag)]).await;
        self.shared.flights.forget(|flight| flight.tags.iter().any(|name| **name == *tag));
        self.invalidated(deleted)
    }

    /// Whether all of these generations stand.
    pub(crate) async fn stand(&self, seen: &Generations) -> Result<bool> {
        let keys: Vec<_> = seen.iter().map(|(tag, _)| self.settings.tags.key(tag)).collect();
        let found = self.store.get_many(&keys).await?;
        for ((_, generation), found) in seen.iter().zip(found) {
            if found?.and_then(|entry| generation_of(&entry)) != Some(*generation) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The tags to store a value with that will be fetched from now on, for the cache's own ttl; absent ones are
    /// created. They last for a fetch at least, however short that ttl is.
    pub(crate) async fn standing(&self) -> Result<Standing> {
        let longest = self.settings.lifetimes.longest();
        self.standing_for(longest.map(|longest| longest.max(Self::MAX_LEASE))).await
    }

    /// The same, made to last for a value that lives for `ttl`.
    ///
    /// What a near tier tells may be old: a value with an old generation is never found, so that harms nobody.
    pub(crate) async fn standing_for(&self, ttl: Option<Duration>) -> Result<Standing> {
        let Tags { names, .. } = &self.settings.tags;
        let mut standing = Standing::default();
        if names.is_empty() {
            return Ok(standing);
        }
        let keys: Vec<_> = names.iter().map(|tag| self.settings.tags.key(tag)).collect();
        let now = Instant::now(); // before the store says what is left
        let found = self.store.get_many(&keys).await?;
        for (tag, found) in names.iter().zip(found) {
            let (generation, left) = self.generation(tag, found?, ttl).await?;
            standing.push(tag, generation, left.and_then(|left| now.checked_add(left)));
        }
        Ok(standing)
    }

    /// The generation of `tag`, given what was `found` there, and how long it stays: at least for `ttl`.
    async fn generation(
        &self,
        tag: &str,
        mut found: Option<Entry>,
        ttl: Option<Duration>,
    ) -> Result<(Generation, Option<Duration>)> {
        let key = self.settings.tags.key(tag);
        for _ in 0..TRIES {
            let known = found.as_ref().and_then(generation_of);
            let mode = match (&found, known) {
                (Some(entry), Some(generation)) if lasts(entry.ttl, ttl) => {
                    return Ok((generation, entry.ttl));
                }
                (Some(entry), _) => PutMode::Update(entry.version),
                (None, _) => PutMode::Create,
            };
            let generation = known.unwrap_or_else(|| *Version::random().as_bytes());
            // Twice that: it need not be written anew until half of it is over.
            let left = ttl.map(|ttl| ttl.saturating_mul(2).min(A_LONG_TIME));
            match self.store.put(key, entry_of(generation, left), mode).await {
                Ok(_) => return Ok((generation, left)),
                Err(error) if is_race(&error) => found = self.store.get(key).await?,
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(ErrorKind::Conflict, "the tag is written all the time").during("get_or_fetch").at(key))
    }
}

const TRIES: usize = 8;
/// Stores take ttls of up to 100 years.
const A_LONG_TIME: Duration = Duration::from_secs(50 * 365 * 86_400);

fn entry_of(generation: Generation, ttl: Option<Duration>) -> NewEntry {
    NewEntry::new(Bytes::copy_from_slice(&generation)).ttl(ttl).meta(Meta::codec(TAG))
}

/// Whether a tag with so much left outlives a value that lives for `ttl`, or could not be made to.
fn lasts(left: Option<Duration>, ttl: Option<Duration>) -> bool {
    left.is_none_or(|left| ttl.is_some_and(|ttl| left >= ttl.min(A_LONG_TIME / 2)))
}

fn generation_of(entry: &Entry) -> Option<Generation> {
    (entry.meta.codec == TAG).then(|| entry.value.as_ref().try_into().ok()).flatten()
}

fn is_race(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::Conflict) // of a tag, done or not: it is read again
}
