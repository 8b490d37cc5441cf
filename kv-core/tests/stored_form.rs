//! The stored form, byte for byte: what an earlier version wrote, a later one reads.
//!
//! The files in `golden/` were made by a program in another language from the table in `docs/store.md`. They never
//! change; a new format gets new files beside them.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use bytes::Bytes;
use kv_core::header::{Form, Stored, decode, peek_deadline, peek_version};
use kv_core::{Entry, Key, Meta, Version};

const DEADLINE: u64 = 1_800_000_000_123;
const KEY: &[u8] = b"larder\0\x01tokens\0\x01jti-1";
const HASHED_KEY: &[u8] = b"h-of-a-long-name";

fn version() -> Version {
    Version::from_bytes([16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31])
}

fn bytes_of(golden: &str) -> Bytes {
    golden.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// What the golden file holds, read; and written again by this version, which must give the same bytes.
fn read_and_write_again(golden: &str, key: &[u8]) -> Stored {
    let stored = bytes_of(golden);
    assert_eq!(peek_version(&stored), Some(version()));
    let read = decode(key, stored.clone()).unwrap();
    assert_eq!(peek_deadline(&stored), Some(read.deadline_ms));
    let name = read.name.as_ref().map(|(collection, id)| Key::new(collection, id));
    let (version, meta, value) = (read.entry.version, &read.entry.meta, read.entry.value.as_ref());
    let again =
        Form { version, deadline_ms: read.deadline_ms, meta, hashed: name, value }.encode(key).unwrap();
    assert_eq!(Bytes::from(again), stored);
    read
}

#[test]
fn a_plain_entry() {
    let read = read_and_write_again(include_str!("golden/plain.hex"), KEY);
    assert_eq!(read.entry, Entry::new(Bytes::from_static(b"hello"), version(), None, Meta::default()));
    assert_eq!((read.deadline_ms, read.name), (None, None));
}

#[test]
fn an_entry_with_a_deadline() {
    let read = read_and_write_again(include_str!("golden/ttl.hex"), KEY);
    assert_eq!(read.deadline_ms, Some(DEADLINE));
    assert_eq!(read.at(DEADLINE + 1), None);
}

#[test]
fn an_entry_with_codec_and_tags() {
    let read = read_and_write_again(include_str!("golden/codec-and-tags.hex"), KEY);
    let mut meta = Meta::codec(1);
    meta.tags = vec![
        ("users".into(), [7; 16]),
        ("größe".into(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    ];
    assert_eq!(read.entry.meta, meta);
    assert_eq!(read.entry.value, r#"{"a":1}"#);
}

#[test]
fn an_entry_whose_key_is_hashed() {
    let read = read_and_write_again(include_str!("golden/hashed-name.hex"), HASHED_KEY);
    assert_eq!(read.name, Some(("tokens".to_owned(), "jti-1".to_owned())));
    assert_eq!((read.entry.meta.codec, &read.entry.value[..]), (2, &[0xff, 0][..]));
    assert_eq!(read.deadline_ms, Some(DEADLINE));
}
