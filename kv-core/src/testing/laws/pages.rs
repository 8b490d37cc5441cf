//! Listing page by page: limits, and cursors that go on where a page ended, anywhere, and only there.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::testing::tools::{LAWS, listing, needs, refused};
use crate::testing::{Harness, Shown};
use crate::{Cursor, ErrorKind, Item, Listing, Scan, Store};

/// A page holds at most its limit, from 1 to 1,000.
pub async fn a_page_holds_at_most_its_limit(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    store.fill(LAWS, 1_100, |n| n.to_string()).await;
    for limit in [1, 2, 63, 64, 65, 999, 1_000] {
        let page = store.scan(Scan::one(LAWS).limit(limit), None).await.expect("a page");
        assert!(page.items.len() <= limit, "{} items where {limit} were asked for", page.items.len());
        assert!(page.next.is_some(), "it ended before the scan was complete");
    }
    Ok(())
}

/// A limit of 0 and one above 1,000 are `Invalid`.
pub async fn a_limit_of_0_or_above_1_000_is_invalid(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    store.set("a", "x").await;
    for limit in [0, 1_001, usize::MAX] {
        refused(store.scan(Scan::one(LAWS).limit(limit), None).await, ErrorKind::Invalid);
        refused(store.scan(Scan::under("").limit(limit).values(), None).await, ErrorKind::Invalid);
    }
    Ok(())
}

/// A cursor of another scan is `Invalid`: other collections, or another prefix.
pub async fn a_cursor_of_another_scan_is_invalid(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    for collection in [LAWS, "laws beside", "other"] {
        store.fill(collection, 50, |n| format!("a{n:02}")).await;
    }
    let page = store.scan(Scan::one(LAWS).limit(10), None).await.expect("a page");
    let cursor = page.next.expect("there is more");
    let others = [Scan::one("other"), Scan::one("laws beside"), Scan::under(LAWS), Scan::under("")];
    for other in others.into_iter().chain([Scan::one(LAWS).prefix("a")]) {
        refused(store.scan(other.limit(10), Some(&cursor)).await, ErrorKind::Invalid);
    }
    let page = store.scan(Scan::one(LAWS).limit(7).values(), Some(&cursor)).await;
    page.expect("limit and values may change from page to page");
    Ok(())
}

/// A cursor that is none is `Invalid`, never a scan from the start or from elsewhere.
pub async fn a_cursor_that_is_none_is_invalid(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    store.fill(LAWS, 50, |n| format!("{n:02}")).await;
    let page = store.scan(Scan::one(LAWS).limit(10), None).await.expect("a page");
    let real = page.next.expect("there is more").as_bytes().to_vec();
    let mut flipped = real.clone();
    *flipped.first_mut().expect("a cursor is not empty") ^= 0x80;
    let garbage: [&[u8]; 6] = [b"", b"x", b"00", &[0xff; 40], &[0; 9], &flipped];
    for bytes in garbage {
        let cursor = Cursor::from_bytes(bytes.to_vec());
        refused(store.scan(Scan::one(LAWS), Some(&cursor)).await, ErrorKind::Invalid);
    }
    Ok(())
}

/// A cursor, carried as bytes to another handle, goes on where the page ended.
pub async fn a_cursor_goes_on_in_another_handle(h: &impl Harness) -> Shown {
    let (store, there) = crate::testing::tools::siblings(h).await?;
    needs(store.capabilities().scan != Listing::No, "cannot list")?;
    store.fill(LAWS, 90, |n| format!("{n:02}")).await;
    let (mut seen, mut from, mut turn) = (BTreeSet::new(), None, 0_usize);
    loop {
        let reader = if turn.is_multiple_of(2) { &store } else { &there };
        let page = reader.scan(Scan::one(LAWS).limit(20), from.as_ref()).await.expect("a page");
        seen.extend(page.items.into_iter().map(|item| item.id));
        let Some(next) = page.next else { break };
        from = Some(Cursor::from_bytes(Bytes::copy_from_slice(next.as_bytes())));
        turn += 1;
        assert!(turn < 1_000, "the scan does not end");
    }
    assert_eq!(seen.len(), 90);
    assert!(turn > 0);
    Ok(())
}

/// A page with values ends at 8 MiB, give or take one value, and the scan goes on behind it.
pub async fn a_page_with_values_ends_at_8_mib(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    let size = store.capabilities().max_value.map_or(1 << 20, |max| max.min(1 << 20));
    let count = (20 << 20) / size;
    let value = Bytes::from(vec![7; size]);
    for n in 0..count {
        store.set(&format!("{n:03}"), value.clone()).await;
    }
    let pages = store.pages(Scan::one(LAWS).values()).await;
    let bytes =
        |page: &Vec<Item>| -> usize { page.iter().flat_map(|item| &item.entry).map(|e| e.value.len()).sum() };
    let largest = pages.iter().map(bytes).max().expect("a page");
    assert!(largest <= Scan::MAX_PAGE_BYTES + size, "a page of {largest} bytes");
    let distinct: BTreeSet<_> = pages.iter().flatten().map(|item| &item.id).collect();
    assert_eq!(distinct.len(), count);
    Ok(())
}

/// A cursor stays good when the entry that it stands at is removed.
pub async fn removing_what_was_listed_does_not_end_a_scan(h: &impl Harness) -> Shown {
    let store = listing(h).await?;
    store.fill(LAWS, 60, |n| format!("{n:02}")).await;
    let (mut seen, mut from) = (BTreeSet::new(), None);
    loop {
        let page = store.scan(Scan::one(LAWS).limit(7), from.as_ref()).await.expect("a page");
        for item in page.items {
            store.remove(&item.id).await;
            seen.insert(item.id);
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 60);
    assert!(store.list(Scan::one(LAWS)).await.is_empty());
    Ok(())
}
