//! `durability=always` on sled: its flush hands bytes to the kernel (`sync_file_range`); here they reach the disk.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kv_core::Result;

use crate::directory::sync_dir;
use crate::error;

/// Syncs what a flush may have touched: the log, new snapshots, new blobs, and the directories that name them.
#[derive(Debug)]
pub(super) struct DiskSync {
    log: File,
    log_path: PathBuf,
    folders: [Mutex<Folder>; 2],
}

/// A folder whose files are written once and never changed.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    prefix: &'static str,
    /// The names that are on the disk.
    synced: BTreeSet<String>,
}

impl DiskSync {
    /// For the sled in `dir`, whose files are all on the disk or about to be synced by the first run.
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        let log_path = dir.join("db");
        // Writable, since elsewhere than on Unix only such a handle can be synced.
        let log = OpenOptions::new().read(true).write(true).open(&log_path)?;
        let folder = |path, prefix| Mutex::new(Folder { path, prefix, synced: BTreeSet::new() });
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
        for name in present.difference(&self.synced) {
            sync_file(&self.path.join(name))?;
        }
        sync_dir(&self.path)?;
        self.synced = present;
        Ok(())
    }

    fn present(&self) -> io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.starts_with(self.prefix) && !name.ends_with(".generating") {
                names.insert(name);
            }
        }
        Ok(names)
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
