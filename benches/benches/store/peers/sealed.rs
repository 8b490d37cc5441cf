//! A raw engine whose values are sealed by the bare primitive.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use bytes::Bytes;
use larder_benches::workload::Name;

use larder_benches::subject::Points;

/// The least that seals and opens.
pub(crate) trait Cipher: Clone + Send + Sync + 'static {
    fn seal(&self, name: &Name, plain: &[u8]) -> Bytes;
    fn open(&self, name: &Name, sealed: &[u8]) -> Vec<u8>;
}

const KEY: [u8; 32] = [7; 32];
const TAG: usize = 16;

/// AES-256-GCM-SIV of `aws-lc-rs` with a random nonce, bound to the name.
pub(crate) struct Aead(LessSafeKey);

impl Aead {
    pub(crate) fn new() -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &KEY).expect("the key has its length")))
    }
}

impl Clone for Aead {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl fmt::Debug for Aead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aead(..)")
    }
}

impl Cipher for Aead {
    fn seal(&self, name: &Name, plain: &[u8]) -> Bytes {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).expect("the system has random bytes");
        let mut sealed = vec![0; NONCE_LEN + plain.len() + TAG];
        let (head, rest) = sealed.split_at_mut(NONCE_LEN);
        head.copy_from_slice(&nonce);
        let (text, tag) = rest.split_at_mut(plain.len());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let aad = Aad::from(name.as_bytes());
        self.0.seal_out_of_place_scatter(nonce, aad, plain, text, &[], tag).expect("it seals");
        sealed.into()
    }

    fn open(&self, name: &Name, sealed: &[u8]) -> Vec<u8> {
        let (nonce, rest) = sealed.split_at(NONCE_LEN);
        let (text, tag) = rest.split_at(rest.len() - TAG);
        let mut plain = vec![0; text.len()];
        let nonce = Nonce::try_assume_unique_for_key(nonce).expect("a nonce has its length");
        let aad = Aad::from(name.as_bytes());
        self.0.open_separate_gather(nonce, aad, text, tag, &mut plain).expect("it opens");
        plain
    }
}

/// The crate `fernet`, which binds nothing.
#[derive(Clone)]
pub(crate) struct Fernet(fernet::Fernet);

impl Fernet {
    pub(crate) fn new() -> Self {
        Self(
            fernet::Fernet::new("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=")
                .expect("the key has its length"),
        )
    }
}

impl Cipher for Fernet {
    fn seal(&self, _: &Name, plain: &[u8]) -> Bytes {
        self.0.encrypt(plain).into()
    }

    fn open(&self, _: &Name, sealed: &[u8]) -> Vec<u8> {
        self.0.decrypt(std::str::from_utf8(sealed).expect("a token is text")).expect("it opens")
    }
}

/// An engine with a cipher before it.
#[derive(Clone)]
pub(crate) struct Sealed<P, C> {
    pub(crate) engine: P,
    pub(crate) cipher: C,
}

impl<P: Points, C: Cipher> Points for Sealed<P, C> {
    type Value = Vec<u8>;

    async fn get(&mut self, number: u64) -> Option<Vec<u8>> {
        let sealed = self.engine.get(number).await?;
        Some(self.cipher.open(&Name::of(number), sealed.as_ref()))
    }

    async fn put(&mut self, number: u64, value: &Bytes) {
        let sealed = self.cipher.seal(&Name::of(number), value);
        self.engine.put(number, &sealed).await;
    }
}
