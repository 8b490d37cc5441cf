//! The namespace in stored keys: a number of 1 to 3 bytes, since it stands in every one of them.
//!
//! ```text
//! number (below 255: 1 byte; else FF and 2, big-endian) | collection, each 00 byte as 00 FF | 00 01 | id
//! ```
//!
//! sled keeps a key of up to 22 bytes without following a pointer, so a short head makes short keys quicker. The store
//! notes the numbers beside its marker, under `namespace/NAME`, as `NUMBER CRC`: decimal, and CRC-32C of name and number in
//! hexadecimal. A number that was damaged would show the entries of another namespace, each of them whole.
//!
//! A namespace that nothing was written to has no number noted: who only looks into a store leaves nothing there, whatever
//! name was mistyped. The number is noted, durably, before the first entry is.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering};

use kv_core::backend::Crc32c;
use kv_core::backend::embedded::{Namespace, Shown};
use kv_core::{Error, ErrorKind, Result};

use crate::engine::Db;
use crate::error;

const NOTE: &[u8] = b"namespace/";

/// What comes before a number of more than one byte.
const LONG: u8 = u8::MAX;

/// The namespace `name` of an open store, and its note; for one that it has not seen yet, with the next number.
pub(crate) fn claim(db: &Db, name: &str) -> Result<(Namespace, Note)> {
    let mut taken = BTreeSet::new();
    let mut own = None;
    for (known, noted) in db.notes(NOTE)? {
        let number = read(&known, &noted).filter(|number| taken.insert(*number));
        let number = number.ok_or_else(|| error::damaged("the number of a namespace is damaged"))?;
        if known == name.as_bytes() {
            own = Some(number);
        }
    }
    if let Some(number) = own {
        return Ok((numbered(name, number), Note::made()));
    }
    let next = u16::try_from(taken.last().map_or(0, |last| u32::from(*last) + 1));
    let next = next.map_err(|_| Error::new(ErrorKind::Full, "a store has at most 65,536 namespaces"))?;
    let namespace = numbered(name, next);
    if is_in_use(db, &namespace)? {
        return Err(error::damaged("there are entries of a namespace whose number is missing"));
    }
    let note = Note { of: Some((name.to_owned(), next)), is_made: AtomicBool::new(false) };
    Ok((namespace, note))
}

/// What says whose entries begin with a number.
#[derive(Debug)]
pub(crate) struct Note {
    /// What it says; `None` if it was there when the store was opened.
    of: Option<(String, u16)>,
    is_made: AtomicBool,
}

impl Note {
    fn made() -> Self {
        Self { of: None, is_made: AtomicBool::new(true) }
    }

    /// Whether entries may be written.
    pub(crate) fn is_made(&self) -> bool {
        self.is_made.load(Ordering::Acquire)
    }

    /// Makes it, durably, unless it is made. To be called by one thread, the one that commits.
    pub(crate) fn make(&self, db: &Db) -> Result<()> {
        let Some((name, number)) = self.of.as_ref().filter(|_| !self.is_made()) else { return Ok(()) };
        db.note(&[NOTE, name.as_bytes()].concat(), note(name.as_bytes(), *number).as_bytes())?;
        self.is_made.store(true, Ordering::Release);
        Ok(())
    }
}

fn note(name: &[u8], number: u16) -> String {
    let number = number.to_string();
    let crc = Crc32c::of(&[name, number.as_bytes()]);
    format!("{number} {crc:08x}")
}

fn read(name: &[u8], noted: &[u8]) -> Option<u16> {
    let (number, _) = std::str::from_utf8(noted).ok()?.split_once(' ')?;
    let number = number.parse().ok()?;
    (note(name, number).as_bytes() == noted).then_some(number)
}

fn is_in_use(db: &Db, namespace: &Namespace) -> Result<bool> {
    let mut found = false;
    db.visit((Bound::Included(namespace.head()), Bound::Unbounded), |Shown { key, .. }| {
        found = key.starts_with(namespace.head());
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// The namespace `name`, which this store counts as `number`.
fn numbered(name: &str, number: u16) -> Namespace {
    let head = match u8::try_from(number) {
        Ok(short) if short != LONG => vec![short],
        _ => [&[LONG][..], &number.to_be_bytes()].concat(),
    };
    Namespace::new(name, head)
}

#[cfg(test)]
mod tests {
    use kv_core::Key;

    use super::{note, numbered, read};

    #[test]
    fn a_flipped_bit_in_a_note_or_its_name_is_found() {
        let noted = note(b"larder", 7);
        assert_eq!(read(b"larder", noted.as_bytes()), Some(7));
        assert_eq!(read(b"lardes", noted.as_bytes()), None);
        for bit in 0..noted.len() * 8 {
            let mut damaged = noted.clone().into_bytes();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(b"larder", &damaged), None, "{bit}");
        }
    }

    #[test]
    fn no_number_begins_another_one_and_every_key_comes_back() {
        let numbers = [0, 1, 0x61, 254, 255, 256, 0x6161, u16::MAX];
        for number in numbers {
            let stored = numbered("n", number).key(Key::new("a\0", "b"));
            for other in numbers {
                let names = numbered("n", other).names(&stored);
                let expected = (number == other).then_some(("a\0".into(), "b"));
                assert_eq!(names, expected, "{number} read as {other}");
            }
        }
    }
}
