//! Whether all that was written before a clean close is still there.
//!
//! sled takes damage near the end of its log for a write that a crash cut short, and opens without all that came
//! after. So the last write before a clean close is a seal, and a file beside the log names it: where the file
//! stands and the seal is gone, acknowledged writes are gone too. After a crash there is no such file, and nobody
//! can tell damage from a write cut short.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use kv_core::{Result, Version};
use sled::Tree;

use crate::error;

const FILE: &str = "CLOSED";
const KEY: &[u8] = b"closed";

/// Checks the seal of a store that was closed cleanly, and breaks it: from now on there may be writes after it.
pub(super) fn open(dir: &Path, larder: &Tree) -> Result<()> {
    let path = dir.join(FILE);
    let named = match fs::read(&path) {
        Ok(named) => named,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(error::io("reading", &path, e)),
    };
    let found = larder.get(KEY).map_err(error::sled)?;
    // A file of another length was cut short while it was written: it says nothing.
    if named.len() == 16 && found.is_none_or(|found| found != named) {
        return Err(error::damaged(
            "the files lack the last writes that they held when the store was closed",
        ));
    }
    fs::remove_file(&path).map_err(|e| error::io("removing", &path, e))
}

/// Writes the seal as the last entry; answers its name.
pub(super) fn last_entry(larder: &Tree) -> Result<Version> {
    let name = Version::random();
    larder.insert(KEY, name.as_bytes()).map_err(error::sled)?;
    larder.flush().map_err(error::sled)?;
    Ok(name)
}

/// Names the seal beside the log, which must be on the disk: else a power cut alone could part them.
pub(super) fn close(dir: &Path, name: Version) -> io::Result<()> {
    fs::OpenOptions::new().read(true).write(true).open(dir.join("db"))?.sync_all()?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(dir.join(FILE))?.write_all(name.as_bytes())
}
