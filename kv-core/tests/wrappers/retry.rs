//! What the retry does after each outcome of each operation, and when it gives up.

use std::time::Duration;

use bytes::Bytes;
use kv_core::testing::{Fault, Faults, Faulty};
use kv_core::{
    Error, ErrorKind, Key, NewEntry, Outcome, PutMode, Result, Retry, Scan, Store, StoreExt, Version,
};
use kv_memory::MemoryStore;
use tokio::time::Instant;

use super::{A, memory, put};

const B: Key<'static> = Key::new("c", "b");
const DOWN: ErrorKind = ErrorKind::Unavailable;

/// A store that is wrapped, its faults, and the same data without either.
fn setup() -> (Retry<Faulty<MemoryStore>>, Faults, MemoryStore) {
    let (bare, faults) = (memory(), Faults::none());
    (Faulty::new(bare.clone(), &faults).retried(), faults, bare)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Get,
    Replace,
    Create,
    Update,
    Take,
    GetMany,
    PutMany,
    DeleteMany,
    Scan,
    Signal,
    Signals,
    Changes,
}

use Op::{Changes, Create, DeleteMany, Get, GetMany, PutMany, Replace, Signal, Signals, Take, Update};

const READS: [Op; 5] = [Get, GetMany, Op::Scan, Signals, Changes];
const ANYWAY: [Op; 3] = [Replace, PutMany, DeleteMany];
const ALL: [Op; 12] =
    [Get, Replace, Create, Update, Take, GetMany, PutMany, DeleteMany, Op::Scan, Signal, Signals, Changes];

impl Op {
    fn name(self) -> &'static str {
        match self {
            Get => "get",
            Replace | Create | Update => "put",
            Take => "take",
            GetMany => "get_many",
            PutMany => "put_many",
            DeleteMany => "delete_many",
            Op::Scan => "scan",
            Signal => "signal",
            Signals => "signals",
            Changes => "changes",
        }
    }

    /// Calls it once, on A; the one answer of a batch counts.
    async fn call(self, store: &impl Store, version: Version) -> Result<()> {
        let entry = NewEntry::new("new");
        match self {
            Get => store.get(A).await.map(drop),
            Replace => store.put(A, entry, PutMode::Replace).await.map(drop),
            Create => store.put(B, entry, PutMode::Create).await.map(drop),
            Update => store.put(A, entry, PutMode::Update(version)).await.map(drop),
            Take => store.take(A, Some(version)).await.map(drop),
            GetMany => store.get_many(&[A]).await?.remove(0).map(drop),
            PutMany => store.put_many(vec![(A, entry)]).await?.remove(0).map(drop),
            DeleteMany => store.delete_many(&[A]).await?.remove(0),
            Op::Scan => store.scan(Scan::one("c"), None).await.map(drop),
            Signal => store.signal("t", Bytes::new()).await,
            Signals => store.signals("t").await.map(drop),
            Changes => store.changes().await.map(drop),
        }
    }
}

/// What becomes of `op` when every call of it meets `fault`, and what was called.
async fn always(op: Op, fault: Fault) -> (Error, Vec<&'static str>) {
    let (store, faults, bare) = setup();
    let version = put(&bare, A, None).await;
    faults.always(op.name(), fault);
    (op.call(&store, version).await.unwrap_err(), faults.calls())
}

#[tokio::test(start_paused = true)]
async fn what_was_not_done_is_tried_three_times_whatever_it_is() {
    for op in ALL {
        for kind in [ErrorKind::Throttled, ErrorKind::Timeout, DOWN] {
            let (error, calls) = always(op, Fault::refused(kind)).await;
            assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotDone), "{op:?}");
            assert_eq!(calls, [op.name(); 3], "{op:?}");
            let (store, faults, bare) = setup();
            let version = put(&bare, A, None).await;
            faults.next(op.name(), Fault::refused(kind)).next(op.name(), Fault::refused(kind));
            op.call(&store, version).await.unwrap();
        }
        if let GetMany | PutMany | DeleteMany = op {
            let (error, calls) = always(op, Fault::refused_whole(DOWN)).await;
            assert_eq!((error.outcome(), calls), (Outcome::NotDone, vec![op.name(); 3]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_tried_once() {
    for kind in [
        ErrorKind::AlreadyExists,
        ErrorKind::Conflict,
        ErrorKind::Corrupt,
        ErrorKind::Denied,
        ErrorKind::Full,
        ErrorKind::Invalid,
        ErrorKind::TooLarge,
        ErrorKind::Closed,
        ErrorKind::Unsupported,
        ErrorKind::Unexpected,
    ] {
        for op in ALL {
            let (error, calls) = always(op, Fault::refused(kind)).await;
            assert_eq!((error.kind(), calls), (kind, vec![op.name()]), "{op:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn reads_replaces_and_deletes_are_repeated_whatever_became_of_them() {
    for op in READS.into_iter().chain(ANYWAY) {
        for fault in [Fault::vanished(DOWN), Fault::lost(DOWN)] {
            let (error, calls) = always(op, fault.clone()).await;
            assert_eq!(calls, [op.name(); 3], "{op:?}");
            assert_eq!((error.kind(), error.outcome()), (DOWN, Outcome::Unknown), "{op:?}");
            let (store, faults, bare) = setup();
            let version = put(&bare, A, None).await;
            faults.next(op.name(), fault);
            op.call(&store, version).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_take_and_a_signal_of_unknown_outcome_are_never_repeated() {
    for op in [Take, Signal] {
        for fault in [Fault::vanished(DOWN), Fault::lost(DOWN)] {
            let (error, calls) = always(op, fault).await;
            assert_eq!((error.outcome(), calls), (Outcome::Unknown, vec![op.name()]), "{op:?}");
        }
    }
    let (store, faults, bare) = setup();
    put(&bare, A, None).await;
    faults.next("take", Fault::lost(DOWN));
    assert!(store.take(A, None).await.is_err());
    assert!(!bare.exists(A).await.unwrap(), "its value was lost with the answer, and is handed to nobody");
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_try_may_have_done_is_unknown_whatever_a_later_one_says() {
    for op in ANYWAY {
        let (store, faults, bare) = setup();
        let version = put(&bare, A, None).await;
        faults.next(op.name(), Fault::lost(DOWN)).next(op.name(), Fault::refused(ErrorKind::TooLarge));
        let error = op.call(&store, version).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::TooLarge, Outcome::Unknown), "{op:?}");
    }
}

async fn create(store: &impl Store) -> (Version, Result<Version>) {
    let entry = NewEntry::new("mine");
    (entry.version(), store.put(A, entry, PutMode::Create).await)
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_answer_was_lost_is_recognised_by_its_version() {
    let (store, faults, bare) = setup();
    faults.next("put", Fault::lost(DOWN)).next("get", Fault::vanished(DOWN));
    let (mine, answer) = create(&store).await;
    assert_eq!(answer.unwrap(), mine);
    assert_eq!(faults.calls(), ["put", "get", "get"], "a read that fails is a read to repeat");
    assert_eq!(bare.get(A).await.unwrap().unwrap().version, mine);
}

#[tokio::test(start_paused = true)]
async fn a_create_of_unknown_outcome_is_never_sent_again() {
    for other_is_there in [false, true] {
        let (store, faults, bare) = setup();
        if other_is_there {
            put(&bare, A, None).await;
        }
        faults.next("put", Fault::vanished(ErrorKind::Timeout));
        let error = create(&store).await.1.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
        assert_eq!(faults.calls(), ["put", "get"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_was_taken_before_it_is_read_back_stays_unknown() {
    let (store, faults, bare) = setup();
    faults.next("put", Fault::lost(DOWN)).next("get", Fault::delayed(Duration::from_millis(10)));
    let taking = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(bare.take(A, None).await.unwrap().is_some());
    };
    let ((_, answer), ()) = tokio::join!(create(&store), taking);
    assert_eq!(answer.unwrap_err().outcome(), Outcome::Unknown);
    assert_eq!(faults.calls(), ["put", "get"]);
}

async fn update(store: &impl Store, from: Version) -> (Version, Result<Version>) {
    let entry = NewEntry::new("mine");
    (entry.version(), store.put(A, entry, PutMode::Update(from)).await)
}

#[tokio::test(start_paused = true)]
async fn an_update_whose_answer_was_lost_is_recognised_by_its_version() {
    let (store, faults, bare) = setup();
    let from = put(&bare, A, None).await;
    faults.next("put", Fault::lost(DOWN));
    let (mine, answer) = update(&store, from).await;
    assert_eq!((answer.unwrap(), faults.calls()), (mine, vec!["put", "get"]));
}

#[tokio::test(start_paused = true)]
async fn an_update_that_did_not_arrive_is_sent_again() {
    let (store, faults, bare) = setup();
    let from = put(&bare, A, None).await;
    faults.next("put", Fault::vanished(DOWN)).next("put", Fault::vanished(DOWN));
    let (mine, answer) = update(&store, from).await;
    assert_eq!(answer.unwrap(), mine);
    assert_eq!(faults.calls(), ["put", "get", "put", "get", "put"]);
    assert_eq!(bare.get(A).await.unwrap().unwrap().version, mine);
}

#[tokio::test(start_paused = true)]
async fn where_reads_are_ahead_ones_own_version_proves_nothing_and_the_expected_one_does() {
    let (bare, faults) = (memory(), Faults::none());
    let store = Faulty::new(bare.clone(), &faults).telling(|store| store.reads_ahead = true).retried();
    faults.next("put", Fault::lost(DOWN));
    let (_, answer) = create(&store).await;
    assert_eq!((answer.unwrap_err().outcome(), faults.calls()), (Outcome::Unknown, vec!["put"]));
    let from = put(&bare, A, None).await;
    faults.next("put", Fault::lost(DOWN));
    let (mine, answer) = update(&store, from).await;
    assert_eq!(answer.unwrap_err().outcome(), Outcome::Unknown);
    assert_eq!(faults.calls(), ["put", "get"]);
    assert_eq!(bare.get(A).await.unwrap().unwrap().version, mine);
    faults.next("put", Fault::vanished(DOWN));
    let (next, answer) = update(&store, mine).await;
    assert_eq!((answer.unwrap(), faults.calls()), (next, vec!["put", "get", "put"]));
}

#[tokio::test(start_paused = true)]
async fn an_update_that_lands_while_it_is_sent_again_is_recognised() {
    let (store, faults, bare) = setup();
    let from = put(&bare, A, None).await;
    faults.next("put", Fault::landing_late(DOWN, Duration::from_millis(1)));
    let (mine, answer) = update(&store, from).await;
    assert_eq!(answer.unwrap(), mine, "the second one was a conflict with the first");
    assert_eq!(faults.calls(), ["put", "get", "put", "get"]);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_others_have_overtaken_stays_unknown() {
    for taken in [false, true] {
        let (store, faults, bare) = setup();
        let from = put(&bare, A, None).await;
        faults.next("put", Fault::lost(DOWN)).next("get", Fault::delayed(Duration::from_millis(10)));
        let other = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if taken {
                bare.delete(A).await.unwrap();
            } else {
                put(&bare, A, None).await;
            }
        };
        let ((_, answer), ()) = tokio::join!(update(&store, from), other);
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (DOWN, Outcome::Unknown));
        assert_eq!(faults.calls(), ["put", "get"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_that_was_certainly_not_done_and_then_conflicts_is_a_conflict() {
    let (store, faults, bare) = setup();
    put(&bare, A, None).await;
    faults.next("put", Fault::refused(DOWN));
    let error = update(&store, Version::random()).await.1.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict, Outcome::NotDone));
    assert_eq!(faults.calls(), ["put", "put"]);
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_only_the_keys_that_failed_are_sent_again() {
    let (store, faults, bare) = setup();
    put(&bare, A, None).await;
    put(&bare, B, None).await;
    faults.next("delete_many", Fault::vanished(DOWN).at_key(1));
    let writing = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        put(&bare, A, None).await; // was deleted by the first try; a second would delete this one
    };
    let (answers, ()) = tokio::join!(store.delete_many(&[A, B]), writing);
    assert!(answers.unwrap().iter().all(Result::is_ok));
    assert!(bare.exists(A).await.unwrap() && !bare.exists(B).await.unwrap());
    faults.next("get_many", Fault::refused(DOWN).at_key(0));
    let answers = store.get_many(&[B, A, B]).await.unwrap();
    let found: Vec<bool> = answers.into_iter().map(|answer| answer.unwrap().is_some()).collect();
    assert_eq!(found, [false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn of_duplicates_in_a_batch_the_last_still_wins() {
    let batch = || vec![(A, NewEntry::new("1")), (B, NewEntry::new("b")), (A, NewEntry::new("2"))];
    let (store, faults, bare) = setup();
    faults.next("put_many", Fault::refused(DOWN).at_key(0));
    let answers = store.put_many(batch()).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap_err().kind(), DOWN, "what came after it stands");
    assert!(answers[1].is_ok() && answers[2].is_ok());
    assert_eq!((faults.calls(), &*bare.get(A).await.unwrap().unwrap().value), (vec!["put_many"], &b"2"[..]));

    let (store, faults, bare) = setup();
    faults.next("put_many", Fault::refused(DOWN));
    assert!(store.put_many(batch()).await.unwrap().iter().all(Result::is_ok));
    assert_eq!(bare.get(A).await.unwrap().unwrap().value, "2");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_over_everything_that_a_call_does() {
    let deadline = Duration::from_secs(5);
    for op in ALL {
        let (store, faults, bare) = setup();
        let store = store.deadline(deadline);
        let version = put(&bare, A, None).await;
        faults.next(op.name(), Fault::refused(DOWN)).always("*", Fault::hanging());
        let before = Instant::now();
        let error = op.call(&store, version).await.unwrap_err();
        assert_eq!(before.elapsed(), deadline, "{op:?}");
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, Some(op.name())), "{op:?}");
        let expected = if READS.contains(&op) { Outcome::NotDone } else { Outcome::Unknown };
        assert_eq!(error.outcome(), expected, "{op:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reading_back_ends_at_the_deadline_too() {
    for op in [Create, Update] {
        let (store, faults, bare) = setup();
        let store = store.deadline(Duration::from_secs(1));
        let version = put(&bare, A, None).await;
        faults.next("put", Fault::lost(DOWN)).always("get", Fault::hanging());
        let before = Instant::now();
        let error = op.call(&store, version).await.unwrap_err();
        assert_eq!(before.elapsed(), Duration::from_secs(1));
        assert_eq!((error.kind(), error.outcome()), (DOWN, Outcome::Unknown), "the first error");
    }
}

#[tokio::test(start_paused = true)]
async fn inside_the_retry_a_timeout_bounds_each_try_and_outside_it_ends_all() {
    let (bare, faults) = (memory(), Faults::none());
    put(&bare, A, None).await;
    let two = Duration::from_secs(2);
    let hangs_once = || {
        faults.next("get", Fault::hanging());
        Faulty::new(bare.clone(), &faults)
    };
    assert!(hangs_once().timeout(two).retried().get(A).await.unwrap().is_some());
    let error = hangs_once().retried().timeout(two).get(A).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "the wrong order: there was no second try");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_between_tries_begins_no_try_that_comes_too_late_and_cuts_none() {
    let (bare, faults) = (memory(), Faults::none());
    let (two, five) = (Duration::from_secs(2), Duration::from_secs(5));
    let store =
        Faulty::new(bare, &faults).timeout(two).retried().tries(100).deadline(five).deadline_between_tries();
    faults.always("get", Fault::hanging());
    let before = Instant::now();
    assert_eq!(store.get(A).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(faults.calls(), ["get"; 3], "the third began before the deadline and ran to its own end");
    assert!(before.elapsed() > five && before.elapsed() < five + two, "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_try_is_one_try() {
    for tries in [0, 1] {
        let (store, faults, _) = setup();
        faults.always("*", Fault::refused(DOWN));
        assert!(store.tries(tries).get(A).await.is_err());
        assert_eq!(faults.calls(), ["get"]);
    }
}

/// Whatever goes wrong: a count is off by no more than the updates of unknown outcome, and nothing is taken twice.
#[tokio::test(start_paused = true)]
async fn under_random_faults_no_update_is_lost_or_done_twice_and_nothing_is_taken_twice() {
    for seed in 0..20 {
        let ways = [Fault::refused(DOWN), Fault::vanished(DOWN), Fault::lost(ErrorKind::Timeout)];
        let (bare, faults) = (memory(), Faults::random(seed, 40, &ways));
        let store = Faulty::new(bare.clone(), &faults).retried();
        bare.put(A, NewEntry::new("0"), PutMode::Replace).await.unwrap();
        let (mut done, mut unknown) = (0, 0);
        for _ in 0..100 {
            match store.update_with(A, |old| Some(one_more(old.as_deref()))).await {
                Ok(_) => done += 1,
                Err(error) if error.outcome() == Outcome::Unknown => unknown += 1,
                Err(_) => {}
            }
        }
        let count = number(&bare.get(A).await.unwrap().unwrap().value);
        assert!(count >= done && count <= done + unknown, "{count} of {done} and {unknown} unknown");
        assert!(done > 30, "seed {seed}: {done}");
        let mut taken = 0;
        for _ in 0..20 {
            taken += usize::from(matches!(store.take(A, None).await, Ok(Some(_))));
        }
        assert!(taken <= 1, "seed {seed}: taken {taken} times");
    }
}

fn number(text: &[u8]) -> usize {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}

fn one_more(old: Option<&[u8]>) -> Bytes {
    Bytes::from((old.map_or(0, number) + 1).to_string())
}
