//! The life of an open store: how it begins, and that it ends with everything on the disk and the directory free.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot::Receiver;
use tokio::sync::watch;

use super::{Answer, Applied, Directory, Engine, Namespace, Poison, Shared, close_to_others, error};
use crate::{Clock, Error, ErrorKind, Result};

/// An open store. Dropping it does what is queued, flushes, closes the engine and frees the directory; that blocks
/// for some milliseconds.
#[derive(Debug)]
pub struct Open<E: Engine> {
    /// Taken out only by the drop.
    shared: Option<Arc<Shared<E>>>,
    threads: Vec<JoinHandle<()>>,
    directory: Directory,
    /// Says that the directory is free; dropped last.
    freed: watch::Sender<()>,
}

impl<E: Engine> Open<E> {
    /// The store whose files `engine` keeps in `directory`.
    ///
    /// # Errors
    /// `Unavailable` when the system has no thread to give; what keeps the files from being closed to others.
    pub fn new(
        directory: Directory,
        engine: E,
        poison: Poison,
        clock: Clock,
        namespace: Namespace,
    ) -> Result<Self> {
        let data = directory.data();
        close_to_others(&data).map_err(|e| error::io("closing to others", &data, e))?;
        let shared = Some(Shared::new(engine, poison, clock, namespace));
        let mut open = Self { shared, threads: Vec::new(), directory, freed: watch::Sender::new(()) };
        open.start("larder-write", |shared| shared.queue.run(|ops| shared.commit(ops)))?;
        Ok(open)
    }

    /// Does this on a thread of its own. Closing waits for it: it must end once [`Shared::is_closing`].
    ///
    /// # Errors
    /// `Unavailable` when the system has none to give.
    pub fn start(&mut self, name: &str, work: impl FnOnce(&Shared<E>) + Send + 'static) -> Result<()> {
        let Some(shared) = self.shared.clone() else { return Ok(()) };
        let thread = thread::Builder::new().name(name.into()).spawn(move || work(&shared));
        let cannot = |e| Error::new(ErrorKind::Unavailable, "the system has no thread to give").because(e);
        self.threads.push(thread.map_err(cannot)?);
        Ok(())
    }

    pub(super) fn shared(&self) -> Result<&Shared<E>> {
        self.shared.as_deref().ok_or_else(error::closed)
    }

    /// Asks for a last commit of all that was written.
    pub(super) fn flush(&self) -> Result<Receiver<Answer<Applied>>> {
        Ok(self.shared()?.queue.push(Vec::new()))
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Ends when the directory is free again.
    pub(super) fn freed(&self) -> watch::Receiver<()> {
        self.freed.subscribe()
    }
}

impl<E: Engine> Drop for Open<E> {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        shared.stop();
        for thread in self.threads.drain(..).filter(|_| !shared.is_stuck()) {
            drop(thread.join()); // it catches the engine's panics itself
        }
        shared.join();
        if let Some(shared) = Arc::into_inner(shared) {
            shared.close();
        }
    }
}
