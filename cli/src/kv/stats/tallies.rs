//! What the collections of a store come to, in bounded memory however many they are.

use std::collections::BTreeMap;

use kv_core::Entry;

use super::Tally;

/// The tallies of some collections, and of all others together.
#[derive(Debug)]
pub(super) struct Tallies {
    named: BTreeMap<String, Tally>,
    others: Tally,
    /// How many collections the others are.
    folded: u64,
    all: Tally,
    /// Whether a collection is listed as a whole before the next one.
    is_ordered: bool,
    most: usize,
}

impl Tallies {
    /// Nothing yet; at most so many collections will be counted apart.
    ///
    /// Where listings are ordered these are the largest, for certain the larger half of `most`; where not, those that
    /// came first, since a collection that was folded could come again.
    pub(super) fn new(is_ordered: bool, most: usize) -> Self {
        let (named, others, all) = (BTreeMap::new(), Tally::default(), Tally::default());
        Self { named, others, folded: 0, all, is_ordered, most }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.is_ordered, self.most);
    }

    pub(super) fn add(&mut self, collection: String, entry: &Entry) {
        let one = Tally::of(entry);
        self.all = self.all.and(&one);
        if let Some(tally) = self.named.get_mut(&collection) {
            *tally = tally.and(&one);
            return;
        }
        if self.named.len() >= self.most {
            if !self.is_ordered {
                self.others = self.others.and(&one);
                return;
            }
            self.fold(); // all that are there are complete: another one begins
        }
        self.named.insert(collection, one);
    }

    /// Puts the smaller half with the others.
    fn fold(&mut self) {
        let mut sizes: Vec<_> = self.named.iter().map(|(name, tally)| (tally.size(), name.clone())).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        for (_, name) in sizes.split_off(self.most / 2) {
            if let Some(tally) = self.named.remove(&name) {
                self.others = self.others.and(&tally);
                self.folded += 1;
            }
        }
    }

    /// The collections that were counted apart, in the order of their names.
    pub(super) fn named(&self) -> impl Iterator<Item = (&str, &Tally)> {
        self.named.iter().map(|(name, tally)| (name.as_str(), tally))
    }

    /// What the others come to, if there are some.
    pub(super) fn others(&self) -> Option<&Tally> {
        (self.others.entries > 0).then_some(&self.others)
    }

    /// How many the others are; `None` where nobody can tell without remembering them.
    pub(super) fn folded(&self) -> Option<u64> {
        (self.is_ordered || self.others.entries == 0).then_some(self.folded)
    }

    pub(super) const fn all(&self) -> &Tally {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Entry, Meta, Version};

    use super::Tallies;

    fn entry(bytes: usize) -> Entry {
        Entry::new(vec![0; bytes].into(), Version::random(), None, Meta::default())
    }

    #[test]
    fn a_hundred_thousand_collections_take_the_room_of_a_hundred_and_the_largest_stay_named() {
        let mut found = Tallies::new(true, 100);
        for n in 0..100_000_usize {
            let large = if n % 10_000 == 7 { 1_000 } else { 1 };
            found.add(format!("{n:06}"), &entry(large));
            assert!(found.named.len() <= 100);
        }
        let large: Vec<_> = found.named().filter(|(_, tally)| tally.bytes == 1_000).collect();
        assert_eq!(large.len(), 10);
        assert_eq!(found.folded().unwrap() + found.named.len() as u64, 100_000);
        let named: u64 = found.named().map(|(_, tally)| tally.entries).sum();
        assert_eq!((found.all().entries, found.others().unwrap().entries), (100_000, 100_000 - named));
    }

    #[test]
    fn without_an_order_those_that_came_first_stay_whole() {
        let mut found = Tallies::new(false, 3);
        for round in 0..2 {
            for name in ["d", "c", "b", "a"] {
                found.add(name.to_owned(), &entry(round));
            }
        }
        let named: Vec<_> = found.named().map(|(name, tally)| (name, tally.entries)).collect();
        assert_eq!(named, [("b", 2), ("c", 2), ("d", 2)]);
        assert_eq!((found.others().unwrap().entries, found.folded(), found.all().entries), (2, None, 8));
    }
}
