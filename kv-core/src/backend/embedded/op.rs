//! One write on an entry: what is to be done, decided about what is there, in the stored form.

use bytes::Bytes;

use super::stored::{self, Head};
use crate::{Error, ErrorKind, NewEntry, Result, Version};

/// One write, decided and done in one atomic step.
#[derive(Debug)]
pub struct Op {
    /// The stored key.
    pub key: Vec<u8>,
    /// What is to be done.
    pub action: Action,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Writes the entry if the guard admits it.
    Put {
        /// The entry.
        entry: NewEntry,
        /// The last millisecond in which it lives; `None` never expires.
        deadline: Option<u64>,
        /// The condition.
        guard: Guard,
    },
    /// Removes the live entry and hands it over; with a version only that one.
    Take {
        /// The only one to be taken.
        version: Option<Version>,
    },
    /// Removes whatever is there.
    Delete,
    /// Removes the entry if it still has this deadline and is past it.
    Reclaim {
        /// The deadline that it must have.
        deadline: u64,
    },
}

impl Op {
    /// The deadline of what stands under the key once this was done.
    pub fn new_deadline(&self) -> Option<u64> {
        match &self.action {
            Action::Put { deadline, .. } => *deadline,
            Action::Take { .. } | Action::Delete | Action::Reclaim { .. } => None,
        }
    }

    /// The bytes to be stored; `None` if the entry is to go.
    ///
    /// # Errors
    /// `TooLarge` for tags above 16 MiB.
    pub fn stored(&self) -> Result<Option<Vec<u8>>> {
        match &self.action {
            Action::Put { entry, deadline, .. } => stored::seal(&self.key, entry, *deadline).map(Some),
            Action::Take { .. } | Action::Delete | Action::Reclaim { .. } => Ok(None),
        }
    }
}

/// On what condition a put takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// None.
    Always,
    /// No live entry is there.
    Absent,
    /// The live entry has this version.
    Version(Version),
}

/// What a write did.
#[derive(Debug, Default)]
pub struct Applied {
    /// Whether anything changed.
    pub changed: bool,
    /// The deadline of the entry that was there before, expired or not.
    pub old_deadline: Option<u64>,
    /// The stored bytes that a take removed.
    pub taken: Option<Bytes>,
}

/// What is to be done, once what is there is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Write what was proposed.
    Write,
    /// Remove what is there.
    Remove,
    /// Nothing.
    Leave,
}

/// The decision of one write about the entry that is there. An engine makes it in its own atomic step.
///
/// # Errors
/// `AlreadyExists` and `Conflict` where the condition is not met, `Corrupt` for a condition on a damaged entry.
pub fn decide(op: &Op, current: Option<&[u8]>, now: u64) -> Result<Change> {
    match &op.action {
        Action::Put { guard: Guard::Always, .. } => Ok(Change::Write),
        Action::Put { guard: Guard::Absent, .. } => match live(&op.key, current, now)? {
            Some(_) => Err(Error::new(ErrorKind::AlreadyExists, "there is a live entry")),
            None => Ok(Change::Write),
        },
        Action::Put { guard: Guard::Version(expected), .. } => match live(&op.key, current, now)? {
            Some(head) if head.version == *expected => Ok(Change::Write),
            _ => Err(conflict()),
        },
        Action::Take { version } => match (live(&op.key, current, now)?, version) {
            (None, _) => Ok(Change::Leave),
            (Some(head), Some(expected)) if head.version != *expected => Err(conflict()),
            (Some(_), _) => Ok(Change::Remove),
        },
        Action::Delete => Ok(if current.is_some() { Change::Remove } else { Change::Leave }),
        Action::Reclaim { deadline } => {
            let head = current.and_then(stored::head);
            let due = head.is_some_and(|head| head.deadline == Some(*deadline) && !head.is_live(now));
            Ok(if due { Change::Remove } else { Change::Leave })
        }
    }
}

/// The head of the entry that is there, if it is alive. Checked whole: a condition on damaged bytes decides nothing.
fn live(key: &[u8], current: Option<&[u8]>, now: u64) -> Result<Option<Head>> {
    let Some(stored) = current else { return Ok(None) };
    let head = stored::check(key, stored)?;
    Ok(head.is_live(now).then_some(head))
}

fn conflict() -> Error {
    Error::new(ErrorKind::Conflict, "the entry has another version, or is gone")
}

/// What a write did that met `old`.
pub fn applied(op: &Op, old: Option<&[u8]>) -> Applied {
    let taken = match op.action {
        Action::Take { .. } => old.map(Bytes::copy_from_slice),
        _ => None,
    };
    Applied { changed: true, old_deadline: old.and_then(stored::head).and_then(|head| head.deadline), taken }
}
