//! The store: what its handles hold, and the contract on top of the parts.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kv_core::{
    Capabilities, Changes, Cursor, Entry, Error, Key, NewEntry, Page, PutMode, Result, Scan, Signals, Store,
    Version,
};
use serde::Deserialize;
use serde_json::json;

use crate::config::ElasticConfig;
use crate::error;
use crate::http::Content;
use crate::inner::Inner;
use crate::open;
use crate::product::Product;
use crate::reaper::Reaped;

/// A store in an index of Elasticsearch or OpenSearch. Cheap to clone; clones share one client.
#[derive(Clone)]
pub struct ElasticStore(Arc<Inner>);

/// What a store's namespace holds, expired entries that were not deleted yet included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Entries.
    pub entries: u64,
    /// Bytes of their values; the index takes more.
    pub bytes: u64,
}

impl ElasticStore {
    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Connects, asks who answers, and makes sure that the index is there and Larder's. Needs a tokio runtime.
    ///
    /// # Errors
    /// `Unavailable` and `Timeout` where no host answers; `Denied` for wrong credentials, missing rights and a certificate that
    /// is not trusted; `Invalid` for a server that is too old or something else, for an index that is not Larder's, and for a
    /// missing index that is not to be created.
    pub async fn open(config: ElasticConfig) -> Result<Self> {
        open::open(config).await.map(Self).map_err(|error| error.during("open"))
    }

    /// The product and version that answered at open.
    pub fn product(&self) -> &Product {
        &self.0.product
    }

    /// What the task that deletes expired entries has done so far.
    pub fn reaped(&self) -> Reaped {
        self.0.counts.read()
    }

    /// What the namespace holds, counted by the server after a refresh.
    ///
    /// # Errors
    /// `Closed` after `close`, else what the server says.
    pub async fn held(&self) -> Result<Held> {
        self.count().await.map_err(|error| error.during("held"))
    }

    /// What no server can do fails as such only while the store is open.
    fn refuse<T>(&self, why: Error) -> Result<T> {
        let _inside = self.0.gate.enter()?;
        Err(why)
    }

    async fn count(&self) -> Result<Held> {
        #[derive(Deserialize)]
        struct Counted {
            hits: Hits,
            aggregations: Aggregations,
        }
        #[derive(Deserialize)]
        struct Hits {
            total: Number,
        }
        #[derive(Deserialize)]
        struct Aggregations {
            bytes: Number,
        }
        #[derive(Deserialize)]
        struct Number {
            value: f64,
        }
        let _inside = self.0.gate.enter()?;
        self.0.refresh().await?;
        let query = json!({
            "size": 0,
            "track_total_hits": true,
            "query": { "term": { "namespace": self.0.namespace } },
            "aggs": { "bytes": { "sum": { "field": "size" } } },
        });
        let path = self.0.path("_search?allow_partial_search_results=false");
        let counted: Counted = self.0.http.post(&path, Content::json(&query)).await?.json()?;
        Ok(Held { entries: whole(counted.hits.total.value), bytes: whole(counted.aggregations.bytes.value) })
    }
}

/// The servers write counts as numbers of any form.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are whole and not negative"
)]
const fn whole(number: f64) -> u64 {
    number as u64
}

impl Store for ElasticStore {
    async fn get(&self, key: Key<'_>) -> Result<Option<Entry>> {
        let found = async {
            let _inside = self.0.gate.enter()?;
            self.0.get(key).await
        };
        found.await.map_err(|error| error.during("get").at(key))
    }

    async fn put(&self, key: Key<'_>, entry: NewEntry, mode: PutMode) -> Result<Version> {
        let put = async {
            let _inside = self.0.gate.enter()?;
            self.0.put(key, entry, mode).await
        };
        put.await.map_err(|error| error.during("put").at(key))
    }

    async fn take(&self, key: Key<'_>, version: Option<Version>) -> Result<Option<Entry>> {
        let taken = async {
            let _inside = self.0.gate.enter()?;
            self.0.take(key, version).await
        };
        taken.await.map_err(|error| error.during("take").at(key))
    }

    async fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        let _inside = self.0.gate.enter().map_err(|error| error.during("get_many"))?;
        let answers = self.0.get_many(keys).await;
        Ok(named(answers, "get_many", keys.iter().copied()))
    }

    async fn put_many(&self, entries: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        let _inside = self.0.gate.enter().map_err(|error| error.during("put_many"))?;
        let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
        let answers = self.0.put_many(entries).await;
        Ok(named(answers, "put_many", keys))
    }

    async fn delete_many(&self, keys: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        let _inside = self.0.gate.enter().map_err(|error| error.during("delete_many"))?;
        let answers = self.0.delete_many(keys).await;
        Ok(named(answers, "delete_many", keys.iter().copied()))
    }

    async fn scan(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<Page> {
        let page = async {
            let _inside = self.0.gate.enter()?;
            self.0.page(scan, from).await
        };
        page.await.map_err(|error| error.during("scan"))
    }

    async fn signal(&self, _topic: &str, _message: Bytes) -> Result<()> {
        self.refuse(no_signals()).map_err(|error| error.during("signal"))
    }

    async fn signals(&self, _topic: &str) -> Result<Signals> {
        self.refuse(no_signals()).map_err(|error| error.during("signals"))
    }

    async fn changes(&self) -> Result<Changes> {
        let why = error::unsupported("Elasticsearch and OpenSearch do not tell what others change");
        self.refuse(why).map_err(|error| error.during("changes"))
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn close(&self) -> Result<()> {
        if let Some(reaper) = self.0.reaper.get() {
            reaper.abort();
        }
        self.0.gate.close().await;
        Ok(())
    }
}

fn no_signals() -> Error {
    error::unsupported("Elasticsearch and OpenSearch carry no signals: poll instead")
}

/// The answers of a batch, each error with the operation and its own key.
fn named<'a, T>(
    answers: Vec<Result<T>>,
    operation: &'static str,
    keys: impl IntoIterator<Item = Key<'a>>,
) -> Vec<Result<T>> {
    let named = |(answer, key): (Result<T>, Key<'a>)| answer.map_err(|error| error.during(operation).at(key));
    answers.into_iter().zip(keys).map(named).collect()
}

impl fmt::Debug for ElasticStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElasticStore")
            .field("product", &self.0.product.to_string())
            .field("index", &self.0.index)
            .field("namespace", &self.0.namespace)
            .finish_non_exhaustive()
    }
}
