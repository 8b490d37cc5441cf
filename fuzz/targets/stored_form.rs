//! The stored form: no bytes make decoding panic or grow, what decodes says the same once it is written again, what was
//! encoded comes back, and what was damaged does not.
//!
//! An input is a stored form, taken as it is, and again with the checksum that fits it: nothing behind the checksum would
//! ever be reached otherwise. The same bytes then choose an entry that is encoded.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use kv_core::header::{
    Form, HEAD_BYTES, Stored, decode, decode_meta, encode_meta, peek_deadline, peek_version,
};
use kv_core::{ErrorKind, Key, Meta, Version};
use libfuzzer_sys::fuzz_target;

/// Where the golden files and the seeds are stored.
const KEY: &[u8] = b"larder\0\x01tokens\0\x01jti-1";
const CRC: std::ops::Range<usize> = 28..HEAD_BYTES;

#[derive(Arbitrary, Debug)]
struct Chosen<'a> {
    stored_key: &'a [u8],
    version: [u8; 16],
    deadline_ms: Option<u64>,
    now_ms: u64,
    codec: u16,
    tags: Vec<(&'a str, [u8; 16])>,
    hashed: Option<(&'a str, &'a str)>,
    damage: (u16, u8),
    value: &'a [u8],
}

fuzz_target!(|data: &[u8]| {
    anything(data);
    if let Some(fitting) = with_its_checksum(data) {
        assert_eq!(peek_version(data), peek_version(&fitting));
        anything(&fitting);
    }
    meta(data);
    if let Ok(chosen) = Chosen::arbitrary_take_rest(Unstructured::new(data)) {
        there_and_back(&chosen);
    }
});

fn with_its_checksum(data: &[u8]) -> Option<Vec<u8>> {
    let mut sum = crc32c::crc32c_append(crc32c::crc32c(KEY), data.get(..CRC.start)?);
    sum = crc32c::crc32c_append(sum, data.get(CRC.end..)?);
    let mut fitting = data.to_vec();
    fitting[CRC].copy_from_slice(&sum.to_le_bytes());
    Some(fitting)
}

fn anything(stored: &[u8]) {
    match decode(KEY, Bytes::copy_from_slice(stored)) {
        Ok(read) => {
            assert_eq!(peek_version(stored), Some(read.entry.version));
            assert_eq!(peek_deadline(stored), Some(read.deadline_ms));
            assert!(stored.ends_with(&read.entry.value) && read.entry.ttl.is_none());
            written_again(stored, &read);
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt),
    }
}

/// What was read is written as this version writes it: no longer, and read as the same.
fn written_again(stored: &[u8], read: &Stored) {
    let Stored { entry, deadline_ms, name, .. } = read;
    let hashed = name.as_ref().map(|(collection, id)| Key::new(collection, id));
    let (version, deadline_ms) = (entry.version, *deadline_ms);
    let form = Form { version, deadline_ms, meta: &entry.meta, hashed, value: &entry.value };
    let again = form.encode(KEY).expect("it has been stored once");
    assert!(again.len() <= stored.len());
    if again.len() == stored.len() {
        assert_eq!(again, stored, "there is one way to write it");
    }
    assert_eq!(decode(KEY, again.into()).expect("it was just encoded"), *read);
}

fn meta(data: &[u8]) {
    match decode_meta(data) {
        Ok(meta) => {
            let again = encode_meta(&meta).expect("it has been stored once");
            assert!(again == data || meta.is_plain(), "there is one way to write it");
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt),
    }
}

fn there_and_back(chosen: &Chosen<'_>) {
    let Chosen { stored_key, deadline_ms, value, .. } = *chosen;
    let mut meta = Meta::codec(chosen.codec);
    meta.tags = chosen.tags.iter().map(|(tag, generation)| ((*tag).into(), *generation)).collect();
    let hashed = chosen.hashed.map(|(collection, id)| Key::new(collection, id));
    let version = Version::from_bytes(chosen.version);
    let form = Form { version, deadline_ms, meta: &meta, hashed, value };
    let bytes = form.encode(stored_key).expect("names and tags are short here");

    let stored = decode(stored_key, bytes.clone().into()).expect("it was just encoded");
    assert_eq!((stored.entry.version, &stored.entry.value[..]), (version, value));
    assert_eq!(stored.deadline_ms, deadline_ms.map(|ms| ms.max(1)));
    assert_eq!(stored.entry.meta, meta);
    let name = stored.name.clone();
    assert_eq!(name.as_ref().map(|(collection, id)| (&**collection, &**id)), chosen.hashed);
    assert_eq!(decode_meta(&encode_meta(&meta).expect("as above")).expect("as above"), meta);
    time(stored, chosen.now_ms);
    damaged(stored_key, bytes, chosen.damage);
}

fn time(stored: Stored, now_ms: u64) {
    let lives = stored.deadline_ms.is_none_or(|last| now_ms <= last);
    let never = stored.deadline_ms.is_none();
    let entry = stored.at(now_ms);
    assert_eq!(entry.is_some(), lives, "a deadline is the last millisecond of a life");
    if let Some(entry) = entry {
        assert!(entry.ttl.is_none_or(|left| !left.is_zero()) && entry.ttl.is_none() == never);
    }
}

fn damaged(stored_key: &[u8], mut bytes: Vec<u8>, (at, flipped): (u16, u8)) {
    let at = usize::from(at) % bytes.len();
    let mut cut = bytes.clone();
    cut.truncate(at);
    assert!(decode(stored_key, cut.into()).is_err(), "it was cut at {at}");
    if flipped != 0 {
        bytes[at] ^= flipped;
        assert!(decode(stored_key, bytes.into()).is_err(), "one changed byte is always found");
    }
}
