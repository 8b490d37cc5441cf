//! What it does while it shares its thread with others.

use std::time::Duration;

use bytes::Bytes;
use kv_core::{Key, NewEntry, PutMode, Store as _};

use crate::bench::{Bench, bench, giving_way};

/// So many reads, for some of which the near tier gives way between the answer of the store and the copy.
const ROUNDS: usize = 2_000;

#[tokio::test]
async fn a_copy_ends_with_its_entry_however_long_others_ran_while_it_was_made() {
    let Bench { clock, far, near } = bench(false);
    let (ttl, ran, mut delayed) = (Duration::from_secs(1), Duration::from_millis(300), 0);
    for round in 0..ROUNDS {
        let id = round.to_string();
        let key = Key::new("c", &id);
        far.put(key, NewEntry::new("x").ttl(ttl), PutMode::Create).await.unwrap();
        far.asked();
        let mut left = ttl;
        let read = giving_way(near.get(key), || {
            if far.asked() == 1 {
                clock.advance(ran); // it has answered
                left -= ran;
            }
        });
        assert_eq!(read.await.unwrap().unwrap().value, "x");
        if left == ttl {
            continue;
        }
        delayed += 1;
        far.asked();
        let copy = near.get(key).await.unwrap().unwrap();
        assert_eq!((far.asked(), copy.ttl), (0, Some(left)));
        clock.advance(left);
        assert_eq!(near.get(key).await.unwrap(), None, "its entry is gone");
    }
    assert!(delayed > 0, "it never gave way before a copy was put");
}

#[tokio::test]
async fn a_batch_lets_others_run_after_each_mebibyte_that_it_copies() {
    let Bench { far, near, .. } = bench(false);
    let (ids, value) = ((0..32).map(|n| n.to_string()).collect::<Vec<_>>(), Bytes::from(vec![7; 1 << 20]));
    let keys: Vec<_> = ids.iter().map(|id| Key::new("c", id)).collect();
    for key in &keys {
        far.put(*key, NewEntry::new(value.clone()), PutMode::Create).await.unwrap();
    }
    far.asked();
    let mut turns = 0;
    let answers = giving_way(near.get_many(&keys), || turns += 1).await.unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().as_ref().unwrap().value == value));
    assert!(turns >= keys.len(), "others ran {turns} times");
    near.get_many(&keys).await.unwrap();
    assert_eq!(far.asked(), 32, "all were copied");
}
