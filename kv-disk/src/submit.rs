//! How a write gets to the engine: at once, or behind those that were queued before it.

use kv_core::Result;
use kv_core::backend::embedded::{Action, Answer, Applied, GROUP, Op};
use tokio::sync::oneshot;

use crate::error;
use crate::shared::Shared;

/// More writes, or more bytes, than these are done off the executor.
const INLINE_OPS: usize = 64;
const INLINE_BYTES: usize = 64 << 10;

/// Writes on their way. Dropping it changes nothing: they are done, or will be before any later write.
#[derive(Debug)]
pub(crate) enum Submitted {
    /// Done; durable once the flush has answered, if there was anything to flush.
    Done { applied: Vec<Result<Applied>>, flush: Option<oneshot::Receiver<Answer<Applied>>> },
    /// To be done, at most [`GROUP`] in each part.
    Queued(Vec<(usize, oneshot::Receiver<Answer<Applied>>)>),
}

/// Submits these writes. Never waits.
pub(crate) fn submit(shared: &Shared, ops: Vec<Op>) -> Submitted {
    // Law 7: a write whose caller gave up must not land on one that was acknowledged later.
    if shared.db.buffers() && shared.note.is_made() && is_small(&ops) && shared.queue.is_clear() {
        let applied: Vec<_> = ops.iter().map(|op| shared.apply(op)).collect();
        let changed = applied.iter().any(|applied| applied.as_ref().is_ok_and(|applied| applied.changed));
        return Submitted::Done { applied, flush: changed.then(|| shared.queue.push(Vec::new())) };
    }
    let mut rest = ops.into_iter();
    let parts = std::iter::from_fn(|| {
        let part: Vec<_> = rest.by_ref().take(GROUP).collect();
        (!part.is_empty()).then_some(part)
    });
    Submitted::Queued(parts.map(|part| (part.len(), shared.queue.push(part))).collect())
}

fn is_small(ops: &[Op]) -> bool {
    let value = |op: &Op| match &op.action {
        Action::Put { entry, .. } => entry.value().len(),
        Action::Take { .. } | Action::Delete | Action::Reclaim { .. } => 0,
    };
    let bytes = |op: &Op| op.key.len() + value(op);
    ops.len() <= INLINE_OPS && ops.iter().map(bytes).sum::<usize>() <= INLINE_BYTES
}

impl Submitted {
    /// Waits until all is durable. What failed to become so has the error in its own place.
    pub(crate) async fn finish(self) -> Vec<Result<Applied>> {
        match self {
            Self::Done { applied, flush: None } => applied,
            Self::Done { applied, flush: Some(flush) } => match answer(flush).await {
                Ok(_) => applied,
                Err(e) => applied.into_iter().map(|applied| applied.and(Err(e.clone()))).collect(),
            },
            Self::Queued(parts) => {
                let mut all = Vec::new();
                for (writes, part) in parts {
                    match answer(part).await {
                        Ok(applied) => all.extend(applied),
                        Err(e) => all.extend(std::iter::repeat_n(e, writes).map(Err)),
                    }
                }
                all
            }
        }
    }
}

async fn answer(waiting: oneshot::Receiver<Answer<Applied>>) -> Answer<Applied> {
    waiting.await.unwrap_or_else(|_| Err(error::lost()))
}
