//! Law 6, and law 1 for stores with a limit: values come back byte for byte, and what finds no room harms nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::testing::tools::{LAWS, Subject, empty, listing, ms, needs, refused};
use crate::testing::{Harness, Shown, Skipped, pass};
use crate::{ErrorKind, Key, Meta, NewEntry, PutMode, Result, Scan, Store};

/// No law puts a larger value, however large a store takes them.
const LARGEST_TRIED: usize = 32 << 20;

fn pattern(len: usize) -> Bytes {
    (0..len).map(|n| u8::try_from(n * 31 % 251).expect("below 251")).collect()
}

/// Values of 0 bytes to 1 MiB come back byte for byte, from every operation that reads.
pub async fn values_of_0_bytes_to_1_mib_come_back_byte_for_byte(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let max = store.capabilities().max_value.unwrap_or(usize::MAX);
    let sizes = [0, 1, 2, 15, 16, 31, 32, 33, 255, 256, 4_095, 4_096, 65_535, 65_536, 300_000, 1 << 20];
    for size in sizes.into_iter().filter(|size| *size <= max) {
        let value = pattern(size);
        store.set("a", value.clone()).await;
        assert!(store.value("a").await.as_ref() == Some(&value), "get of {size} bytes");
        assert!(store.values(&[Key::new(LAWS, "a")]).await == [Some(value.clone())], "batch of {size} bytes");
        assert!(store.remove("a").await.map(|entry| entry.value) == Some(value), "take of {size} bytes");
    }
    Ok(())
}

/// Each byte is kept, in each place: values are not text.
pub async fn every_byte_is_kept(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for byte in 0..=u8::MAX {
        store.set(&byte.to_string(), vec![byte]).await;
    }
    for byte in 0..=u8::MAX {
        assert_eq!(store.value(&byte.to_string()).await, Some(vec![byte].into()));
    }
    let all: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
    store.set("all", all.clone()).await;
    assert_eq!(store.value("all").await, Some(all.into()));
    Ok(())
}

/// An empty value is a value, not absence.
pub async fn an_empty_value_is_not_absence(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.set("a", "").await;
    assert_eq!(store.value("a").await, Some(Bytes::new()));
    assert_eq!(store.values(&[Key::new(LAWS, "a"), Key::new(LAWS, "b")]).await, [Some(Bytes::new()), None]);
    refused(store.try_set("a", "x", PutMode::Create).await, ErrorKind::AlreadyExists);
    assert_eq!(store.remove("a").await.map(|entry| entry.value), Some(Bytes::new()));
    Ok(())
}

/// A value that looks like a stored form, compressed or sealed one is a value like others.
pub async fn a_value_that_looks_like_a_stored_form_stands_for_itself(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let head = [b"LD\x01\0".as_slice(), &[7; 28]].concat();
    let values: [&[u8]; 8] = [
        b"LD",
        &head,
        &[0],
        &[1, 0, 0, 0, 0],
        b"\x28\xb5\x2f\xfd\x04\x00\x01\x00\x00",
        b"gAAAAABexample",
        b"\x1f\x8b\x08",
        b"null",
    ];
    for value in values {
        store.set("a", value.to_vec()).await;
        assert_eq!(store.value("a").await.as_deref(), Some(value));
    }
    Ok(())
}

/// A value of exactly `max_value` bytes is taken.
pub async fn the_largest_value_is_taken(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let value = pattern(limit(&store)?);
    store.set("a", value.clone()).await;
    assert!(store.value("a").await == Some(value), "it is not what was put");
    Ok(())
}

/// A value above `max_value` is `TooLarge`, in each mode and in a batch, and the old value stays.
pub async fn a_value_that_is_too_large_is_refused_and_the_old_one_stays(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let large = pattern(limit(&store)? + 1);
    let version = store.set("a", "old").await;
    refused(store.try_set("a", large.clone(), PutMode::Replace).await, ErrorKind::TooLarge);
    refused(store.try_set("a", large.clone(), PutMode::Update(version)).await, ErrorKind::TooLarge);
    refused(store.try_set("b", large.clone(), PutMode::Create).await, ErrorKind::TooLarge);
    let entries = [("a", large), ("c", "small".into())];
    let entries = entries.map(|(id, value)| (Key::new(LAWS, id), NewEntry::new(value)));
    let answers = store.put_many(entries.into()).await.expect("each entry answers for itself");
    let kinds: Vec<_> =
        answers.into_iter().map(|answer| answer.map_err(|error| error.kind()).err()).collect();
    assert_eq!(kinds, [Some(ErrorKind::TooLarge), None]);
    let found = store.values(&["a", "b", "c"].map(|id| Key::new(LAWS, id))).await;
    assert_eq!(found, [Some("old".into()), None, Some("small".into())]);
    assert_eq!(store.read("a").await.map(|entry| entry.version), Some(version));
    Ok(())
}

fn limit<S: Store>(store: &Subject<S>) -> Result<usize, Skipped> {
    let limit = store.capabilities().max_value.ok_or(Skipped("values are bounded by memory alone"))?;
    needs(limit <= LARGEST_TRIED, "values may be larger than a law tries")?;
    Ok(limit)
}

fn tagged() -> Meta {
    let mut meta = Meta::codec(7);
    meta.tags = vec![("färg".into(), [1; 16]), ("".into(), [0xff; 16])];
    meta
}

/// Codec and tags are kept by every operation that writes and told by every one that reads.
pub async fn codec_and_tags_are_kept(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let entry = || NewEntry::new("x").meta(tagged());
    let keys = ["put", "batch"].map(|id| Key::new(LAWS, id));
    let version = store.put(keys[0], entry(), PutMode::Create).await.expect("a put");
    store.put(keys[0], entry(), PutMode::Update(version)).await.expect("an update");
    store.put_many(vec![(keys[1], entry())]).await.expect("a batch");
    for answer in store.get_many(&keys).await.expect("a batch") {
        assert_eq!(answer.expect("a read").map(|entry| entry.meta), Some(tagged()));
    }
    for key in keys {
        assert_eq!(store.get(key).await.expect("a get").map(|entry| entry.meta), Some(tagged()));
        assert_eq!(store.take(key, None).await.expect("a take").map(|entry| entry.meta), Some(tagged()));
    }
    Ok(())
}

/// Codec and tags are told by a scan.
pub async fn a_scan_tells_codec_and_tags(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    store.put(Key::new(LAWS, "a"), NewEntry::new("x").meta(tagged()), PutMode::Replace).await.expect("a put");
    let metas: Vec<_> = store.list(Scan::one(LAWS).values()).await;
    let metas: Vec<_> = metas.into_iter().filter_map(|item| item.entry).map(|entry| entry.meta).collect();
    assert_eq!(metas, [tagged()]);
    Ok(())
}

/// A put without codec and tags over an entry that had them has none.
pub async fn a_plain_put_over_a_tagged_entry_is_plain(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let key = Key::new(LAWS, "a");
    store.put(key, NewEntry::new("x").meta(tagged()), PutMode::Replace).await.expect("a put");
    store.set("a", "y").await;
    assert_eq!(store.read("a").await.map(|entry| entry.meta), Some(Meta::default()));
    Ok(())
}

const KIB: usize = 1 << 10;

/// Bytes that no wrapper can make smaller.
fn noise(len: usize) -> Bytes {
    let mut state = 1_u64;
    let bytes = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [high, ..] = state.to_be_bytes(); // the low bits repeat soon
        high
    });
    bytes.take(len).collect()
}

async fn limited<H: Harness>(h: &H) -> Result<Subject<H::Store>, Skipped> {
    h.full().await.map(|store| Subject(Arc::new(store))).ok_or(Skipped("has no limit to reach"))
}

/// Creates entries of 1 KiB until there is no room; how many there was room for.
async fn fill_up<S: Store>(store: &Subject<S>, ttl: Option<Duration>) -> usize {
    for n in 0..1_000 {
        let entry = NewEntry::new(noise(KIB)).ttl(ttl);
        if let Err(error) = store.put(Key::new(LAWS, &n.to_string()), entry, PutMode::Create).await {
            assert_eq!(error.kind(), ErrorKind::Full, "{error}");
            return n;
        }
    }
    panic!("the limit is never reached");
}

/// A full store answers `Full` and keeps every entry that it has.
pub async fn a_full_store_refuses_and_keeps_what_it_has(h: &impl Harness) -> Shown {
    let store = limited(h).await?;
    let room = fill_up(&store, None).await;
    assert!((4..=64).contains(&room), "room for {room}");
    refused(store.try_set("more", noise(KIB), PutMode::Replace).await, ErrorKind::Full);
    for n in 0..room {
        assert_eq!(store.value(&n.to_string()).await, Some(noise(KIB)), "entry {n} of {room} was dropped");
    }
    assert_eq!(store.value("more").await, None);
    Ok(())
}

/// A value that finds no room leaves the old one under its key.
pub async fn a_value_that_finds_no_room_leaves_the_old_one(h: &impl Harness) -> Shown {
    let store = limited(h).await?;
    fill_up(&store, None).await;
    let version = store.read("0").await.expect("the first entry").version;
    for mode in [PutMode::Replace, PutMode::Update(version)] {
        let error = store.try_set("0", noise(128 * KIB), mode).await.expect_err("there is no room");
        assert!(matches!(error.kind(), ErrorKind::Full | ErrorKind::TooLarge), "{error}");
        let entry = store.read("0").await.expect("the old entry");
        assert_eq!((entry.value, entry.version), (noise(KIB), version));
    }
    Ok(())
}

/// A full store takes writes again once something was removed.
pub async fn a_full_store_takes_writes_once_there_is_room(h: &impl Harness) -> Shown {
    let store = limited(h).await?;
    let room = fill_up(&store, None).await;
    for n in 0..room {
        store.remove(&n.to_string()).await.expect("an entry");
        store.try_set(&format!("again {n}"), noise(KIB - 16), PutMode::Create).await.expect("there is room");
    }
    Ok(())
}

/// What has expired makes room by itself.
pub async fn what_expired_makes_room(h: &impl Harness) -> Shown {
    let store = limited(h).await?;
    fill_up(&store, Some(ms(500))).await;
    pass(h, ms(551)).await;
    let until = Instant::now() + h.size().patience;
    while let Err(error) = store.try_set("more", noise(KIB), PutMode::Replace).await {
        assert_eq!(error.kind(), ErrorKind::Full, "{error}");
        assert!(Instant::now() < until, "expired entries still take the room");
        pass(h, ms(50)).await;
        tokio::time::sleep(ms(5)).await;
    }
    Ok(())
}
