//! `get_or_fetch`: one fetch for all who miss.

use std::any::{Any, TypeId};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::seen::Seen;
use crate::single_flight::{Joined, Listed};
use crate::{Cache, Encoding, Lookup};

/// What a fetch answers, or is told to have answered: the value, `None` if there is nothing.
type Fetched<T, E> = std::result::Result<Option<T>, E>;

impl<T: Clone + Send + Sync + 'static, C: Encoding<T>> Cache<T, C> {
    /// The cached value; else what `fetch` gives, which then is cached.
    ///
    /// Within this cache and its clones one `fetch` runs per id at a time; all who ask meanwhile wait for it and get
    /// a clone of its value, or its error. Dropping the call that began it hands it to the next one; when all have
    /// left it is dropped. Calls whose errors have different types do not share, and nobody joins a run that is older
    /// than [`Cache::fetch_timeout`].
    ///
    /// With [`Cache::stale_while_revalidate`] a value past its ttl is answered at once and fetched beside it; with
    /// [`Cache::stale_if_error`] it is answered where `fetch` fails, if it still stands in the store then.
    ///
    /// # Errors
    /// Those of `fetch`, and no others; nothing is cached then.
    pub async fn get_or_fetch<F, R, E>(&self, id: &str, fetch: F) -> std::result::Result<T, Arc<E>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = std::result::Result<T, E>> + Send + 'static,
        E: Send + Sync + 'static,
    {
        let fetch = move || async move { fetch().await.map(Some) };
        match self.answer(id, Wanted::Value, fetch).await? {
            Some(value) => Ok(value),
            None => unreachable!("who wants a value is told of no absence"),
        }
    }

    /// As [`Cache::get_or_fetch`], for what may not exist: that there is nothing is cached for
    /// [`Cache::negative_ttl`].
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use std::time::Duration;
    ///
    /// use kv_cache::Cache;
    /// use kv_memory::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let users = Cache::<String>::new(MemoryStore::new(), "users").negative_ttl(Duration::from_secs(5));
    /// let nobody = users.find_or_fetch("bob", || async { Ok::<_, Infallible>(None) }).await;
    /// assert_eq!(nobody, Ok(None));
    /// // Known for 5 s, so this does not run:
    /// let still = users.find_or_fetch("bob", || async { Ok::<_, Infallible>(Some("Bob".to_owned())) }).await;
    /// assert_eq!(still, Ok(None));
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `fetch`, and no others; nothing is cached then.
    pub async fn find_or_fetch<F, R, E>(&self, id: &str, fetch: F) -> std::result::Result<Option<T>, Arc<E>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = std::result::Result<Option<T>, E>> + Send + 'static,
        E: Send + Sync + 'static,
    {
        self.answer(id, Wanted::Maybe, fetch).await
    }

    async fn answer<F, R, E>(&self, id: &str, wanted: Wanted, fetch: F) -> Fetched<T, Arc<E>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Fetched<T, E>> + Send + 'static,
        E: Send + Sync + 'static,
    {
        let seen = match self.see(id).await {
            Seen::Value(hit) => return Ok(Some(self.hit(hit).value)),
            Seen::Nothing(_) if wanted == Wanted::Maybe => {
                self.shared.counters.negative_hits.add();
                return Ok(None);
            }
            seen => seen,
        };
        if let Seen::Stale(stale) = &seen
            && stale.at_once
            && let Ok(executor) = Handle::try_current()
        {
            let (value, longest) = (stale.hit.value.clone(), stale.left.max(self.settings.lease));
            self.shared.counters.stale.add();
            if !self.shared.flights.has_two(&self.flight::<E>(id, wanted)) {
                let refresh = self.join(id, wanted, seen, fetch);
                if refresh.began() {
                    drop(executor.spawn(refreshes(refresh, longest)));
                }
            }
            return Ok(Some(value));
        }
        self.shared.counters.misses.add();
        match self.join(id, wanted, seen, fetch).await.downcast::<Fetched<T, Arc<E>>>() {
            Ok(fetched) => Arc::unwrap_or_clone(fetched),
            Err(_) => unreachable!("a flight is named by the type of its error"),
        }
    }

    fn join<F, R, E>(&self, id: &str, wanted: Wanted, seen: Seen<T>, fetch: F) -> Joined<Output>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Fetched<T, E>> + Send + 'static,
        E: Send + Sync + 'static,
    {
        let flight = self.flight::<E>(id, wanted);
        let (cache, id) = (self.clone(), flight.id.clone());
        self.shared.flights.join_within(flight, self.settings.lease, move |listed| async move {
            let fetched = cache.fetch(&id, wanted, seen, listed, fetch).await;
            let fetched: Fetched<T, Arc<E>> = fetched.map_err(Arc::new);
            Arc::new(fetched) as Output
        })
    }

    fn flight<E: 'static>(&self, id: &str, wanted: Wanted) -> Flight {
        let tags = Arc::clone(&self.settings.tags.names);
        Flight { id: id.into(), tags, wanted, error: TypeId::of::<E>() }
    }

    async fn fetch<F, R, E>(
        &self,
        id: &str,
        wanted: Wanted,
        seen: Seen<T>,
        listed: Listed<Flight, Output>,
        fetch: F,
    ) -> Fetched<T, E>
    where
        F: FnOnce() -> R,
        R: Future<Output = Fetched<T, E>>,
    {
        let seen = self.again(id, seen).await;
        if let (Seen::Nothing(_), Wanted::Maybe) = (&seen, wanted) {
            return Ok(None);
        }
        let lease = match self.lease(id, seen).await {
            Lookup::Hit(hit) => return Ok(Some(hit.value)),
            Lookup::Miss(lease) => lease,
        };
        self.shared.counters.fetches.add();
        match fetch().await {
            Ok(Some(value)) => {
                lease.fill(&value).await;
                Ok(Some(value))
            }
            Ok(None) => {
                lease.fill_absent().await;
                Ok(None)
            }
            Err(error) => {
                let was_stale = lease.stale().is_some();
                lease.abandon().await;
                if !was_stale {
                    return Err(error);
                }
                drop(listed); // who joined after the look below might have asked after an invalidation
                self.rescue(id, wanted, error).await
            }
        }
    }

    /// What stands where a fetch failed over an old value: that value or a newer one, else the error. It is the error
    /// also where the store does not answer: then nobody knows whether the old value was invalidated.
    async fn rescue<E>(&self, id: &str, wanted: Wanted, error: E) -> Fetched<T, E> {
        match self.see(id).await {
            Seen::Value(hit) => Ok(Some(hit.value)),
            Seen::Stale(stale) => {
                self.shared.counters.rescued.add();
                Ok(Some(stale.hit.value))
            }
            Seen::Nothing(_) if wanted == Wanted::Maybe => Ok(None),
            _ => Err(error),
        }
    }
}

/// Waits for a refresh as long as there is something to replace, and as long as a fetch may take. One that hangs ends then,
/// unless others wait for it by now.
async fn refreshes(refresh: Joined<Output>, longest: Duration) {
    if tokio::time::timeout(longest, refresh).await.is_err() {
        tracing::debug!(?longest, "a refresh hangs and is waited for no more");
    }
}

/// A `Fetched<T, Arc<E>>` of the flight's own types.
pub(crate) type Output = Arc<dyn Any + Send + Sync>;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    pub(crate) id: Box<str>,
    pub(crate) tags: Arc<[Box<str>]>,
    wanted: Wanted,
    error: TypeId,
}

/// Whether a negative entry is an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Wanted {
    Value,
    Maybe,
}
