//! Law 2, its second half: what has expired is absent from every operation, and nothing but a put prolongs.

use crate::testing::tools::{DAY, LATE, LAWS, SHORT, empty, listing, ms, outlive, refused};
use crate::testing::{Harness, Shown, pass};
use crate::{ErrorKind, Key, NewEntry, PutMode, Scan, Store};

/// An entry is in no `get` that begins later than 50 ms after its ttl.
pub async fn an_entry_is_gone_50_ms_after_its_ttl(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    for ttl in [ms(1), ms(20), SHORT, ms(1_001)] {
        store.set_for("a", "x", ttl).await;
        outlive(h, ttl).await;
        assert_eq!(store.read("a").await, None, "still there 51 ms after {ttl:?}");
    }
    Ok(())
}

/// `get_many` does not find what has expired.
pub async fn a_batch_of_reads_does_not_find_what_expired(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.set_for("short", "x", SHORT).await;
    store.set("for ever", "y").await;
    outlive(h, SHORT).await;
    let keys = [Key::new(LAWS, "short"), Key::new(LAWS, "for ever")];
    assert_eq!(store.values(&keys).await, [None, Some("y".into())]);
    Ok(())
}

/// `take` does not hand out what has expired, with or without its version.
pub async fn what_expired_cannot_be_taken(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.set_for("a", "x", SHORT).await;
    let version = store.set_for("b", "x", SHORT).await;
    outlive(h, SHORT).await;
    assert_eq!(store.remove("a").await, None);
    assert_eq!(store.take(Key::new(LAWS, "b"), Some(version)).await.expect("a take"), None);
    Ok(())
}

/// `Update` of an expired entry is a `Conflict`, with the right version too, and writes nothing.
pub async fn what_expired_cannot_be_updated(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let version = store.set_for("a", "x", SHORT).await;
    outlive(h, SHORT).await;
    refused(store.try_set("a", "y", PutMode::Update(version)).await, ErrorKind::Conflict);
    assert_eq!(store.read("a").await, None);
    Ok(())
}

/// `Create` succeeds over an expired entry.
pub async fn create_succeeds_over_what_expired(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.set_for("a", "x", SHORT).await;
    outlive(h, SHORT).await;
    let version = store.try_set("a", "y", PutMode::Create).await.expect("an expired entry is absent");
    let entry = store.read("a").await.expect("the new entry");
    assert_eq!((entry.value.as_ref(), entry.version, entry.ttl), (&b"y"[..], version, None));
    Ok(())
}

/// A scan without values does not list what has expired.
pub async fn a_scan_does_not_list_what_expired(h: &impl Harness) -> Shown {
    expired_is_not_listed(h, Scan::one(LAWS)).await
}

/// A scan with values does not list what has expired.
pub async fn a_scan_with_values_does_not_list_what_expired(h: &impl Harness) -> Shown {
    expired_is_not_listed(h, Scan::under("").values()).await
}

async fn expired_is_not_listed(h: &impl Harness, scan: Scan<'static>) -> Shown {
    let store = listing(h).await?;
    for n in 0..20 {
        store.set_for(&format!("short {n:02}"), "x", SHORT).await;
    }
    store.set("for ever", "y").await;
    outlive(h, SHORT).await;
    for limit in [Scan::MAX_LIMIT, 3] {
        let ids: Vec<_> = store.list(scan.limit(limit)).await.into_iter().map(|item| item.id).collect();
        assert_eq!(ids, ["for ever"]);
    }
    Ok(())
}

/// Reading an entry does not prolong it.
pub async fn reading_does_not_prolong_an_entry(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    store.set_for("a", "x", SHORT).await;
    let keys = [Key::new(LAWS, "a")];
    for _ in 0..4 {
        pass(h, SHORT / 4).await;
        store.read("a").await;
        store.values(&keys).await;
    }
    pass(h, LATE + ms(1)).await;
    assert_eq!(store.read("a").await, None);
    Ok(())
}

/// A refused `Create` does not touch the ttl of the entry that it met.
pub async fn a_refused_create_does_not_prolong_an_entry(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    let long = || NewEntry::new("y").ttl(DAY);
    store.set_for("a", "x", SHORT).await;
    let answer = store.put(Key::new(LAWS, "a"), long(), PutMode::Create).await;
    if answer.is_ok() {
        return Ok(()); // on a slow machine the entry had gone by itself: nothing was refused
    }
    outlive(h, SHORT).await;
    assert_eq!(store.read("a").await, None);
    Ok(())
}
