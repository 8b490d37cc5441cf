//! The checksum that finds damage in what is stored.

use crc_fast::{CrcAlgorithm, Digest};

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

#[cfg(test)]
mod tests {
    use super::Crc32c;

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
}
