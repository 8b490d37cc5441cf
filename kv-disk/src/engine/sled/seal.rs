//! Whether all that was written before a clean close is still there.
//!
//! sled takes damage in its log for a write that a crash cut short, and opens without what came after. So the last
//! write before a clean close is a seal, and the file `CLOSED` beside the log names it: where the file stands and the
//! seal is gone, acknowledged writes are gone too. For a log of moderate size the file also holds its length and
//! checksum. After a crash there is no such file, and nobody can tell damage from a write cut short.
//!
//! ```text
//! CLOSED   name of the seal 16 | length of the log u64 | CRC-32C of the log u32, both little-endian, or absent
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use kv_core::backend::Crc32c;
use kv_core::backend::embedded::sync_dir;
use kv_core::{Result, Version};
use sled::Tree;

use crate::error;

const FILE: &str = "CLOSED";
const LOG: &str = "db";
const KEY: &[u8] = b"closed";
const NAME_BYTES: u64 = 16;
/// A log up to this size is checked whole; it takes about a millisecond a MiB.
const CHECKED_WHOLE: u64 = 64 << 20;

/// The seal of a store that is being opened, not yet looked for in the log.
#[derive(Debug)]
pub(super) struct Seal {
    path: PathBuf,
    name: Option<[u8; 16]>,
}

impl Seal {
    /// Compares the log with what it was when it was closed. To be called before sled opens it and changes it.
    pub(super) fn of(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let closed = match fs::read(&path) {
            Ok(closed) => closed,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self { path, name: None }),
            Err(e) => return Err(error::io("reading", &path, e)),
        };
        if let Some((_, sum)) = closed.split_first_chunk::<16>().filter(|(_, sum)| sum.len() == 12) {
            let log = dir.join(LOG);
            if checksum(&log).map_err(|e| error::io("reading", &log, e))? != sum {
                return Err(error::damaged("data/db is not what it was when the store was closed"));
            }
            forget_checksum(&path).map_err(|e| error::io("writing", &path, e))?;
        }
        // A file of another length was cut short while it was written: it says nothing.
        let whole = matches!(closed.len(), 16 | 28);
        Ok(Self { path, name: closed.first_chunk::<16>().copied().filter(|_| whole) })
    }

    /// Looks for the seal, and breaks it: from now on there may be writes after it.
    pub(super) fn broken(self, larder: &Tree) -> Result<()> {
        let found = larder.get(KEY).map_err(error::sled)?;
        if self.name.is_some_and(|name| found.is_none_or(|found| found != name)) {
            return Err(error::damaged(
                "the files lack the last writes that they held when the store was closed",
            ));
        }
        match remove_for_good(&self.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(error::io("removing", &self.path, e)),
            _ => Ok(()),
        }
    }
}

/// Writes the seal as the last entry; answers its name.
pub(super) fn last_entry(larder: &Tree) -> Result<Version> {
    let name = Version::random();
    larder.insert(KEY, name.as_bytes()).map_err(error::sled)?;
    larder.flush().map_err(error::sled)?;
    Ok(name)
}

/// Names the seal beside the log that sled has closed. What it names must be on the disk: else a power cut alone
/// could part them.
pub(super) fn close(dir: &Path, name: Version) -> io::Result<()> {
    let log = OpenOptions::new().read(true).write(true).open(dir.join(LOG))?;
    if !is_released(&log) {
        return Ok(()); // a thread of sled is still writing: better no seal than a wrong one
    }
    log.sync_all()?;
    let mut closed = name.as_bytes().to_vec();
    if log.metadata()?.len() <= CHECKED_WHOLE {
        closed.extend(checksum(&dir.join(LOG))?);
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(dir.join(FILE))?;
    file.write_all(&closed)?;
    file.sync_all()?;
    sync_dir(dir)
}

/// Before the first write: should a power cut bring the file back, it would not fit the seal of the next close, and a
/// store that is whole would be called damaged.
fn remove_for_good(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Waits until nobody in this process has the log open any more: whoever has, shares sled's lock on it.
fn is_released(log: &File) -> bool {
    (0..500).any(|_| {
        let locked = log.try_lock().is_ok();
        if !locked {
            sleep(Duration::from_millis(1));
        }
        locked
    })
}

/// Takes the checksum away before sled changes the log; the name stays until the seal was found.
fn forget_checksum(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(NAME_BYTES)?;
    file.sync_all()
}

/// Length and CRC-32C of a file.
fn checksum(path: &Path) -> io::Result<[u8; 12]> {
    let mut file = File::open(path)?;
    let (mut buffer, mut length, mut crc) = (vec![0; 256 << 10], 0_u64, Crc32c::new());
    loop {
        let read = file.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        crc.add(part);
        length += part.len() as u64;
    }
    let mut sum = [0; 12];
    let (head, tail) = sum.split_at_mut(8);
    head.copy_from_slice(&length.to_le_bytes());
    tail.copy_from_slice(&crc.value().to_le_bytes());
    Ok(sum)
}
