//! What the store asks of an engine, and the two engines that answer.

pub(crate) mod redb;
pub(crate) mod sled;

use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::thread;

use bytes::Bytes;
use kv_core::Result;
use kv_core::backend::embedded::{Applied, Op, Shown};

use self::redb::RedbEngine;
use self::sled::SledEngine;
use crate::config::{DiskConfig, Engine};

/// An open engine. Its calls may panic on damaged files: see [`Poison`](kv_core::backend::embedded::Poison).
#[derive(Debug)]
pub(crate) enum Db {
    Sled(SledEngine),
    Redb(RedbEngine),
}

impl Db {
    /// Makes the files of a new store in `dir`, puts the marker in, and closes them.
    pub(crate) fn create(engine: Engine, dir: &Path, config: &DiskConfig) -> Result<()> {
        match engine {
            Engine::Sled => sled::create(dir, config),
            Engine::Redb => redb::create(dir, config),
        }
    }

    /// Opens what [`Db::create`] made in `dir`; files without the marker are damaged, never a new store.
    pub(crate) fn open(engine: Engine, dir: &Path, config: &DiskConfig) -> Result<Self> {
        match engine {
            Engine::Sled => SledEngine::open(dir, config).map(Self::Sled),
            Engine::Redb => RedbEngine::open(dir, config).map(Self::Redb),
        }
    }

    /// What was noted beside the marker under names that begin with `prefix`: the rest of each name, and its text.
    pub(crate) fn notes(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        match self {
            Self::Sled(sled) => sled.notes(prefix),
            Self::Redb(redb) => redb.notes(prefix),
        }
    }

    /// Notes something beside the marker, durably.
    pub(crate) fn note(&self, name: &[u8], text: &[u8]) -> Result<()> {
        match self {
            Self::Sled(sled) => sled.note(name, text),
            Self::Redb(redb) => redb.note(name, text),
        }
    }

    /// The stored bytes under `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self {
            Self::Sled(sled) => sled.get(key),
            Self::Redb(redb) => redb.get(key),
        }
    }

    /// Shows keys and stored bytes in order to `see`, until it breaks off or the range ends.
    pub(crate) fn visit(
        &self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        see: impl FnMut(Shown<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        match self {
            Self::Sled(sled) => sled.visit(range, see),
            Self::Redb(redb) => redb.visit(range, see),
        }
    }

    /// Whether [`Db::apply`] is to be used: the engine buffers single writes until a commit makes them durable.
    pub(crate) fn buffers(&self) -> bool {
        matches!(self, Self::Sled(_))
    }

    /// Does one write now; with an engine that buffers, it takes microseconds and a commit must follow.
    pub(crate) fn apply(&self, op: &Op, now: u64) -> Result<Applied> {
        match self {
            Self::Sled(sled) => sled.apply(op, now),
            Self::Redb(redb) => redb.apply(op, now),
        }
    }

    /// Does these writes, and makes them and all that were applied before durable. The outer error concerns all.
    pub(crate) fn commit(&self, ops: &[Op], now: u64) -> Result<Vec<Result<Applied>>> {
        match self {
            Self::Sled(sled) => sled.commit(ops, now),
            Self::Redb(redb) => redb.commit(ops, now),
        }
    }

    /// Closes the files; all that was written is in them.
    pub(crate) fn close(self) -> Result<()> {
        match self {
            Self::Sled(sled) => sled.close(),
            Self::Redb(redb) => {
                drop(redb);
                Ok(())
            }
        }
    }

    /// Whether damage shows only in our own checksums: the engine has none that it looks at while reading.
    pub(crate) fn reads_blindly(&self) -> bool {
        matches!(self, Self::Redb(_))
    }

    /// Whether nothing can become durable any more, and a call may never come back.
    pub(crate) fn is_stuck(&self) -> bool {
        matches!(self, Self::Sled(sled) if sled.is_stuck())
    }

    /// Drops an engine that panicked or is stuck where its hanging holds up nobody: its own threads may be gone.
    pub(crate) fn abandon(self) {
        // Without a thread to be had, leaking it is all that is left.
        drop(thread::Builder::new().name("larder-abandon".into()).spawn(move || drop(self)));
    }
}

/// The entry that tells a store of ours from an empty or foreign one.
mod marker {
    use kv_core::{Error, Result};

    use crate::config::{DiskConfig, Engine};
    use crate::error;

    pub(super) const TABLE: &str = "larder";
    pub(super) const KEY: &[u8] = b"marker";

    pub(super) fn text(engine: Engine, config: &DiskConfig) -> Vec<u8> {
        format!("{} {}", head(engine), config.clock.unix_ms()).into_bytes()
    }

    pub(super) fn check(engine: Engine, found: Option<&[u8]>) -> Result<()> {
        let created = found.and_then(|bytes| bytes.strip_prefix(head(engine).as_bytes())?.strip_prefix(b" "));
        match created.map(|created| created.iter().all(u8::is_ascii_digit)) {
            Some(true) => Ok(()),
            Some(false) => Err(error::damaged("the marker entry of the store is damaged")),
            None => Err(missing()),
        }
    }

    pub(super) fn missing() -> Error {
        error::damaged("the files lack the marker entry that every store has: data is missing")
    }

    fn head(engine: Engine) -> String {
        format!("larder 1 {engine}")
    }
}
