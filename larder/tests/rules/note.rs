//! The note by which a sealed store tells its key, seen from URLs.

use std::path::Path;

use larder::platform::{FINDING_THE_KEY, Os, open, open_encrypted, sealing};
use larder::{ErrorKind, Key, NewEntry, PutMode, Scan, Store, StoreExt};

use super::fake::{Fake, bare, read, write};
use super::keys::{KEY, OTHER, read_with, store_with};

/// The keys of a process that seals by the new one and opens what the old one sealed.
fn new_first() -> String {
    format!("{OTHER},{KEY}")
}

/// Seals everything by the first of these keys, as the URL with `query` says; how many entries it sealed anew.
async fn rotate(fake: &Fake, query: &str) -> u64 {
    let store = open_encrypted(fake, &fake.url("s", query)).await.unwrap();
    let rotation = store.rotate(|_| ()).await.unwrap();
    assert!(rotation.is_complete(), "{rotation:?}");
    store.close().await.unwrap();
    rotation.rotated
}

/// The collections that hold a note.
async fn notes(dir: &Path) -> Vec<String> {
    let store = bare(dir).await;
    let listed = store.scan(Scan::under(""), None).await.unwrap().items;
    store.close().await.unwrap();
    listed.into_iter().filter(|item| item.id == "seal").map(|item| item.collection.into()).collect()
}

#[tokio::test]
async fn a_store_that_holds_sealed_values_opens_by_their_key_alone() {
    let fake = Fake::new(Os::Linux).with("LARDER_KEY", KEY);
    store_with(&fake, "encrypt=aead", "sealed").await;
    let sealing = sealing(&fake, &fake.url("s", "encrypt=aead")).await.unwrap().unwrap();
    let refused = open(&fake, &fake.url("s", "")).await.unwrap_err();
    assert_eq!((refused.kind(), refused.operation()), (ErrorKind::Invalid, Some(FINDING_THE_KEY)));
    assert!(refused.message().contains("encrypt=aead"), "{refused}");
    let foreign = fake.with("LARDER_KEY", OTHER);
    for opened in [
        open(&foreign, &foreign.url("s", "encrypt=fernet")).await.map(drop),
        open_encrypted(&foreign, &foreign.url("s", "encrypt=aead")).await.map(drop),
    ] {
        let refused = opened.unwrap_err();
        assert_eq!(refused.operation(), Some(FINDING_THE_KEY), "{refused}");
        assert!(refused.message().contains(&sealing.key.to_string()), "{refused}");
    }
    let fake = foreign.with("LARDER_KEY", KEY);
    assert_eq!(read_with(&fake, "encrypt=fernet").await.unwrap().as_deref(), Some("sealed"), "another form");
    let other = open(&fake, &fake.url("s", "namespace=other")).await.unwrap();
    write(&other, "in the clear").await;
}

#[tokio::test]
async fn the_key_may_change_by_way_of_both() {
    let fake = Fake::new(Os::Linux).with("LARDER_KEY", KEY);
    store_with(&fake, "encrypt=aead", "by the old").await;
    let fake = fake.with("LARDER_KEY", format!("{OTHER},{KEY}"));
    assert_eq!(read_with(&fake, "encrypt=aead").await.unwrap().as_deref(), Some("by the old"));
    let fake = fake.with("LARDER_KEY", KEY);
    assert!(read_with(&fake, "encrypt=aead").await.is_ok(), "reading changes nothing");
    let fake = fake.with("LARDER_KEY", format!("{OTHER},{KEY}"));
    let store = open_encrypted(&fake, &fake.url("s", "encrypt=aead")).await.unwrap();
    let rotation = store.rotate(|_| ()).await.unwrap();
    assert_eq!((rotation.rotated, rotation.unreadable), (1, 0), "the note is no entry");
    assert_eq!(store.keys_in_use().await.unwrap().entries.values().sum::<u64>(), 1);
    store.close().await.unwrap();
    let fake = fake.with("LARDER_KEY", OTHER);
    assert_eq!(read_with(&fake, "encrypt=aead").await.unwrap().as_deref(), Some("by the old"));
    let fake = fake.with("LARDER_KEY", KEY);
    assert!(read_with(&fake, "encrypt=aead").await.is_err(), "the old key no longer opens it");
}

#[tokio::test]
async fn prefixes_of_one_namespace_do_not_hinder_each_other() {
    let fake = Fake::new(Os::Linux).with("LARDER_KEY", KEY);
    store_with(&fake, "prefix=a/b&encrypt=aead", "by one key").await;
    store_with(&fake, "prefix=plain", "in the clear").await;
    let fake = fake.with("LARDER_KEY", OTHER);
    store_with(&fake, "prefix=c&encrypt=aead", "by another").await;
    store_with(&fake, "encrypt=aead", "without a prefix").await;
    let refused = open(&fake, &fake.url("s", "prefix=a/b&encrypt=aead")).await.unwrap_err();
    assert_eq!(refused.operation(), Some(FINDING_THE_KEY), "{refused}");
    assert!(open_encrypted(&fake, &fake.url("s", "prefix=a/b&encrypt=aead")).await.is_err());
    for sealed in ["prefix=a/b", "prefix=c", ""] {
        let refused = open(&fake, &fake.url("s", sealed)).await.unwrap_err();
        assert!(refused.message().contains("encrypt=aead"), "{refused}");
    }
    assert_eq!(read_with(&fake, "prefix=plain").await.unwrap().as_deref(), Some("in the clear"));

    let whole = open(&fake, &fake.url("s", "encrypt=aead")).await.unwrap();
    let listed = whole.scan(Scan::under(""), None).await.unwrap().items;
    let collections: Vec<_> = listed.iter().map(|item| &*item.collection).collect();
    assert_eq!(collections, ["a%2Fb/notes", "c/notes", "notes", "plain/notes"]);
    whole.close().await.unwrap();
    assert_eq!(notes(&fake.path("s")).await, [".larder", "a%2Fb/.larder", "c/.larder"]);
}

#[tokio::test]
async fn rotation_moves_the_note_of_every_prefix() {
    let fake = Fake::new(Os::Linux).with("LARDER_KEY", KEY);
    let queries = ["encrypt=aead", "prefix=a&encrypt=aead", "prefix=b&encrypt=aead"];
    for query in queries {
        store_with(&fake, query, query).await;
    }
    let fake = fake.with("LARDER_KEY", new_first());
    assert_eq!(rotate(&fake, "prefix=a&encrypt=aead").await, 3);
    let fake = fake.with("LARDER_KEY", OTHER);
    for query in queries {
        assert_eq!(read_with(&fake, query).await.unwrap().as_deref(), Some(query));
    }
    let fake = fake.with("LARDER_KEY", KEY);
    for query in queries {
        assert!(read_with(&fake, query).await.is_err(), "{query}: the old key no longer opens it");
    }
}

#[tokio::test]
async fn rotation_moves_the_note_where_no_entry_is_left_to_be_sealed_anew() {
    let fake = Fake::new(Os::Linux).with("LARDER_KEY", new_first());
    store_with(&fake, "encrypt=aead", "by the new").await;
    let fake = fake.with("LARDER_KEY", format!("{KEY},{OTHER}"));
    let late = open(&fake, &fake.url("s", "encrypt=aead")).await.unwrap();
    let short = Key::new("short", "lived");
    late.put(short, NewEntry::new("by the old"), PutMode::Create).await.unwrap();
    late.delete(short).await.unwrap();
    late.close().await.unwrap();
    let fake = fake.with("LARDER_KEY", new_first());
    assert_eq!(rotate(&fake, "encrypt=aead").await, 0);
    let fake = fake.with("LARDER_KEY", OTHER);
    assert_eq!(read_with(&fake, "encrypt=aead").await.unwrap().as_deref(), Some("by the new"));
}

#[tokio::test]
async fn rotation_leaves_a_note_where_its_url_points_and_nowhere_else() {
    let fake = Fake::new(Os::Linux).with("LARDER_KEY", KEY);
    store_with(&fake, "prefix=a&encrypt=aead", "sealed before there were notes").await;
    let store = bare(&fake.path("s")).await;
    store.delete(Key::new("a/.larder", "seal")).await.unwrap();
    store.close().await.unwrap();
    let fake = fake.with("LARDER_KEY", new_first());
    assert_eq!(rotate(&fake, "prefix=a&encrypt=aead").await, 1);
    assert_eq!(notes(&fake.path("s")).await, ["a/.larder"]);
}

#[tokio::test]
async fn nothing_is_put_under_the_name_of_the_note_and_it_can_be_deleted() {
    let fake = Fake::new(Os::Linux).with("LARDER_KEY", KEY);
    let note = Key::new(".larder", "seal");
    for query in ["encrypt=aead", "prefix=a&encrypt=aead"] {
        let store = open(&fake, &fake.url("s", query)).await.unwrap();
        write(&store, "x").await;
        let refused = store.put(note, NewEntry::new("y"), PutMode::Replace).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
        let answers = store.put_many(vec![(note, NewEntry::new("y"))]).await.unwrap();
        assert_eq!(answers[0].as_ref().unwrap_err().kind(), ErrorKind::Invalid);
        store.delete(note).await.unwrap();
        assert_eq!(read(&store).await.unwrap().as_deref(), Some("x"));
        store.close().await.unwrap();
    }
    assert!(notes(&fake.path("s")).await.is_empty());
}
