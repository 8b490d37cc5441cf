//! The stored form of an entry, for databases that keep one run of bytes per key.
//!
//! | bytes | what |
//! |---|---|
//! | 0–1 | `LD` |
//! | 2 | format, 1 |
//! | 3 | flags: bit 0 = an optional part follows the head, bit 1 = the key holds a hash of the name; others 0 |
//! | 4–19 | version |
//! | 20–27 | deadline: u64, milliseconds since the Unix epoch, 0 = never; the last one in which the entry lives |
//! | 28–31 | CRC-32C (Castagnoli): u32, over the stored key, bytes 0–27 and everything from byte 32 on |
//! | 32– | the optional part, then the payload |
//!
//! All numbers are little-endian. The optional part is bincode 2 with fixed-width integers, which is:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | 1 if a full name follows, else 0; equals bit 1 of the flags |
//! | 8 + n, 8 + m | with a name: collection and id, each a u64 length and UTF-8 |
//! | 2 | codec: u16 |
//! | 8 | number of tags: u64 |
//! | each 8 + n + 16 | tag: u64 length and UTF-8, then its generation |
//!
//! The CRC finds damage, not attackers: encryption does that.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bytes::{Buf, BufMut, Bytes};

use crate::checksum::Crc32c;
use crate::{Entry, Error, ErrorKind, Key, Meta, NewEntry, Result, Version, ttl};

/// The length of the fixed head.
pub const HEAD_BYTES: usize = 32;

/// What ends it.
const CRC_BYTES: usize = 4;
const MAGIC: [u8; 2] = *b"LD";
const FORMAT: u8 = 1;
const HAS_OPTIONAL: u8 = 1;
const IS_HASHED: u8 = 2;
/// No optional part is longer: what claims to be is damaged.
const MAX_OPTIONAL: usize = 16 << 20;

/// What reading it may take in memory: a tag has 24 bytes at least as it is stored, and 32 once it was read.
const MAX_READ: usize = 2 * MAX_OPTIONAL;

type Config = Configuration<LittleEndian, Fixint, Limit<MAX_READ>>;
const CONFIG: Config =
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<MAX_READ>();

/// The bytes before the CRC, the CRC, and what follows it.
type Head = ([u8; 28], [u8; 4]);
type Optional = (Option<(String, String)>, u16, Vec<(Box<str>, [u8; 16])>);

/// An entry as it was decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The entry; its `ttl` is `None` until [`Stored::at`] knows the time.
    pub entry: Entry,
    /// The last millisecond since the epoch in which it lives; `None` never expires.
    pub deadline_ms: Option<u64>,
    /// Collection and id, where the stored key holds a hash of them.
    pub name: Option<(String, String)>,
}

/// What [`check`] found: an entry without its value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The identity of the write.
    pub version: Version,
    /// The last millisecond since the epoch in which it lives; `None` never expires.
    pub deadline_ms: Option<u64>,
    /// Codec and tags.
    pub meta: Meta,
    /// Collection and id, where the stored key holds a hash of them.
    pub name: Option<(String, String)>,
    /// Where the value begins in the stored bytes, which it ends.
    pub value_at: usize,
}

impl Stored {
    /// The entry with what is left to live at `now_ms`; `None` if it has expired.
    pub fn at(self, now_ms: u64) -> Option<Entry> {
        let Self { mut entry, deadline_ms, .. } = self;
        if let Some(deadline) = deadline_ms {
            entry.ttl = Some(ttl::remaining(deadline, now_ms)?);
        }
        Some(entry)
    }
}

/// The parts of a stored form.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// The identity of the write.
    pub version: Version,
    /// The last millisecond since the epoch in which it lives; `None` never expires.
    pub deadline_ms: Option<u64>,
    /// Codec and tags.
    pub meta: &'a Meta,
    /// The full name, where the stored key holds a hash of it.
    pub hashed: Option<Key<'a>>,
    /// The payload.
    pub value: &'a [u8],
}

impl Form<'_> {
    /// The bytes to be stored under `stored_key`.
    ///
    /// # Errors
    /// `TooLarge` when name and tags exceed 16 MiB.
    pub fn encode(&self, stored_key: &[u8]) -> Result<Vec<u8>> {
        self.in_parts(stored_key).map(|parts| parts.as_slices().concat())
    }

    fn flags(&self, optional: &[u8]) -> u8 {
        let has_optional = if optional.is_empty() { 0 } else { HAS_OPTIONAL };
        let is_hashed = if self.hashed.is_some() { IS_HASHED } else { 0 };
        has_optional | is_hashed
    }
}

impl<'a> Form<'a> {
    /// As [`Form::encode`], for who copies the bytes to another place anyway.
    ///
    /// # Errors
    /// As those of [`Form::encode`].
    pub fn in_parts(&self, stored_key: &[u8]) -> Result<Parts<'a>> {
        let optional = optional_part(self.meta, self.hashed)?;
        let mut head = [0; HEAD_BYTES];
        let (begin, crc) = head.split_at_mut(HEAD_BYTES - CRC_BYTES);
        let mut rest = &mut *begin;
        rest.put_slice(&MAGIC);
        rest.put_slice(&[FORMAT, self.flags(&optional)]);
        rest.put_slice(self.version.as_bytes());
        rest.put_u64_le(self.deadline_ms.map_or(0, |ms| ms.max(1)));
        crc.copy_from_slice(&Crc32c::of(&[stored_key, begin, &optional, self.value]).to_le_bytes());
        Ok(Parts { head, optional, value: self.value })
    }
}

/// The bytes to be stored, one part after the other.
#[derive(Debug)]
pub struct Parts<'a> {
    head: [u8; HEAD_BYTES],
    optional: Vec<u8>,
    value: &'a [u8],
}

impl Parts<'_> {
    /// In their order; parts may be empty.
    pub fn as_slices(&self) -> [&[u8]; 3] {
        [&self.head, &self.optional, self.value]
    }
}

/// The stored form of `entry` under `stored_key`.
///
/// `deadline_ms` is the last millisecond since the epoch in which it lives, `None` for never; the entry's own ttl
/// is not looked at. `hashed` is its full name if `stored_key` holds a hash of it.
///
/// # Errors
/// `TooLarge` when name and tags exceed 16 MiB.
pub fn encode(
    stored_key: &[u8],
    entry: &NewEntry,
    deadline_ms: Option<u64>,
    hashed: Option<Key<'_>>,
) -> Result<Vec<u8>> {
    form(entry, deadline_ms, hashed).encode(stored_key)
}

/// As [`encode`] without a full name, in parts.
///
/// # Errors
/// As those of [`encode`].
pub fn encode_parts<'a>(
    stored_key: &[u8],
    entry: &'a NewEntry,
    deadline_ms: Option<u64>,
) -> Result<Parts<'a>> {
    form(entry, deadline_ms, None).in_parts(stored_key)
}

fn form<'a>(entry: &'a NewEntry, deadline_ms: Option<u64>, hashed: Option<Key<'a>>) -> Form<'a> {
    let (version, meta, value) = (entry.version(), entry.meta_ref(), entry.value().as_ref());
    Form { version, deadline_ms, meta, hashed, value }
}

/// The entry that `stored` is under `stored_key`; its value is a slice of `stored`, not a copy.
///
/// # Errors
/// `Corrupt` for any damage, for bytes stored under another key, and for a format of another version.
pub fn decode(stored_key: &[u8], mut stored: Bytes) -> Result<Stored> {
    let Checked { version, deadline_ms, meta, name, value_at } = check(stored_key, &stored)?;
    stored.advance(value_at);
    Ok(Stored { entry: Entry::new(stored, version, None, meta), deadline_ms, name })
}

/// As [`decode`], for who does not keep `stored` as it is.
///
/// # Errors
/// As those of [`decode`].
pub fn check(stored_key: &[u8], stored: &[u8]) -> Result<Checked> {
    let (head, crc) = split_head(stored)?;
    let after = stored.get(HEAD_BYTES..).unwrap_or_default();
    if Crc32c::of(&[stored_key, &head, after]) != u32::from_le_bytes(crc) {
        return Err(corrupt("the checksum of the stored entry does not fit"));
    }
    let [_, _, format, flags, ..] = head;
    if format != FORMAT || flags & !(HAS_OPTIONAL | IS_HASHED) != 0 {
        return Err(corrupt("the stored entry has a format that this version does not know"));
    }
    let (name, meta, used) = read_optional(flags, after)?;
    let (version, deadline_ms) = (version_of(&head), deadline_of(&head));
    Ok(Checked { version, deadline_ms, meta, name, value_at: HEAD_BYTES + used })
}

/// Codec and tags as the optional part of a stored form, for databases that keep them in a field of their own; no bytes
/// for plain ones.
///
/// # Errors
/// `TooLarge` when the tags exceed 16 MiB.
pub fn encode_meta(meta: &Meta) -> Result<Vec<u8>> {
    optional_part(meta, None)
}

/// What [`encode_meta`] was given.
///
/// # Errors
/// `Corrupt` for bytes that it never makes.
pub fn decode_meta(stored: &[u8]) -> Result<Meta> {
    if stored.is_empty() {
        return Ok(Meta::default());
    }
    match read_optional(HAS_OPTIONAL, stored)? {
        (None, meta, used) if used == stored.len() => Ok(meta),
        _ => Err(corrupt("codec and tags of the stored entry are followed by something else")),
    }
}

/// The version in the head, without checking the rest; `None` for what is no stored entry.
pub fn peek_version(stored: &[u8]) -> Option<Version> {
    split_head(stored).ok().map(|(head, _)| version_of(&head))
}

/// The deadline in the head, without checking the rest, for sweepers: `None` for what is no stored entry,
/// `Some(None)` for one that never expires.
pub fn peek_deadline(stored: &[u8]) -> Option<Option<u64>> {
    split_head(stored).ok().map(|(head, _)| deadline_of(&head))
}

fn split_head(stored: &[u8]) -> Result<Head> {
    match (stored.first_chunk::<28>(), stored.get(28..HEAD_BYTES).and_then(|crc| crc.first_chunk::<4>())) {
        (Some(head), Some(crc)) if head.starts_with(&MAGIC) => Ok((*head, *crc)),
        _ => Err(corrupt("the stored bytes are no entry of Larder")),
    }
}

fn version_of(head: &[u8; 28]) -> Version {
    let mut version = [0; 16];
    version.copy_from_slice(head.get(4..20).unwrap_or(&[0; 16]));
    Version::from_bytes(version)
}

fn deadline_of(head: &[u8; 28]) -> Option<u64> {
    let ms = head.last_chunk::<8>().copied().map_or(0, u64::from_le_bytes);
    (ms != 0).then_some(ms)
}

fn optional_part(meta: &Meta, hashed: Option<Key<'_>>) -> Result<Vec<u8>> {
    if meta.is_plain() && hashed.is_none() {
        return Ok(Vec::new());
    }
    let name = hashed.map(|key| (key.collection, key.id));
    let too_large = || Error::new(ErrorKind::TooLarge, "name and tags of an entry exceed 16 MiB");
    let bytes = bincode::encode_to_vec((name, meta.codec, &meta.tags), CONFIG).map_err(|_| too_large())?;
    if bytes.len() > MAX_OPTIONAL { Err(too_large()) } else { Ok(bytes) }
}

/// Full name, meta, and how many bytes they took.
#[expect(clippy::type_complexity, reason = "three parts that go different ways at once")]
fn read_optional(flags: u8, after: &[u8]) -> Result<(Option<(String, String)>, Meta, usize)> {
    let damaged = || corrupt("the optional part of the stored entry does not fit its flags");
    if flags & HAS_OPTIONAL == 0 {
        return if flags == 0 { Ok((None, Meta::default(), 0)) } else { Err(damaged()) };
    }
    let ((name, codec, tags), used): (Optional, usize) =
        bincode::decode_from_slice(after, CONFIG).map_err(|_| damaged())?;
    if used > MAX_OPTIONAL || name.is_some() != (flags & IS_HASHED != 0) {
        return Err(damaged());
    }
    let mut meta = Meta::codec(codec);
    meta.tags = tags;
    Ok((name, meta, used))
}

fn corrupt(message: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use proptest::prelude::{any, proptest};

    use super::{HEAD_BYTES, decode, encode, peek_deadline, peek_version};
    use crate::checksum::Crc32c;
    use crate::{ErrorKind, Key, Meta, NewEntry};

    const KEY: &[u8] = b"tokens\0\x01a";

    fn tagged() -> NewEntry {
        let mut meta = Meta::codec(1);
        meta.tags = vec![("users".into(), [7; 16]), ("".into(), [0; 16])];
        NewEntry::new(&b"value"[..]).meta(meta)
    }

    fn forms() -> Vec<Vec<u8>> {
        vec![
            encode(KEY, &NewEntry::new(&b"value"[..]), None, None).unwrap(),
            encode(KEY, &NewEntry::new(Bytes::new()), Some(1), None).unwrap(),
            encode(KEY, &tagged(), Some(1 << 40), None).unwrap(),
            encode(KEY, &tagged(), None, Some(Key::new("tokens", "a"))).unwrap(),
        ]
    }

    /// The same head with a fitting checksum: what damage cannot make, but another version can.
    fn resealed(mut stored: Vec<u8>) -> Bytes {
        let sum = Crc32c::of(&[KEY, &stored[..28], &stored[HEAD_BYTES..]]);
        stored[28..32].copy_from_slice(&sum.to_le_bytes());
        stored.into()
    }

    #[test]
    fn codec_and_tags_stand_alone_too() {
        for meta in [Meta::default(), Meta::codec(2), tagged().meta_ref().clone()] {
            let bytes = super::encode_meta(&meta).unwrap();
            assert_eq!(bytes.is_empty(), meta.is_plain());
            assert_eq!(super::decode_meta(&bytes).unwrap(), meta);
            let longer = [&bytes[..], b"x"].concat();
            for wrong in [&longer[..], bytes.split_last().map_or(b"x", |(_, rest)| rest)] {
                if !wrong.is_empty() {
                    assert_eq!(super::decode_meta(wrong).unwrap_err().kind(), ErrorKind::Corrupt);
                }
            }
        }
    }

    #[test]
    fn what_went_in_comes_out() {
        let (entry, key) = (tagged(), Key::new("tokens", "a"));
        let stored: Bytes = encode(KEY, &entry, Some(9), Some(key)).unwrap().into();
        assert_eq!(peek_version(&stored), Some(entry.version()));
        assert_eq!(peek_deadline(&stored), Some(Some(9)));
        let decoded = decode(KEY, stored.clone()).unwrap();
        assert_eq!(decoded.name, Some(("tokens".to_owned(), "a".to_owned())));
        assert_eq!((&decoded.entry.version, &decoded.entry.meta), (&entry.version(), entry.meta_ref()));
        assert_eq!(decoded.entry.value, "value");
        assert!(stored.as_ptr_range().contains(&decoded.entry.value.as_ptr()), "a slice, not a copy");
        assert_eq!(decoded.clone().at(4).unwrap().ttl, Some(Duration::from_millis(5)));
        assert_eq!(decoded.at(10), None);
    }

    #[test]
    fn every_flipped_bit_is_corrupt() {
        for stored in forms() {
            for bit in 0..stored.len() * 8 {
                let mut damaged = stored.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let error = decode(KEY, damaged.into()).expect_err("a flipped bit");
                assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit}");
            }
            for bit in 0..KEY.len() * 8 {
                let mut key = KEY.to_vec();
                key[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decode(&key, stored.clone().into()).unwrap_err().kind(), ErrorKind::Corrupt);
            }
        }
    }

    #[test]
    fn every_truncation_and_a_longer_form_are_corrupt() {
        for stored in forms() {
            for length in 0..stored.len() {
                let cut = Bytes::copy_from_slice(&stored[..length]);
                assert_eq!(decode(KEY, cut).unwrap_err().kind(), ErrorKind::Corrupt, "{length} bytes");
            }
            let longer = [stored, vec![0]].concat();
            assert_eq!(decode(KEY, longer.into()).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn other_formats_and_unknown_flags_are_corrupt_though_the_checksum_fits() {
        let plain = forms().remove(0);
        assert!(decode(KEY, resealed(plain.clone())).is_ok());
        for (at, value) in [(2, 0), (2, 2), (3, 2), (3, 4), (3, 0x80), (0, b'l')] {
            let mut other = plain.clone();
            other[at] = value;
            assert_eq!(
                decode(KEY, resealed(other)).unwrap_err().kind(),
                ErrorKind::Corrupt,
                "byte {at} = {value}"
            );
        }
        let mut unnamed = forms().remove(2);
        unnamed[3] |= 2;
        assert_eq!(decode(KEY, resealed(unnamed)).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_forged_length_asks_for_no_memory() {
        let mut forged = forms().remove(2);
        forged[HEAD_BYTES + 3..HEAD_BYTES + 11].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(decode(KEY, resealed(forged)).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    proptest! {
        #[test]
        fn garbage_whose_checksum_fits_never_panics(flags in 0_u8..4, garbage in any::<Vec<u8>>()) {
            let mut forged = forms().remove(0)[..HEAD_BYTES].to_vec();
            forged[3] = flags;
            forged.extend(garbage);
            if let Err(error) = decode(KEY, resealed(forged)) {
                assert_eq!(error.kind(), ErrorKind::Corrupt);
            }
        }
    }

    #[test]
    fn peeking_at_garbage_finds_nothing() {
        for garbage in [&b""[..], b"LD", &[0; 64], &[b'L'; 31]] {
            assert_eq!((peek_version(garbage), peek_deadline(garbage)), (None, None));
        }
    }

    #[test]
    fn all_tags_that_may_be_stored_can_be_read() {
        let mut meta = Meta::codec(0);
        meta.tags = vec![("".into(), [7; 16]); 650_000];
        let entry = NewEntry::new("v").meta(meta);
        let stored = encode(KEY, &entry, None, None).unwrap();
        assert!(decode(KEY, stored.into()).unwrap().entry.meta == *entry.meta_ref());
    }

    #[test]
    fn a_name_beyond_the_limit_is_refused_before_it_is_stored() {
        let id = "a".repeat(17 << 20);
        let error = encode(KEY, &NewEntry::new("v"), None, Some(Key::new("c", &id))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
}
