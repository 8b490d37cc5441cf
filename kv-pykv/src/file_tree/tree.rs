//! The files and directories, read with what may block.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kv_core::{Error, ErrorKind, Result};
use serde::Deserialize;

use crate::names;

const KEY_END: &str = ".json";
const COLLECTION_END: &str = "-info.json";
/// No entry of the library is longer than this, in bytes.
const LONGEST: usize = 256 << 20;
/// A link is not followed, and a pipe not waited for.
#[cfg(unix)]
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::NONBLOCK).bits().cast_signed();

/// A directory of collections.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

/// What the library keeps beside a collection's directory. The path in it is that of the machine that wrote it.
#[derive(Deserialize)]
struct Info {
    collection: String,
}

/// One collection's name and directory.
#[derive(Debug)]
pub(super) struct Collection {
    name: String,
    directory: PathBuf,
}

impl Tree {
    pub(super) const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The envelope of this key: under its own name, else under that which the V1 strategy gives it.
    pub(super) fn get(&self, collection: &str, id: &str) -> Result<Option<Bytes>> {
        let changed = names::file_name(id);
        for directory in self.directories(collection)? {
            for name in [id, &changed] {
                let file = format!("{name}{KEY_END}");
                let stored = if is_file_name(&file) { read(&directory.join(file))? } else { None };
                if stored.is_some() {
                    return Ok(stored);
                }
            }
        }
        Ok(None)
    }

    /// Every file of the collections that are `wanted`, by collection and id.
    pub(super) fn files(&self, wanted: impl Fn(&str) -> bool) -> Result<BTreeMap<(String, String), PathBuf>> {
        let mut files = BTreeMap::new();
        for Collection { name, directory } in self.collections()? {
            if !wanted(&name) {
                continue;
            }
            for file in listed(&directory)? {
                if let Some(id) = file.strip_suffix(KEY_END) {
                    files.entry((name.clone(), id.to_owned())).or_insert_with(|| directory.join(&file));
                }
            }
        }
        Ok(files)
    }

    /// The directories of one collection: one, unless somebody made a second.
    fn directories(&self, collection: &str) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for name in [collection, &names::directory_name(collection)] {
            if is_file_name(name) && !found.contains(&self.root.join(name)) {
                let directory = self.root.join(name);
                if is_directory(&directory)? && self.name_of(name)? == collection {
                    found.push(directory);
                }
            }
        }
        Ok(found)
    }

    pub(super) fn collections(&self) -> Result<Vec<Collection>> {
        let mut collections = Vec::new();
        for entry in listed(&self.root)? {
            let directory = self.root.join(&entry);
            if is_directory(&directory)? {
                collections.push(Collection { name: self.name_of(&entry)?, directory });
            }
        }
        Ok(collections)
    }

    /// The name of the collection in this directory: its own where nothing says another.
    fn name_of(&self, directory: &str) -> Result<String> {
        let info = self.root.join(format!("{directory}{COLLECTION_END}"));
        let Some(text) = read(&info)? else { return Ok(directory.to_owned()) };
        let info: Info = serde_json::from_slice(&text)
            .map_err(|error| corrupt(&info, "says of no collection what its name is").because(error))?;
        Ok(info.collection)
    }
}

/// The content of a file; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Bytes>> {
    let Some(kind) = kind(path)? else { return Ok(None) };
    let no_file = || corrupt(path, "is no file; links are not followed");
    if !kind.is_file() {
        return Err(no_file());
    }
    match content(path) {
        Ok(Some(content)) if content.len() > LONGEST => Err(corrupt(path, "is larger than 256 MiB")),
        Ok(content) => content.map(|content| Some(content.into())).ok_or_else(no_file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, error)),
    }
}

/// The content, no more of it than shows that it is too long; `None` if what is open is no file: another may have changed what
/// lies there since somebody looked.
fn content(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, NO_LINK);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut content = Vec::new();
    file.take(LONGEST as u64 + 1).read_to_end(&mut content)?;
    Ok(Some(content))
}

fn is_directory(path: &Path) -> Result<bool> {
    match kind(path)? {
        Some(kind) if kind.is_symlink() => Err(corrupt(path, "is a link; links are not followed")),
        kind => Ok(kind.is_some_and(|kind| kind.is_dir())),
    }
}

/// What lies there itself: no link is followed.
fn kind(path: &Path) -> Result<Option<fs::FileType>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found.file_type())),
        // A name may be longer than the file system takes, and then holds nothing.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename) => {
            Ok(None)
        }
        Err(error) => Err(unreadable(path, error)),
    }
}

/// The names in a directory, sorted; those that are no text are not the library's.
fn listed(directory: &Path) -> Result<Vec<String>> {
    let read = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort_unstable();
        Ok(names)
    };
    read().map_err(|error| unreadable(directory, error))
}

/// Whether a name is one step below a directory and nothing else.
fn is_file_name(name: &str) -> bool {
    let is_step = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    is_step && !(cfg!(windows) && name.contains(['\\', ':']))
}

fn corrupt(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{} {what}", path.display()))
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::Denied,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("{} cannot be read", path.display())).because(error)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{File, OpenOptions};

    use super::{content, read};

    #[test]
    fn what_became_a_link_after_it_was_looked_at_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| dir.path().join(name));
        std::fs::write(&file, "secret").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(content(&file).unwrap(), Some(b"secret".to_vec()));
        content(&link).unwrap_err();
        assert_eq!(content(dir.path()).unwrap(), None);
    }

    #[test]
    fn of_a_file_that_is_too_long_no_more_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long");
        File::create(&path).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.kind(), kv_core::ErrorKind::Corrupt);
    }
}
