//! The raw engines, doing the work that a store on them does, at the same durability.

mod flusher;
mod memory;
mod redb;
mod sealed;
mod sled;

pub(crate) use self::memory::{Moka, MokaWithTtl};
pub(crate) use self::redb::Redb;
pub(crate) use self::sealed::{Aead, Cipher, Fernet, Sealed};
pub(crate) use self::sled::{Flush, Sled};
