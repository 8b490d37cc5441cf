//! What is too large, and what is just not.

use bytes::Bytes;
use kv_core::{ErrorKind, Key, Meta, NewEntry, Scan, Store};

use crate::support::{Server, get, length, put, value};

#[tokio::test]
async fn the_largest_value_under_the_longest_usual_name_fits_with_tags() {
    let Some(server) = Server::start(&[]) else { return };
    let store = server.open().await;
    let most = store.capabilities().max_value.unwrap();
    let large = Bytes::from(vec![7; most]);
    let id = "x".repeat(10_000);
    let mut meta = Meta::codec(1);
    meta.tags = (0..100u8).map(|n| (format!("tag-{n}").into(), [n; 16])).collect();
    let entry = || NewEntry::new(large.clone()).meta(meta.clone());
    let key = Key::new("c", &id);
    for answer in store.put_many(vec![(key, entry())]).await.unwrap() {
        answer.unwrap();
    }
    let found = store.get(key).await.unwrap().unwrap();
    assert!(found.value == large && found.meta == meta);
    let document = server.documents().await.find_one(mongodb::bson::doc! { "n": { "$exists": true } }).await;
    let length = length(&document.unwrap().unwrap());
    assert!(length > most && length < 16 << 20, "{length} bytes");
    assert!(store.take(key, None).await.unwrap().is_some());
}

#[tokio::test]
async fn what_names_and_tags_make_too_large_is_refused_before_anything_is_sent() {
    let Some(mut server) = Server::start(&[]) else { return };
    let store = server.open().await;
    put(&store, "a", "old").await.unwrap();
    server.kill(); // whatever is sent now fails
    let most = store.capabilities().max_value.unwrap();
    let id = "x".repeat(100_000);
    let mut meta = Meta::codec(1);
    meta.tags = vec![("t".repeat(100_000).into(), [0; 16])];
    let large = || NewEntry::new(vec![7; most]);
    let refused = [
        store.put(Key::new("c", &id), large(), kv_core::PutMode::Replace).await,
        store.put(Key::new("c", "a"), large().meta(meta), kv_core::PutMode::Create).await,
        put(&store, "a", vec![7; most + 1]).await,
        store.put_many(vec![(Key::new("c", &id), large())]).await.unwrap().remove(0),
    ];
    for answer in refused {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::TooLarge);
    }
    server.again();
    assert_eq!(value(&store, "a").await.as_deref(), Some("old"));
}

#[tokio::test]
async fn a_page_of_large_values_ends_and_the_next_one_goes_on() {
    let Some(server) = Server::start(&[]) else { return };
    let store = server.open().await;
    for n in 0..7u8 {
        put(&store, &n.to_string(), vec![n; 3 << 20]).await.unwrap();
    }
    let (mut listed, mut from, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = store.scan(Scan::one("c").values(), from.as_ref()).await.unwrap();
        let bytes: usize = page.items.iter().map(|item| item.entry.as_ref().unwrap().value.len()).sum();
        assert!(bytes < Scan::MAX_PAGE_BYTES + (3 << 20), "{bytes} bytes");
        listed
            .extend(page.items.into_iter().map(|item| (String::from(item.id), item.entry.unwrap().value[0])));
        (from, pages) = (page.next, pages + 1);
        if from.is_none() {
            break;
        }
    }
    assert_eq!(listed, (0..7u8).map(|n| (n.to_string(), n)).collect::<Vec<_>>());
    assert!(pages >= 3, "{pages} pages");
    assert!(get(&store, "0").await.unwrap().is_some(), "a scan that was left early harms nothing");
}
