//! `get_or_fetch`: one fetch for all who miss.

use std::any::{Any, TypeId};
use std::future::Future;
use std::sync::Arc;

use crate::seen::Seen;
use crate::{Cache, Encoding, Lookup};

impl<T: Clone + Send + Sync + 'static, C: Encoding<T>> Cache<T, C> {
    /// The cached value; else what `fetch` gives, which then is cached.
    ///
    /// Within this cache and its clones one `fetch` runs per id at a time; all who ask meanwhile wait for it and get
    /// a clone of its value, or its error. Dropping the call that began it hands it to the next one; when all have
    /// left it is dropped. Calls whose errors have different types do not share.
    ///
    /// # Errors
    /// Those of `fetch`, and no others; nothing is cached then.
    pub async fn get_or_fetch<F, R, E>(&self, id: &str, fetch: F) -> std::result::Result<T, Arc<E>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = std::result::Result<T, E>> + Send + 'static,
        E: Send + Sync + 'static,
    {
        let seen = self.see(id).await;
        if let Seen::Value(hit) = seen {
            return Ok(self.hit(hit).value);
        }
        self.shared.counters.misses.add();
        let flight = Flight { id: id.into(), error: TypeId::of::<E>() };
        let (cache, id) = (self.clone(), flight.id.clone());
        let landed = self.shared.flights.join(flight, move || async move {
            let fetched: std::result::Result<T, Arc<E>> =
                cache.fetch(&id, seen, fetch).await.map_err(Arc::new);
            Arc::new(fetched) as Output
        });
        match landed.await.downcast::<std::result::Result<T, Arc<E>>>() {
            Ok(fetched) => Arc::unwrap_or_clone(fetched),
            Err(_) => unreachable!("a flight is named by the type of its error"),
        }
    }

    async fn fetch<F, R, E>(&self, id: &str, seen: Seen<T>, fetch: F) -> std::result::Result<T, E>
    where
        F: FnOnce() -> R,
        R: Future<Output = std::result::Result<T, E>>,
    {
        // A run that landed between our look and this one may have filled the lease that we saw.
        let seen = if let Seen::Leased(_) = seen { self.see(id).await } else { seen };
        let lease = match self.lease(id, seen).await {
            Lookup::Hit(hit) => return Ok(hit.value),
            Lookup::Miss(lease) => lease,
        };
        self.shared.counters.fetches.add();
        match fetch().await {
            Ok(value) => {
                lease.fill(&value).await;
                Ok(value)
            }
            Err(error) => {
                lease.abandon().await;
                Err(error)
            }
        }
    }
}

/// A `Result<T, Arc<E>>` of the flight's own types.
pub(crate) type Output = Arc<dyn Any + Send + Sync>;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    pub(crate) id: Box<str>,
    error: TypeId,
}
