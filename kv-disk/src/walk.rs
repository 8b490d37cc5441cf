//! The walk over everything that an opened store holds.

use std::ops::{Bound, ControlFlow};

use kv_core::backend::embedded::{Engine, Shared, Shown, stored};

use crate::disk::Disk;

/// It looks at so many entries before it lets others have the engine.
const STRIDE: usize = 1_024;

/// Tells the sweeper of the deadlines that earlier processes left, and looks for damage where the engine does not, a
/// stretch at a time. On a thread of its own.
pub(crate) fn walk(shared: &Shared<Disk>) {
    let mut from = Bound::Unbounded;
    while !shared.is_closing() {
        let mut last = None;
        let mut seen = 0;
        let walked = shared.engine(|disk| {
            disk.visit(
                (from.as_ref().map(Vec::as_slice), Bound::Unbounded),
                &mut |Shown { key, stored, .. }| {
                    if disk.reads_blindly() && stored::check(key, stored).is_err() {
                        shared.give_up(); // an entry may be missing under its own name
                    }
                    if let Some(deadline) = stored::head(stored).and_then(|head| head.deadline) {
                        shared.remember(key, deadline);
                    }
                    seen += 1;
                    if seen < STRIDE {
                        return ControlFlow::Continue(());
                    }
                    last = Some(key.to_vec());
                    ControlFlow::Break(())
                },
            )
        });
        match (walked, last) {
            (Ok(()), Some(key)) => from = Bound::Excluded(key),
            _ => return,
        }
        std::thread::yield_now();
    }
}
