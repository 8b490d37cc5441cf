//! An entry as an item of the table, and back.
//!
//! | attribute | type | what |
//! |---|---|---|
//! | `pk`, `sk` | S | the key (`names.rs`) |
//! | `c`, `n` | S | all of what `pk` should hold, and all of the id, where the key is cut |
//! | `d` | B | the value |
//! | `v` | B | the version, 16 bytes |
//! | `x` | N | deadline: milliseconds since the Unix epoch, the last one in which it lives; absent = never |
//! | `ttl` | N | seconds since the epoch from which Amazon may remove it; absent = never. It judges nothing |
//! | `m` | B | codec and tags as in the stored form's optional part; absent = plain |

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use kv_core::{Entry, Error, ErrorKind, NewEntry, Result, Version, header, ttl};

use crate::names::{PK, SK, StoredKey, misnamed};

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

const LONG_PK: &str = "c";
const LONG_ID: &str = "n";
const VALUE: &str = "d";
const VERSION: &str = "v";
const DEADLINE: &str = "x";
const META: &str = "m";
/// The attribute that time to live is turned on for.
pub(crate) const TTL: &str = "ttl";

/// What a listing without values asks for.
pub(crate) const NAMES_ONLY: &str = "pk, sk, c, n, x";

/// An item holds 400 KB, the names of its attributes included (developer guide, "Quotas").
const MAX_ITEM: usize = 400 << 10;
/// The largest value: whatever its names, as long as they are not cut, some room is left for tags.
pub(crate) const MAX_VALUE: usize = MAX_ITEM - (4 << 10);
/// Amazon's clock may be ahead of the caller's, by minutes if requests are to be accepted: it removes what expired
/// an hour ago.
const CLEAN_AFTER_S: u64 = 3_600;

/// The item of `entry` under `key`, to be sent at `now_ms`.
///
/// # Errors
/// `Invalid` for its ttl; `TooLarge` for a value above [`MAX_VALUE`], and for an item above 400 KB.
pub(crate) fn encode(key: &StoredKey, entry: NewEntry, now_ms: u64) -> Result<Item> {
    let (value, version, ttl, meta) = entry.into_parts();
    if value.len() > MAX_VALUE {
        return Err(too_large("the value is above 396 KiB: an item of DynamoDB holds 400, with its names"));
    }
    let mut item = key.attributes();
    let mut set = |name: &str, value| item.insert(name.to_owned(), value);
    if let Some(ttl) = ttl::checked_ttl(ttl)? {
        let deadline = ttl::deadline(now_ms, ttl);
        set(DEADLINE, AttributeValue::N(deadline.to_string()));
        set(TTL, AttributeValue::N((deadline / 1_000 + 1 + CLEAN_AFTER_S).to_string()));
    }
    let meta = header::encode_meta(&meta)?;
    if !meta.is_empty() {
        set(META, AttributeValue::B(Blob::new(meta)));
    }
    if let Some(pk) = &key.long_pk {
        set(LONG_PK, AttributeValue::S(pk.clone()));
    }
    if let Some(id) = &key.long_id {
        set(LONG_ID, AttributeValue::S(id.clone()));
    }
    set(VERSION, AttributeValue::B(Blob::new(version.as_bytes())));
    set(VALUE, AttributeValue::B(Blob::new(value)));
    if size(&item) > MAX_ITEM {
        return Err(too_large(
            "value, names and tags are together above the 400 KB that an item of DynamoDB holds",
        ));
    }
    Ok(item)
}

/// What an item counts for, rounded up (developer guide, "DynamoDB item sizes and formats").
fn size(item: &Item) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::N(digits) => digits.len() / 2 + 2,
        _ => 0, // never made here
    };
    item.iter().map(|(name, of)| name.len() + value(of)).sum()
}

fn too_large(message: &'static str) -> Error {
    Error::new(ErrorKind::TooLarge, message)
}

/// The entry that `item` is at `now_ms`, `None` if it has expired. It must be the one asked for by `key`.
///
/// # Errors
/// `Corrupt` for an item that no store of ours has written, or under another name.
pub(crate) fn decode(key: &StoredKey, item: Item, now_ms: u64) -> Result<Option<Entry>> {
    if stored_key(&item)? != *key {
        return Err(misnamed());
    }
    entry(item, now_ms)
}

/// The entry in `item`, whatever its key.
///
/// # Errors
/// `Corrupt` for an item that no store of ours has written.
pub(crate) fn entry(mut item: Item, now_ms: u64) -> Result<Option<Entry>> {
    let ttl = match life(&item, now_ms)? {
        Life::Over => return Ok(None),
        Life::Left(ttl) => Some(ttl),
        Life::Endless => None,
    };
    let version = version(&item).ok_or_else(foreign)?;
    let meta = match item.get(META) {
        Some(AttributeValue::B(bytes)) => header::decode_meta(bytes.as_ref())?,
        Some(_) => return Err(foreign()),
        None => header::decode_meta(&[])?,
    };
    let Some(AttributeValue::B(value)) = item.remove(VALUE) else { return Err(foreign()) };
    Ok(Some(Entry::new(Bytes::from(value.into_inner()), version, ttl, meta)))
}

/// How much of its life is left to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Over,
    Left(Duration),
    Endless,
}

/// How much of its life is left to the entry in `item` at `now_ms`.
pub(crate) fn life(item: &Item, now_ms: u64) -> Result<Life> {
    let deadline = match item.get(DEADLINE) {
        None => return Ok(Life::Endless),
        Some(AttributeValue::N(digits)) => digits.parse().map_err(|_| foreign())?,
        Some(_) => return Err(foreign()),
    };
    Ok(ttl::remaining(deadline, now_ms).map_or(Life::Over, Life::Left))
}

/// The version in `item`.
pub(crate) fn version(item: &Item) -> Option<Version> {
    match item.get(VERSION) {
        Some(AttributeValue::B(bytes)) => bytes.as_ref().try_into().ok().map(Version::from_bytes),
        _ => None,
    }
}

/// The key of `item`, with the names that are cut in it.
pub(crate) fn stored_key(item: &Item) -> Result<StoredKey> {
    let text = |name| match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(Some(text.clone())),
        Some(_) => Err(foreign()),
        None => Ok(None),
    };
    let (pk, sk) = (text(PK)?.ok_or_else(foreign)?, text(SK)?.ok_or_else(foreign)?);
    Ok(StoredKey { pk, sk, long_pk: text(LONG_PK)?, long_id: text(LONG_ID)? })
}

/// The two halves of the key of `item`, as the database has them.
pub(crate) fn position(item: &Item) -> Option<(&str, &str)> {
    match (item.get(PK), item.get(SK)) {
        (Some(AttributeValue::S(pk)), Some(AttributeValue::S(sk))) => Some((pk, sk)),
        _ => None,
    }
}

fn foreign() -> Error {
    Error::new(ErrorKind::Corrupt, "the item was not written by Larder, or was changed since")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_dynamodb::primitives::Blob;
    use aws_sdk_dynamodb::types::AttributeValue;
    use kv_core::{ErrorKind, Key, Meta, NewEntry};

    use super::{MAX_ITEM, MAX_VALUE, decode, encode, size};
    use crate::names::Names;

    const NOW: u64 = 1_800_000_000_000;

    fn tagged() -> Meta {
        let mut meta = Meta::codec(1);
        meta.tags = vec![("users".into(), [7; 16])];
        meta
    }

    #[test]
    fn what_went_in_comes_out() {
        let names = Names::new("larder");
        for id in ["a".to_owned(), "long".repeat(1_000)] {
            let key = names.stored(Key::new("tokens", &id));
            let new = NewEntry::new("value").ttl(Duration::from_millis(1_500)).meta(tagged());
            let version = new.version();
            let item = encode(&key, new, NOW).unwrap();
            let entry = decode(&key, item.clone(), NOW + 500).unwrap().unwrap();
            assert_eq!((entry.value.as_ref(), entry.version), (&b"value"[..], version));
            assert_eq!((entry.ttl, entry.meta), (Some(Duration::from_secs(1)), tagged()));
            assert!(decode(&key, item.clone(), NOW + 1_500).unwrap().is_some());
            assert_eq!(decode(&key, item, NOW + 1_501).unwrap(), None);
        }
    }

    #[test]
    fn an_item_holds_exactly_the_documented_attributes() {
        let key = Names::new("larder").stored(Key::new("tokens", "a"));
        let plain = encode(&key, NewEntry::new(""), NOW).unwrap();
        let mut attributes: Vec<_> = plain.keys().map(String::as_str).collect();
        attributes.sort_unstable();
        assert_eq!(attributes, ["d", "pk", "sk", "v"]);
        let timed = encode(&key, NewEntry::new("").ttl(Duration::from_millis(1)), NOW).unwrap();
        assert_eq!(timed["x"], AttributeValue::N("1800000000001".to_owned()));
        assert_eq!(timed["ttl"], AttributeValue::N("1800003601".to_owned()));
        assert_eq!(
            (&timed["pk"], &timed["sk"]),
            (&AttributeValue::S("larder/tokens".into()), &AttributeValue::S("ia".into()))
        );
    }

    #[test]
    fn amazon_never_cleans_before_the_deadline_even_if_its_clock_is_minutes_ahead() {
        let key = Names::new("larder").stored(Key::new("tokens", "a"));
        for ms in [1, 999, 1_000, 1_001, 86_400_000] {
            let item = encode(&key, NewEntry::new("").ttl(Duration::from_millis(ms)), NOW).unwrap();
            let AttributeValue::N(seconds) = &item["ttl"] else { panic!("a number") };
            assert!(seconds.parse::<u64>().unwrap() * 1_000 > NOW + ms + 15 * 60_000);
        }
    }

    #[test]
    fn what_does_not_fit_an_item_is_too_large() {
        let names = Names::new("larder");
        let widest = names.stored(Key::new(&"c".repeat(1_900), &"i".repeat(1_000)));
        let largest = NewEntry::new(vec![0; MAX_VALUE]).ttl(Duration::from_secs(60)).meta(tagged());
        assert!(
            size(&encode(&widest, largest, NOW).unwrap()) <= MAX_ITEM,
            "names of any length leave it its room"
        );
        let above = encode(&widest, NewEntry::new(vec![0; MAX_VALUE + 1]), NOW).unwrap_err();
        assert_eq!(above.kind(), ErrorKind::TooLarge);
        let long = names.stored(Key::new("c", &"i".repeat(10_000)));
        let above = encode(&long, NewEntry::new(vec![0; MAX_VALUE]), NOW).unwrap_err();
        assert_eq!(above.kind(), ErrorKind::TooLarge);
        encode(&long, NewEntry::new(vec![0; MAX_VALUE - 20_000]), NOW).unwrap();
    }

    #[test]
    fn items_of_others_are_corrupt() {
        let names = Names::new("larder");
        let key = names.stored(Key::new("tokens", "a"));
        let mut whole = encode(&key, NewEntry::new("value"), NOW).unwrap();
        whole.insert("m".to_owned(), AttributeValue::B(Blob::new([9])));
        let ours = || encode(&key, NewEntry::new("value").ttl(Duration::from_secs(1)), NOW).unwrap();
        let changes: [(&str, Option<AttributeValue>); 6] = [
            ("d", None),
            ("v", None),
            ("v", Some(AttributeValue::B(Blob::new([1])))),
            ("x", Some(AttributeValue::S("soon".to_owned()))),
            ("x", Some(AttributeValue::N("1.5".to_owned()))),
            ("n", Some(AttributeValue::S("another".to_owned()))),
        ];
        for (name, change) in changes {
            let mut item = ours();
            match change {
                Some(value) => item.insert(name.to_owned(), value),
                None => item.remove(name),
            };
            assert_eq!(decode(&key, item, NOW).unwrap_err().kind(), ErrorKind::Corrupt, "{name}");
        }
        assert_eq!(decode(&key, whole, NOW).unwrap_err().kind(), ErrorKind::Corrupt);
        let other = names.stored(Key::new("tokens", "b"));
        assert_eq!(decode(&other, ours(), NOW).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
