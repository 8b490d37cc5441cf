//! The life of an open store: how it begins, and that it ends with everything on the disk and the directory free.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use kv_core::backend::embedded::{
    Answer, Applied, Directory, Namespace, News, Poison, Queue, close_to_others, error,
};
use kv_core::backend::{Deadlines, encode};
use kv_core::{Clock, Error, ErrorKind, Result};
use tokio::sync::oneshot::Receiver;
use tokio::sync::watch;

use crate::config::RocksConfig;
use crate::engine::Rocks;
use crate::shared::Shared;

/// The name in the directory.
const ENGINE: &str = "rocksdb";

/// An open store. Dropping it does what is queued, flushes, closes the engine and frees the directory; that blocks
/// for some milliseconds.
#[derive(Debug)]
pub(crate) struct Open {
    /// Taken out only by the drop.
    shared: Option<Arc<Shared>>,
    threads: Vec<JoinHandle<()>>,
    directory: Directory,
    /// Says that the directory is free; dropped last.
    _freed: watch::Sender<()>,
}

impl Open {
    /// Opens or creates the store. Blocks, up to `lock_wait` and then as long as the engine reads.
    pub(crate) fn new(config: &RocksConfig, freed: watch::Sender<()>) -> Result<Self> {
        let directory = Directory::claim(&config.dir, config.create, config.lock_wait)?;
        let poison = Poison::default();
        find_or_create(&directory, config, &poison)?;
        let data = directory.data();
        let db = poison.guard(|| Rocks::open(&data, config))?;
        let namespace = Namespace::new(&config.namespace, encode(&[&config.namespace], ""));
        close_to_others(&data).map_err(|e| error::io("closing to others", &data, e))?;
        let shared = Arc::new_cyclic(|weak: &std::sync::Weak<Shared>| Shared {
            db,
            poison,
            clock: config.clock.clone(),
            queue: Queue::default(),
            deadlines: Deadlines::new(config.clock.clone(), Clock::unix_ms, weak.clone()),
            news: News::new(),
            namespace,
        });
        let mut open = Self { shared: Some(shared), threads: Vec::new(), directory, _freed: freed };
        open.start("larder-write", |shared| shared.queue.run(|ops| shared.commit(ops)))?;
        Ok(open)
    }

    fn start(&mut self, name: &str, work: impl FnOnce(&Shared) + Send + 'static) -> Result<()> {
        let Some(shared) = self.shared.clone() else { return Ok(()) };
        let thread = thread::Builder::new().name(name.into()).spawn(move || work(&shared));
        let cannot = |e| Error::new(ErrorKind::Unavailable, "the system has no thread to give").because(e);
        self.threads.push(thread.map_err(cannot)?);
        Ok(())
    }

    /// The engine with all that surrounds it.
    pub(crate) fn shared(&self) -> Result<&Shared> {
        self.shared.as_deref().ok_or_else(error::closed)
    }

    /// Asks for a last commit of all that was written.
    pub(crate) fn flush(&self) -> Result<Receiver<Answer<Applied>>> {
        Ok(self.shared()?.queue.push(Vec::new()))
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }
}

fn find_or_create(directory: &Directory, config: &RocksConfig, poison: &Poison) -> Result<()> {
    match directory.engine()?.as_deref() {
        Some(ENGINE) => Ok(()),
        Some(other) => Err(Error::new(
            ErrorKind::Invalid,
            format!("the store was made with engine={other}: open it as `disk`, or choose another directory"),
        )),
        None => directory.create(ENGINE, |dir| poison.guard(|| Rocks::create(dir, config))),
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        shared.news.end();
        shared.deadlines.stop();
        shared.queue.stop(); // what is queued is still done, a round of the sweeper included
        for thread in self.threads.drain(..) {
            drop(thread.join()); // it catches the engine's panics itself
        }
        shared.deadlines.join();
        let Some(Shared { db, poison, .. }) = Arc::into_inner(shared) else { return };
        // Best effort: the kernel has every acknowledged write already.
        drop(poison.guard(|| db.close()));
    }
}
