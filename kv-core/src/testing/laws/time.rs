//! Law 2: an entry put between t0 and t1 is there in all that returns before t0 + ttl, and in nothing that is called
//! after t1 + ttl + 50 ms.

use std::time::Duration;

use crate::testing::tools::{
    DAY, LATE, LAWS, SHORT, Subject, empty, ms, needs_a_manual_clock, outlive, refused,
};
use crate::testing::{Harness, Shown, pass};
use crate::{ErrorKind, Key, NewEntry, PutMode, Store};

/// 365.25 days, so that a hundred of them are within the limit of 100 years however a leap day is counted.
const YEAR: Duration = Duration::from_secs(31_557_600);

/// The harness's time; of a clock that ticks in milliseconds, so up to one later in truth.
fn now(h: &impl Harness) -> Duration {
    ms(h.clock().monotonic_ms())
}

/// An entry is there in every operation that returns before its ttl has passed since it was put.
pub async fn an_entry_never_leaves_before_its_ttl(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for (n, ttl) in [SHORT, ms(1_000), ms(1_999)].into_iter().enumerate() {
        let id = n.to_string();
        let put_from = now(h);
        store.set_for(&id, "x", ttl).await;
        for part in [2, 4, 8, 16, 32] {
            pass(h, ttl / part).await;
            let found = store.read(&id).await;
            let read_by = now(h) + ms(1);
            if read_by <= put_from + ttl {
                assert!(found.is_some(), "gone after {:?} of {ttl:?}", read_by.saturating_sub(put_from));
            }
        }
    }
    Ok(())
}

/// An entry is there at the last millisecond of its ttl.
pub async fn an_entry_is_there_in_its_last_millisecond(h: &impl Harness) -> Shown {
    needs_a_manual_clock(h)?;
    let store = empty(h).await?;
    for ttl in [ms(2), ms(1_000), ms(1_001), DAY] {
        store.set_for("a", "x", ttl).await;
        pass(h, ttl.saturating_sub(ms(1))).await;
        assert!(store.read("a").await.is_some(), "gone 1 ms before the end of {ttl:?}");
    }
    Ok(())
}

/// What is left of a ttl is never more than was asked for, and never zero.
pub async fn the_remaining_ttl_is_never_more_than_asked_and_never_zero(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for ttl in [ms(1), ms(7), ms(999), ms(1_000), ms(1_500), Duration::from_secs(3_600), DAY, YEAR] {
        store.set_for("a", "x", ttl).await;
        let Some(entry) = store.read("a").await else { continue }; // a slow machine may read it too late
        let left = entry.ttl.expect("it expires");
        assert!(left <= ttl && left > Duration::ZERO, "{left:?} left of {ttl:?}");
    }
    Ok(())
}

/// What is left of a ttl is what was asked for less what has passed, rounded up to a millisecond.
pub async fn the_remaining_ttl_shrinks_as_time_passes(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for ttl in [Duration::from_secs(10), Duration::from_millis(90_500), DAY] {
        let put_from = now(h);
        store.set_for("a", "x", ttl).await;
        let put_by = now(h) + ms(1);
        pass(h, ms(300)).await;
        let read_from = now(h);
        let entry = store.read("a").await;
        let read_by = now(h) + ms(1);
        let Some(entry) = entry else {
            assert!(read_by > put_from + ttl, "gone after {:?} of {ttl:?}", read_by.saturating_sub(put_from));
            continue;
        };
        let left = entry.ttl.expect("it expires");
        let most = ttl.saturating_sub(read_from.saturating_sub(put_by)) + LATE;
        let least = ttl.saturating_sub(read_by.saturating_sub(put_from));
        assert!((least..=most).contains(&left), "{left:?} left of {ttl:?}, not {least:?} to {most:?}");
    }
    Ok(())
}

/// Below a millisecond a ttl is rounded up, never down to nothing.
pub async fn a_ttl_is_rounded_up_to_a_millisecond(h: &impl Harness) -> Shown {
    needs_a_manual_clock(h)?;
    let store = empty(h).await?;
    for ttl in [Duration::from_nanos(1), Duration::from_micros(999), Duration::from_micros(5_001)] {
        store.set_for("a", "x", ttl).await;
        let rounded = ms(u64::try_from(ttl.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX).max(1));
        let left = store.read("a").await.expect("it lives for a millisecond at least").ttl;
        assert_eq!(left, Some(rounded), "of {ttl:?}");
        pass(h, rounded + LATE + ms(1)).await;
        assert_eq!(store.read("a").await, None);
    }
    Ok(())
}

/// A ttl of zero is `Invalid`, in each mode, and the old entry stays as it was.
pub async fn a_ttl_of_zero_is_invalid_and_leaves_the_old_entry(h: &impl Harness) -> Shown {
    bad_ttl_changes_nothing(h, Duration::ZERO).await
}

/// A ttl above 100 years is `Invalid`, in each mode, and the old entry stays as it was.
pub async fn a_ttl_above_100_years_is_invalid_and_leaves_the_old_entry(h: &impl Harness) -> Shown {
    bad_ttl_changes_nothing(h, YEAR * 101).await?;
    bad_ttl_changes_nothing(h, Duration::MAX).await
}

async fn bad_ttl_changes_nothing(h: &impl Harness, ttl: Duration) -> Shown {
    let store = empty(h).await?;
    let version = store.set_for("a", "old", DAY).await;
    for (id, mode) in [("a", PutMode::Replace), ("a", PutMode::Update(version)), ("b", PutMode::Create)] {
        let answer = store.put(Key::new(LAWS, id), NewEntry::new("new").ttl(ttl), mode).await;
        refused(answer, ErrorKind::Invalid);
    }
    let entry = store.read("a").await.expect("the old entry");
    assert_eq!((entry.value.as_ref(), entry.version), (&b"old"[..], version));
    assert!(entry.ttl.is_some_and(|left| left <= DAY));
    assert_eq!(store.read("b").await, None);
    Ok(())
}

/// A ttl of nearly 100 years is kept, though it ends beyond what 32 bits of seconds can say.
pub async fn a_ttl_of_nearly_100_years_is_kept(h: &impl Harness) -> Shown {
    far_ttl_is_kept(h, YEAR * 99 + DAY * 300).await
}

/// A ttl beyond 30 days is a ttl, not a date.
pub async fn a_ttl_beyond_30_days_is_kept(h: &impl Harness) -> Shown {
    far_ttl_is_kept(h, DAY * 31).await
}

/// An entry that expires after January 2038 lives until then.
pub async fn an_expiry_after_2038_is_kept(h: &impl Harness) -> Shown {
    far_ttl_is_kept(h, YEAR * 20).await
}

async fn far_ttl_is_kept(h: &impl Harness, ttl: Duration) -> Shown {
    let store = empty(h).await?;
    store.set_for("a", "x", ttl).await;
    let left = store.read("a").await.expect("it has just been put").ttl.expect("it expires");
    assert!(left <= ttl && left + Duration::from_secs(60) > ttl, "{left:?} left of {ttl:?}");
    if needs_a_manual_clock(h).is_ok() {
        pass(h, ttl.saturating_sub(Duration::from_secs(10))).await;
        assert!(store.read("a").await.is_some(), "gone 10 s before the end of {ttl:?}");
        outlive(h, Duration::from_secs(10)).await;
        assert_eq!(store.read("a").await, None, "still there after {ttl:?}");
    }
    Ok(())
}

/// An entry without ttl has none left to tell and never expires.
pub async fn an_entry_without_ttl_never_expires(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.set("a", "x").await;
    assert_eq!(store.read("a").await.map(|entry| entry.ttl), Some(None));
    pass_far(h, YEAR * 90).await;
    assert_eq!(store.read("a").await.map(|entry| entry.ttl), Some(None));
    Ok(())
}

async fn pass_far(h: &impl Harness, by: Duration) {
    let by = if needs_a_manual_clock(h).is_ok() { by } else { SHORT };
    pass(h, by).await;
}

/// A put without ttl over an entry that had one never expires.
pub async fn a_put_without_ttl_over_an_old_ttl_never_expires(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.set_for("replaced", "x", SHORT).await;
    store.set("replaced", "y").await;
    let version = store.set_for("updated", "x", DAY).await;
    store.try_set("updated", "y", PutMode::Update(version)).await.expect("an update");
    outlive(h, SHORT).await;
    pass_far(h, DAY * 2).await;
    for id in ["replaced", "updated"] {
        let entry = store.read(id).await.unwrap_or_else(|| panic!("the {id} entry kept the old ttl"));
        assert_eq!((entry.value.as_ref(), entry.ttl), (&b"y"[..], None));
    }
    Ok(())
}

/// A put with a longer ttl outlives the old one.
pub async fn a_longer_ttl_replaces_a_shorter_one(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.set_for("a", "x", SHORT).await;
    store.set_for("a", "y", DAY).await;
    outlive(h, SHORT).await;
    let entry = store.read("a").await.expect("it lives for a day");
    assert!(entry.ttl.is_some_and(|left| left > SHORT));
    Ok(())
}

/// A put with a shorter ttl goes before the old one would have.
pub async fn a_shorter_ttl_replaces_a_longer_one(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.set_for("a", "x", DAY).await;
    store.set_for("a", "y", SHORT).await;
    store.set("b", "x").await;
    store.set_for("b", "y", SHORT).await;
    outlive(h, SHORT).await;
    assert_eq!(store.read("a").await, None);
    assert_eq!(store.read("b").await, None);
    Ok(())
}

/// Each entry of a batch has its own ttl.
pub async fn each_entry_of_a_batch_has_its_own_ttl(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let ttls = [Some(SHORT), None, Some(DAY), Some(SHORT), None];
    let ids = ["a", "b", "c", "d", "e"];
    let entries = ids.iter().zip(ttls).map(|(id, ttl)| (Key::new(LAWS, id), NewEntry::new("x").ttl(ttl)));
    for answer in store.put_many(entries.collect()).await.expect("a batch") {
        answer.expect("a write");
    }
    assert_ttls(&store, "c", Some(DAY)).await;
    assert_ttls(&store, "b", None).await;
    outlive(h, SHORT).await;
    let found = store.values(&ids.map(|id| Key::new(LAWS, id))).await;
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true, false, true]);
    Ok(())
}

async fn assert_ttls<S: Store>(store: &Subject<S>, id: &str, ttl: Option<Duration>) {
    let left = store.read(id).await.expect("an entry").ttl;
    assert_eq!(left.is_some(), ttl.is_some(), "{id}: {left:?} left of {ttl:?}");
    assert!(left <= ttl, "{id}: {left:?} left of {ttl:?}");
}

/// A bad ttl within a batch fails its own entry and no other.
pub async fn a_bad_ttl_in_a_batch_fails_its_own_entry(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.set("b", "old").await;
    let entries = [("a", None), ("b", Some(Duration::ZERO)), ("c", Some(DAY))];
    let entries = entries.map(|(id, ttl)| (Key::new(LAWS, id), NewEntry::new("new").ttl(ttl)));
    let answers = store.put_many(entries.into()).await.expect("each entry answers for itself");
    let kinds: Vec<_> =
        answers.into_iter().map(|answer| answer.map_err(|error| error.kind()).err()).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::Invalid), None]);
    let found = store.values(&["a", "b", "c"].map(|id| Key::new(LAWS, id))).await;
    assert_eq!(found, [Some("new".into()), Some("old".into()), Some("new".into())]);
    Ok(())
}
