//! Key files: read only if they are private, made whole or not at all.
//!
//! Where the file system has no hard links a file is made under its own name at once: for a moment it is there and holds
//! no whole key, and who reads it then waits for the rest.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kv_core::backend::embedded::{make_dir, sync_dir};
use kv_core::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use crate::SecretKey;

/// What group and others may do.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

const MAX_BYTES: u64 = 64 << 10;
/// What a key of 32 bytes is long as text, without padding.
const KEY_LENGTH: usize = 43;
/// The same with padding and the end of the line, as it is written.
const LINE_LENGTH: usize = KEY_LENGTH + 2;
/// How long a reader waits for the rest of a key: a maker writes it at once after it has made the file.
const PATIENCE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(10);

const DRAFT: &str = ".larder-key-";
/// A draft that is older is nobody's: its maker was killed.
const LEFT_BEHIND: Duration = Duration::from_secs(3_600);

/// The text of a key file. One that is being made is waited for.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>> {
    let begun = Instant::now();
    loop {
        let text = read_once(path)?;
        if !is_begun(&text) || begun.elapsed() > PATIENCE {
            return Ok(text);
        }
        sleep(AGAIN);
    }
}

/// Whether the text may be the beginning of a key whose rest is about to be written.
fn is_begun(text: &str) -> bool {
    text.len() < KEY_LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte))
}

fn read_once(path: &Path) -> Result<Zeroizing<String>> {
    let unreadable = |cause| failed(ErrorKind::Invalid, "cannot be read", path, cause);
    let file = File::open(path).map_err(unreadable)?;
    // Asked of the open file, not of the name: nobody can exchange it in between.
    refuse_shared(&file, path)?;
    // Room for all from the start: a growing string would leave copies behind.
    let length = file.metadata().map_err(unreadable)?.len().min(MAX_BYTES);
    let length = usize::try_from(length).unwrap_or(0).max(LINE_LENGTH);
    let mut text = Zeroizing::new(String::with_capacity(length + 1));
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
    make_linked(path, key, |draft| fs::hard_link(draft, path))
}

/// `link` gives the draft its second name, the one of the key file.
fn make_linked(path: &Path, key: &SecretKey, link: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_dir(directory)?;
    sweep(directory);
    let draft = Draft::write(directory, key)?;
    // A link is made only where nothing stands, in one step; the draft has the whole key by then.
    match link(&draft.0) {
        // What keeps a link from being made has many names; whether a file can be made shows.
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => write_new(path, key)?,
        linked => linked?,
    }
    drop(draft);
    sync_dir(directory)
}

/// Makes a file where nothing stands, with the whole key on the disk, or none.
fn write_new(path: &Path, key: &SecretKey) -> io::Result<()> {
    let mut file = private_file().open(path)?;
    let written = write_key(&mut file, key);
    if written.is_err() {
        drop(file);
        let _ = fs::remove_file(path); // it is ours, and whoever reads it finds no key
    }
    written
}

fn write_key(file: &mut File, key: &SecretKey) -> io::Result<()> {
    let mut text = Zeroizing::new(String::with_capacity(LINE_LENGTH));
    text.push_str(&key.to_text());
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Removes the drafts of makers that were killed, as far as that is possible: they are private like the key file itself.
fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| is_draft(&entry.file_name().to_string_lossy())) {
        let age = entry.metadata().and_then(|found| found.modified()).map(|made| made.elapsed());
        if matches!(age, Ok(Ok(age)) if age > LEFT_BEHIND) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_draft(name: &str) -> bool {
    name.strip_prefix(DRAFT)
        .is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The key under a name of its own, removed when dropped.
struct Draft(PathBuf);

impl Draft {
    fn write(directory: &Path, key: &SecretKey) -> io::Result<Self> {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(io::Error::other)?;
        let path = directory.join(format!("{DRAFT}{:016x}", u64::from_be_bytes(random)));
        let mut file = private_file().open(&path)?;
        let draft = Self(path);
        write_key(&mut file, key)?;
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
    use std::fs::{self, File};
    use std::io::{self, Write as _};
    use std::time::SystemTime;

    use kv_core::ErrorKind;

    use super::{LEFT_BEHIND, is_begun, kind, make_linked, private_file, read};
    use crate::SecretKey;

    #[test]
    fn where_there_are_no_hard_links_a_file_is_made_all_the_same_and_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/key");
        let key = SecretKey::generate().unwrap();
        for refusal in [io::ErrorKind::PermissionDenied, io::ErrorKind::Unsupported] {
            let refused = |_: &std::path::Path| Err(refusal.into());
            make_linked(&path, &key, refused).unwrap();
            assert_eq!(read(&path).unwrap().trim_end(), key.to_text().as_str());
            let other = SecretKey::generate().unwrap();
            let error = make_linked(&path, &other, refused).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(read(&path).unwrap().trim_end(), key.to_text().as_str());
            assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left behind");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn who_reads_a_file_that_is_being_made_gets_the_whole_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let text = SecretKey::generate().unwrap().to_text();
        let mut file = private_file().open(&path).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| read(&path).unwrap());
            for half in [&text[..20], &text[20..]] {
                std::thread::yield_now();
                file.write_all(half.as_bytes()).unwrap();
            }
            assert_eq!(reader.join().unwrap().as_str(), text.as_str());
        });
    }

    #[test]
    fn only_what_may_become_a_key_is_waited_for() {
        let whole = SecretKey::from_bytes([7; 32]).to_text();
        assert!(is_begun("") && is_begun(&whole[..42]));
        for text in [whole.as_str(), &whole[..43], "\n", "no key", "oops\n", "a,"] {
            assert!(!is_begun(text), "{text:?}");
        }
    }

    #[test]
    fn drafts_of_killed_makers_are_swept_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let named = |name: &str| directory.path().join(name);
        let old = [".larder-key-0123456789abcdef", ".larder-key-notes", "larder.key.old"];
        for name in old {
            let file = File::create(named(name)).unwrap();
            file.set_modified(SystemTime::now() - 2 * LEFT_BEHIND).unwrap();
        }
        fs::write(named(".larder-key-fedcba9876543210"), "of a maker that lives").unwrap();
        make_linked(&named("key"), &SecretKey::generate().unwrap(), |draft| {
            fs::hard_link(draft, named("key"))
        })
        .unwrap();
        let mut left: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".larder-key-fedcba9876543210", ".larder-key-notes", "key", "larder.key.old"]);
    }

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
