//! What is measured: a Larder store, or the raw engine that does the same work.

use std::fmt::Debug;
use std::future::Future;

use bytes::Bytes;
use larder_benches::workload::{BATCH, IN_COLLECTION, KEYS, Name, Random, SPARE, Values};

/// Reads and writes one entry. A write is over once it is as durable as its backend promises.
pub(crate) trait Points: Clone + Send + Sync + 'static {
    /// A value as it was read: owned, so that it may outlive the read.
    type Value: AsRef<[u8]> + Debug + Send;

    fn get(&self, number: u64) -> impl Future<Output = Option<Self::Value>> + Send;
    fn put(&self, number: u64, value: &Bytes) -> impl Future<Output = ()> + Send;
}

/// All that a store is measured by.
pub(crate) trait Subject: Points {
    /// A page of a listing, in whatever shape it came.
    type Page: Send;
    /// Whether a page costs no walk over everything: 64 of those at once take seconds.
    const HAS_ORDER: bool = true;

    /// Writes an entry that lives for an hour; an engine without lifetimes writes it without.
    fn put_with_ttl(&self, number: u64, value: &Bytes) -> impl Future<Output = ()> + Send;
    fn take(&self, number: u64) -> impl Future<Output = Option<Self::Value>> + Send;
    fn get_many(&self, numbers: &[u64; BATCH]) -> impl Future<Output = Vec<Option<Self::Value>>> + Send;
    fn put_many(&self, numbers: &[u64; BATCH], values: &Values) -> impl Future<Output = ()> + Send;
    /// The thousand entries of the collection that `number` is in, with their values.
    fn page(&self, number: u64) -> impl Future<Output = Self::Page> + Send;
    /// The page as names and values.
    fn listed(page: &Self::Page) -> Vec<(String, Vec<u8>)>;
}

/// Puts every entry in, and checks that they come out again: nothing that answers wrongly is timed.
pub(crate) async fn fill_points(subject: &impl Points, values: &Values) {
    fill_part(subject, values, 0, 1).await;
    check_points(subject, values).await;
}

/// Puts one of `parts` of the entries in.
pub(crate) async fn fill_part(subject: &impl Points, values: &Values, part: u64, parts: u64) {
    for number in (0..KEYS).filter(|number| number % parts == part) {
        subject.put(number, values.of(number)).await;
    }
}

/// As [`fill_points`], in batches, and everything else is checked as well.
pub(crate) async fn fill(subject: &impl Subject, values: &Values) {
    for first in (0..KEYS).step_by(BATCH) {
        subject.put_many(&batch_from(first), values).await;
    }
    check_points(subject, values).await;
    check_batches(subject, values).await;
    check_page(subject, values).await;
    check_take(subject, values).await;
}

pub(crate) fn batch_from(first: u64) -> [u64; BATCH] {
    std::array::from_fn(|at| first + at as u64)
}

/// Reads every entry, after which all that can be warm is, and writes one over.
pub(crate) async fn check_points(subject: &impl Points, values: &Values) {
    for number in 0..KEYS {
        let found = subject.get(number).await;
        assert_eq!(found.as_ref().map(AsRef::as_ref), Some(values.of(number).as_ref()), "entry {number}");
    }
    subject.put(3, values.of(4)).await;
    assert_eq!(subject.get(3).await.as_ref().map(AsRef::as_ref), Some(values.of(4).as_ref()));
    subject.put(3, values.of(3)).await;
    assert!(subject.get(SPARE.start).await.is_none(), "an absent entry");
}

async fn check_batches(subject: &impl Subject, values: &Values) {
    let numbers = Random::new(8).batch();
    let found = subject.get_many(&numbers).await;
    assert_eq!(found.len(), BATCH);
    for (found, number) in found.iter().zip(numbers) {
        assert_eq!(found.as_ref().map(AsRef::as_ref), Some(values.of(number).as_ref()), "entry {number}");
    }
}

async fn check_page(subject: &impl Subject, values: &Values) {
    let first = 17 * IN_COLLECTION;
    let mut listed = listed(subject, subject.page(first + 3).await);
    listed.sort(); // not every engine has an order
    let expected = (first..first + IN_COLLECTION)
        .map(|number| (Name::of(number).as_str().to_owned(), values.of(number).to_vec()));
    assert!(listed.into_iter().eq(expected), "a page is not the collection's thousand entries");
}

fn listed<S: Subject>(_: &S, page: S::Page) -> Vec<(String, Vec<u8>)> {
    let listed = S::listed(&page);
    drop(page);
    listed
}

async fn check_take(subject: &impl Subject, values: &Values) {
    let number = SPARE.start;
    subject.put_with_ttl(number, values.of(9)).await;
    let taken = subject.take(number).await;
    assert_eq!(taken.as_ref().map(AsRef::as_ref), Some(values.of(9).as_ref()));
    assert!(subject.take(number).await.is_none(), "an entry was taken twice");
    assert!(subject.get(number).await.is_none(), "an entry was taken and is still there");
}
