//! Envelopes in a store of strings, each under `collection::key`.

use bytes::Bytes;
use kv_core::{Collections, Cursor, Diagnose, Finding, Key, Result, Scan, Store};

use crate::envelope;
use crate::{Found, Source};

const BETWEEN: &str = "::";

/// The envelopes in `S`, a store whose ids are the whole stored keys, all in the collection without a name.
///
/// The library does not escape `::`, so one stored key may stand for several names. The envelope tells which one was meant.
#[derive(Debug)]
pub struct Compound<S>(S);

impl<S: Store> Compound<S> {
    /// What `inner` holds.
    pub const fn new(inner: S) -> Self {
        Self(inner)
    }
}

impl<S: Store + Diagnose> Diagnose for Compound<S> {
    async fn diagnose(&self) -> Vec<Finding> {
        self.0.diagnose().await
    }
}

impl<S: Store + Diagnose> Source for Compound<S> {
    const NAME: &'static str = "py-key-value strings";

    async fn get(&self, key: Key<'_>) -> Result<Option<Bytes>> {
        let stored_key = [key.collection, key.id].join(BETWEEN);
        let stored = self.0.get(Key::new("", &stored_key)).await.map_err(|error| error.renamed(key))?;
        let stored = stored.map(|entry| entry.value);
        Ok(stored.filter(|stored| {
            let (collection, id) =
                named(&stored_key, stored).unwrap_or((key.collection.into(), key.id.into()));
            (&*collection, &*id) == (key.collection, key.id)
        }))
    }

    async fn page(&self, scan: Scan<'_>, from: Option<&Cursor>) -> Result<(Vec<Found>, Option<Cursor>)> {
        let start = match scan.collections {
            Collections::One(collection) => [collection, scan.prefix].join(BETWEEN),
            Collections::Under(start) => start.to_owned(),
        };
        let inner = Scan::one("").prefix(&start).values().limit(scan.limit);
        let inner = if scan.skip_damaged { inner.skip_damaged() } else { inner };
        let page = self.0.scan(inner, from).await?;
        let damaged = page.damaged.into_iter().filter_map(|damaged| {
            let (collection, id) = split(&damaged.name?.1)?;
            lists(&scan, &collection, &id).then(|| Found::damaged(collection, id, damaged.error))
        });
        let found = page.items.into_iter().filter_map(|item| {
            let stored = item.entry?.value;
            let (collection, id) = named(&item.id, &stored).or_else(|| split(&item.id))?;
            lists(&scan, &collection, &id).then(|| Found::new(collection, id, stored))
        });
        Ok((found.chain(damaged).collect(), page.next))
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}

/// The names in the envelope, if they are those of this stored key.
fn named(stored_key: &str, stored: &[u8]) -> Option<(String, String)> {
    let names = envelope::names(stored);
    let (collection, key) = (names.collection?, names.key?);
    ([&*collection, &*key].join(BETWEEN) == stored_key).then_some((collection, key))
}

/// The names of an envelope that does not tell them; `None` for a key that the library did not make.
fn split(stored_key: &str) -> Option<(String, String)> {
    let (collection, key) = stored_key.split_once(BETWEEN)?;
    Some((collection.to_owned(), key.to_owned()))
}

fn lists(scan: &Scan<'_>, collection: &str, id: &str) -> bool {
    let named = match scan.collections {
        Collections::One(name) => collection == name,
        Collections::Under(start) => collection.starts_with(start),
    };
    named && id.starts_with(scan.prefix)
}
