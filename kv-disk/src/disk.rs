//! The engine as the store uses it: with the note that says whose entries it keeps.

use bytes::Bytes;
use kv_core::Result;
use kv_core::backend::embedded::{Action, Applied, Bounds, Engine, Op, See};

use crate::engine::Db;
use crate::error;
use crate::namespace::Note;

/// An open engine, and whether the number of the namespace stands in it.
#[derive(Debug)]
pub(crate) struct Disk {
    db: Db,
    note: Note,
}

impl Disk {
    pub(crate) fn new(db: Db, note: Note) -> Self {
        Self { db, note }
    }

    /// Whether damage shows only in our own checksums.
    pub(crate) fn reads_blindly(&self) -> bool {
        self.db.reads_blindly()
    }
}

impl Engine for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.db.get(key)
    }

    fn visit(&self, range: Bounds<'_>, see: &mut See<'_>) -> Result<()> {
        self.db.visit(range, see)
    }

    /// The first write goes through a commit, which notes the number of the namespace.
    fn buffers(&self) -> bool {
        self.db.buffers() && self.note.is_made()
    }

    fn try_apply(&self, op: &Op, now: u64) -> Result<Option<Applied>> {
        self.db.apply(op, now).map(Some)
    }

    fn needs_commit(&self) -> bool {
        true
    }

    fn commit(&self, ops: &[Op], now: impl Fn() -> u64) -> Result<Vec<Result<Applied>>> {
        if ops.iter().any(|op| matches!(op.action, Action::Put { .. })) {
            self.note.make(&self.db)?;
        }
        self.db.commit(ops, now())
    }

    async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        tokio::task::spawn_blocking(work).await.map_err(|e| error::lost().because(e))
    }

    fn close(self) -> Result<()> {
        self.db.close()
    }

    fn is_stuck(&self) -> bool {
        self.db.is_stuck()
    }

    fn abandon(self) {
        self.db.abandon();
    }
}
