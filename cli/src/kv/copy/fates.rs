//! What became of each entry of a copy, and what of that is remembered: who writes only what is missing must know its own
//! writes from those of others.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use kv_core::{Key, Version};

use super::write::Present;

/// How many entries met which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) copied: u64,
    /// They stand in `DST` already.
    pub(super) kept: u64,
    /// Their time was over before they were written.
    pub(super) expired: u64,
    /// `DST` cannot hold them, or what stands there under their names is damaged and was to be kept.
    pub(super) refused: u64,
    /// They cannot be read.
    pub(super) damaged: u64,
}

/// What became of one entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    Copied(Written),
    Left(Left),
}

/// A copy as this run wrote it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// The version that it has in `DST`.
    pub(super) version: Version,
    /// Which state of the entry in `SRC` it is a copy of.
    pub(super) state: State,
}

/// The version of an entry in `SRC`, cut: two states of one entry differ in it but by a chance of 2^-64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State(u64);

/// Why an entry was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Kept,
    Expired,
    Refused,
}

/// What is remembered. A listing in order needs nothing for its counts: it lists everything once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remembers {
    Nothing,
    /// What this run wrote: 38 to 75 bytes an entry, as full as the table happens to be.
    Written,
    /// That, and which entries it left: 19 to 39 bytes for each of them.
    Everything,
}

/// A name, hashed. Two that share a hash may be counted as one; neither is lost, since nothing is left out and nothing replaced
/// on the word of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name(u64);

/// The fates of all entries so far. Each entry counts once, however often it is listed, if everything is remembered.
#[derive(Debug)]
pub(super) struct Fates {
    pub(super) counts: Counts,
    present: Present,
    remembers: Remembers,
    hashes: RandomState,
    written: HashMap<Name, Written>,
    left: HashMap<Name, Left>,
}

impl Fates {
    /// Those of a copy that replaces what `DST` has. It knows nothing of single entries, and need not: writing one again is harmless.
    pub(super) fn replacing() -> Self {
        Self::new(Present::Replaced, Remembers::Nothing)
    }

    /// Those of a copy that keeps what `DST` has.
    pub(super) fn keeping(remembers: Remembers) -> Self {
        Self::new(Present::Kept, remembers)
    }

    fn new(present: Present, remembers: Remembers) -> Self {
        Self {
            counts: Counts::default(),
            present,
            remembers,
            hashes: RandomState::new(),
            written: HashMap::new(),
            left: HashMap::new(),
        }
    }

    pub(super) const fn present(&self) -> Present {
        self.present
    }

    pub(super) fn name(&self, key: Key<'_>) -> Name {
        Name(self.hashes.hash_one((key.collection, key.id)))
    }

    /// What this run wrote under this name, as far as it remembers.
    pub(super) fn written(&self, name: Name) -> Option<Written> {
        self.written.get(&name).copied()
    }

    /// Whether an entry of this version in `DST` may be other than in `SRC`: it was to be kept, and this run did not write it.
    pub(super) fn spare(&self, key: Key<'_>, version: Version) -> bool {
        let is_own = self.written(self.name(key)).is_some_and(|written| written.version == version);
        self.present == Present::Kept && !is_own
    }

    /// Counts this fate, in place of an earlier one.
    pub(super) fn settle(&mut self, name: Name, fate: Fate) {
        if self.written.remove(&name).is_some() {
            self.counts.copied -= 1;
        }
        if let Some(left) = self.left.remove(&name) {
            *self.count(left) -= 1;
        }
        match fate {
            Fate::Copied(written) => {
                self.counts.copied += 1;
                if self.remembers != Remembers::Nothing {
                    self.written.insert(name, written);
                }
            }
            Fate::Left(left) => {
                *self.count(left) += 1;
                if self.remembers == Remembers::Everything {
                    self.left.insert(name, left);
                }
            }
        }
    }

    /// Counts an entry whose time is over, unless it has met its fate before.
    pub(super) fn expire(&mut self, name: Name) {
        if !self.written.contains_key(&name) && !self.left.contains_key(&name) {
            self.settle(name, Fate::Left(Left::Expired));
        }
    }

    /// Everything comes once more, and is counted then, but for what is known to stand in `DST`.
    pub(super) fn begin_anew(&mut self) {
        self.left.retain(|_, left| *left == Left::Kept);
        let (copied, kept) = (self.written.len() as u64, self.left.len() as u64);
        self.counts = Counts { copied, kept, ..Counts::default() };
    }

    const fn count(&mut self, left: Left) -> &mut u64 {
        match left {
            Left::Kept => &mut self.counts.kept,
            Left::Expired => &mut self.counts.expired,
            Left::Refused => &mut self.counts.refused,
        }
    }
}

impl State {
    pub(super) fn of(version: Version) -> Self {
        Self(version.as_bytes().first_chunk().copied().map_or(0, u64::from_be_bytes))
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Key, Version};

    use super::{Counts, Fate, Fates, Left, Remembers, State, Written};

    fn written(version: Version) -> Fate {
        Fate::Copied(Written { version, state: State::of(Version::random()) })
    }

    #[test]
    fn an_entry_counts_once_by_its_last_fate() {
        let mut fates = Fates::keeping(Remembers::Everything);
        let [a, b, c] = ["a", "b", "c"].map(|id| fates.name(Key::new("c", id)));
        for fate in [Fate::Left(Left::Refused), written(Version::random()), written(Version::random())] {
            fates.settle(a, fate);
        }
        for fate in [written(Version::random()), Fate::Left(Left::Kept), Fate::Left(Left::Kept)] {
            fates.settle(b, fate);
        }
        for name in [a, b, c, c] {
            fates.expire(name);
        }
        assert_eq!(fates.counts, Counts { copied: 1, kept: 1, expired: 1, ..Counts::default() });
        fates.begin_anew();
        assert_eq!(fates.counts, Counts { copied: 1, kept: 1, ..Counts::default() }, "c may live again");
    }

    #[test]
    fn another_ones_entries_alone_may_be_other_than_in_the_source() {
        let (ours, theirs, key) = (Version::random(), Version::random(), Key::new("c", "a"));
        let mut fates = Fates::keeping(Remembers::Written);
        assert!(fates.spare(key, theirs), "it was there before");
        fates.settle(fates.name(key), written(ours));
        assert!(!fates.spare(key, ours));
        assert!(fates.spare(key, theirs), "it was written since");
        assert!(!Fates::replacing().spare(key, theirs));
    }

    #[test]
    fn what_is_remembered_takes_no_more_than_is_said() {
        assert_eq!([size_of::<(super::Name, Written)>(), size_of::<(super::Name, Left)>()], [32, 16]);
    }
}
