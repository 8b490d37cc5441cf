//! How the handles of one store get at it, and what runs where.

use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use super::{Engine, Inline, Open, Shared, end, error};
use crate::{Entry, Result};

/// A batch of reads goes on elsewhere after so many, or so long.
const INLINE_READS: usize = 64;
const INLINE_READING: Duration = Duration::from_micros(500);

/// The way to an open store, until it is closed.
#[derive(Debug)]
pub(super) struct Access<E: Engine> {
    /// `None` once closed. Readers share no counter that all of them would write to.
    open: ArcSwapOption<Open<E>>,
    freed: watch::Receiver<()>,
    inline: Inline,
}

impl<E: Engine> Access<E> {
    pub(super) fn new(open: Open<E>) -> Self {
        let freed = open.freed();
        Self { open: ArcSwapOption::from_pointee(open), freed, inline: Inline::default() }
    }

    pub(super) fn slow_inline(&self) -> u64 {
        self.inline.slow()
    }

    /// Does something short here and now. `close` waits for it.
    pub(super) fn here<T>(&self, work: impl FnOnce(&Shared<E>) -> Result<T>) -> Result<T> {
        let open = self.open.load();
        let shared = open.as_ref().ok_or_else(error::closed)?.shared()?;
        self.inline.timed(|| work(shared))
    }

    /// As [`Access::here`], for what takes less time than two looks at the clock.
    pub(super) fn at_once<T>(&self, work: impl FnOnce(&Shared<E>) -> Result<T>) -> Result<T> {
        let open = self.open.load();
        let shared = open.as_ref().ok_or_else(error::closed)?.shared()?;
        self.inline.sampled(|| work(shared))
    }

    /// Does something long off the executor. `close` waits for it, also when its caller gave up.
    pub(super) async fn elsewhere<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared<E>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let open = self.open.load_full().ok_or_else(error::closed)?;
        E::elsewhere(move || work(open.shared()?)).await.flatten()
    }

    /// Reads some entries, here as long as that takes little time.
    pub(super) async fn read(&self, mut keys: Vec<Vec<u8>>) -> Result<Vec<Result<Option<Entry>>>> {
        let mut found = if keys.len() > INLINE_READS { Vec::new() } else { self.read_here(&keys)? };
        let rest = keys.split_off(found.len());
        if !rest.is_empty() {
            let read =
                move |shared: &Shared<E>| Ok(rest.iter().map(|key| shared.get(key)).collect::<Vec<_>>());
            found.extend(self.elsewhere(read).await?);
        }
        Ok(found)
    }

    /// Reads keys until that takes long.
    fn read_here(&self, keys: &[Vec<u8>]) -> Result<Vec<Result<Option<Entry>>>> {
        self.here(|shared| {
            let started = Instant::now();
            let in_time = keys.iter().take_while(|_| started.elapsed() < INLINE_READING);
            Ok(in_time.map(|key| shared.get(key)).collect())
        })
    }

    /// Flushes and lets go of the store; returns once the directory is free, also for who closes it a second time.
    pub(super) async fn close(&self) -> Result<()> {
        let flushed = match self.open.swap(None) {
            Some(open) => end(open, Open::flush).await.unwrap_or_else(|_| Err(error::lost())),
            None => Ok(()),
        };
        let mut freed = self.freed.clone();
        while freed.changed().await.is_ok() {}
        flushed
    }
}
