//! Raw sled 0.34, each write flushed as `durability=os` promises.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use sled::{IVec, Tree};
use tempfile::TempDir;

use super::flusher::Flusher;
use crate::subject::{Conditional, Engine, Points, Subject, listed};
use crate::workload::{BATCH, Name, RawVersion, Values, new_version, versioned};

/// How writes become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Each writer flushes by itself, where it is: nothing else runs on its thread meanwhile.
    Each,
    /// Each writer flushes by itself, on a thread that may block, as one does in async code.
    Elsewhere,
    /// One thread flushes for all who wait.
    Grouped,
}

/// Who flushes.
#[derive(Clone, Debug)]
enum Writer {
    Each,
    Elsewhere,
    Grouped(Flusher),
}

/// An open sled; its directory goes away with the last handle.
#[derive(Clone, Debug)]
pub struct Sled {
    tree: Tree,
    db: sled::Db,
    writer: Writer,
    _dir: Arc<TempDir>,
}

impl Sled {
    /// A new one in this directory.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn open(dir: TempDir, cache_bytes: usize) -> Self {
        let db = open(dir.path(), cache_bytes);
        let tree = db.open_tree("data").expect("a tree is made");
        Self { tree, db, writer: Writer::Each, _dir: Arc::new(dir) }
    }

    /// The same engine, made durable in this way.
    ///
    /// # Panics
    /// On the thread that flushes, when a flush fails.
    #[must_use]
    pub fn flushing(&self, way: Flush) -> Self {
        let writer = match way {
            Flush::Each => Writer::Each,
            Flush::Elsewhere => Writer::Elsewhere,
            Flush::Grouped => {
                let db = self.db.clone();
                Writer::Grouped(Flusher::start(move || flush(&db)))
            }
        };
        Self { writer, ..self.clone() }
    }

    /// After a write.
    async fn settle(&self) {
        match &self.writer {
            Writer::Each | Writer::Elsewhere => flush(&self.db),
            Writer::Grouped(flusher) => flusher.flushed().await,
        }
    }

    fn read(&self, number: u64) -> Option<IVec> {
        self.tree.get(Name::of(number).as_bytes()).expect("a get succeeds")
    }

    fn write(&self, number: u64, value: &Bytes) {
        self.tree.insert(Name::of(number).as_bytes(), value.as_ref()).expect("an insert succeeds");
    }
}

fn open(dir: &Path, cache_bytes: usize) -> sled::Db {
    let cache = u64::try_from(cache_bytes).unwrap_or(u64::MAX);
    sled::Config::new().path(dir).cache_capacity(cache).flush_every_ms(Some(500)).open().expect("sled opens")
}

fn flush(db: &sled::Db) {
    db.flush().expect("a flush succeeds");
}

impl Points for Sled {
    type Value = IVec;

    async fn get(&mut self, number: u64) -> Option<IVec> {
        self.read(number)
    }

    async fn put(&mut self, number: u64, value: &Bytes) {
        if matches!(self.writer, Writer::Elsewhere) {
            let (sled, value) = (self.clone(), value.clone());
            let put = move || {
                sled.write(number, &value);
                flush(&sled.db);
            };
            return tokio::task::spawn_blocking(put).await.expect("a put comes to its end");
        }
        self.write(number, value);
        self.settle().await;
    }
}

impl Subject for Sled {
    type Page = Vec<(IVec, IVec)>;

    async fn put_with_ttl(&mut self, number: u64, value: &Bytes) {
        self.put(number, value).await;
    }

    async fn take(&mut self, number: u64) -> Option<IVec> {
        let taken = self.tree.remove(Name::of(number).as_bytes()).expect("a remove succeeds")?;
        self.settle().await;
        Some(taken)
    }

    async fn get_many(&mut self, numbers: &[u64; BATCH]) -> Vec<Option<IVec>> {
        numbers.iter().map(|number| self.read(*number)).collect()
    }

    async fn put_many(&mut self, numbers: &[u64; BATCH], values: &Values) {
        self.put_batch(numbers, |number| values.of(number).clone()).await;
    }

    async fn page(&mut self, number: u64) -> Self::Page {
        let name = Name::of(number);
        let prefix = format!("{}/", name.parts().0);
        self.tree.scan_prefix(prefix).collect::<Result<_, _>>().expect("a scan succeeds")
    }

    fn listed(page: &Self::Page) -> Vec<(String, Vec<u8>)> {
        listed::<Self>(page)
    }

    fn values(page: &Self::Page) -> impl Iterator<Item = &[u8]> {
        page.iter().map(|(_, value)| value.as_ref())
    }
}

impl Engine for Sled {
    async fn put_batch(&mut self, numbers: &[u64; BATCH], value: impl Fn(u64) -> Bytes + Send) {
        for number in numbers {
            self.write(*number, &value(*number));
        }
        self.settle().await;
    }

    fn entries(page: &Self::Page) -> impl Iterator<Item = (&[u8], &[u8])> {
        page.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

impl Conditional for Sled {
    type Version = RawVersion;

    async fn begin(&mut self, number: u64, value: &Bytes) -> RawVersion {
        let version = new_version();
        self.write(number, &versioned(&version, value).into());
        self.settle().await;
        version
    }

    async fn update(&mut self, number: u64, version: RawVersion, value: &Bytes) -> RawVersion {
        let (name, next) = (Name::of(number), new_version());
        let found = self.read(number).filter(|found| found.starts_with(&version));
        let swapped =
            self.tree.compare_and_swap(name.as_bytes(), found.as_ref(), Some(versioned(&next, value)));
        swapped.expect("a swap comes to its end").expect("nobody else wrote");
        self.settle().await;
        next
    }
}
