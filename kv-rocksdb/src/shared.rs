//! What the handles, the writing thread and the sweeper of one open store have in common.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use kv_core::backend::embedded::{
    Action, Answer, Applied, Durability, Namespace, News, Op, Poison, Queue, Request, Submits, stored,
};
use kv_core::backend::{Deadlines, Reclaim};
use kv_core::{Clock, Cursor, Entry, Page, Result};

use crate::engine::{MARKER, Rocks};

/// So many deadlines are remembered, about 100 bytes each. What expires beside them goes with the next compaction.
const MAX_DEADLINES: usize = 1_000_000;

/// An engine with all that surrounds it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) db: Rocks,
    pub(crate) poison: Poison,
    pub(crate) clock: Clock,
    pub(crate) queue: Queue<Op, Applied>,
    /// Of entries that this process wrote; those of earlier ones the compaction frees.
    pub(crate) deadlines: Deadlines<Arc<[u8]>>,
    pub(crate) news: News,
    pub(crate) namespace: Namespace,
}

impl Shared {
    /// The live entry under a stored key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Entry>> {
        match self.poison.guard(|| self.db.get(key))? {
            Some(found) => stored::open(key, found, || self.clock.unix_ms()),
            None => Ok(None),
        }
    }

    /// Does these writes and makes them, and all before, as durable as is asked for.
    pub(crate) fn commit(&self, ops: &[Op]) -> Answer<Applied> {
        let answer = self.poison.guard(|| self.db.commit(ops, || self.clock.unix_ms()))?;
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
    /// is harmless: the sweeper looks at the entry. One that is lost so is found by the next compaction.
    fn settle(&self, op: &Op, applied: &Applied) {
        if !applied.changed {
            return;
        }
        let new = op.new_deadline().filter(|_| self.deadlines.len() < MAX_DEADLINES);
        if applied.old_deadline != new {
            self.deadlines.set(&Arc::from(op.key.as_slice()), applied.old_deadline, new);
        }
        self.news.changed(|| {
            let (collection, id) = self.namespace.names(&op.key)?;
            Some((collection.into_owned(), id.to_owned()))
        });
    }

    pub(crate) fn page(&self, request: &Request, from: Option<&Cursor>) -> Result<Page> {
        request.page(&self.namespace, self.clock.unix_ms(), from, |range, see| {
            self.poison.guard(|| self.db.visit(range, see))
        })
    }

    /// Entries and bytes of all namespaces, expired ones that were not freed yet included.
    pub(crate) fn held(&self) -> Result<(u64, u64)> {
        let (mut entries, mut bytes) = (0, 0);
        self.poison.guard(|| {
            self.db.visit((Bound::Unbounded, Bound::Excluded(MARKER)), &mut |key, stored| {
                entries += 1;
                bytes += (key.len() + stored.len()) as u64;
                ControlFlow::Continue(())
            })
        })?;
        Ok((entries, bytes))
    }

    pub(crate) fn compact(&self) -> Result<()> {
        self.poison.guard(|| self.db.compact())
    }
}

impl Submits for Shared {
    fn queue(&self) -> &Queue<Op, Applied> {
        &self.queue
    }

    fn buffers(&self) -> bool {
        true
    }

    fn try_apply(&self, op: &Op) -> Result<Option<Applied>> {
        let applied = self.poison.guard(|| self.db.try_apply(op, self.clock.unix_ms()))?;
        if let Some(applied) = &applied {
            self.settle(op, applied);
        }
        Ok(applied)
    }

    fn needs_commit(&self) -> bool {
        self.db.durability() == Durability::Always
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
