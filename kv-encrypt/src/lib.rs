//! Encryption for any Larder store: what lies below [`Encrypted`] sees names, lifetimes and sealed bytes.
//!
//! Each value is sealed with AES-256-GCM-SIV, or as a Fernet token that Python's `cryptography` reads, and is bound
//! to its context, collection, id and meta: moved to another name it does not open. Keys come in a [`KeyRing`]: the
//! first one seals, all of them open, and [`Encrypted::rotate`] brings a store to the first one while it is in use.
//!
//! ```
//! use kv_encrypt::{Encrypted, KeyRing, SecretKey};
//! use kv_core::{Key, NewEntry, PutMode, Store};
//! use kv_memory::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kv_core::Result<()> {
//! let keys = KeyRing::new([SecretKey::generate()?])?;
//! let store = Encrypted::new(MemoryStore::new(), keys).context("shop");
//! let key = Key::new("tokens", "alice");
//! store.put(key, NewEntry::new("secret"), PutMode::Replace).await?;
//! assert_eq!(store.get(key).await?.expect("it was just put").value, "secret");
//! # Ok(())
//! # }
//! ```
//!
//! What is bound and what is not, both formats byte by byte, and the recipe for rotation stand in
//! `docs/encryption.md`.

mod aead;
mod away;
mod binding;
mod fernet;
mod key;
mod key_file;
mod key_ring;
mod mode;
mod note;
mod rotate;
mod seal;
mod wrapper;

pub use key::{KeyId, SecretKey};
pub use key_ring::KeyRing;
pub use mode::{Cipher, Mode};
pub use rotate::{KeysInUse, Rotation};
pub use wrapper::{EncryptExt, Encrypted};
