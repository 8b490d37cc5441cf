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
    assert_eq!(larder::schemes().take(2).collect::<Vec<_>>(), ["memory", "disk"]);
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
    assert!(error.message().starts_with("unknown scheme `memroy`; this build has `memory://`"), "{error}");
}

#[tokio::test]
async fn a_backend_that_this_build_lacks_is_answered_with_the_feature_that_adds_it() {
    let lacks = |scheme: &str| !larder::schemes().any(|have| have == scheme);
    for (scheme, rest, feature) in [
        ("rocksdb", ":///d", "rocksdb"),
        ("redis", "://h/0", "redis"),
        ("rediss", "://h", "redis"),
        ("redis+unix", ":///s", "redis"),
        ("redis+cluster", "://h", "redis"),
        ("redis+sentinel", "://h/main", "redis"),
        ("valkey", "://h", "redis"),
        ("dynamodb", "://T", "dynamo"),
        ("mongodb", "://h/d", "mongo"),
        ("mongodb+srv", "://h/d", "mongo"),
        ("memcached", "://h", "memcached"),
        ("elasticsearch", "://h/i", "elastic"),
        ("opensearch", "://h/i", "elastic"),
        ("filetree", ":d", "pykv"),
    ] {
        if lacks(scheme) {
            let error = refused(&format!("{scheme}{rest}")).await;
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{scheme}");
            assert!(error.message().contains(&format!("needs the feature `{feature}`")), "{error}");
            assert!(error.message().contains("this build has `memory://`"), "{error}");
        }
    }
}

#[tokio::test]
async fn what_is_no_url_is_refused_with_an_example() {
    for text in ["", "/var/lib/app", "://", "disk", "C:/app"] {
        assert_eq!(refused(text).await.kind(), ErrorKind::Invalid, "{text}");
    }
}
