//! The life of an open store: how it begins, and that it ends with everything on the disk and the directory free.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use kv_core::backend::Deadlines;
use kv_core::backend::embedded::{Answer, Applied, Directory, News, Poison, Queue, close_to_others};
use kv_core::{Clock, Error, ErrorKind, Result};
use tokio::sync::oneshot::Receiver;
use tokio::sync::watch;

use crate::config::{DiskConfig, Engine};
use crate::engine::Db;
use crate::shared::Shared;
use crate::{error, namespace};

/// An open store. Dropping it does what is queued, flushes, closes the engine and frees the directory; that blocks
/// for some milliseconds.
#[derive(Debug)]
pub(crate) struct Open {
    /// Taken out only by the drop.
    shared: Option<Arc<Shared>>,
    threads: Vec<JoinHandle<()>>,
    directory: Directory,
    engine: Engine,
    /// Says that the directory is free; dropped last.
    _freed: watch::Sender<()>,
}

impl Open {
    /// Opens or creates the store. Blocks, up to `lock_wait` and then as long as the engine reads.
    pub(crate) fn new(config: &DiskConfig, freed: watch::Sender<()>) -> Result<Self> {
        let directory = Directory::claim(&config.dir, config.create, config.lock_wait)?;
        let poison = Poison::default();
        let engine = found_or_created(&directory, config, &poison)?;
        let data = directory.data();
        let db = poison.guard(|| Db::open(engine, &data, config))?;
        let (namespace, note) = match poison.guard(|| namespace::claim(&db, &config.namespace)) {
            Ok(claimed) => claimed,
            Err(failed) => {
                if poison.is_poisoned() {
                    db.abandon();
                }
                return Err(failed);
            }
        };
        close_to_others(&data).map_err(|e| error::io("closing to others", &data, e))?;
        let shared = Arc::new_cyclic(|weak: &std::sync::Weak<Shared>| Shared {
            db,
            poison,
            clock: config.clock.clone(),
            queue: Queue::default(),
            deadlines: Deadlines::new(config.clock.clone(), Clock::unix_ms, weak.clone()),
            news: News::new(),
            namespace,
            note,
            closing: AtomicBool::new(false),
        });
        let mut open = Self { shared: Some(shared), threads: Vec::new(), directory, engine, _freed: freed };
        open.start("larder-write", |shared| shared.queue.run(|ops| shared.commit(ops)))?;
        open.start("larder-walk", Shared::walk)?;
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

    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }
}

fn found_or_created(directory: &Directory, config: &DiskConfig, poison: &Poison) -> Result<Engine> {
    if let Some(found) = directory.engine()? {
        let found = known(&found)?;
        return match config.engine {
            Some(wanted) if wanted != found => Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "the store was made with engine={found}; leave the engine out, or choose another directory"
                ),
            )),
            _ => Ok(found),
        };
    }
    let engine = config.engine.unwrap_or(Engine::Sled);
    directory.create(engine.as_str(), |dir| poison.guard(|| Db::create(engine, dir, config)))?;
    Ok(engine)
}

fn known(name: &str) -> Result<Engine> {
    let known = Engine::ALL.into_iter().find(|engine| engine.as_str() == name);
    known.ok_or_else(|| {
        Error::new(
            ErrorKind::Invalid,
            format!(
                "the store was made with engine={name}, which is none of `disk`; choose another directory"
            ),
        )
    })
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        shared.closing.store(true, Ordering::Relaxed);
        shared.news.end();
        shared.deadlines.stop();
        shared.queue.stop(); // what is queued is still done, a round of the sweeper included
        for thread in self.threads.drain(..) {
            drop(thread.join()); // it catches the engine's panics itself
        }
        shared.deadlines.join();
        let Some(Shared { db, poison, .. }) = Arc::into_inner(shared) else { return };
        if poison.is_poisoned() {
            db.abandon();
        } else {
            // Best effort: every acknowledged write is on its way to the disk already.
            drop(poison.guard(|| db.close()));
        }
    }
}
