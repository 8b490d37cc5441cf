//! What the size limit refuses, and where it counts.

use kv_core::testing::ReferenceStore;
use kv_core::{Clock, ErrorKind, Key, NewEntry, Outcome, PutMode, Store, StoreExt};

use super::{A, memory, put};

const B: Key<'static> = Key::new("c", "b");

#[tokio::test]
async fn what_is_larger_is_refused_before_anything_is_sent_and_the_old_entry_stays() {
    let bare = memory();
    put(&bare, A, None).await;
    let store = bare.clone().limited(10);
    let large = || NewEntry::new(vec![0; 11]);
    let error = store.put(A, large(), PutMode::Replace).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::TooLarge, Outcome::NotDone));
    assert_eq!((error.operation(), error.key()), (Some("put"), Some("c/a")));
    assert_eq!(bare.get(A).await.unwrap().unwrap().value, "value");
    let answers = store.put_many(vec![(A, large()), (B, NewEntry::new(vec![0; 10]))]).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap_err().kind(), ErrorKind::TooLarge);
    assert!(answers[1].is_ok() && bare.exists(B).await.unwrap());
}

#[tokio::test]
async fn the_smaller_limit_of_the_two_is_told_and_holds() {
    let reference = || ReferenceStore::new(&Clock::manual());
    assert_eq!(reference().limited(7).capabilities().max_value, Some(7));
    let generous = reference().limited(usize::MAX);
    assert_eq!(generous.capabilities().max_value, Some(ReferenceStore::MAX_VALUE));
    let large = NewEntry::new(vec![0; ReferenceStore::MAX_VALUE + 1]);
    assert_eq!(generous.put(A, large, PutMode::Replace).await.unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(memory().limited(7).capabilities().max_value, Some(7), "also where there was none");
}

#[tokio::test]
async fn what_was_there_before_the_limit_can_be_read_and_taken() {
    let bare = memory();
    put(&bare, A, None).await;
    let store = bare.limited(1);
    assert!(store.get(A).await.unwrap().is_some() && store.take(A, None).await.unwrap().is_some());
}

#[cfg(feature = "compress")]
#[tokio::test]
async fn outside_compression_it_counts_what_the_caller_wrote_and_inside_it_counts_what_is_stored() {
    let random = || NewEntry::new((0..100).map(|_| rand_byte()).collect::<Vec<u8>>());
    let right = memory().compressed().limited(100);
    right.put(A, random(), PutMode::Replace).await.unwrap();
    let wrong = memory().limited(100).compressed();
    let error = wrong.put(A, random(), PutMode::Replace).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "the marker before the value counts too");
}

#[cfg(feature = "compress")]
fn rand_byte() -> u8 {
    kv_core::Version::random().as_bytes()[0]
}
