//! The raw engines, doing the work that a store on them does, at the same durability.

mod memory;
mod sealed;

pub(crate) use self::memory::MokaWithTtl;
pub(crate) use self::sealed::{Aead, Cipher, Fernet, Sealed};
pub(crate) use larder_benches::peers::{Flush, Moka, Redb, Sled};
