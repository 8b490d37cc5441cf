//! The sealed forms as they are on disks already. The files in `golden/` were made by the Python of `docs/encryption.md` on
//! pyca/cryptography, never by this crate. They do not change: a form that differs is a new form, with a mark of its own.

use bytes::Bytes;
use kv_core::{ErrorKind, Key, Meta, Store as _};
use kv_encrypt::{Cipher, Encrypted, KeyRing, SecretKey};

use crate::common::{bottom, put};

const SECRET: [u8; 32] = *b"a golden key of thirty-two bytes";
const CONTEXT: &str = "larder";
const PLACE: Key<'static> = Key::new("app/tokens", "älice");
const PLAIN: &str = "a value of no length in particular: ä€𝄞";

fn ring() -> KeyRing {
    KeyRing::new([SecretKey::from_bytes(SECRET)]).unwrap()
}

fn meta() -> Meta {
    let mut meta = Meta::codec(0x0102);
    meta.tags.push(("users".into(), [7; 16]));
    meta
}

/// What a store that holds this at [`PLACE`] answers there.
async fn opened(ring: KeyRing, stored: Bytes) -> kv_core::Result<Bytes> {
    let bottom = bottom();
    put(&bottom, PLACE, stored, meta()).await;
    let store = Encrypted::new(bottom, ring).context(CONTEXT);
    store.get(PLACE).await.map(|entry| entry.unwrap().value)
}

fn aead() -> Bytes {
    let hex = include_str!("../golden/aead.hex");
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn fernet() -> Bytes {
    include_str!("../golden/fernet.txt").trim_end().into()
}

#[tokio::test]
async fn what_was_sealed_once_opens_for_ever() {
    for stored in [aead(), fernet()] {
        assert_eq!(opened(ring(), stored).await.unwrap(), PLAIN);
    }
}

/// All but nonce, ciphertext and time: those are not ours to choose.
#[tokio::test]
async fn what_is_sealed_today_has_the_same_form() {
    let bottom = bottom();
    let store = Encrypted::new(bottom.clone(), ring()).context(CONTEXT);
    put(&store, PLACE, PLAIN, meta()).await;
    let (sealed, golden) = (bottom.get(PLACE).await.unwrap().unwrap().value, aead());
    assert_eq!((&sealed[..5], sealed.len()), (&golden[..5], golden.len()), "mark, key id and length");
    put(&store.cipher(Cipher::Fernet), PLACE, PLAIN, meta()).await;
    let (token, golden) = (bottom.get(PLACE).await.unwrap().unwrap().value, fernet());
    assert_eq!((&token[..6], token.len()), (&golden[..6], golden.len()), "version, and length");
}

#[tokio::test]
async fn another_key_opens_neither() {
    for stored in [aead(), fernet()] {
        let other = KeyRing::new([SecretKey::from_bytes([1; 32])]).unwrap();
        assert_eq!(opened(other, stored).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
