//! What the handles, the writing thread and the sweeper of one open store have in common.

use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use super::{Action, Answer, Applied, Engine, Held, Namespace, News, Op, Poison, Queue, Request, stored};
use crate::backend::{Deadlines, Reclaim};
use crate::{Clock, Cursor, Entry, Page, Result};

/// An engine with all that surrounds it.
#[derive(Debug)]
pub struct Shared<E: Engine> {
    engine: E,
    poison: Poison,
    pub(super) clock: Clock,
    pub(super) queue: Queue<Op, Applied>,
    deadlines: Deadlines<Arc<[u8]>>,
    pub(super) news: News,
    pub(super) namespace: Namespace,
    closing: AtomicBool,
}

impl<E: Engine> Shared<E> {
    pub(super) fn new(engine: E, poison: Poison, clock: Clock, namespace: Namespace) -> Arc<Self> {
        Arc::new_cyclic(|weak: &Weak<Self>| Self {
            engine,
            poison,
            queue: Queue::default(),
            deadlines: Deadlines::new(clock.clone(), Clock::unix_ms, weak.clone()),
            clock,
            news: News::new(),
            namespace,
            closing: AtomicBool::new(false),
        })
    }

    /// Calls the engine.
    ///
    /// # Errors
    /// Those of `call`; `Corrupt` once the engine has panicked, `Unavailable` once it is stuck.
    pub fn engine<T>(&self, call: impl FnOnce(&E) -> Result<T>) -> Result<T> {
        let done = self.poison.guard(|| call(&self.engine));
        if done.is_err() && !self.poison.is_poisoned() && self.engine.is_stuck() {
            self.poison.set_stuck();
            self.queue.give_up();
        }
        done
    }

    /// Whether a call to the engine may never come back: its threads are not to be waited for.
    pub(super) fn is_stuck(&self) -> bool {
        self.poison.is_stuck()
    }

    /// Gives up on the engine: damage was found that it does not see.
    pub fn give_up(&self) {
        self.poison.set();
    }

    /// Lets the sweeper know of an entry that an earlier process wrote.
    pub fn remember(&self, key: &[u8], deadline: u64) {
        self.deadlines.set(&Arc::from(key), None, Some(deadline));
    }

    /// Whether the store is being closed: what runs beside it should end.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// The live entry under a stored key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Entry>> {
        match self.engine(|engine| engine.get(key)) {
            Ok(Some(found)) => stored::open(key, found, || self.clock.unix_ms()),
            Ok(None) => Ok(None),
            Err(error) => {
                drop(self.queue.push(Vec::new())); // the engine may mend itself there
                Err(error)
            }
        }
    }

    /// One page of a listing.
    pub(super) fn page(&self, request: &Request, from: Option<&Cursor>) -> Result<Page> {
        request.page(&self.namespace, self.clock.unix_ms(), from, |range, see| {
            self.engine(|engine| engine.visit(range, see))
        })
    }

    /// What there is of all namespaces.
    pub(super) fn held(&self) -> Result<Held> {
        let mut held = Held { entries: 0, bytes: 0 };
        self.engine(|engine| {
            engine.visit((Bound::Unbounded, Bound::Unbounded), &mut |shown| {
                held.entries += 1;
                held.bytes += (shown.key.len() + shown.stored.len()) as u64;
                ControlFlow::Continue(())
            })
        })?;
        Ok(held)
    }

    /// Whether a write may be done now that overtakes none which was queued before it.
    pub(super) fn takes_writes(&self) -> bool {
        self.engine.buffers() && self.queue.is_clear()
    }

    /// As [`Engine::try_apply`].
    pub(super) fn try_apply(&self, op: &Op) -> Result<Option<Applied>> {
        let applied = self.engine(|engine| engine.try_apply(op, self.clock.unix_ms()))?;
        if let Some(applied) = &applied {
            self.settle(op, applied);
        }
        Ok(applied)
    }

    /// As [`Engine::needs_commit`].
    pub(super) fn needs_commit(&self) -> bool {
        self.engine.needs_commit()
    }

    /// Does these writes and makes them, and all before, as durable as is asked for.
    pub(super) fn commit(&self, ops: &[Op]) -> Answer<Applied> {
        let answer = self.engine(|engine| engine.commit(ops, || self.clock.unix_ms()))?;
        for (op, applied) in ops.iter().zip(&answer) {
            if let Ok(applied) = applied {
                self.settle(op, applied);
            }
        }
        Ok(answer)
    }

    /// Moves the deadline and tells the subscribers.
    ///
    /// Two writers of one key may come here in the other order than they wrote in. A deadline that is left behind so
    /// is harmless: the sweeper looks at the entry. One that is lost so (both wrote the same millisecond, a third
    /// another one between) costs the room of one entry until the next open, or the engine's own tidying.
    fn settle(&self, op: &Op, applied: &Applied) {
        if !applied.changed {
            return;
        }
        let new = op.new_deadline().filter(|_| self.deadlines.len() < E::MAX_DEADLINES);
        if applied.old_deadline != new {
            self.deadlines.set(&Arc::from(op.key.as_slice()), applied.old_deadline, new);
        }
        self.news.changed(|| {
            let (collection, id) = self.namespace.names(&op.key)?;
            Some((collection.into_owned(), id.to_owned()))
        });
    }

    /// Lets the threads come to their end; what is queued is still done, a round of the sweeper included.
    pub(super) fn stop(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.news.end();
        self.deadlines.stop();
        self.queue.stop();
    }

    /// Waits for the sweeper.
    pub(super) fn join(&self) {
        self.deadlines.join();
    }

    /// Closes the files, best effort: every acknowledged write is on its way to the disk already.
    pub(super) fn close(self) {
        let Self { engine, poison, .. } = self;
        if poison.is_poisoned() {
            engine.abandon();
        } else {
            drop(poison.guard(|| engine.close()));
        }
    }
}

impl<E: Engine> Reclaim<Arc<[u8]>> for Shared<E> {
    fn reclaim(&self, expired: Vec<(u64, Arc<[u8]>)>) -> Vec<(u64, Arc<[u8]>)> {
        let ops = expired.iter().map(|(deadline, key)| {
            let action = Action::Reclaim { deadline: *deadline };
            Op { key: key.to_vec(), action }
        });
        // Behind all writes that were queued before, and with them in one commit.
        let answer = self.queue.push(ops.collect()).blocking_recv();
        match answer {
            Ok(Err(_)) if !self.poison.is_poisoned() => expired,
            _ => Vec::new(), // done, or nothing will be removed any more
        }
    }
}
