//! Where envelopes are found.

use std::fmt;
use std::future::Future;

use bytes::Bytes;
use kv_core::{Cursor, Diagnose, Error, Key, Result, Scan};

/// Finds what the library stored, as it stands there.
pub trait Source: Diagnose + fmt::Debug + Send + Sync + 'static {
    /// The name in the store's capabilities.
    const NAME: &'static str;

    /// The envelope under `key`; `None` if there is none.
    fn get(&self, key: Key<'_>) -> impl Future<Output = Result<Option<Bytes>>> + Send;

    /// Some of the envelopes that the scan lists, at most its limit, and where to go on.
    fn page(
        &self,
        scan: Scan<'_>,
        from: Option<&Cursor>,
    ) -> impl Future<Output = Result<(Vec<Found>, Option<Cursor>)>> + Send;

    /// Ends the source; later calls are `Closed`.
    fn close(&self) -> impl Future<Output = Result<()>> + Send;
}

/// An envelope that a listing found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// The collection, as far as the library kept its name.
    pub collection: String,
    /// The key, as far as the library kept it.
    pub id: String,
    /// The envelope as it is stored, or why it cannot be read.
    pub stored: Result<Bytes>,
}

impl Found {
    /// The envelope `stored` under these names.
    pub fn new(collection: impl Into<String>, id: impl Into<String>, stored: Bytes) -> Self {
        Self { collection: collection.into(), id: id.into(), stored: Ok(stored) }
    }

    /// What stands under these names and cannot be read.
    pub fn damaged(collection: impl Into<String>, id: impl Into<String>, error: Error) -> Self {
        Self { collection: collection.into(), id: id.into(), stored: Err(error) }
    }
}
