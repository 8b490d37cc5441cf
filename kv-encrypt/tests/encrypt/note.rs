//! The note that `larder::open` leaves in a store, for a program that seals the same store by itself.

use kv_core::note::{COLLECTION, ID, naming};
use kv_core::{ErrorKind, Key, Meta, NewEntry, PutMode, Scan, Store, StoreExt};
use kv_encrypt::{Cipher, Mode};

use crate::common::{KEY, bottom, put, raw, ring, sealed_by};

const NOTES: [Key<'static>; 3] =
    [Key::new(COLLECTION, ID), Key::new("app/.larder", ID), Key::new("other/.larder", ID)];

#[tokio::test]
async fn rotation_brings_notes_to_the_active_key_and_counts_entries_alone() {
    for mode in [Mode::Strict, Mode::Migration] {
        let bottom = bottom();
        put(&sealed_by(&bottom, &[1], Cipher::Aead), KEY, "x", Meta::default()).await;
        for (key, named) in NOTES.into_iter().zip([1, 2, 9]) {
            put(&bottom, key, naming(ring(&[named]).active()), Meta::default()).await;
        }
        let store = sealed_by(&bottom, &[2, 1], Cipher::Aead).mode(mode);
        let (new, old) = (ring(&[2]).active(), ring(&[1]).active());
        let used = store.keys_in_use().await.unwrap();
        assert_eq!((used.notes[&old], used.notes[&new], used.entries.get(&new)), (1, 1, None));
        let done = store.rotate(|_| ()).await.unwrap();
        assert!(done.is_complete(), "{mode:?}: {done:?}");
        assert_eq!((done.rotated, done.already), (1, 0), "{mode:?}");
        for (key, named) in NOTES.into_iter().zip([2, 2, 9]) {
            assert_eq!(raw(&bottom, key).await.value, naming(ring(&[named]).active()), "{mode:?} {key:?}");
        }
        let used = store.keys_in_use().await.unwrap();
        assert_eq!((used.notes[&new], used.notes.get(&old)), (2, None));
        assert_eq!((used.entries[&new], used.plain, used.unreadable), (1, 0, 0));
    }
}

#[tokio::test]
async fn nothing_but_the_note_stands_under_its_name_and_no_scan_shows_it() {
    let bottom = bottom();
    let store = sealed_by(&bottom, &[1], Cipher::Aead);
    put(&store, KEY, "x", Meta::default()).await;
    for key in NOTES {
        put(&bottom, key, naming(ring(&[1]).active()), Meta::default()).await;
        let refused = store.put(key, NewEntry::new("y"), PutMode::Replace).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
        let answers =
            store.put_many(vec![(key, NewEntry::new("y")), (KEY, NewEntry::new("z"))]).await.unwrap();
        assert_eq!(answers[0].as_ref().unwrap_err().kind(), ErrorKind::Invalid);
        assert!(answers[1].is_ok());
    }
    for scan in [Scan::under(""), Scan::under("").values()] {
        let listed: Vec<_> = store.scan(scan, None).await.unwrap().items;
        assert_eq!(listed.iter().map(|item| &*item.id).collect::<Vec<_>>(), [KEY.id]);
    }
    for key in NOTES {
        store.delete(key).await.unwrap();
        assert!(bottom.get(key).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn what_is_no_note_is_sealed_anew_under_any_name() {
    let bottom = bottom();
    put(&bottom, NOTES[0], "in the clear", Meta::default()).await;
    let done = sealed_by(&bottom, &[1], Cipher::Aead).mode(Mode::Migration).rotate(|_| ()).await.unwrap();
    assert_eq!(done.rotated, 1);
}
