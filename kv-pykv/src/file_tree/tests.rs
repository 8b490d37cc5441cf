use std::fs;

use kv_core::{ErrorKind, Key, Scan, Store, ttl};
use tempfile::TempDir;

use super::FileTree;
use crate::{Opener, PyKeyValue};

const ENVELOPE: &str = r#"{"created_at": "2026-01-01T00:00:00+00:00", "value": {"a": 1}, "version": 1}"#;

/// A tree of two collections, one of them with a name that its directory does not show.
fn tree() -> TempDir {
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    for directory in ["plain", "S_c_one-e8012b28"] {
        fs::create_dir(root.join(directory)).unwrap();
        for id in ["x", "y", "S_k_-beb30569"] {
            fs::write(root.join(directory).join(format!("{id}.json")), ENVELOPE).unwrap();
        }
    }
    let info = r#"{"collection": "c one", "directory": "/elsewhere", "version": 1}"#;
    fs::write(root.join("S_c_one-e8012b28-info.json"), info).unwrap();
    fs::write(root.join("plain/tmp123.tmp"), "half").unwrap();
    dir
}

async fn opened(dir: &TempDir) -> PyKeyValue<FileTree> {
    PyKeyValue::new(FileTree::open(dir.path().to_owned()).await.unwrap(), Opener::plain())
}

#[tokio::test]
async fn entries_are_found_by_their_names_and_listed_by_what_was_kept_of_them() {
    let dir = tree();
    let store = opened(&dir).await;
    for collection in ["plain", "c one"] {
        for id in ["x", "k!", "S_k_-beb30569"] {
            let entry = store.get(Key::new(collection, id)).await.unwrap().unwrap();
            assert_eq!((entry.value.as_ref(), entry.meta.codec), (br#"{"a": 1}"#.as_slice(), 1));
        }
    }
    assert!(store.get(Key::new("S_c_one-e8012b28", "x")).await.unwrap().is_none(), "it has another name");
    let (mut names, mut from) = (Vec::new(), None);
    loop {
        let page = store.scan(Scan::under("").limit(2), from.as_ref()).await.unwrap();
        names.extend(page.items.into_iter().map(|item| (item.collection.into(), item.id.into())));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    let ids = ["S_k_-beb30569", "x", "y"];
    let all = ["c one", "plain"].into_iter().flat_map(|c| ids.map(|id| (c.to_owned(), id.to_owned())));
    assert_eq!(names, all.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_lifetime_of_centuries_is_told_as_one_that_a_store_takes() {
    let dir = tree();
    let envelope = r#"{"value": {"a": 1}, "expires_at": "9999-12-31T23:59:59.999999+00:00"}"#;
    fs::write(dir.path().join("plain/x.json"), envelope).unwrap();
    let store = opened(&dir).await;
    let listed = store.scan(Scan::one("plain").values(), None).await.unwrap().items;
    let listed = listed.into_iter().find(|item| &*item.id == "x").and_then(|item| item.entry);
    for entry in [store.get(Key::new("plain", "x")).await.unwrap(), listed] {
        let ttl = entry.unwrap().ttl;
        assert!(ttl.is_some() && ttl::checked_ttl(ttl).is_ok(), "{ttl:?}");
    }
}

#[tokio::test]
async fn what_has_expired_is_absent() {
    let dir = tree();
    let envelope = r#"{"value": {"a": 1}, "expires_at": "2026-01-02T03:04:05+00:00"}"#;
    fs::write(dir.path().join("plain/x.json"), envelope).unwrap();
    let store = opened(&dir).await;
    assert!(store.get(Key::new("plain", "x")).await.unwrap().is_none());
    assert_eq!(store.scan(Scan::one("plain"), None).await.unwrap().items.len(), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn what_was_written_without_strategies_has_its_own_names() {
    let dir = TempDir::new().unwrap();
    for (collection, id) in [("a.json", "user:1"), ("a.json", ""), ("ä", "..")] {
        fs::create_dir_all(dir.path().join(collection)).unwrap();
        fs::write(dir.path().join(collection).join(format!("{id}.json")), ENVELOPE).unwrap();
    }
    let store = opened(&dir).await;
    let items = store.scan(Scan::under(""), None).await.unwrap().items;
    assert_eq!(items.len(), 3);
    for item in items {
        let key = Key::new(&item.collection, &item.id);
        assert!(store.get(key).await.unwrap().is_some(), "{key:?}");
    }
}

#[tokio::test]
async fn a_cursor_goes_on_with_its_own_scan_alone() {
    let dir = tree();
    let store = opened(&dir).await;
    let cursor = store.scan(Scan::one("plain").limit(1), None).await.unwrap().next.unwrap();
    let rest = store.scan(Scan::one("plain"), Some(&cursor)).await.unwrap();
    assert_eq!(rest.items.len(), 2);
    let error = store.scan(Scan::one("c one"), Some(&cursor)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn nothing_outside_of_the_directory_is_read() {
    let dir = tree();
    fs::write(dir.path().join("secret.json"), ENVELOPE).unwrap();
    let store = opened(&dir).await;
    for (collection, id) in
        [("plain", "../secret"), ("plain/..", "secret"), ("..", "secret"), (".", "secret"), ("", "secret")]
    {
        assert!(store.get(Key::new(collection, id)).await.unwrap().is_none(), "{collection} {id}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_refused_by_name() {
    use std::os::unix::fs::symlink;

    let (dir, outside) = (tree(), tree());
    symlink(outside.path().join("plain/x.json"), dir.path().join("plain/link.json")).unwrap();
    let store = opened(&dir).await;
    let error = store.get(Key::new("plain", "link")).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some("plain/link")));
    let error = store.scan(Scan::under("").values(), None).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some("plain/link")));
    symlink(outside.path(), dir.path().join("away")).unwrap();
    assert_eq!(store.get(Key::new("away", "x")).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_damaged_file_is_corrupt_by_name_and_the_others_are_read() {
    let dir = tree();
    fs::write(dir.path().join("plain/x.json"), &ENVELOPE[..40]).unwrap();
    let store = opened(&dir).await;
    let error = store.scan(Scan::one("plain"), None).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some("plain/x")));
    let page = store.scan(Scan::one("plain").values().skip_damaged(), None).await.unwrap();
    assert_eq!(page.items.iter().map(|item| &*item.id).collect::<Vec<_>>(), ["S_k_-beb30569", "y"]);
    assert_eq!(
        page.damaged.iter().map(kv_core::Damaged::key).collect::<Vec<_>>(),
        [Some(Key::new("plain", "x"))]
    );
    let keys = [Key::new("plain", "x"), Key::new("plain", "y")];
    let answers = store.get_many(&keys).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(answers[1].as_ref().unwrap().is_some());
}

#[tokio::test]
async fn nothing_is_written_and_nothing_is_read_after_the_end() {
    let dir = tree();
    let store = opened(&dir).await;
    assert!(!store.capabilities().writable);
    let key = Key::new("plain", "x");
    assert_eq!(store.take(key, None).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(store.delete_many(&[key]).await.unwrap_err().kind(), ErrorKind::Unsupported);
    store.close().await.unwrap();
    assert_eq!(store.get(key).await.unwrap_err().kind(), ErrorKind::Closed);
    let nowhere = FileTree::open(dir.path().join("nowhere")).await.unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::Invalid);
}
