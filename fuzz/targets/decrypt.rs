//! Sealed values and keys: no stored bytes make opening panic, none open but those that were sealed for this very name,
//! and neither value nor key is shown by anything that is said about them.
//!
//! An input is a stored value, opened as it is (the seeds were sealed with these keys, so that the fuzzer begins behind
//! the door), and a key's text; the same bytes then choose a value that is sealed, moved, damaged and cut.
#![no_main]

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use kv_core::{
    Entry, Error, ErrorKind, Key, Meta, NewEntry, Outcome, PutMode, Result, Store as _, StoreExt as _,
};
use kv_encrypt::{Cipher, EncryptExt as _, Encrypted, KeyRing, Mode, SecretKey};
use kv_memory::MemoryStore;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

/// What every seed holds, where every seed stands.
const SEEDED: &[u8] = b"a value that was sealed";
const PLACE: Key<'static> = Key::new("tokens", "jti-1");
/// Each chosen value holds this, and nothing that is said does.
const MARK: &str = "<the plaintext itself>";

#[derive(Arbitrary, Debug)]
struct Chosen<'a> {
    fernet: bool,
    name: (&'a str, &'a str),
    other: (&'a str, &'a str),
    contexts: (&'a str, &'a str),
    meta: (u16, Option<(&'a str, [u8; 16])>),
    other_meta: (u16, Option<(&'a str, [u8; 16])>),
    damage: (u16, u8),
    value: &'a str,
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime starts"));
static INNER: LazyLock<MemoryStore> = LazyLock::new(MemoryStore::new);
static KEYS: LazyLock<KeyRing> = LazyLock::new(|| ring(&[1, 2]));
static OLD: LazyLock<KeyRing> = LazyLock::new(|| ring(&[2]));
static FOREIGN: LazyLock<KeyRing> = LazyLock::new(|| ring(&[3]));

fn ring(keys: &[u8]) -> KeyRing {
    KeyRing::new(keys.iter().map(|byte| SecretKey::from_bytes([*byte; 32]))).expect("keys make a ring")
}

/// Of `corpus`, what must open: without a key to the door nothing behind it is fuzzed.
const OPENING: [&[u8]; 4] = [
    include_bytes!("../corpus/decrypt/aead"),
    include_bytes!("../corpus/decrypt/aead-older-key"),
    include_bytes!("../corpus/decrypt/fernet"),
    include_bytes!("../corpus/decrypt/fernet-older-key"),
];

fuzz_target!(init: RUNTIME.block_on(seeds_open()), |data: &[u8]| RUNTIME.block_on(async {
    if let Ok(text) = std::str::from_utf8(data) {
        keys(text);
    }
    stored(data).await;
    if let Ok(chosen) = Chosen::arbitrary_take_rest(Unstructured::new(data)) {
        sealed(&chosen).await;
        INNER.delete(key(chosen.name)).await.expect("memory answers");
        INNER.delete(key(chosen.other)).await.expect("memory answers");
    }
}));

async fn seeds_open() {
    for seed in OPENING {
        plant(PLACE, seed, &Meta::default()).await;
        let opened = one_answer(&INNER.clone().encrypted(KEYS.clone()), PLACE).await;
        assert_eq!(opened.expect("run `cargo run --example seeds` after a change of a form").value, SEEDED);
    }
}

fn keys(text: &str) {
    let Ok(key) = SecretKey::parse(text) else {
        return drop(KeyRing::from_text(text).map(|ring| assert!(ring.ids().count() > 0)));
    };
    let written = key.to_text();
    assert_eq!(SecretKey::parse(&written).expect("its own text").to_text(), written);
    let ring = KeyRing::from_text(&written).expect("a key is a ring");
    let said = format!("{key:?} {ring:?}");
    assert!(!said.contains(&written[..43]) && !said.contains(text.trim()));
}

async fn stored(data: &[u8]) {
    plant(PLACE, data, &Meta::default()).await;
    let strict = INNER.clone().encrypted(KEYS.clone());
    let opened = one_answer(&strict, PLACE).await;
    match &opened {
        Ok(entry) => assert_eq!(entry.value, SEEDED, "nobody has sealed this"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt),
    }
    let migrating = strict.mode(Mode::Migration);
    match (one_answer(&migrating, PLACE).await, &opened) {
        (Ok(entry), Ok(_)) => assert_eq!(entry.value, SEEDED),
        (Ok(entry), Err(_)) => assert!(entry.value == data || entry.value.ends_with(SEEDED)),
        (Err(error), opened) => assert!(error.kind() == ErrorKind::Corrupt && opened.is_err()),
    }
    if let Ok(content) = KEYS.open_token(data) {
        assert!(content.ends_with(SEEDED), "nobody has sealed this");
    }
    let foreign = one_answer(&INNER.clone().encrypted(FOREIGN.clone()), PLACE).await;
    assert!(foreign.is_err(), "another ring opened it");
    taken(&migrating, data, opened).await;
}

/// A take of what does not open says that the entry may be gone.
async fn taken(migrating: &Encrypted<MemoryStore>, data: &[u8], opened: Result<Entry>) {
    let strict = migrating.clone().mode(Mode::Strict);
    match strict.take(PLACE, None).await {
        Ok(entry) => assert_eq!(entry.expect("it was there").value, opened.expect("as for get").value),
        Err(error) => assert!(error.outcome() == Outcome::Unknown && opened.is_err()),
    }
    plant(PLACE, data, &Meta::default()).await;
}

async fn plant(key: Key<'_>, value: &[u8], meta: &Meta) {
    let entry = NewEntry::new(value.to_vec()).meta(meta.clone());
    INNER.put(key, entry, PutMode::Replace).await.expect("memory takes it");
}

/// What `get` says, which `get_many` says, too.
async fn one_answer(store: &Encrypted<MemoryStore>, key: Key<'_>) -> Result<Entry> {
    let alone = store.get(key).await.map(|entry| entry.expect("it is there"));
    let mut many = store.get_many(&[key]).await.expect("memory answers");
    match (&alone, many.pop().expect("an answer each")) {
        (Ok(entry), Ok(again)) => assert_eq!(Some(entry), again.as_ref()),
        (Err(error), Err(again)) => assert_eq!(error.kind(), again.kind()),
        (alone, many) => panic!("{} and {}", alone.is_ok(), many.is_ok()),
    }
    alone
}

fn key<'a>((collection, id): (&'a str, &'a str)) -> Key<'a> {
    Key::new(collection, id)
}

fn meta((codec, tag): (u16, Option<(&str, [u8; 16])>)) -> Meta {
    let mut meta = Meta::codec(codec);
    meta.tags = tag.into_iter().map(|(name, generation)| (name.into(), generation)).collect();
    meta
}

async fn sealed(chosen: &Chosen<'_>) {
    let (at, is) = (key(chosen.name), meta(chosen.meta));
    let value = format!("{}{MARK}", chosen.value);
    let cipher = if chosen.fernet { Cipher::Fernet } else { Cipher::Aead };
    let sealing = INNER.clone().encrypted(OLD.clone()).cipher(cipher).context(chosen.contexts.0);
    let entry = NewEntry::new(value.clone().into_bytes()).meta(is.clone());
    sealing.put(at, entry, PutMode::Replace).await.expect("it is sealed");

    let reading = INNER.clone().encrypted(KEYS.clone()).context(chosen.contexts.0);
    let opened = one_answer(&reading, at).await.expect("an older key of the ring opens it");
    assert_eq!((&opened.value[..], &opened.meta), (value.as_bytes(), &is));
    let bytes = INNER.get(at).await.expect("memory answers").expect("it is there").value;
    assert!(!bytes.windows(MARK.len()).any(|part| part == MARK.as_bytes()), "it is not sealed at all");

    moved(chosen, &bytes, &value).await;
    damaged(chosen, &reading, &bytes, &is).await;
}

/// Under another name, with another meta or in another context it does not open.
async fn moved(chosen: &Chosen<'_>, bytes: &[u8], value: &str) {
    let other = INNER.clone().encrypted(KEYS.clone()).context(chosen.contexts.1);
    let is = meta(chosen.other_meta);
    plant(key(chosen.other), bytes, &is).await;
    let same =
        chosen.other == chosen.name && is == meta(chosen.meta) && chosen.contexts.0 == chosen.contexts.1;
    match one_answer(&other, key(chosen.other)).await {
        Ok(entry) => assert!(same && entry.value == value.as_bytes(), "a moved value opened"),
        Err(error) => {
            assert!(!same);
            quiet(&error);
        }
    }
}

async fn damaged(chosen: &Chosen<'_>, reading: &Encrypted<MemoryStore>, bytes: &[u8], is: &Meta) {
    let at = usize::from(chosen.damage.0) % bytes.len();
    let mut changed = bytes.to_vec();
    changed[at] ^= chosen.damage.1;
    for (wrong, what) in
        [(&changed[..], "changed"), (&bytes[..at], "cut"), (&[bytes, b"="].concat(), "longer")]
    {
        if wrong == bytes {
            continue;
        }
        plant(key(chosen.name), wrong, is).await;
        let error = one_answer(reading, key(chosen.name)).await.expect_err(what);
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        quiet(&error);
    }
}

/// An error names the entry, which is public, and nothing of its value.
fn quiet(error: &Error) {
    let said = format!("{error} {error:?} {:?}", std::error::Error::source(error));
    assert!(!said.contains(MARK), "{said}");
}
