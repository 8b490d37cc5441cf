//! Which backend a URL names, and what is said about the others.

use larder::{Error, ErrorKind, Store};

async fn refused(url: &str) -> Error {
    larder::open(url).await.unwrap_err()
}

#[tokio::test]
async fn a_scheme_picks_its_backend_whatever_its_case() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(larder::open("MEMORY://").await.unwrap().capabilities().backend, "memory");
    let disk = larder::open(&format!("disk://{}", dir.path().join("s").display())).await.unwrap();
    assert_eq!(disk.capabilities().backend, "disk");
    assert_eq!(larder::schemes().collect::<Vec<_>>(), ["memory", "disk"]);
}

#[tokio::test]
async fn each_open_of_memory_is_a_new_store() {
    let (first, second) =
        (larder::open("memory://").await.unwrap(), larder::open("memory://").await.unwrap());
    super::fake::write(&first, "mine").await;
    assert_eq!(super::fake::read(&second).await.unwrap(), None);
}

#[tokio::test]
async fn an_unknown_scheme_is_answered_with_those_this_build_has() {
    let error = refused("memroy://").await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.message(), "unknown scheme `memroy`; this build has `memory://` and `disk://`");
}

#[tokio::test]
async fn a_backend_to_come_is_named_as_such_and_no_feature_is_claimed_for_it() {
    let urls =
        ["redis://h/0", "rediss://h", "valkey://h", "dynamodb://T", "mongodb://h/d", "mongodb+srv://h/d"];
    let more = ["rocksdb:///d", "memcached://h", "elasticsearch://h/i", "opensearch://h/i"];
    for url in urls.into_iter().chain(more) {
        let error = refused(url).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{url}");
        assert!(error.message().contains("no backend for") && error.message().contains("yet"), "{error}");
        assert!(error.message().contains("`memory://` and `disk://`"), "{error}");
        assert!(!error.message().contains("feature"), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_url_is_refused_with_an_example() {
    for text in ["", "/var/lib/app", "://", "disk", "C:/app"] {
        assert_eq!(refused(text).await.kind(), ErrorKind::Invalid, "{text}");
    }
}
