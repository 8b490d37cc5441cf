//! Key files: read only if they are private, made whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use kv_core::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use crate::SecretKey;

/// What group and others may do.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

const MAX_BYTES: u64 = 64 << 10;

pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>> {
    let unreadable = |cause| failed(ErrorKind::Invalid, "cannot be read", path, cause);
    let file = File::open(path).map_err(unreadable)?;
    // Asked of the open file, not of the name: nobody can exchange it in between.
    refuse_shared(&file, path)?;
    // Room for all from the start: a growing string would leave copies behind.
    let length = file.metadata().map_err(unreadable)?.len().min(MAX_BYTES);
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

pub(crate) fn create(path: &Path, key: &SecretKey) -> Result<()> {
    make(path, key).map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => failed(ErrorKind::AlreadyExists, "exists already", path, cause),
        _ => failed(kind(&cause), "cannot be made", path, cause),
    })
}

fn kind(cause: &io::Error) -> ErrorKind {
    match cause.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    }
}

fn make(path: &Path, key: &SecretKey) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    private_directories(directory)?;
    let draft = Draft::write(directory, key)?;
    // A link is made only where nothing stands, in one step; the draft has the whole key by then.
    fs::hard_link(&draft.0, path)?;
    drop(draft);
    sync_directory(directory)
}

/// The key under a name of its own, removed when dropped.
struct Draft(PathBuf);

impl Draft {
    fn write(directory: &Path, key: &SecretKey) -> io::Result<Self> {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(io::Error::other)?;
        let name = format!(".larder-key-{:016x}", u64::from_be_bytes(random));
        let path = directory.join(name);
        let mut file = private_file().open(&path)?;
        let draft = Self(path);
        file.write_all(key.to_text().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What cannot be removed is private like the key file itself.
        let _ = fs::remove_file(&self.0);
    }
}

fn failed(kind: ErrorKind, what: &str, path: &Path, cause: io::Error) -> Error {
    Error::new(kind, format!("the key file {} {what}", path.display())).because(cause)
}

#[cfg(unix)]
fn private_file() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}

#[cfg(not(unix))]
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    options
}

#[cfg(unix)]
fn private_directories(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(not(unix))]
fn private_directories(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

// A directory cannot be opened as a file there; the file system journals its names.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn refuse_shared(file: &File, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata();
    let mode = metadata.map_err(|cause| failed(ErrorKind::Invalid, "cannot be read", path, cause))?;
    let mode = mode.permissions().mode() & 0o777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let path = path.display();
    let text = format!("the key file {path} is open to others (mode {mode:03o}): run `chmod 600 {path}`");
    Err(Error::new(ErrorKind::Denied, text))
}

#[cfg(not(unix))]
fn refuse_shared(_: &File, _: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;

    use kv_core::ErrorKind;

    use super::kind;

    #[test]
    fn what_the_system_refuses_for_good_is_not_worth_a_second_try() {
        for (refused, expected) in [
            (io::ErrorKind::PermissionDenied, ErrorKind::Denied),
            (io::ErrorKind::ReadOnlyFilesystem, ErrorKind::Denied),
            (io::ErrorKind::StorageFull, ErrorKind::Full),
            (io::ErrorKind::NotFound, ErrorKind::Invalid),
            (io::ErrorKind::Interrupted, ErrorKind::Unavailable),
        ] {
            assert_eq!(kind(&refused.into()), expected, "{refused:?}");
        }
    }
}
