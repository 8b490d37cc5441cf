//! Memory for what the items of one page keep: a few blocks, where each item would need three pieces.

use bytes::{Buf as _, Bytes, BytesMut};
use bytestring::ByteString;

use super::Shown;

/// What is taken at a time, and what a single item that is kept longer than its page may hold on to.
const BLOCK: usize = 16 << 10;
/// What has so many bytes gets memory of its own.
const LARGE: usize = BLOCK / 8;

/// The memory of a page that is being made.
#[derive(Debug, Default)]
pub(super) struct Room {
    block: BytesMut,
    /// The last collection: most items are in the same one.
    collection: ByteString,
}

impl Room {
    /// The value that begins at `at` in the stored bytes.
    pub(super) fn value(&mut self, shown: &Shown<'_>, at: usize) -> Bytes {
        match shown.stored.get(at..) {
            Some(small) if small.len() < LARGE => self.copy(small),
            _ => {
                let mut kept = shown.keep();
                kept.advance(at.min(kept.len()));
                kept
            }
        }
    }

    /// The name of an item.
    pub(super) fn name(&mut self, name: &str) -> ByteString {
        self.copy(name.as_bytes()).try_into().unwrap_or_else(|_| name.into()) // a copy of text is text
    }

    /// The collection of an item.
    pub(super) fn collection(&mut self, name: &str) -> ByteString {
        if self.collection != name {
            self.collection = self.name(name);
        }
        self.collection.clone()
    }

    fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.is_empty() {
            return Bytes::new();
        }
        if bytes.len() >= LARGE {
            return Bytes::copy_from_slice(bytes);
        }
        if self.block.capacity() < bytes.len() {
            self.block = BytesMut::with_capacity(BLOCK);
        }
        self.block.extend_from_slice(bytes);
        self.block.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, LARGE, Room};
    use crate::backend::embedded::Shown;

    #[test]
    fn small_values_share_blocks_and_large_ones_stand_alone() {
        let mut room = Room::default();
        let stored: Vec<u8> = (0..=u8::MAX).cycle().take(2 * LARGE).collect();
        let mut value = |size: usize, at| room.value(&Shown::lent(b"", &stored[..size]), at);
        let kept: Vec<_> = (0..2 * BLOCK / 100).map(|n| (n, value(100 + n % 50, 10))).collect();
        for (n, value) in &kept {
            assert_eq!(value, &stored[10..100 + n % 50]);
        }
        let neighbours = |pair: &[(usize, bytes::Bytes)]| pair[0].1.as_ptr_range().end == pair[1].1.as_ptr();
        let blocks = 1 + kept.windows(2).filter(|pair| !neighbours(pair)).count();
        assert!((2..=4).contains(&blocks), "{blocks} blocks for {} values", kept.len());
        assert_eq!(value(2 * LARGE, 32), stored[32..]);
        assert_eq!(value(32, 32), "");
        assert_eq!(value(32, 40), "", "less than its head says");
    }

    #[test]
    fn a_name_is_the_same_text_and_a_collection_is_kept_once() {
        let mut room = Room::default();
        let long = "é".repeat(LARGE);
        for name in ["", "a", "ü/b", &long] {
            assert_eq!(room.name(name), name);
            assert_eq!(room.collection(name), name);
            assert_eq!(room.collection(name).as_bytes().as_ptr(), room.collection(name).as_bytes().as_ptr());
        }
    }
}
