//! The stored form: no bytes make decoding panic, what was encoded comes back, and what was damaged does not.
#![no_main]

use arbitrary::Arbitrary;
use bytes::Bytes;
use kv_core::header::{Form, HEAD_BYTES, decode, decode_meta, encode_meta, peek_deadline, peek_version};
use kv_core::{Key, Meta, Version};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    stored_key: &'a [u8],
    raw: &'a [u8],
    version: [u8; 16],
    deadline_ms: Option<u64>,
    codec: u16,
    tags: Vec<(&'a str, [u8; 16])>,
    hashed: Option<(&'a str, &'a str)>,
    value: &'a [u8],
    damage: (u16, u8),
}

fuzz_target!(|input: Input<'_>| {
    anything(&input);
    there_and_back(&input);
});

fn anything(input: &Input<'_>) {
    let raw = Bytes::copy_from_slice(input.raw);
    drop(decode_meta(input.raw));
    if let Ok(stored) = decode(input.stored_key, raw) {
        // 32 bits of checksum: a fuzzer may well find bytes that pass.
        assert_eq!(peek_version(input.raw), Some(stored.entry.version));
        assert_eq!(peek_deadline(input.raw), Some(stored.deadline_ms));
    }
}

fn there_and_back(input: &Input<'_>) {
    let mut meta = Meta::codec(input.codec);
    meta.tags = input.tags.iter().map(|(tag, generation)| ((*tag).into(), *generation)).collect();
    let hashed = input.hashed.map(|(collection, id)| Key::new(collection, id));
    let version = Version::from_bytes(input.version);
    let form = Form { version, deadline_ms: input.deadline_ms, meta: &meta, hashed, value: input.value };
    let bytes = form.encode(input.stored_key).expect("names and tags are short here");
    let stored = decode(input.stored_key, bytes.clone().into()).expect("it was just encoded");
    assert_eq!((stored.entry.version, &stored.entry.value[..]), (version, input.value));
    assert_eq!(stored.deadline_ms, input.deadline_ms.map(|ms| ms.max(1)));
    assert_eq!(stored.entry.meta, meta);
    assert_eq!(decode_meta(&encode_meta(&meta).expect("as above")).expect("as above"), meta);
    let mut damaged = bytes;
    let at = usize::from(input.damage.0) % damaged.len().max(HEAD_BYTES);
    damaged[at] ^= input.damage.1;
    let read = decode(input.stored_key, damaged.into());
    assert_eq!(read.is_ok(), input.damage.1 == 0, "one flipped byte is always found");
}
