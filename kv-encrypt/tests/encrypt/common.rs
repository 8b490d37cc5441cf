//! Keys and stores that the tests share.

use bytes::Bytes;
use kv_core::testing::ReferenceStore;
use kv_core::{Clock, Entry, Key, Meta, NewEntry, PutMode, Result, Store};
use kv_encrypt::{Cipher, Encrypted, KeyRing, SecretKey};

pub(crate) const CIPHERS: [Cipher; 2] = [Cipher::Aead, Cipher::Fernet];
pub(crate) const KEY: Key<'static> = Key::new("tokens", "alice");

pub(crate) fn bottom() -> ReferenceStore {
    ReferenceStore::new(&Clock::system())
}

/// A ring of these keys, the first one active.
pub(crate) fn ring(keys: &[u8]) -> KeyRing {
    KeyRing::new(keys.iter().map(|byte| SecretKey::from_bytes([*byte; 32]))).unwrap()
}

pub(crate) fn sealed_by(bottom: &ReferenceStore, keys: &[u8], cipher: Cipher) -> Encrypted<ReferenceStore> {
    Encrypted::new(bottom.clone(), ring(keys)).context("ctx").cipher(cipher)
}

pub(crate) fn tagged() -> Meta {
    let mut meta = Meta::codec(1);
    meta.tags.push(("users".into(), [9; 16]));
    meta
}

pub(crate) async fn put(store: &impl Store, key: Key<'_>, value: impl Into<Bytes>, meta: Meta) {
    store.put(key, NewEntry::new(value).meta(meta), PutMode::Replace).await.unwrap();
}

pub(crate) async fn raw(bottom: &ReferenceStore, key: Key<'_>) -> Entry {
    bottom.get(key).await.unwrap().unwrap()
}

/// What `reader` says of `KEY` when the backend holds these bytes and this meta there.
pub(crate) async fn read_as(
    reader: &impl Store,
    bottom: &ReferenceStore,
    value: Bytes,
    meta: Meta,
) -> Result<Bytes> {
    put(bottom, KEY, value, meta).await;
    reader.get(KEY).await.map(|entry| entry.unwrap().value)
}
