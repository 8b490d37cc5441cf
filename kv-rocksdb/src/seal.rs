//! What a cleanly closed store looks like, so that the next open misses what has gone since.
//!
//! `RocksDB` takes a manifest that ends early for one whose last records were never written, and then removes the files
//! that only those named. So closing writes down which files there are, and opening looks whether they are still so. After
//! a crash there is no seal, and the engine's own recovery has to do.
//!
//! ```text
//! larder 1 seal
//! NAME SIZE CRC      for each file; the CRC-32C of small files that name others, else -
//! end CRC            the CRC-32C of all before
//! ```

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use kv_core::Result;
use kv_core::backend::Crc32c;
use kv_core::backend::embedded::{close_to_others, error, sync_dir};

const SEAL: &str = "SEAL";
const NEW: &str = "SEAL.new";
const FIRST: &str = "larder 1 seal\n";

/// Seals the files in `dir`. The engine has closed them.
pub(crate) fn close(dir: &Path) -> io::Result<()> {
    let mut text = facts(dir)?;
    let sum = Crc32c::of(&[text.as_bytes()]);
    writeln!(text, "end {sum}").map_err(io::Error::other)?;
    let mut file = File::create(dir.join(NEW))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    close_to_others(dir)?;
    fs::rename(dir.join(NEW), dir.join(SEAL))?;
    sync_dir(dir)
}

/// Breaks the seal of `dir`, if there is one and the files are as it says; else they are `Corrupt` and stay sealed.
pub(crate) fn open(dir: &Path) -> Result<()> {
    let path = dir.join(SEAL);
    let seal = match fs::read(&path) {
        Ok(seal) => seal,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(error::io("reading", &path, e)),
    };
    let reading = |e| error::io("reading", dir, e);
    let facts = facts(dir).map_err(reading)?;
    let whole = format!("{facts}end {}\n", Crc32c::of(&[facts.as_bytes()]));
    if seal != whole.as_bytes() {
        return Err(error::damaged("the files are not those that were there when the store was closed"));
    }
    // Gone from the disk before the first write: else a crash would leave a seal that does not fit.
    fs::remove_file(&path).and_then(|()| sync_dir(dir)).map_err(|e| error::io("removing", &path, e))
}

/// The first line, and one for each file that the engine needs, by name.
fn facts(dir: &Path) -> io::Result<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let names_others = name == "CURRENT" || name.starts_with("MANIFEST-");
        let holds_data = [".sst", ".log", ".blob"].iter().any(|ending| name.ends_with(ending));
        if names_others {
            let bytes = fs::read(entry.path())?;
            lines.push(format!("{name} {} {}\n", bytes.len(), Crc32c::of(&[&bytes])));
        } else if holds_data {
            lines.push(format!("{name} {} -\n", entry.metadata()?.len()));
        }
    }
    lines.sort();
    Ok(FIRST.to_owned() + &lines.concat())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use kv_core::ErrorKind;
    use tempfile::TempDir;

    use super::{SEAL, close, open};

    fn sealed() -> TempDir {
        let dir = TempDir::new().unwrap();
        for (name, text) in
            [("CURRENT", "MANIFEST-1\n"), ("MANIFEST-1", "edits"), ("000001.sst", "table"), ("LOG", "x")]
        {
            fs::write(dir.path().join(name), text).unwrap();
        }
        close(dir.path()).unwrap();
        dir
    }

    #[test]
    fn what_is_as_it_was_opens_and_is_sealed_no_more() {
        let dir = sealed();
        fs::write(dir.path().join("LOG"), "longer").unwrap(); // nothing depends on it
        open(dir.path()).unwrap();
        assert!(!dir.path().join(SEAL).exists());
        fs::write(dir.path().join("MANIFEST-1"), "more edits").unwrap();
        open(dir.path()).unwrap(); // after a crash nobody knows
    }

    #[test]
    fn every_change_is_noticed_again_and_again() {
        let changes: [(&str, Option<&str>); 7] = [
            ("CURRENT", None),
            ("CURRENT", Some("MANIFEST-2\n")),
            ("MANIFEST-1", Some("edit")),
            ("MANIFEST-1", Some("edias")),
            ("000001.sst", Some("half")),
            ("000001.sst", None),
            (SEAL, Some("larder 1 seal\n")),
        ];
        for (name, text) in changes {
            let dir = sealed();
            match text {
                Some(text) => fs::write(dir.path().join(name), text).unwrap(),
                None => fs::remove_file(dir.path().join(name)).unwrap(),
            }
            for _ in 0..2 {
                assert_eq!(open(dir.path()).unwrap_err().kind(), ErrorKind::Corrupt, "{name}: {text:?}");
            }
        }
    }
}
