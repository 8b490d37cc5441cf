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
use std::time::Duration;

use self::lock::Lock;
use crate::backend::embedded::error;
use crate::{Error, ErrorKind, Result};

pub use self::access::{close_to_others, make_dir, sync_dir};

const LOCK: &str = "LOCK";
const DATA: &str = "data";
const NEW: &str = "new";
const ENGINE: &str = "ENGINE";
/// Beside our own: the socket on which `larder serve` shares its store, and what file systems and desktops leave.
const HARMLESS: [&str; 5] = ["larder.sock", "lost+found", ".DS_Store", "desktop.ini", "Thumbs.db"];

/// A directory that is ours alone until this is dropped.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    warnings: Vec<String>,
    // Last: released after everything else.
    _lock: Lock,
}

impl Directory {
    /// Makes the directory if it is missing, looks through it, and takes its lock. Blocks.
    ///
    /// # Errors
    /// `Unavailable` when another process, named by its number, still holds it after `wait`; `Invalid` for a missing
    /// store that is not to be created; `Corrupt` for a directory that holds anything else; `Denied` and `Full` by
    /// the system.
    pub fn claim(dir: &Path, create: bool, wait: Duration) -> Result<Self> {
        let root = prepared(dir, create)?;
        refuse_foreign(&root)?; // before we put a file of our own into it
        let lock = Lock::take(&root.join(LOCK), wait)?;
        refuse_foreign(&root)?;
        let warnings = warnings(&root)?;
        Ok(Self { root, warnings, _lock: lock })
    }

    /// Whether `dir` holds a store already, or cannot be looked at. While false, opening creates one.
    pub fn holds_a_store(dir: &Path) -> bool {
        !matches!(dir.join(DATA).try_exists(), Ok(false))
    }

    /// The directory, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the owner should know.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Where the engine's files are.
    pub fn data(&self) -> PathBuf {
        self.root.join(DATA)
    }

    /// The engine that made the store; `None` if none was made yet.
    ///
    /// # Errors
    /// `Corrupt` when its name is missing or damaged, `Unsupported` for a later format.
    pub fn engine(&self) -> Result<Option<String>> {
        let data = self.data();
        if !exists(&data)? {
            return Ok(None);
        }
        let path = data.join(ENGINE);
        match fs::read_to_string(&path) {
            Ok(text) => parse_engine(&text).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(error::damaged("data/ENGINE is missing")),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => Err(error::damaged("data/ENGINE is damaged")),
            Err(e) => Err(error::io("reading", &path, e)),
        }
    }

    /// Brings a store into being in one step: `fill` makes the engine's files and closes them.
    ///
    /// # Errors
    /// Those of `fill` and of the system.
    pub fn create(&self, engine: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
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

fn prepared(dir: &Path, create: bool) -> Result<PathBuf> {
    let missing = !exists(&dir.join(DATA))?;
    if missing && !create {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!("there is no store in {}, and none is to be made", dir.display()),
        ));
    }
    if missing {
        refuse_dangling(dir)?;
        make_dir(dir).map_err(|e| error::io("making", dir, e))?;
    }
    // Absolute, so that a later change of the working directory does no harm.
    dir.canonicalize().map_err(|e| error::io("opening", dir, e))
}

/// The system says of a link to nothing that it exists, and makes nothing.
fn refuse_dangling(dir: &Path) -> Result<()> {
    match dir.ancestors().find(|part| part.is_symlink() && !part.exists()) {
        Some(link) => Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "{} is a link that leads to nothing; make what it leads to, or remove it",
                link.display()
            ),
        )),
        None => Ok(()),
    }
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
    let open = access::open_to_others(root).map_err(|e| error::io("reading", root, e))?;
    let root = root.display();
    let warning =
        |done| format!("{root} can be {done} by other users of this machine; chmod 700 would close it");
    Ok(open.map(warning).into_iter().collect())
}

fn engine_line(engine: &str) -> String {
    format!("larder 1 {engine}\n")
}

fn parse_engine(text: &str) -> Result<String> {
    let [magic, format, name] = text.split_whitespace().collect::<Vec<_>>()[..] else {
        return Err(error::damaged("data/ENGINE is damaged"));
    };
    if magic == "larder" && format != "1" && format.parse::<u32>().is_ok() {
        return Err(Error::new(ErrorKind::Unsupported, "the store was written by a later version of Larder"));
    }
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
    if is_name && text == engine_line(name) {
        return Ok(name.to_owned());
    }
    Err(error::damaged("data/ENGINE is damaged"))
}

/// What a killed creation left behind was never a store.
fn start_over(new: &Path) -> io::Result<()> {
    match fs::remove_dir_all(new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    make_dir(new)
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
    use super::{engine_line, parse_engine};
    use crate::ErrorKind;

    #[test]
    fn the_engine_is_read_back_as_it_was_written() {
        for engine in ["sled", "redb", "rocksdb"] {
            assert_eq!(parse_engine(&engine_line(engine)).unwrap(), engine);
        }
    }

    #[test]
    fn a_damaged_engine_file_is_corrupt_and_a_later_format_unsupported() {
        for text in
            ["", "larder", "larder 1 Sled\n", "larder 1 sled", "ledger 1 sled\n", "larder 1 sled sled\n"]
        {
            assert_eq!(parse_engine(text).unwrap_err().kind(), ErrorKind::Corrupt, "{text:?}");
        }
        assert_eq!(parse_engine("larder 2 sled\n").unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
