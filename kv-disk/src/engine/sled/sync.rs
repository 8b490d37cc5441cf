//! `durability=always` on sled: its flush hands bytes to the kernel (`sync_file_range`); here they reach the disk.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kv_core::Result;
use kv_core::backend::embedded::sync_dir;

use crate::error;

/// Syncs what a flush may have touched: the log, new snapshots, new blobs, and the directories that name them.
#[derive(Debug)]
pub(super) struct DiskSync {
    log: File,
    log_path: PathBuf,
    folders: [Mutex<Folder>; 2],
}

/// A folder whose files are written once, from begin to end, and never changed.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    prefix: &'static str,
    /// The files that are on the disk, each with the length that it had before it was synced. Another thread may have
    /// been writing it just then: one that has grown since is not on the disk.
    synced: BTreeMap<String, u64>,
}

impl DiskSync {
    /// For the sled in `dir`, whose files are all on the disk or about to be synced by the first run.
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        let log_path = dir.join("db");
        // Writable, since elsewhere than on Unix only such a handle can be synced.
        let log = OpenOptions::new().read(true).write(true).open(&log_path)?;
        let folder = |path, prefix| Mutex::new(Folder { path, prefix, synced: BTreeMap::new() });
        Ok(Self { log, log_path, folders: [folder(dir.join("blobs"), ""), folder(dir.to_owned(), "snap.")] })
    }

    /// Returns once all that was flushed before is on the disk.
    pub(super) fn run(&self) -> Result<()> {
        for folder in &self.folders {
            let mut folder = folder.lock().unwrap_or_else(PoisonError::into_inner);
            folder.run().map_err(|e| error::io("syncing", &folder.path, e))?;
        }
        self.log.sync_data().map_err(|e| error::io("syncing", &self.log_path, e))
    }
}

impl Folder {
    fn run(&mut self) -> io::Result<()> {
        let present = self.present()?;
        if present == self.synced {
            return Ok(());
        }
        for name in self.unsynced(&present) {
            sync_file(&self.path.join(name))?;
        }
        sync_dir(&self.path)?;
        self.synced = present;
        Ok(())
    }

    fn unsynced<'a>(&self, present: &'a BTreeMap<String, u64>) -> impl Iterator<Item = &'a String> {
        present.iter().filter(|(name, length)| self.synced.get(*name) != Some(*length)).map(|(name, _)| name)
    }

    fn present(&self) -> io::Result<BTreeMap<String, u64>> {
        let mut present = BTreeMap::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with(self.prefix) || name.ends_with(".generating") {
                continue;
            }
            match entry.metadata() {
                Ok(metadata) => present.insert(name, metadata.len()),
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue, // sled removed it meanwhile
                Err(e) => return Err(e),
            };
        }
        Ok(present)
    }
}

/// A file that sled removed meanwhile holds nothing that is still needed.
fn sync_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file.sync_data(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use tempfile::TempDir;

    use super::Folder;

    fn unsynced(folder: &Folder) -> Vec<String> {
        let present = folder.present().unwrap();
        folder.unsynced(&present).cloned().collect()
    }

    #[test]
    fn a_file_that_was_still_being_written_when_it_was_synced_is_synced_again() {
        let dir = TempDir::new().unwrap();
        let mut folder = Folder { path: dir.path().to_owned(), prefix: "", synced: BTreeMap::new() };
        fs::write(dir.path().join("7"), "head").unwrap();
        assert_eq!(unsynced(&folder), ["7"]);
        folder.run().unwrap();
        assert!(unsynced(&folder).is_empty());
        OpenOptions::new()
            .append(true)
            .open(dir.path().join("7"))
            .unwrap()
            .write_all(b"and the rest")
            .unwrap();
        assert_eq!(unsynced(&folder), ["7"]);
        folder.run().unwrap();
        fs::remove_file(dir.path().join("7")).unwrap();
        assert!(unsynced(&folder).is_empty());
    }
}
