//! The raw engines that stores have below them, doing the work that they do, at the same durability.

mod flusher;
mod moka;
mod redb;
mod sled;

pub use self::moka::Moka;
pub use self::redb::Redb;
pub use self::sled::{Flush, Sled};

/// What each engine's cache may take, ours and the raw one's, for so many entries of so many bytes: all stay warm.
#[expect(clippy::cast_possible_truncation, reason = "some gigabytes at most, on machines that have them")]
pub const fn cache_bytes(keys: u64, value: usize) -> usize {
    (256 << 20) + 2 * (keys as usize) * value
}
