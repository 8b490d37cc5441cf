//! Which entries are read and written: 200,000 keys in 200 collections, chosen uniformly.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// How many entries a store on this machine holds while it is measured.
pub const KEYS: u64 = 200_000;
/// How many of them share a collection: a whole page of a scan.
pub const IN_COLLECTION: u64 = 1_000;
/// How many entries a batch has.
pub const BATCH: usize = 50;
/// Keys that no store holds at first, in collections of their own: what is written to be taken.
pub const SPARE: Range<u64> = 9_000_000..9_700_000;

/// The name of an entry: 16 bytes such as `c0017/key0017234`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name([u8; 16]);

impl Name {
    /// The name of the entry of this number, below ten million.
    pub fn of(number: u64) -> Self {
        let mut name = *b"c0000/key0000000";
        let (collection, id) = name.split_at_mut(6);
        write_digits(collection.get_mut(1..5), number / IN_COLLECTION);
        write_digits(id.get_mut(3..), number);
        Self(name)
    }

    /// All 16 bytes: the key of a raw engine.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default() // digits: never wrong
    }

    /// What stands before the slash, and what after it: collection and id.
    pub fn parts(&self) -> (&str, &str) {
        self.as_str().split_once('/').unwrap_or_default()
    }
}

fn write_digits(place: Option<&mut [u8]>, mut number: u64) {
    for digit in place.into_iter().flatten().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

/// Values of one length that do not compress. Which one an entry begins with follows from its number.
#[derive(Clone, Debug)]
pub struct Values {
    all: Arc<[Bytes]>,
    turn: u64,
}

impl Values {
    /// A prime, so that neighbouring entries and entries of one id in two collections differ.
    const DIFFERENT: u64 = 1_021;

    /// Values of this many bytes.
    pub fn new(bytes: usize) -> Self {
        let mut random = Random::new(bytes as u64);
        let value = |_| {
            let mut value: Vec<u8> = Vec::with_capacity(bytes + 8);
            while value.len() < bytes {
                value.extend_from_slice(&random.next().to_le_bytes());
            }
            value.truncate(bytes);
            Bytes::from(value)
        };
        Self { all: (0..Self::DIFFERENT).map(value).collect(), turn: 0 }
    }

    /// The same values, each for another number: an engine may do nothing where it has that value already.
    #[must_use]
    pub fn turned(&self, turn: u64) -> Self {
        Self { all: Arc::clone(&self.all), turn: turn % Self::DIFFERENT }
    }

    /// The value that the entry of this number begins with.
    pub fn of(&self, number: u64) -> &Bytes {
        static NONE: Bytes = Bytes::new();
        let at =
            usize::try_from((number % Self::DIFFERENT + self.turn) % Self::DIFFERENT).unwrap_or_default();
        self.all.get(at).unwrap_or(&NONE)
    }

    /// The length of each.
    pub fn bytes(&self) -> usize {
        self.of(0).len()
    }
}

/// Looks at every byte, as somebody does who has read a value to use it: a value that nobody looks at costs an engine
/// that hands out references less than it would cost anybody.
pub fn used(value: &[u8]) -> u64 {
    let (words, rest) = value.as_chunks::<8>();
    let rest = rest.iter().fold(0, |sum: u64, byte| sum.wrapping_add(u64::from(*byte)));
    words.iter().fold(rest, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
}

/// What a writer of a raw engine knows an entry by: as long as a store's, and kept before the value.
pub type RawVersion = [u8; 16];

/// One that no entry has.
pub fn new_version() -> RawVersion {
    let mut random = Random::fresh();
    let (high, low) = (random.next(), random.next());
    ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
}

/// What is kept of a value under its version.
pub fn versioned(version: &RawVersion, value: &[u8]) -> Vec<u8> {
    [version, value].concat()
}

/// Numbers that look random and are the same in each run: `SplitMix64`.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    /// A sequence that this process has not had yet: an engine may notice that a value is the one it has.
    pub fn fresh() -> Self {
        static SEED: AtomicU64 = AtomicU64::new(1_000);
        Self::new(SEED.fetch_add(1, Ordering::Relaxed))
    }

    /// The next one.
    #[expect(clippy::should_implement_trait, reason = "it never ends, and nobody iterates over it")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The number of an entry that every store on this machine holds, all equally likely.
    pub fn key(&mut self) -> u64 {
        self.below(KEYS)
    }

    /// One of so many, all equally likely.
    pub fn below(&mut self, keys: u64) -> u64 {
        self.next() % keys
    }

    /// The numbers of a batch of entries, each below `keys`.
    pub fn batch(&mut self, keys: u64) -> [u64; BATCH] {
        std::array::from_fn(|_| self.below(keys))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{IN_COLLECTION, KEYS, Name, Random, SPARE, Values};

    #[test]
    fn names_have_16_bytes_and_their_order_is_that_of_the_numbers() {
        let names: Vec<_> = (0..KEYS).step_by(97).map(Name::of).collect();
        assert!(names.is_sorted());
        assert_eq!(Name::of(17_234).as_str(), "c0017/key0017234");
        assert_eq!(Name::of(17_234).parts(), ("c0017", "key0017234"));
        let collections: HashSet<_> = (0..KEYS).map(|number| Name::of(number).parts().0.to_owned()).collect();
        assert_eq!(collections.len() as u64, KEYS / IN_COLLECTION);
        assert!(!collections.contains(Name::of(SPARE.start).parts().0));
    }

    #[test]
    fn values_have_their_length_and_tell_neighbours_apart() {
        for bytes in [0, 7, 200, 4_096] {
            let values = Values::new(bytes);
            assert_eq!((values.bytes(), values.of(5).len()), (bytes, bytes));
            assert_eq!(values.of(5) == values.of(6), bytes == 0);
            assert_eq!(values.of(5), Values::new(bytes).of(5));
            assert_eq!(
                values.of(5),
                values.turned(u64::MAX).of(5 + Values::DIFFERENT - u64::MAX % Values::DIFFERENT)
            );
        }
    }

    #[test]
    fn every_key_is_drawn_sooner_or_later() {
        let mut random = Random::new(1);
        let drawn: HashSet<_> = (0..KEYS * 20).map(|_| random.key()).collect();
        assert_eq!(drawn.len() as u64, KEYS);
    }
}
