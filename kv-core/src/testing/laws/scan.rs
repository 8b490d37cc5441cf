//! Listing: complete, exact, and no character is a pattern.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::testing::tools::{LAWS, Subject, listing, ms, needs, number};
use crate::testing::{Harness, Shown};
use crate::{Collections, Item, Key, Listing, NewEntry, PutMode, Scan, Store};

async fn put<S: Store>(store: &Subject<S>, collection: &str, id: &str) {
    store.put(Key::new(collection, id), NewEntry::new(id.to_owned()), PutMode::Replace).await.expect("a put");
}

fn ids(items: &[Item]) -> Vec<&str> {
    let mut ids: Vec<_> = items.iter().map(|item| &*item.id).collect();
    ids.sort_unstable();
    ids
}

/// A scan of a collection lists all of its entries and no other's.
pub async fn a_scan_lists_all_of_its_collection_and_no_other(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    for id in ["", "a", "ab", "b", "é", "\0", "z"] {
        put(&store, LAWS, id).await;
    }
    for other in ["", "law", "lawsx", "laws/x", "laws\0", "Laws", "laws:", "*"] {
        put(&store, other, "foreign").await;
    }
    let items = store.list(Scan::one(LAWS)).await;
    assert_eq!(ids(&items), ["", "\0", "a", "ab", "b", "z", "é"]);
    assert!(items.iter().all(|item| item.collection == LAWS));
    assert_eq!(ids(&store.list(Scan::one("")).await), ["foreign"]);
    Ok(())
}

/// A scan of thousands misses none that lives throughout, whatever is written and removed beside it.
pub async fn a_large_scan_is_complete_under_concurrent_writes(h: &impl Harness) -> Shown {
    let (store, count) = (listing(h).await?, h.size().scan);
    store.fill(LAWS, count, |n| format!("{n:06}")).await;
    let done = Arc::new(AtomicBool::new(false));
    let writers = [0, 1].map(|writer| tokio::spawn(disturb(store.clone(), writer, count, Arc::clone(&done))));
    let items = store.list(Scan::one(LAWS)).await;
    done.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.expect("a writer");
    }
    let stable: Vec<_> = items.iter().map(|item| &*item.id).filter(|id| id.len() == 6).collect();
    let distinct: BTreeSet<_> = stable.iter().collect();
    assert_eq!(distinct.len(), count, "{} of {count} are missing", count - distinct.len());
    if store.capabilities().scan == Listing::Ordered {
        assert_eq!(stable.len(), count, "some are listed twice");
    }
    Ok(())
}

/// Writes, replaces and removes entries that lie between those of the scan, and beside its collection.
async fn disturb<S: Store>(store: Subject<S>, writer: usize, count: usize, done: Arc<AtomicBool>) {
    for n in 0.. {
        let id = format!("{:06} beside", n * 97 % count);
        let key = if writer == 0 { Key::new(LAWS, &id) } else { Key::new("laws beside", &id) };
        store.put(key, NewEntry::new(number(n)), PutMode::Replace).await.expect("a put");
        if n % 2 == 0 {
            store.take(key, None).await.expect("a take");
        }
        if done.load(Ordering::SeqCst) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Where listing is ordered, ids come in byte order, each exactly once, whatever the size of a page.
pub async fn an_ordered_scan_lists_each_once_in_byte_order(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    needs(store.capabilities().scan == Listing::Ordered, "lists in no order")?;
    let mut expected =
        vec!["", "\0", "\0\0", "\0\u{1}", "\u{1}", " ", "A", "B", "a", "a\0", "a\0b", "aa", "ab"];
    expected.extend(["b", "~", "\u{7f}", "é", "\u{ff}", "\u{100}", "€", "\u{fffd}", "😀", "\u{10ffff}"]);
    for id in expected.iter().rev() {
        put(&store, LAWS, id).await;
    }
    expected.sort_unstable();
    for limit in [1_000, 7, 2, 1] {
        let items = store.list(Scan::one(LAWS).limit(limit)).await;
        let listed: Vec<_> = items.iter().map(|item| &*item.id).collect();
        assert_eq!(listed, expected, "{limit} a page");
    }
    Ok(())
}

/// An unordered scan of a quiet store lists each entry at least once, whatever the size of a page.
pub async fn a_scan_of_a_quiet_store_lists_each_entry(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    store.fill(LAWS, 257, |n| format!("{n:03}")).await;
    for limit in [1_000, 256, 10, 1] {
        let items = store.list(Scan::one(LAWS).limit(limit)).await;
        let distinct: BTreeSet<_> = ids(&items).into_iter().collect();
        assert_eq!(distinct.len(), 257, "{limit} a page");
    }
    Ok(())
}

/// A prefix holds no patterns: each of its characters stands for itself.
pub async fn a_prefix_is_no_pattern(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    let names =
        ["a*b", "a*c", "aXb", "a?b", "a[b]", "ab", "a\\b", "%", "%25", "a.b", "a%", "a_b", "^a", "$", "{a}"];
    for id in names {
        put(&store, LAWS, id).await;
    }
    for prefix in
        ["a*", "a?", "a[", "*", "?", "[", "a\\", "%", "a.", "a%", "a_", "^", "$", "{", "a", "", "absent"]
    {
        let items = store.list(Scan::one(LAWS).prefix(prefix)).await;
        let mut expected: Vec<_> = names.into_iter().filter(|id| id.starts_with(prefix)).collect();
        expected.sort_unstable();
        assert_eq!(ids(&items), expected, "prefix {prefix:?}");
    }
    Ok(())
}

/// A collection's name holds no patterns either.
pub async fn a_collection_to_scan_is_no_pattern(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    let names = ["*", "a*", "ab", "a?", "[ab]", "a", "a%", "a_", "a\\", "{a}", ":"];
    for collection in names {
        put(&store, collection, collection).await;
    }
    for collection in names {
        assert_eq!(ids(&store.list(Scan::one(collection)).await), [collection]);
        let mut expected: Vec<_> = names.into_iter().filter(|name| name.starts_with(collection)).collect();
        expected.sort_unstable();
        assert_eq!(ids(&store.list(Scan::under(collection)).await), expected, "under {collection:?}");
    }
    Ok(())
}

/// A prefix of any length and character selects exactly the ids that begin with its bytes.
pub async fn a_prefix_selects_by_bytes(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    let long = "p".repeat(3_000);
    let names = [
        "é",
        "e\u{301}",
        "ée",
        "\u{c3}",
        "a\0",
        "a\0b",
        "a",
        &format!("{long}a"),
        &format!("{long}b"),
        &long,
    ];
    for id in names {
        put(&store, LAWS, id).await;
    }
    for prefix in ["é", "e", "a\0", "p", &long, &format!("{long}b"), "\u{c3}"] {
        let items = store.list(Scan::one(LAWS).prefix(prefix)).await;
        let mut expected: Vec<_> = names.into_iter().filter(|id| id.starts_with(prefix)).collect();
        expected.sort_unstable();
        assert!(ids(&items) == expected, "a prefix of {} bytes selects {} ids", prefix.len(), items.len());
    }
    Ok(())
}

/// `Under` lists all collections whose name begins so, and its prefix is that of the ids.
pub async fn under_lists_all_collections_that_begin_so(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    let names = ["", "a", "a/b", "a/b/c", "a/bc", "ab", "a\0", "b", "é"];
    for collection in names {
        for id in ["x1", "x2", "y"] {
            put(&store, collection, id).await;
        }
    }
    for start in ["", "a", "a/", "a/b", "a/b/", "b", "é", "absent", "a\0"] {
        for prefix in ["", "x", "x2", "z"] {
            let mut expected = Vec::new();
            for name in names.into_iter().filter(|name| name.starts_with(start)) {
                let ids = ["x1", "x2", "y"].into_iter().filter(|id| id.starts_with(prefix));
                expected.extend(ids.map(|id| (name, id)));
            }
            let items = store.list(Scan::under(start).prefix(prefix).limit(4)).await;
            let mut listed: Vec<_> = items.iter().map(|item| (&*item.collection, &*item.id)).collect();
            listed.sort_unstable();
            expected.sort_unstable();
            assert_eq!(listed, expected, "under {start:?}, prefix {prefix:?}");
        }
    }
    Ok(())
}

/// Entries come whole if asked for, and not if not.
pub async fn a_scan_gives_entries_exactly_if_asked(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    let version = store.set("for ever", "x").await;
    let day = ms(86_400_000);
    store.set_for("a day", "y", day).await;
    assert!(store.list(Scan::one(LAWS)).await.iter().all(|item| item.entry.is_none()));
    let mut items = store.list(Scan::one(LAWS).values()).await;
    items.sort_by(|a, b| a.id.cmp(&b.id));
    let entries: Vec<_> = items.into_iter().map(|item| item.entry.expect("values were asked for")).collect();
    let [short, long] = entries.as_slice() else { panic!("{} entries of 2", entries.len()) };
    assert_eq!(Some(short.value.clone()), Some("y".into()));
    assert!(short.ttl.is_some_and(|left| left <= day && left > ms(0)), "{:?} left of a day", short.ttl);
    assert_eq!((long.value.as_ref(), long.version, long.ttl), (&b"x"[..], version, None));
    Ok(())
}

/// A scan of nothing ends, and finds nothing.
pub async fn a_scan_of_nothing_ends_and_finds_nothing(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    for collections in [Collections::One(LAWS), Collections::Under("")] {
        let scan = Scan { collections, ..Scan::one("") };
        assert!(store.list(scan).await.is_empty());
    }
    put(&store, "other", "a").await;
    put(&store, LAWS, "a").await;
    store.remove("a").await;
    assert!(store.list(Scan::one(LAWS)).await.is_empty());
    assert!(store.list(Scan::one("other").prefix("b")).await.is_empty());
    Ok(())
}
