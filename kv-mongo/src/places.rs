//! Places for calls, about as many as there are connections: a call that waits for one has sent nothing yet, and ends with its
//! caller.

use std::sync::Arc;
use std::time::Duration;

use kv_core::{Error, ErrorKind, Outcome, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The places of a store. Who asks first is served first.
#[derive(Debug)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    /// What writes may have of them: a quarter is left to reads, so that writes that get stuck do not hold up everything.
    writes: Arc<Semaphore>,
    /// How long a call waits for one.
    patience: Duration,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _one: OwnedSemaphorePermit,
    _write: Option<OwnedSemaphorePermit>,
}

impl Places {
    /// As many as there may be connections to a server; for the driver 0 is no limit.
    pub(crate) fn new(connections: u32, patience: Duration) -> Self {
        let count = match usize::try_from(connections) {
            Ok(0) | Err(_) => Semaphore::MAX_PERMITS,
            Ok(count) => count.min(Semaphore::MAX_PERMITS),
        };
        let writes = Arc::new(Semaphore::new(count - count / 4));
        Self { all: Arc::new(Semaphore::new(count)), writes, patience }
    }

    /// # Errors
    /// `Timeout` when none becomes free; `Closed` once they are closed.
    pub(crate) async fn for_a_read(&self) -> Result<Place> {
        Ok(Place { _one: self.one_of(&self.all).await?, _write: None })
    }

    /// # Errors
    /// As [`Places::for_a_read`].
    pub(crate) async fn for_a_write(&self) -> Result<Place> {
        let write = self.one_of(&self.writes).await?;
        Ok(Place { _one: self.one_of(&self.all).await?, _write: Some(write) })
    }

    async fn one_of(&self, places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
        let place = timeout(self.patience, Arc::clone(places).acquire_owned()).await;
        place.map_err(|_| busy())?.map_err(|_| Error::new(ErrorKind::Closed, "the store was closed"))
    }

    /// Nobody gets one any more, who waits already neither.
    pub(crate) fn close(&self) {
        self.writes.close();
        self.all.close();
    }
}

fn busy() -> Error {
    let message =
        "all connections are busy: find out what the server waits for, or allow more by `maxPoolSize`";
    Error::new(ErrorKind::Timeout, message).with_outcome(Outcome::NotDone)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::{ErrorKind, Outcome};

    use super::Places;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn writes_leave_a_quarter_to_reads_and_have_the_only_one_of_all() {
        for (connections, writes) in [(1, 1), (2, 2), (4, 3), (32, 24)] {
            let places = Places::new(connections, SHORT);
            let mut held = Vec::new();
            while let Ok(place) = places.for_a_write().await {
                held.push(place);
            }
            assert_eq!(held.len(), writes);
            while let Ok(place) = places.for_a_read().await {
                held.push(place);
            }
            assert_eq!(held.len(), usize::try_from(connections).unwrap());
        }
        let unlimited = Places::new(0, SHORT);
        let mut held = Vec::new();
        for _ in 0..1_000 {
            held.push(unlimited.for_a_write().await.unwrap());
        }
    }

    #[tokio::test]
    async fn who_gets_none_in_time_has_done_nothing() {
        let places = Places::new(1, SHORT);
        let held = places.for_a_write().await.unwrap();
        for refused in [places.for_a_read().await, places.for_a_write().await] {
            let error = refused.unwrap_err();
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotDone));
            assert!(error.message().contains("`maxPoolSize`"), "{error}");
        }
        drop(held);
        places.for_a_read().await.unwrap();
    }

    #[tokio::test]
    async fn who_waits_when_they_are_closed_is_told_at_once() {
        let places = Places::new(1, Duration::from_secs(3_600));
        let _held = places.for_a_read().await.unwrap();
        let close = async { places.close() };
        let (read, write, ()) = tokio::join!(places.for_a_read(), places.for_a_write(), close);
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(write.unwrap_err().kind(), ErrorKind::Closed);
    }
}
