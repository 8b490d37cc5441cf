//! How far a copy has come, kept in a file so that it can go on after an interruption.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kv_core::Cursor;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::Failure;

/// The place in the listing of the source.
#[derive(Debug)]
pub(super) struct Place {
    file: Option<PathBuf>,
    purpose: String,
    cursor: Option<Cursor>,
    /// What earlier runs of this copy had to leave out.
    left_out: LeftOut,
}

/// What could not be copied, in entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// The target cannot hold them.
    pub(super) refused: u64,
    /// They cannot be read.
    pub(super) damaged: u64,
}

/// What the file holds. A cursor may hold names: the file is its owner's alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// The version of this form.
    larder_copy: u32,
    /// SHA-256 of the stores and filters it belongs to.
    of: String,
    /// Where the next page begins, base64.
    cursor: String,
    /// Entries that were refused until then.
    refused: u64,
    /// Damaged entries that were passed over until then.
    #[serde(default)]
    damaged: u64,
}

const FORM: u32 = 1;
/// What is behind the file's name in that of its draft: no file of anybody else is called so.
const DRAFT: &str = ".larder-copy-draft";

impl Place {
    /// The place that `file` keeps for a copy of this `purpose`, or the beginning.
    ///
    /// # Errors
    /// The file cannot be read, is something else, or belongs to another copy; it then stays as it is.
    pub(super) fn open(file: Option<&Path>, purpose: &str) -> Result<Self, Failure> {
        let purpose = format!("{:x}", Sha256::digest(purpose));
        let (cursor, left_out) = match file {
            Some(path) => kept(path, &purpose)?.unzip(),
            None => (None, None),
        };
        Ok(Self { file: file.map(Path::to_owned), purpose, cursor, left_out: left_out.unwrap_or_default() })
    }

    pub(super) const fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// What earlier runs of this copy had to leave out.
    pub(super) const fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Keeps where the next page begins, and how many entries were left out so far, in earlier runs too.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn advance(&self, next: &Cursor, left_out: LeftOut) -> Result<(), Failure> {
        if let Some(path) = &self.file {
            let cursor = STANDARD.encode(next.as_bytes());
            let LeftOut { refused, damaged } = left_out;
            let kept = Kept { larder_copy: FORM, of: self.purpose.clone(), cursor, refused, damaged };
            replace(path, &kept).map_err(|error| unwritable(path).because(error))?;
        }
        Ok(())
    }

    /// Removes the file: the copy is complete.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let Some(path) = self.file else { return Ok(()) };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unwritable(&path).because(error)),
            _ => Ok(()),
        }
    }
}

fn kept(path: &Path, purpose: &str) -> Result<Option<(Cursor, LeftOut)>, Failure> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::usage(format!("--resume: {} cannot be read", path.display())).because(error));
        }
    };
    let foreign = || {
        let path = path.display();
        Failure::usage(format!("--resume: {path} holds no place of a copy: name another file, or remove it"))
    };
    let kept: Kept = serde_json::from_slice(&text).map_err(|_| foreign())?;
    let cursor = STANDARD.decode(&kept.cursor).map_err(|_| foreign())?;
    if kept.larder_copy != FORM {
        return Err(foreign());
    }
    if kept.of != purpose {
        return Err(Failure::usage(format!(
            "--resume: {} belongs to a copy of other stores or filters: remove it to begin anew",
            path.display()
        )));
    }
    let left_out = LeftOut { refused: kept.refused, damaged: kept.damaged };
    Ok(Some((Cursor::from_bytes(cursor), left_out)))
}

/// Whole or not at all: a copy that is killed now finds the old place.
fn replace(path: &Path, kept: &Kept) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(DRAFT);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().open(&draft)?;
    file.write_all(serde_json::to_string(kept)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn unwritable(path: &Path) -> Failure {
    Failure::new(format!("--resume: {} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use kv_core::Cursor;

    use super::{LeftOut, Place};

    #[test]
    fn a_place_is_found_again_by_the_same_copy_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("place");
        let three = LeftOut { refused: 3, damaged: 1 };
        let place = Place::open(Some(&file), "a to b").unwrap();
        assert!(place.cursor().is_none() && !file.exists());
        place.advance(&Cursor::from_bytes("here"), three).unwrap();
        drop(place);
        let again = Place::open(Some(&file), "a to b").unwrap();
        assert_eq!((again.cursor().unwrap().as_bytes().as_ref(), again.left_out()), (&b"here"[..], three));
        let other = Place::open(Some(&file), "a to c").unwrap_err().to_string();
        assert!(other.contains("other stores") && file.exists(), "{other}");
        again.finish().unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn another_file_is_never_overwritten() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a letter").unwrap();
        let error = Place::open(Some(file.path()), "a to b").unwrap_err().to_string();
        assert!(error.contains("holds no place"), "{error}");
        assert_eq!(std::fs::read(file.path()).unwrap(), b"a letter");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("place");
        Place::open(Some(&file), "p").unwrap().advance(&Cursor::from_bytes("x"), LeftOut::default()).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
