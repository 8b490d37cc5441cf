//! What is measured: a Larder store, or the raw engine that does the same work.

use std::fmt::Debug;
use std::future::Future;

use crate::workload::{BATCH, IN_COLLECTION, Name, Random, SPARE, Values, used};
use bytes::Bytes;

/// Reads and writes one entry. A write is over once it is as durable as its backend promises.
pub trait Points: Clone + Send + Sync + 'static {
    /// A value as it was read: owned, so that it may outlive the read.
    type Value: AsRef<[u8]> + Debug + Send;

    /// The value of the entry of this number.
    fn get(&mut self, number: u64) -> impl Future<Output = Option<Self::Value>> + Send;
    /// Writes it, whatever was there.
    fn put(&mut self, number: u64, value: &Bytes) -> impl Future<Output = ()> + Send;
}

/// All that a store is measured by.
pub trait Subject: Points {
    /// A page of a listing, in whatever shape it came.
    type Page: Send;
    /// Whether a page costs no walk over everything: 64 of those at once take seconds.
    const HAS_ORDER: bool = true;

    /// Writes an entry that lives for an hour; an engine without lifetimes writes it without.
    fn put_with_ttl(&mut self, number: u64, value: &Bytes) -> impl Future<Output = ()> + Send;
    /// Removes it, and hands it out.
    fn take(&mut self, number: u64) -> impl Future<Output = Option<Self::Value>> + Send;
    /// What the batch holds, in its order.
    fn get_many(&mut self, numbers: &[u64; BATCH]) -> impl Future<Output = Vec<Option<Self::Value>>> + Send;
    /// Writes the batch.
    fn put_many(&mut self, numbers: &[u64; BATCH], values: &Values) -> impl Future<Output = ()> + Send;
    /// The thousand entries of the collection that `number` is in, with their values.
    fn page(&mut self, number: u64) -> impl Future<Output = Self::Page> + Send;
    /// The page as names and values.
    fn listed(page: &Self::Page) -> Vec<(String, Vec<u8>)>;
    /// The values of the page.
    fn values(page: &Self::Page) -> impl Iterator<Item = &[u8]>;

    /// Looks at every byte of the page's values.
    fn used_page(page: &Self::Page) -> u64 {
        Self::values(page).fold(0, |sum, value| sum.wrapping_add(used(value)))
    }
}

/// An engine that something may stand before: it takes a batch of any values, and shows what a page holds.
pub trait Engine: Subject {
    /// Writes for each number of the batch the value that `value` makes.
    fn put_batch(
        &mut self,
        numbers: &[u64; BATCH],
        value: impl Fn(u64) -> Bytes + Send,
    ) -> impl Future<Output = ()> + Send;
    /// The page as names and values, in its order.
    fn entries(page: &Self::Page) -> impl Iterator<Item = (&[u8], &[u8])>;
}

/// A page of an engine as [`Subject::listed`] hands it out.
pub fn listed<E: Engine>(page: &E::Page) -> Vec<(String, Vec<u8>)> {
    let entries = E::entries(page);
    entries.map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.to_vec())).collect()
}

/// Writes on the condition that nobody wrote meanwhile.
pub trait Conditional: Subject {
    /// What a writer knows the entry by.
    type Version: Send;

    /// Writes the entry, whatever was there, and hands out its version.
    fn begin(&mut self, number: u64, value: &Bytes) -> impl Future<Output = Self::Version> + Send;
    /// Replaces the entry of this version.
    fn update(
        &mut self,
        number: u64,
        version: Self::Version,
        value: &Bytes,
    ) -> impl Future<Output = Self::Version> + Send;
}

/// Puts every entry in, and checks that they come out again: nothing that answers wrongly is timed.
pub async fn fill_points(subject: &mut impl Points, values: &Values, keys: u64) {
    for number in 0..keys {
        subject.put(number, values.of(number)).await;
    }
    check_points(subject, values, keys).await;
}

/// As [`fill_points`], in batches, and everything is checked that any store can do; pages by [`check_page`].
pub async fn fill(subject: &mut impl Subject, values: &Values, keys: u64) {
    for first in (0..keys).step_by(BATCH) {
        subject.put_many(&batch_from(first), values).await;
    }
    check_points(subject, values, keys).await;
    check_batches(subject, values, keys).await;
    check_take(subject, values).await;
}

/// The numbers of a batch, one after the other.
pub fn batch_from(first: u64) -> [u64; BATCH] {
    std::array::from_fn(|at| first + at as u64)
}

/// Reads every entry, after which all that can be warm is, and writes one over.
///
/// # Panics
/// When an answer is wrong: nothing of it would be worth measuring.
pub async fn check_points(subject: &mut impl Points, values: &Values, keys: u64) {
    for number in 0..keys {
        let found = subject.get(number).await;
        assert_eq!(found.as_ref().map(AsRef::as_ref), Some(values.of(number).as_ref()), "entry {number}");
    }
    subject.put(3, values.of(4)).await;
    assert_eq!(subject.get(3).await.as_ref().map(AsRef::as_ref), Some(values.of(4).as_ref()));
    subject.put(3, values.of(3)).await;
    assert!(subject.get(SPARE.end - 1).await.is_none(), "an absent entry"); // nothing is ever put there to be taken
}

async fn check_batches(subject: &mut impl Subject, values: &Values, keys: u64) {
    let numbers = Random::new(8).batch(keys);
    let found = subject.get_many(&numbers).await;
    assert_eq!(found.len(), BATCH);
    for (found, number) in found.iter().zip(numbers) {
        assert_eq!(found.as_ref().map(AsRef::as_ref), Some(values.of(number).as_ref()), "entry {number}");
    }
}

/// Reads a page of what [`fill`] wrote.
///
/// # Panics
/// When it is not the collection's entries.
pub async fn check_page<S: Subject>(subject: &mut S, values: &Values, keys: u64) {
    let first = (keys / IN_COLLECTION / 2) * IN_COLLECTION;
    let mut listed = S::listed(&subject.page(first + 3).await);
    listed.sort(); // not every engine has an order
    let expected = (first..first + IN_COLLECTION)
        .map(|number| (Name::of(number).as_str().to_owned(), values.of(number).to_vec()));
    assert!(listed.into_iter().eq(expected), "a page is not the collection's thousand entries");
}

/// Writes a spare entry with a ttl, and takes it.
///
/// # Panics
/// When that does not come out once.
pub async fn check_take(subject: &mut impl Subject, values: &Values) {
    let number = SPARE.start;
    subject.put_with_ttl(number, values.of(9)).await;
    let taken = subject.take(number).await;
    assert_eq!(taken.as_ref().map(AsRef::as_ref), Some(values.of(9).as_ref()));
    assert!(subject.take(number).await.is_none(), "an entry was taken twice");
    assert!(subject.get(number).await.is_none(), "an entry was taken and is still there");
}
