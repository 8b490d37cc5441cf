//! What all handles of a store share.

use std::sync::OnceLock;

use kv_core::{Capabilities, Clock, Consistency, Judge, Key, Listing, NewEntry, Result};
use tokio::task::AbortHandle;

use crate::http::Http;
use crate::names;
use crate::product::{Name, Product};
use crate::reaper::Counts;
use crate::wire::{Coded, Draft};
use kv_core::backend::Gate;

/// What one round trip of a batch carries: so many entries ..
pub(crate) const BATCH: usize = 1_000;
/// .. and so many bytes, unless the server takes less or one entry is larger.
pub(crate) const BATCH_BYTES: usize = 8 << 20;
/// The largest value: a server holds several copies of a document on its heap while it writes it.
const MAX_VALUE: usize = 16 << 20;
/// Left of a body for names and tags.
const SLACK: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) http: Http,
    pub(crate) product: Product,
    pub(crate) index: String,
    pub(crate) namespace: String,
    /// The longest document that the server takes.
    pub(crate) body_limit: usize,
    pub(crate) clock: Clock,
    pub(crate) capabilities: Capabilities,
    pub(crate) gate: Gate,
    pub(crate) counts: Counts,
    pub(crate) reaper: OnceLock<AbortHandle>,
}

impl Inner {
    /// The path of what belongs to the index.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/{}/{rest}", self.index)
    }

    /// The path of the document that holds the entry.
    pub(crate) fn document(&self, key: Key<'_>) -> String {
        self.path(&format!("_doc/{}", names::hash(&self.namespace, key)))
    }

    /// The document of an entry that is put now.
    pub(crate) async fn coded(&self, key: Key<'_>, entry: NewEntry) -> Result<Coded> {
        let max_value = self.capabilities.max_value.unwrap_or(MAX_VALUE);
        let draft = Draft::new(&self.namespace, key, entry, self.clock.unix_ms(), max_value)?;
        draft.coded(self.body_limit).await
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(reaper) = self.reaper.get() {
            reaper.abort();
        }
    }
}

/// What a store can do on a server that takes bodies up to `body_limit`.
pub(crate) fn capabilities(product: &Product, body_limit: usize) -> Capabilities {
    let mut told = Capabilities::of(match product.name {
        Name::Elasticsearch => "elasticsearch",
        Name::OpenSearch => "opensearch",
    });
    told.scan = Listing::Ordered;
    told.durable = true;
    told.consistency = Consistency::UntilFailover;
    told.judge = Judge::Caller;
    told.max_value = Some(max_value(body_limit));
    (told.read_batch, told.write_batch) = (BATCH, BATCH);
    let trips = &mut told.round_trips;
    (trips.get, trips.replace, trips.create, trips.update, trips.take) = (1, 1, 1, 2, 2);
    told
}

/// Base64 makes four bytes of three.
fn max_value(body_limit: usize) -> usize {
    let left = body_limit - SLACK.min(body_limit / 4);
    (left / 4 * 3).min(MAX_VALUE)
}

#[cfg(test)]
mod tests {
    use super::{MAX_VALUE, max_value};

    #[test]
    fn a_value_takes_at_most_three_quarters_of_a_body() {
        for limit in [64 << 10, 1 << 20, 10 << 20, 100 << 20] {
            assert!(max_value(limit) <= limit / 4 * 3 && max_value(limit) >= limit / 2 || limit > MAX_VALUE);
            assert!(max_value(limit) <= MAX_VALUE);
        }
        assert_eq!(max_value(100 << 20), MAX_VALUE);
    }
}
