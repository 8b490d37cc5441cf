//! What the handles of one store share: how they get at the open store, and what runs where.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use kv_core::backend::embedded::{
    Action, Applied, Durability, GROUP, Guard, Inline, Namespace, Op, apart, error, submit, together,
};
use kv_core::{
    Capabilities, Clock, Consistency, Entry, Error, ErrorKind, Judge, Key, Listing, NewEntry, Result, ttl,
};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::config::RocksConfig;
use crate::open::Open;
use crate::shared::Shared;

/// The largest value.
const MAX_VALUE: usize = 100 << 20;
/// The longest key: namespace, collection and id with 2 bytes between each, NULs in the first two counted twice.
const MAX_KEY: usize = 1_000_000;
/// A batch of reads goes on elsewhere after so many, or so long.
const INLINE_READS: usize = 64;
const INLINE_READING: Duration = Duration::from_micros(500);

/// What the handles of a store share.
pub(crate) struct Inner {
    /// `None` once closed. Readers share no counter that all of them would write to.
    pub(crate) open: ArcSwapOption<Open>,
    /// Its sender goes when the directory is free again.
    pub(crate) freed: watch::Receiver<()>,
    namespace: Namespace,
    pub(crate) clock: Clock,
    pub(crate) capabilities: Capabilities,
    pub(crate) facts: Facts,
    pub(crate) inline: Inline,
}

/// What was found when the store was opened.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) dir: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) warnings: Vec<String>,
}

impl Inner {
    pub(crate) fn open(config: &RocksConfig) -> Result<Self> {
        let (sender, freed) = watch::channel(());
        let open = Open::new(config, sender)?;
        let (dir, warnings) = (open.directory().root().to_owned(), open.directory().warnings().to_vec());
        let namespace = open.shared()?.namespace.clone();
        Ok(Self {
            open: ArcSwapOption::from_pointee(open),
            freed,
            namespace,
            clock: config.clock.clone(),
            capabilities: capabilities(),
            facts: Facts { dir, durability: config.durability, warnings },
            inline: Inline::default(),
        })
    }

    /// Does something short here and now. `close` waits for it.
    pub(crate) fn here<T>(&self, work: impl FnOnce(&Shared) -> Result<T>) -> Result<T> {
        let open = self.open.load();
        let shared = open.as_ref().ok_or_else(error::closed)?.shared()?;
        self.inline.timed(|| work(shared))
    }

    /// Does something long off the executor. `close` waits for it, also when its caller gave up.
    pub(crate) async fn elsewhere<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let open = self.open.load_full().ok_or_else(error::closed)?;
        spawn_blocking(move || work(open.shared()?)).await.map_err(|e| error::lost().because(e)).flatten()
    }

    /// Reads one entry here and now.
    pub(crate) fn read(&self, key: Key<'_>) -> Result<Option<Entry>> {
        self.inline.sampled(|| {
            let open = self.open.load();
            let shared = open.as_ref().ok_or_else(error::closed)?.shared()?;
            self.namespace.with_key(key, |stored| {
                check_length(stored)?;
                shared.get(stored)
            })
        })
    }

    pub(crate) fn key(&self, key: Key<'_>) -> Result<Vec<u8>> {
        let stored = self.namespace.key(key);
        check_length(&stored)?;
        Ok(stored)
    }

    pub(crate) fn put(&self, key: Key<'_>, entry: NewEntry, guard: Guard) -> Result<Op> {
        if entry.value().len() > MAX_VALUE {
            return Err(Error::new(ErrorKind::TooLarge, "a value has at most 100 MiB"));
        }
        let ttl = ttl::checked_ttl(entry.lifetime())?;
        let deadline = ttl.map(|ttl| ttl::deadline(self.clock.unix_ms(), ttl));
        Ok(Op { key: self.key(key)?, action: Action::Put { entry, deadline, guard } })
    }

    pub(crate) async fn write(&self, op: Op) -> Result<Applied> {
        let submitted = self.here(|shared| Ok(submit(shared, vec![op])))?;
        submitted.finish().await.pop().unwrap_or_else(|| Err(error::lost()))
    }

    /// Writes what could be prepared; the others answer with their own error.
    pub(crate) async fn write_many(&self, prepared: Vec<Result<Op>>) -> Result<Vec<Result<Applied>>> {
        let (ops, refused) = apart(prepared);
        let submitted = self.here(|shared| Ok(submit(shared, ops)))?;
        Ok(together(submitted.finish().await, refused))
    }

    /// Reads what has a proper name; the others answer with their own error.
    pub(crate) async fn read_many(&self, names: Vec<Result<Vec<u8>>>) -> Result<Vec<Result<Option<Entry>>>> {
        let (keys, refused) = apart(names);
        Ok(together(self.read_keys(keys).await?, refused))
    }

    /// Reads keys until that takes long.
    fn read_here(&self, keys: &[Vec<u8>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.here(|shared| {
            let started = Instant::now();
            let in_time = keys.iter().take(INLINE_READS).take_while(|_| started.elapsed() < INLINE_READING);
            Ok(in_time.map(|key| shared.get(key)).collect())
        })
    }

    async fn read_keys(&self, mut keys: Vec<Vec<u8>>) -> Result<Vec<Result<Option<Entry>>>> {
        let mut found = if keys.len() > INLINE_READS { Vec::new() } else { self.read_here(&keys)? };
        let rest = keys.split_off(found.len());
        if !rest.is_empty() {
            found.extend(
                self.elsewhere(move |shared| Ok(rest.iter().map(|key| shared.get(key)).collect::<Vec<_>>()))
                    .await?,
            );
        }
        Ok(found)
    }
}

fn check_length(stored: &[u8]) -> Result<()> {
    if stored.len() > MAX_KEY {
        let message = "namespace, collection and id together exceed 1,000,000 bytes";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(())
}

fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::of("rocksdb");
    capabilities.scan = Listing::Ordered;
    capabilities.durable = true;
    capabilities.exclusive = true;
    capabilities.consistency = Consistency::Linearizable;
    capabilities.judge = Judge::Machine;
    capabilities.max_value = Some(MAX_VALUE);
    capabilities.read_batch = GROUP;
    capabilities.write_batch = GROUP;
    capabilities.signals = true;
    capabilities.changes = true;
    capabilities
}
