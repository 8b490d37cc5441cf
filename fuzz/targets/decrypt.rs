//! Sealed values: no stored bytes make opening panic, and none open but those that were sealed for this very name.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use kv_core::{ErrorKind, Key, NewEntry, PutMode, Store as _};
use kv_encrypt::{Cipher, EncryptExt as _, KeyRing, Mode, SecretKey};
use kv_memory::MemoryStore;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    raw: &'a [u8],
    value: &'a [u8],
    name: (&'a str, &'a str),
    moved: (&'a str, &'a str),
    fernet: bool,
    migrating: bool,
    damage: (u16, u8),
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime starts"));
static KEYS: LazyLock<KeyRing> = LazyLock::new(|| {
    KeyRing::new([1, 2].map(|byte| SecretKey::from_bytes([byte; 32]))).expect("two keys are a ring")
});

fuzz_target!(|input: Input<'_>| RUNTIME.block_on(tried(&input)));

async fn tried(input: &Input<'_>) {
    let inner = MemoryStore::new();
    let cipher = if input.fernet { Cipher::Fernet } else { Cipher::Aead };
    let strict = inner.clone().encrypted(KEYS.clone()).cipher(cipher);
    let migrating = inner.clone().encrypted(KEYS.clone()).mode(Mode::Migration);
    let key = Key::new(input.name.0, input.name.1);

    inner.put(key, NewEntry::new(input.raw.to_vec()), PutMode::Replace).await.expect("memory takes it");
    let opened = strict.get(key).await;
    assert!(opened.is_err_and(|error| error.kind() == ErrorKind::Corrupt), "nobody has sealed this");
    if input.migrating {
        drop(migrating.get(key).await); // may open: plain values do then
    }

    strict.put(key, NewEntry::new(input.value.to_vec()), PutMode::Replace).await.expect("it is sealed");
    let opened = strict.get(key).await.expect("it opens").expect("it is there");
    assert_eq!(opened.value, input.value);

    let mut sealed = inner.get(key).await.expect("memory answers").expect("it is there").value.to_vec();
    let at = usize::from(input.damage.0) % sealed.len();
    sealed[at] ^= input.damage.1;
    let to = Key::new(input.moved.0, input.moved.1);
    inner.put(to, NewEntry::new(sealed), PutMode::Replace).await.expect("memory takes it");
    let untouched = input.damage.1 == 0 && input.moved == input.name;
    assert_eq!(strict.get(to).await.is_ok(), untouched, "a changed or moved value opened");
}
