//! Listings whose matches no index leads to: ids of a prefix, in several collections, and what lives among what expired.

use kv_core::{Key, NewEntry, Page, PutMode, Scan, Store};
use kv_mongo::MongoStore;
use mongodb::bson::{Binary, DateTime, Document, doc, spec::BinarySubtype};

use crate::support::Server;

/// Entries in each collection; every hundredth is wanted, and those stand last.
const EACH: usize = 1_000;
const WANTED: Scan<'_> = Scan::under("c").prefix("wanted-");

/// Three collections that the scan covers and one on either side of them, and what it wants.
async fn filled(server: &Server) -> (MongoStore, Vec<(String, String)>) {
    let store = server.open().await;
    let mut wanted = Vec::new();
    for collection in ["b", "c0", "c1", "c2", "d"] {
        let ids: Vec<_> = (0..EACH)
            .map(|n| if n % 100 == 99 { format!("wanted-{n}") } else { format!("{n:04}") })
            .collect();
        let entries = ids.iter().map(|id| (Key::new(collection, id), NewEntry::new(id.clone())));
        for written in store.put_many(entries.collect()).await.unwrap() {
            written.unwrap();
        }
        if collection.starts_with('c') {
            wanted.extend(
                ids.into_iter().filter(|id| id.starts_with("wanted-")).map(|id| (collection.to_owned(), id)),
            );
        }
    }
    wanted.sort();
    (store, wanted)
}

fn names(page: &Page) -> Vec<(String, String)> {
    page.items.iter().map(|item| (item.collection.to_string(), item.id.to_string())).collect()
}

/// All pages of the scan.
async fn pages(store: &MongoStore, scan: Scan<'_>) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    loop {
        let from = pages.last().and_then(|page| page.next.as_ref());
        let page = store.scan(scan, from).await.unwrap();
        let is_last = page.next.is_none();
        pages.push(page);
        if is_last {
            return pages;
        }
    }
}

#[tokio::test]
async fn a_slow_listing_ends_its_pages_early_and_gets_to_its_end() {
    let Some(server) = Server::start(&["--enable-test-commands"]) else { return };
    let (store, wanted) = filled(&server).await;
    // Each request takes longer than a page may, so a page is one stretch, of the 500 names that the first has.
    let slow = || doc! { "blockConnection": true, "blockTimeMS": 1_100 };
    server.fail("aggregate", 1_000, slow()).await;
    let (mut listed, mut lengths) = (Vec::new(), Vec::new());
    for page in pages(&store, WANTED.limit(100)).await {
        listed.extend(names(&page));
        lengths.push(page.items.len());
    }
    assert_eq!(listed, wanted);
    assert_eq!(lengths, [0, 10, 0, 10, 0, 10, 0], "each stretch is a page");
}

#[tokio::test]
async fn pages_of_any_length_list_each_match_once() {
    let Some(server) = Server::start(&[]) else { return };
    let (store, wanted) = filled(&server).await;
    for limit in [1, 7, 100] {
        let pages = pages(&store, WANTED.values().limit(limit)).await;
        assert_eq!(pages.iter().flat_map(names).collect::<Vec<_>>(), wanted, "{limit}");
    }
}

/// How many have expired before the first that lives.
const EXPIRED: usize = 2_300;

fn expired(n: usize) -> Document {
    let binary = |bytes: &[u8]| Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() };
    let deadline = DateTime::from_millis(DateTime::now().timestamp_millis() - 1_000);
    doc! { "_id": format!("larder/c/{n:05}"), "v": binary(&[7; 16]), "x": deadline, "d": binary(b"x") }
}

#[tokio::test]
async fn a_long_run_of_expired_entries_is_passed_over_in_stretches() {
    let Some(server) = Server::start(&["--enable-test-commands"]) else { return };
    let store = server.open().await;
    server.documents().await.insert_many((0..EXPIRED).map(expired)).await.unwrap();
    let mut alive = Vec::new();
    for id in ["00777-alive", "y", "z"] {
        store.put(Key::new("c", id), NewEntry::new("x"), PutMode::Replace).await.unwrap();
        alive.push(("c".to_owned(), id.to_owned()));
    }
    for scan in [Scan::one("c"), Scan::under("").values()] {
        // As above: a page is one stretch.
        let slow = doc! { "blockConnection": true, "blockTimeMS": 1_100 };
        server.fail("aggregate", 5, slow).await;
        let pages = pages(&store, scan.limit(10)).await;
        let lengths: Vec<_> = pages.iter().map(|page| page.items.len()).collect();
        assert_eq!(lengths, [0, 1, 0, 0, 2], "each request looks at 500 names");
        assert_eq!(pages.iter().flat_map(names).collect::<Vec<_>>(), alive);
    }
    let quick = pages(&store, Scan::one("c").limit(10)).await;
    assert_eq!(quick.iter().flat_map(names).collect::<Vec<_>>(), alive);
}
