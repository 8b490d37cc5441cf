//! What the handles, the writing thread and the sweeper of one open store have in common.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kv_core::backend::embedded::{
    Action, Answer, Applied, Namespace, News, Op, Poison, Queue, Request, Submits, stored,
};
use kv_core::backend::{Deadlines, Reclaim};
use kv_core::{Clock, Cursor, Entry, Page, Result};

use crate::engine::Db;
use crate::namespace::Note;

/// The walk at open looks at so many entries before it lets others have the engine.
const STRIDE: usize = 1_024;

/// An engine with all that surrounds it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) db: Db,
    pub(crate) poison: Poison,
    pub(crate) clock: Clock,
    pub(crate) queue: Queue<Op, Applied>,
    pub(crate) deadlines: Deadlines<Arc<[u8]>>,
    pub(crate) news: News,
    pub(crate) namespace: Namespace,
    /// Whether its number stands in the store.
    pub(crate) note: Note,
    /// Set when the store is closing: the walk at open ends early.
    pub(crate) closing: AtomicBool,
}

impl Shared {
    /// The live entry under a stored key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Entry>> {
        match self.poison.guard(|| self.db.get(key))? {
            Some(stored) => stored::open(key, stored, || self.clock.unix_ms()),
            None => Ok(None),
        }
    }

    /// Does these writes and makes them, and all before, durable.
    pub(crate) fn commit(&self, ops: &[Op]) -> Answer<Applied> {
        let answer = self.poison.guard(|| {
            if ops.iter().any(|op| matches!(op.action, Action::Put { .. })) {
                self.note.make(&self.db)?;
            }
            self.db.commit(ops, self.clock.unix_ms())
        })?;
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
    /// another one between) costs the room of one entry until the next open.
    fn settle(&self, op: &Op, applied: &Applied) {
        if !applied.changed {
            return;
        }
        let new = op.new_deadline();
        if applied.old_deadline != new {
            self.deadlines.set(&Arc::from(op.key.as_slice()), applied.old_deadline, new);
        }
        self.news.changed(|| {
            let (collection, id) = self.namespace.names(&op.key)?;
            Some((collection.into_owned(), id.to_owned()))
        });
    }

    /// Fills the tree of deadlines with what earlier processes left, and looks for damage where the engine does not,
    /// a stretch at a time. On a thread of its own.
    pub(crate) fn walk(&self) {
        let mut from = Bound::Unbounded;
        while !self.closing.load(Ordering::Relaxed) {
            let mut last = None;
            let mut seen = 0;
            let walked = self.poison.guard(|| {
                self.db.visit((from.as_ref().map(Vec::as_slice), Bound::Unbounded), |key, stored| {
                    if self.db.reads_blindly() && stored::check(key, stored).is_err() {
                        self.poison.set(); // an entry may be missing under its own name
                    }
                    if let Some(deadline) = stored::head(stored).and_then(|head| head.deadline) {
                        self.deadlines.set(&Arc::from(key), None, Some(deadline));
                    }
                    seen += 1;
                    if seen < STRIDE {
                        return ControlFlow::Continue(());
                    }
                    last = Some(key.to_vec());
                    ControlFlow::Break(())
                })
            });
            match (walked, last) {
                (Ok(()), Some(key)) => from = Bound::Excluded(key),
                _ => return,
            }
            std::thread::yield_now();
        }
    }

    /// One page of a listing.
    pub(crate) fn page(&self, request: &Request, from: Option<&Cursor>) -> Result<Page> {
        request.page(&self.namespace, self.clock.unix_ms(), from, |range, see| {
            self.poison.guard(|| self.db.visit(range, see))
        })
    }

    /// Entries and bytes of all namespaces, expired ones that were not freed yet included.
    pub(crate) fn held(&self) -> Result<(u64, u64)> {
        let (mut entries, mut bytes) = (0, 0);
        self.poison.guard(|| {
            self.db.visit((Bound::Unbounded, Bound::Unbounded), |key, stored| {
                entries += 1;
                bytes += (key.len() + stored.len()) as u64;
                ControlFlow::Continue(())
            })
        })?;
        Ok((entries, bytes))
    }
}

impl Submits for Shared {
    fn queue(&self) -> &Queue<Op, Applied> {
        &self.queue
    }

    /// The first write goes through a commit, which notes the number of the namespace.
    fn buffers(&self) -> bool {
        self.db.buffers() && self.note.is_made()
    }

    fn try_apply(&self, op: &Op) -> Result<Option<Applied>> {
        let applied = self.poison.guard(|| self.db.apply(op, self.clock.unix_ms()))?;
        self.settle(op, &applied);
        Ok(Some(applied))
    }

    fn needs_commit(&self) -> bool {
        true
    }
}

impl Reclaim<Arc<[u8]>> for Shared {
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
