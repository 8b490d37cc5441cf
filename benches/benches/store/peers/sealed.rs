//! A raw engine whose values are sealed by the bare primitive.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use bytes::Bytes;
use larder_benches::subject::{Engine, Points, Subject};
use larder_benches::workload::{BATCH, Name, Values};
use rand::Rng as _;

/// The least that seals and opens.
pub(crate) trait Cipher: Clone + Send + Sync + 'static {
    fn seal(&self, name: &[u8], plain: &[u8]) -> Bytes;
    fn open(&self, name: &[u8], sealed: &[u8]) -> Vec<u8>;
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
    fn seal(&self, name: &[u8], plain: &[u8]) -> Bytes {
        let mut nonce = [0; NONCE_LEN];
        rand::rng().fill_bytes(&mut nonce); // as Larder's: the library's own takes longer than sealing 200 bytes
        let mut sealed = vec![0; NONCE_LEN + plain.len() + TAG];
        let (head, rest) = sealed.split_at_mut(NONCE_LEN);
        head.copy_from_slice(&nonce);
        let (text, tag) = rest.split_at_mut(plain.len());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let aad = Aad::from(name);
        self.0.seal_out_of_place_scatter(nonce, aad, plain, text, &[], tag).expect("it seals");
        sealed.into()
    }

    fn open(&self, name: &[u8], sealed: &[u8]) -> Vec<u8> {
        let (nonce, rest) = sealed.split_at(NONCE_LEN);
        let (text, tag) = rest.split_at(rest.len() - TAG);
        let mut plain = vec![0; text.len()];
        let nonce = Nonce::try_assume_unique_for_key(nonce).expect("a nonce has its length");
        let aad = Aad::from(name);
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
    fn seal(&self, _: &[u8], plain: &[u8]) -> Bytes {
        self.0.encrypt(plain).into()
    }

    fn open(&self, _: &[u8], sealed: &[u8]) -> Vec<u8> {
        self.0.decrypt(std::str::from_utf8(sealed).expect("a token is text")).expect("it opens")
    }
}

/// An engine with a cipher before it.
#[derive(Clone)]
pub(crate) struct Sealed<P, C> {
    pub(crate) engine: P,
    pub(crate) cipher: C,
}

impl<P, C: Cipher> Sealed<P, C> {
    fn seal(&self, number: u64, value: &Bytes) -> Bytes {
        self.cipher.seal(Name::of(number).as_bytes(), value)
    }

    fn open(&self, number: u64, sealed: Option<impl AsRef<[u8]>>) -> Option<Vec<u8>> {
        sealed.map(|sealed| self.cipher.open(Name::of(number).as_bytes(), sealed.as_ref()))
    }
}

impl<P: Points, C: Cipher> Points for Sealed<P, C> {
    type Value = Vec<u8>;

    async fn get(&mut self, number: u64) -> Option<Vec<u8>> {
        let sealed = self.engine.get(number).await;
        self.open(number, sealed)
    }

    async fn put(&mut self, number: u64, value: &Bytes) {
        let sealed = self.seal(number, value);
        self.engine.put(number, &sealed).await;
    }
}

impl<P: Engine, C: Cipher> Subject for Sealed<P, C> {
    /// Names and opened values.
    type Page = Vec<(Box<[u8]>, Vec<u8>)>;
    const HAS_ORDER: bool = P::HAS_ORDER;

    async fn put_with_ttl(&mut self, number: u64, value: &Bytes) {
        let sealed = self.seal(number, value);
        self.engine.put_with_ttl(number, &sealed).await;
    }

    async fn take(&mut self, number: u64) -> Option<Vec<u8>> {
        let sealed = self.engine.take(number).await;
        self.open(number, sealed)
    }

    async fn get_many(&mut self, numbers: &[u64; BATCH]) -> Vec<Option<Vec<u8>>> {
        let sealed = self.engine.get_many(numbers).await;
        sealed.into_iter().zip(numbers).map(|(sealed, number)| self.open(*number, sealed)).collect()
    }

    async fn put_many(&mut self, numbers: &[u64; BATCH], values: &Values) {
        let Self { engine, cipher } = self;
        let seal = |number| cipher.seal(Name::of(number).as_bytes(), values.of(number));
        engine.put_batch(numbers, seal).await;
    }

    async fn page(&mut self, number: u64) -> Self::Page {
        let page = self.engine.page(number).await;
        P::entries(&page).map(|(name, sealed)| (name.into(), self.cipher.open(name, sealed))).collect()
    }

    fn listed(page: &Self::Page) -> Vec<(String, Vec<u8>)> {
        page.iter().map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.clone())).collect()
    }

    fn values(page: &Self::Page) -> impl Iterator<Item = &[u8]> {
        page.iter().map(|(_, value)| value.as_ref())
    }
}
