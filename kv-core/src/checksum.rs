//! The checksum that finds damage in what is stored.

use crc_fast::{CrcAlgorithm, Digest, crc32_iscsi};

/// As much is put side by side and gone through at once: to begin anew for each part costs more than to copy it.
const SIDE_BY_SIDE: usize = 320;

/// CRC-32C (Castagnoli, RFC 3720 §12.1). It finds damage, not attackers.
#[derive(Clone, Debug)]
pub struct Crc32c(Digest);

impl Crc32c {
    /// Of no bytes yet.
    pub fn new() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }

    /// Of these parts, one after the other.
    pub fn of(parts: &[&[u8]]) -> u32 {
        let mut room = [0; SIDE_BY_SIDE];
        if let Some(bytes) = side_by_side(parts, &mut room) {
            return crc32_iscsi(bytes);
        }
        let mut crc = Self::new();
        for part in parts {
            crc.add(part);
        }
        crc.value()
    }

    /// Adds what comes next.
    pub fn add(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// Of all that was added.
    pub fn value(&self) -> u32 {
        u32::try_from(self.0.finalize()).unwrap_or_default() // it has 32 bits
    }
}

impl Default for Crc32c {
    fn default() -> Self {
        Self::new()
    }
}

/// The parts in one piece; `None` if there is not room enough.
fn side_by_side<'a>(parts: &[&[u8]], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut used = 0;
    for part in parts {
        let end = used + part.len();
        room.get_mut(used..end)?.copy_from_slice(part);
        used = end;
    }
    room.get(..used)
}

#[cfg(test)]
mod tests {
    use super::{Crc32c, SIDE_BY_SIDE};

    #[test]
    fn it_is_the_one_of_the_rfc_however_the_bytes_are_parted() {
        // RFC 3720 §B.4
        assert_eq!(Crc32c::of(&[&[0; 32]]), 0x8a91_36aa);
        assert_eq!(Crc32c::of(&[&[0xff; 32]]), 0x62a8_ab43);
        let ascending: Vec<u8> = (0..32).collect();
        let (one, other) = ascending.split_at(7);
        assert_eq!(Crc32c::of(&[one, &[], other]), 0x46dd_794e);
        assert_eq!(Crc32c::of(&[]), 0);
    }

    #[test]
    fn it_is_the_same_whether_the_parts_are_short_or_long() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(2 * SIDE_BY_SIDE).collect();
        for length in [0, 1, 63, 256, SIDE_BY_SIDE - 1, SIDE_BY_SIDE, SIDE_BY_SIDE + 1, 2 * SIDE_BY_SIDE] {
            let (head, tail) = bytes[..length].split_at(length / 3);
            let mut crc = Crc32c::new();
            crc.add(&bytes[..length]);
            assert_eq!(Crc32c::of(&[head, tail]), crc.value(), "{length} bytes");
        }
    }
}
