//! How a write gets to the engine: at once, or behind those that were queued before it.

use tokio::sync::oneshot;

use super::{Action, Answer, Applied, Engine, GROUP, Op, Shared, error};
use crate::{Outcome, Result};

/// More writes, or more bytes, than these are done off the executor.
const INLINE_OPS: usize = 64;
const INLINE_BYTES: usize = 64 << 10;

/// Writes on their way. Dropping it changes nothing: they are done, or will be before any later write.
#[derive(Debug, Default)]
pub(super) struct Submitted {
    /// Those that were done, in order.
    applied: Vec<Result<Applied>>,
    /// What makes them durable, if anything has to.
    commit: Option<oneshot::Receiver<Answer<Applied>>>,
    /// Those after them that are to be done, at most [`GROUP`] in each part.
    queued: Vec<(usize, oneshot::Receiver<Answer<Applied>>)>,
}

/// Submits these writes. Never waits.
pub(super) fn submit<E: Engine>(shared: &Shared<E>, ops: Vec<Op>) -> Submitted {
    let mut submitted = Submitted::default();
    if let Err(given_up) = shared.engine(|_| Ok(())) {
        submitted.applied = ops.iter().map(|_| Err(given_up.clone())).collect();
        return submitted;
    }
    let mut rest = ops.into_iter();
    // Law 7: a write whose caller gave up must not land on one that was acknowledged later.
    if shared.takes_writes() && is_small(rest.as_slice()) {
        let mut must_last = false;
        while let Some(op) = rest.as_slice().first() {
            match shared.try_apply(op) {
                Ok(None) => break, // the engine is behind and would hold us up
                Ok(Some(applied)) => {
                    must_last |= applied.changed || is_deletion(op);
                    submitted.applied.push(Ok(applied));
                }
                Err(e) => submitted.applied.push(Err(e)),
            }
            rest.next();
        }
        if must_last && shared.needs_commit() {
            submitted.commit = Some(shared.queue.push(Vec::new()));
        }
    }
    loop {
        let part: Vec<_> = rest.by_ref().take(GROUP).collect();
        if part.is_empty() {
            return submitted;
        }
        submitted.queued.push((part.len(), shared.queue.push(part)));
    }
}

/// Whether a write acknowledges that something is gone, also where another removed it that is not durable yet.
const fn is_deletion(op: &Op) -> bool {
    matches!(op.action, Action::Delete)
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
    /// Waits until all is durable. What failed to become so has the error in its own place; what was done at once may become so all
    /// the same, whatever ended its commit.
    pub(super) async fn finish(self) -> Vec<Result<Applied>> {
        let Self { applied: mut all, commit, queued } = self;
        if let Some(commit) = commit
            && let Err(e) = answer(commit).await
        {
            let e = e.with_outcome(Outcome::Unknown);
            all = all.into_iter().map(|applied| applied.and(Err(e.clone()))).collect();
        }
        for (writes, part) in queued {
            match answer(part).await {
                Ok(applied) => all.extend(applied),
                Err(e) => all.extend(std::iter::repeat_n(e, writes).map(Err)),
            }
        }
        all
    }
}

async fn answer(waiting: oneshot::Receiver<Answer<Applied>>) -> Answer<Applied> {
    waiting.await.unwrap_or_else(|_| Err(error::lost()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::sync::oneshot;

    use super::super::{Bounds, Namespace, Poison, See};
    use super::{Action, Applied, Engine, Op, Outcome, Result, Shared, Submitted, error, submit};
    use crate::{Clock, ErrorKind};

    /// Holds nothing, and has to commit what it does.
    #[derive(Debug)]
    struct Empty;

    impl Engine for Empty {
        fn get(&self, _: &[u8]) -> Result<Option<Bytes>> {
            Ok(None)
        }

        fn visit(&self, _: Bounds<'_>, _: &mut See<'_>) -> Result<()> {
            Ok(())
        }

        fn buffers(&self) -> bool {
            true
        }

        fn try_apply(&self, _: &Op, _: u64) -> Result<Option<Applied>> {
            Ok(Some(Applied::default()))
        }

        fn needs_commit(&self) -> bool {
            true
        }

        fn commit(&self, _: &[Op], _: impl Fn() -> u64) -> Result<Vec<Result<Applied>>> {
            Ok(Vec::new())
        }

        async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
            Ok(work())
        }

        fn close(self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_delete_waits_for_the_one_before_it_to_be_durable() {
        let namespace = Namespace::new("n", b"n".to_vec());
        let shared = Shared::new(Empty, Poison::default(), Clock::system(), namespace);
        for (action, waits) in [(Action::Delete, true), (Action::Take { version: None }, false)] {
            let submitted = submit(&shared, vec![Op { key: b"k".to_vec(), action }]);
            assert_eq!((submitted.applied.len(), submitted.commit.is_some()), (1, waits));
        }
    }

    #[tokio::test]
    async fn what_was_done_before_its_commit_failed_may_be_there() {
        let (reply, commit) = oneshot::channel();
        let refused = Err(error::damaged("it"));
        let applied = vec![Ok(Applied { changed: true, ..Applied::default() }), refused];
        let submitted = Submitted { applied, commit: Some(commit), queued: Vec::new() };
        reply.send(Err(error::closed())).unwrap();
        let ended: Vec<_> = submitted.finish().await.into_iter().map(|done| done.unwrap_err()).collect();
        let told = [&ended[0], &ended[1]].map(|error| (error.kind(), error.outcome()));
        assert_eq!(told, [(ErrorKind::Closed, Outcome::Unknown), (ErrorKind::Corrupt, Outcome::NotDone)]);
    }
}
