//! Who may read the files. Directories that we make are 0700, which is the protection; files are 0600.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// Makes `dir` and what is missing above it, for the owner alone, and waits until the names of all that are on the disk.
///
/// # Errors
/// Those of the system.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    let is_missing = |part: &&Path| !part.as_os_str().is_empty() && !part.exists();
    let missing: Vec<_> = dir.ancestors().take_while(is_missing).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    missing.into_iter().rev().try_for_each(sync_name)
}

/// Waits until the name of `path` is on the disk.
fn sync_name(path: &Path) -> io::Result<()> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match sync_dir(above) {
        // Where one may write and not read, nothing can be opened to be synced; what was made there is good all the same.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// Opens `path` to read and write, made for the owner alone if it is missing.
pub(super) fn open_or_make(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What others than the owner may do with `dir`, such as `read`; `None` for nothing.
#[cfg(unix)]
pub(super) fn open_to_others(dir: &Path) -> io::Result<Option<&'static str>> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(dir)?.permissions().mode();
    Ok(match (mode & 0o055 != 0, mode & 0o022 != 0) {
        (true, true) => Some("read and written to"),
        (false, true) => Some("written to"),
        (true, false) => Some("read"),
        (false, false) => None,
    })
}

#[cfg(not(unix))]
pub(super) fn open_to_others(_: &Path) -> io::Result<Option<&'static str>> {
    Ok(None) // access lists are inherited from the profile's directory
}

/// Gives the files below `dir` to the owner alone: engines make theirs by the umask.
///
/// # Errors
/// Those of the system.
#[cfg(unix)]
pub fn close_to_others(dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            close(&path, 0o700)?;
            close_to_others(&path)?;
        } else if kind.is_file() {
            close(&path, 0o600)?; // a link is left alone: what it leads to is not ours
        }
    }
    Ok(())
}

#[cfg(unix)]
fn close(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()), // the engine replaced it meanwhile
        done => done,
    }
}

/// Access lists are inherited from the profile's directory.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn close_to_others(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Waits until the names in `dir` are on the disk.
///
/// # Errors
/// Those of the system.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(dir)?.sync_all()?; // elsewhere a directory cannot be opened as a file
    }
    Ok(())
}
