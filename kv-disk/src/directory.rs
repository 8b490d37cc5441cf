//! The directory of a store: who owns it, what may lie in it, and how a store comes into being in one step.
//!
//! ```text
//! LOCK    locked while open, holds the owner's process id
//! data/   the engine's files and ENGINE, its name
//! new/    a store being created: complete and on the disk before it is renamed to data/
//! ```

mod access;
mod lock;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kv_core::{Error, ErrorKind, Result};

use self::lock::Lock;
use crate::config::{DiskConfig, Engine};
use crate::error;

pub(crate) use self::access::{close_to_others, sync_dir};

const LOCK: &str = "LOCK";
pub(crate) const DATA: &str = "data";
const NEW: &str = "new";
const ENGINE: &str = "ENGINE";
/// Beside our own: the socket on which `larder serve` shares its store, and what file systems and desktops leave.
const HARMLESS: [&str; 5] = ["larder.sock", "lost+found", ".DS_Store", "desktop.ini", "Thumbs.db"];

/// A directory that is ours alone until this is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    root: PathBuf,
    warnings: Vec<String>,
    // Last: released after everything else.
    _lock: Lock,
}

impl Directory {
    /// Makes the directory if it is missing, looks through it, and takes its lock. Blocks.
    pub(crate) fn claim(config: &DiskConfig) -> Result<Self> {
        let root = prepared(config)?;
        refuse_foreign(&root)?; // before we put a file of our own into it
        let lock = Lock::take(&root.join(LOCK), config.lock_wait)?;
        refuse_foreign(&root)?;
        let warnings = warnings(&root)?;
        Ok(Self { root, warnings, _lock: lock })
    }

    /// The directory, absolute.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What the owner should know.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Where the engine's files are.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join(DATA)
    }

    /// The engine that made the store; `None` if none was made yet.
    pub(crate) fn engine(&self) -> Result<Option<Engine>> {
        let data = self.data();
        if !exists(&data)? {
            return Ok(None);
        }
        let path = data.join(ENGINE);
        match fs::read_to_string(&path) {
            Ok(text) => parse_engine(&text).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(error::damaged("data/ENGINE is missing")),
            Err(e) => Err(error::io("reading", &path, e)),
        }
    }

    /// Brings a store into being in one step: `fill` makes the engine's files and closes them.
    pub(crate) fn create(&self, engine: Engine, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let new = self.root.join(NEW);
        start_over(&new).map_err(|e| error::io("emptying", &new, e))?;
        let marker = new.join(ENGINE);
        access::open_or_make(&marker)
            .and_then(|mut file| io::Write::write_all(&mut file, engine_line(engine).as_bytes()))
            .map_err(|e| error::io("writing", &marker, e))?;
        fill(&new)?;
        self.publish(&new).map_err(|e| error::io("finishing", &new, e))
    }

    fn publish(&self, new: &Path) -> io::Result<()> {
        close_to_others(new)?;
        sync_tree(new)?;
        fs::rename(new, self.data())?;
        sync_dir(&self.root)
    }
}

fn prepared(config: &DiskConfig) -> Result<PathBuf> {
    let dir = &config.dir;
    let missing = !exists(&dir.join(DATA))?;
    if missing && !config.create {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!("there is no store in {}, and none is to be created", dir.display()),
        ));
    }
    if missing {
        access::make_dir(dir).map_err(|e| error::io("making", dir, e))?;
    }
    // Absolute, so that a later change of the working directory does no harm.
    dir.canonicalize().map_err(|e| error::io("opening", dir, e))
}

fn refuse_foreign(root: &Path) -> Result<()> {
    let unlisted = |e| error::io("listing", root, e);
    for entry in fs::read_dir(root).map_err(unlisted)? {
        let entry = entry.map_err(unlisted)?;
        let name = entry.file_name();
        let known =
            name.to_str().is_some_and(|name| [LOCK, DATA, NEW].contains(&name) || HARMLESS.contains(&name));
        // LOCK is written to: a link that somebody laid there would have us overwrite what it leads to.
        if !known || (name == LOCK && !entry.file_type().map_err(unlisted)?.is_file()) {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "{} holds {}, which is no part of a store; move it away, or choose a directory for the store alone",
                    root.display(),
                    Path::new(&name).display()
                ),
            ));
        }
    }
    Ok(())
}

fn warnings(root: &Path) -> Result<Vec<String>> {
    let open = access::is_open_to_others(root).map_err(|e| error::io("reading", root, e))?;
    let warning =
        || format!("{} can be read by other users of this machine; chmod 700 would close it", root.display());
    Ok(open.then(warning).into_iter().collect())
}

fn engine_line(engine: Engine) -> String {
    format!("larder 1 {engine}\n")
}

fn parse_engine(text: &str) -> Result<Engine> {
    let [magic, format, name] = text.split_whitespace().collect::<Vec<_>>()[..] else {
        return Err(error::damaged("data/ENGINE is damaged"));
    };
    if magic == "larder" && format != "1" && format.parse::<u32>().is_ok() {
        return Err(Error::new(ErrorKind::Unsupported, "the store was written by a later version of Larder"));
    }
    let known = Engine::ALL.into_iter().find(|engine| engine.as_str() == name);
    known
        .filter(|engine| text == engine_line(*engine))
        .ok_or_else(|| error::damaged("data/ENGINE is damaged"))
}

/// What a killed creation left behind was never a store.
fn start_over(new: &Path) -> io::Result<()> {
    match fs::remove_dir_all(new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    access::make_dir(new)
}

fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            fs::OpenOptions::new().read(true).write(true).open(&path)?.sync_all()?;
        }
    }
    sync_dir(dir)
}

fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|e| error::io("opening", path, e))
}

#[cfg(test)]
mod tests {
    use kv_core::ErrorKind;

    use super::{engine_line, parse_engine};
    use crate::config::Engine;

    #[test]
    fn the_engine_is_read_back_as_it_was_written() {
        for engine in [Engine::Sled, Engine::Redb] {
            assert_eq!(parse_engine(&engine_line(engine)).unwrap(), engine);
        }
    }

    #[test]
    fn a_damaged_engine_file_is_corrupt_and_a_later_format_unsupported() {
        for text in
            ["", "larder", "larder 1 rocksdb\n", "larder 1 sled", "ledger 1 sled\n", "larder 1 sled sled\n"]
        {
            assert_eq!(parse_engine(text).unwrap_err().kind(), ErrorKind::Corrupt, "{text:?}");
        }
        assert_eq!(parse_engine("larder 2 sled\n").unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
