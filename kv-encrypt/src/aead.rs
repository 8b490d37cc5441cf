//! AES-256-GCM-SIV (RFC 8452): mark 1, key id (4), nonce (12), ciphertext, tag (16).

use aws_lc_rs::aead::{Aad, Nonce};
use aws_lc_rs::error::Unspecified;
use bytes::Bytes;
use kv_core::{Error, ErrorKind, Result};
use rand::Rng as _;

use crate::KeyRing;
use crate::binding::Binding;

/// The first byte of every value in this form.
pub(crate) const MARK: u8 = 1;
/// Bytes that a sealed value is longer than the plain one.
pub(crate) const OVERHEAD: usize = HEAD + TAG;

const HEAD: usize = 1 + 4 + 12;
const TAG: usize = 16;

pub(crate) fn seal(ring: &KeyRing, binding: &Binding<'_>, plain: &[u8]) -> Result<Bytes> {
    let key = ring.sealing();
    let nonce = nonce();
    let mut out = vec![0; plain.len() + OVERHEAD];
    let (head, rest) = out.split_at_mut(HEAD);
    let (mark, named) = head.split_at_mut(1);
    let (id, place) = named.split_at_mut(4);
    mark.fill(MARK);
    id.copy_from_slice(key.id.as_bytes());
    place.copy_from_slice(&nonce);
    let (ciphertext, tag) = rest.split_at_mut(plain.len());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let sealed = binding.with_bytes(|bound| {
        key.aead.seal_out_of_place_scatter(nonce, Aad::from(bound), plain, ciphertext, &[], tag)
    });
    sealed
        .map_err(|cause| Error::new(ErrorKind::Unexpected, "the value could not be sealed").because(cause))?;
    Ok(out.into())
}

/// The value, and the index of the key that opened it.
pub(crate) fn open(ring: &KeyRing, binding: &Binding<'_>, stored: &[u8]) -> Result<(Bytes, usize)> {
    let parts =
        Parts::of(stored).ok_or_else(|| Error::new(ErrorKind::Corrupt, "the sealed value is cut short"))?;
    let mut known = false;
    for (index, key) in ring.keys().iter().enumerate() {
        if key.id.as_bytes() != parts.id {
            continue;
        }
        known = true; // not the last word: two keys of a ring may share an id, one in 2^32 does
        let mut plain = vec![0; parts.ciphertext.len()];
        let nonce = Nonce::assume_unique_for_key(*parts.nonce);
        let opened = binding.with_bytes(|bound| {
            key.aead.open_separate_gather(nonce, Aad::from(bound), parts.ciphertext, parts.tag, &mut plain)
        });
        if opened.is_ok() {
            return Ok((plain.into(), index));
        }
    }
    Err(if known {
        broken(Unspecified)
    } else {
        Error::new(ErrorKind::Corrupt, "no key of the ring fits the sealed value")
    })
}

/// Whether `stored` is in this form. What a compressing wrapper wrote without encryption below it is not.
pub(crate) fn is_sealed(stored: &[u8]) -> bool {
    stored.first() == Some(&MARK) && !is_compressed(stored)
}

struct Parts<'a> {
    id: &'a [u8; 4],
    nonce: &'a [u8; 12],
    ciphertext: &'a [u8],
    tag: &'a [u8; TAG],
}

impl<'a> Parts<'a> {
    fn of(stored: &'a [u8]) -> Option<Self> {
        let (_, rest) = stored.split_first()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (ciphertext, tag) = rest.split_last_chunk()?;
        Some(Self { id, nonce, ciphertext, tag })
    }
}

/// The compressing wrapper marks its frames with 1, too: mark, length (4), then the magic number of zstd (RFC 8878
/// §3.1.1), where a nonce stands here. No nonce begins with that number, so the two are never confused.
fn is_compressed(stored: &[u8]) -> bool {
    stored.get(5..9) == Some(&ZSTD_MAGIC)
}

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Random nonces are safe without counting: should one ever repeat, RFC 8452 §9 has it that an observer learns
/// whether the two values were equal, and nothing else. They are drawn as versions are, from the thread's
/// cryptographic generator: the system's takes longer than sealing 200 bytes.
fn nonce() -> [u8; 12] {
    let mut nonce = [0; 12];
    loop {
        rand::rng().fill_bytes(&mut nonce);
        if !nonce.starts_with(&ZSTD_MAGIC) {
            return nonce;
        }
    }
}

fn broken(cause: Unspecified) -> Error {
    let message = "the seal is broken: the value was changed, or sealed for another name";
    Error::new(ErrorKind::Corrupt, message).because(cause)
}
