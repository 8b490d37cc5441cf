//! Clocks that differ: the caller judges, so an entry goes early or late by the difference, and by no more.

use std::time::Duration;

use kv_core::{Clock, Diagnose as _, ErrorKind, Key, NewEntry, PutMode, Scan, Store, Verdict};

use crate::support::{C, Table, put_for, value};

const S: Duration = Duration::from_secs(1);

/// Lets `by` pass on both clocks.
fn pass(clocks: [&Clock; 2], by: Duration) {
    for clock in clocks {
        clock.advance(by);
    }
}

#[tokio::test]
async fn an_entry_lives_shorter_for_who_is_ahead_and_longer_for_who_is_behind() {
    let Some(table) = Table::unmade() else { return };
    let (right, ahead) = (Clock::manual(), Clock::manual());
    ahead.skew_ms(5_000);
    let (here, there) = (table.open_with(&right).await, table.open_with(&ahead).await);
    put_for(&here, "of here", "x", 10 * S).await;
    put_for(&there, "of there", "x", 10 * S).await;

    pass([&right, &ahead], 4 * S);
    for store in [&here, &there] {
        assert!(
            value(store, "of here").await.unwrap().is_some()
                && value(store, "of there").await.unwrap().is_some()
        );
    }
    pass([&right, &ahead], 2 * S); // at 6 s: early by at most the difference, where the reader is ahead
    assert!(value(&here, "of here").await.unwrap().is_some());
    assert!(value(&there, "of here").await.unwrap().is_none());
    pass([&right, &ahead], 6 * S); // at 12 s: late by at most the difference, where the reader is behind
    assert!(value(&here, "of here").await.unwrap().is_none());
    assert!(value(&here, "of there").await.unwrap().is_some());
    assert!(value(&there, "of there").await.unwrap().is_none());
    pass([&right, &ahead], 3 * S + Duration::from_millis(51));
    assert!(value(&here, "of there").await.unwrap().is_none());
}

#[tokio::test]
async fn each_operation_goes_by_the_clock_of_its_caller() {
    let Some(table) = Table::unmade() else { return };
    let (right, ahead) = (Clock::manual(), Clock::manual());
    ahead.skew_ms(5_000);
    let (here, there) = (table.open_with(&right).await, table.open_with(&ahead).await);
    let version = put_for(&here, "a", "x", 3 * S).await;
    let key = Key::new(C, "a");

    assert_eq!(there.take(key, None).await.unwrap(), None);
    assert_eq!(there.take(key, Some(version)).await.unwrap(), None);
    assert!(there.get_many(&[key]).await.unwrap().remove(0).unwrap().is_none());
    assert!(there.scan(Scan::one(C), None).await.unwrap().items.is_empty());
    let update = there.put(key, NewEntry::new("y"), PutMode::Update(version)).await;
    assert_eq!(update.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(
        value(&here, "a").await.unwrap(),
        Some("x".into()),
        "what is over for one is left for the other"
    );

    there.put(key, NewEntry::new("y"), PutMode::Create).await.unwrap();
    let update = here.put(key, NewEntry::new("z"), PutMode::Update(version)).await;
    assert_eq!(update.unwrap_err().kind(), ErrorKind::Conflict, "however clocks differ, one entry is there");
    assert_eq!(value(&here, "a").await.unwrap(), Some("y".into()));
}

#[tokio::test]
async fn a_value_is_taken_once_however_the_clocks_differ() {
    let Some(table) = Table::unmade() else { return };
    let stores = futures_util::future::join_all((0..8_i64).map(async |n| {
        let clock = Clock::manual();
        clock.skew_ms((n - 4) * 1_000);
        table.open_with(&clock).await
    }))
    .await;
    for round in 0..20 {
        let id = round.to_string();
        put_for(&stores[0], &id, "x", 60 * S).await;
        let racing = stores.iter().map(|store| store.take(Key::new(C, &id), None));
        let taken = futures_util::future::join_all(racing).await;
        assert_eq!(taken.into_iter().filter(|taken| taken.as_ref().unwrap().is_some()).count(), 1);
    }
}

#[tokio::test]
async fn a_clock_that_is_seconds_off_is_told_of_when_the_store_is_opened() {
    let Some(table) = Table::unmade() else { return };
    for (skew_ms, told) in [(0, None), (60_000, Some("ahead of")), (-60_000, Some("behind"))] {
        let clock = if skew_ms == 0 { Clock::system() } else { Clock::manual() };
        clock.skew_ms(skew_ms);
        let store = table.open_with(&clock).await;
        let ahead = store.clock_ahead_ms().expect("the stand-in dates its answers");
        // The manual clock stands still while the machine may be slow.
        assert!((ahead - skew_ms).abs() < 20_000, "{ahead} ms ahead, not {skew_ms}");
        match (store.warnings(), told) {
            ([text], Some(part)) if text.contains(part) => (),
            ([], None) => (),
            (texts, told) => panic!("{texts:?} instead of {told:?}"),
        }
    }
}

#[tokio::test]
async fn a_service_whose_clock_is_off_is_told_of_in_the_right_direction() {
    let Some(table) = Table::unmade() else { return };
    for (skew_ms, direction) in [(60_000, "behind ours"), (-60_000, "ahead of ours")] {
        let clock = Clock::manual();
        clock.skew_ms(skew_ms);
        let findings = table.open_with(&clock).await.diagnose().await;
        let finding = findings.iter().find(|finding| finding.about == "clock").unwrap();
        assert_eq!(finding.verdict, Verdict::Notice);
        assert!(finding.found.contains(direction), "{finding:?}");
    }
}
