//! What the parameters of a URL do, and in which order.

use std::time::Duration;

use larder::platform::{Os, open};
use larder::{ErrorKind, Key, NewEntry, PutMode, Scan, Store, Version};

use super::fake::{Fake, bare, raw, read, write};

#[tokio::test]
async fn ttl_is_what_entries_without_one_get() {
    let store = larder::open("memory://?ttl=10m").await.unwrap();
    write(&store, "v").await;
    let short = NewEntry::new("v").ttl(Duration::from_secs(1));
    store.put(Key::new("c", "short"), short, PutMode::Replace).await.unwrap();
    let left = |entry: Option<larder::Entry>| entry.unwrap().ttl.unwrap();
    let given = left(store.get(Key::new("notes", "1")).await.unwrap());
    assert!(given > Duration::from_secs(590) && given <= Duration::from_secs(600), "{given:?}");
    assert!(left(store.get(Key::new("c", "short")).await.unwrap()) <= Duration::from_secs(1));
}

#[tokio::test]
async fn a_timeout_of_zero_is_none_and_any_other_leaves_a_fast_store_alone() {
    for timeout in ["0s", "2s"] {
        let store = larder::open(&format!("memory://?timeout={timeout}")).await.unwrap();
        write(&store, "v").await;
        assert_eq!(read(&store).await.unwrap().as_deref(), Some("v"));
    }
}

#[tokio::test]
async fn namespaces_of_one_directory_do_not_meet() {
    let fake = Fake::new(Os::Linux);
    for (namespace, value) in [("a", "first"), ("b", "second")] {
        let store = open(&fake, &fake.url("s", &format!("namespace={namespace}"))).await.unwrap();
        assert_eq!(read(&store).await.unwrap(), None);
        write(&store, value).await;
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_prefix_stands_outside_encryption_so_that_the_seal_binds_the_whole_name() {
    let fake = Fake::new(Os::Linux);
    let store = open(&fake, &fake.url("s", "encrypt=aead&prefix=app")).await.unwrap();
    write(&store, "plain text").await;
    store.close().await.unwrap();
    let stored = raw(&fake.path("s")).await;
    let [(collection, id, sealed)] = stored.as_slice() else { panic!("{stored:?}") };
    assert_eq!((collection.as_str(), id.as_str()), ("app/notes", "1"));
    assert!(!sealed.windows(5).any(|part| part == b"plain"));

    // Moved to another prefix, the same bytes do not open.
    let bare = bare(&fake.path("s")).await;
    let moved = NewEntry::new(sealed.clone());
    bare.put(Key::new("other/notes", "1"), moved, PutMode::Replace).await.unwrap();
    bare.close().await.unwrap();
    let other = open(&fake, &fake.url("s", "prefix=other&encrypt=aead")).await.unwrap();
    assert_eq!(read(&other).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn values_of_another_namespace_do_not_open_in_this_one() {
    let fake = Fake::new(Os::Linux);
    let store = open(&fake, &fake.url("s", "encrypt=aead")).await.unwrap();
    write(&store, "v").await;
    store.close().await.unwrap();
    let sealed = raw(&fake.path("s")).await.remove(0).2;
    let bare = open(&fake, &fake.url("s", "namespace=b")).await.unwrap();
    bare.put(Key::new("notes", "1"), NewEntry::new(sealed), PutMode::Replace).await.unwrap();
    bare.close().await.unwrap();
    let other = open(&fake, &fake.url("s", "namespace=b&encrypt=aead")).await.unwrap();
    assert_eq!(read(&other).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[cfg(feature = "compress")]
#[tokio::test]
async fn values_are_compressed_before_they_are_sealed_however_the_parameters_are_written() {
    for query in ["compress=zstd&encrypt=aead", "encrypt=aead&compress=zstd"] {
        let fake = Fake::new(Os::Linux);
        let store = open(&fake, &fake.url("s", query)).await.unwrap();
        let long = "again and ".repeat(1_000);
        write(&store, &long).await;
        assert_eq!(read(&store).await.unwrap(), Some(long.clone()));
        store.close().await.unwrap();
        let sealed = raw(&fake.path("s")).await.remove(0).2;
        assert!(sealed.len() < 200, "sealed first, {} bytes would be left", sealed.len());
    }
}

#[cfg(not(feature = "compress"))]
#[tokio::test]
async fn compression_without_its_feature_is_refused() {
    let error = larder::open("memory://?compress=zstd").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("`compress`"));
}

#[tokio::test]
async fn a_fernet_token_stands_as_python_reads_it() {
    let fake = Fake::new(Os::Linux);
    let store = open(&fake, &fake.url("s", "encrypt=fernet")).await.unwrap();
    write(&store, "v").await;
    store.close().await.unwrap();
    assert!(raw(&fake.path("s")).await.remove(0).2.starts_with(b"gAAAA"));
}

#[tokio::test]
async fn what_this_version_would_ignore_is_refused_with_what_to_do() {
    for (query, advice) in [
        ("codec=cbor", "choose it on the collection"),
        ("retry=3", "`retry` does nothing for"),
        ("password_env=PW", "has no password"),
        ("password_file=/pw", "has no password"),
        ("key_file=/k", "add `encrypt=aead`"),
        ("encrypt=rot13", "`aead` or `fernet`"),
        ("namspace=x", "did you mean `namespace`?"),
        ("ttl=0s", "`ttl`"),
    ] {
        for url in [format!("memory://?{query}"), format!("disk:/nowhere?{query}")] {
            let error = larder::open(&url).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
            assert!(error.message().contains(advice), "{url}: {error}");
        }
    }
    larder::open("memory://?retry=0").await.unwrap();
}

#[tokio::test]
async fn a_namespace_that_would_set_nothing_apart_is_refused_and_one_that_seals_bind_is_not() {
    let error = larder::open("memory://?namespace=x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("`namespace`") && error.message().contains("of its own"), "{error}");
    let fake = Fake::new(Os::Linux).with("LARDER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    open(&fake, "memory://?namespace=x&encrypt=aead").await.unwrap();
}

#[tokio::test]
async fn who_opens_what_is_there_makes_nothing_whatever_the_url_says() {
    use larder::platform::{diagnose_existing, open_existing};
    let fake = Fake::new(Os::Linux);
    std::fs::create_dir(fake.path("empty")).unwrap();
    for below in ["empty", "missing"] {
        for query in ["", "create=true", "encrypt=aead"] {
            let url = fake.url(below, query);
            let error = open_existing(&fake, &url).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains("there is no store in"), "{error}");
            assert!(diagnose_existing(&fake, &url).await.is_err());
        }
    }
    assert!(!fake.path("missing").exists() && !fake.key_file().exists());
    assert_eq!(std::fs::read_dir(fake.path("empty")).unwrap().count(), 0);
    open(&fake, &fake.url("empty", "")).await.unwrap().close().await.unwrap();
    open_existing(&fake, &fake.url("empty", "")).await.unwrap();
}

#[tokio::test]
async fn the_wrapped_store_is_the_backend_still() {
    let store = larder::open("memory://?ttl=1h&timeout=5s&prefix=p").await.unwrap();
    let version = store.put(Key::new("c", "a"), NewEntry::new("1"), PutMode::Create).await.unwrap();
    let stale = store.put(Key::new("c", "a"), NewEntry::new("2"), PutMode::Update(Version::random())).await;
    assert_eq!(stale.unwrap_err().kind(), ErrorKind::Conflict);
    store.put(Key::new("c", "a"), NewEntry::new("2"), PutMode::Update(version)).await.unwrap();
    let page = store.scan(Scan::one("c"), None).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1, None));
    store.close().await.unwrap();
    assert_eq!(store.get(Key::new("c", "a")).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_that_others_can_read_is_used_and_its_owner_told_once() {
    use std::os::unix::fs::PermissionsExt as _;
    let fake = Fake::new(Os::Linux);
    std::fs::create_dir(fake.path("s")).unwrap();
    std::fs::set_permissions(fake.path("s"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let store = open(&fake, &fake.url("s", "")).await.unwrap();
    write(&store, "v").await;
    assert_eq!(fake.told().len(), 1, "{:?}", fake.told());
}

/// What the adaptors answer has names that can be written with this crate alone.
#[tokio::test]
async fn every_wrapper_can_be_named_without_another_crate() {
    use larder::StoreExt as _;

    struct App {
        store: larder::Timeout<larder::TtlPolicy<larder::Prefix<larder::AnyStore>>>,
        guests: larder::ReadOnly<larder::AnyStore>,
    }
    let store = larder::open("memory://").await.unwrap();
    let hour = Duration::from_secs(3_600);
    let guests = store.clone().read_only();
    let app = App { store: store.prefixed("p").default_ttl(hour).timeout(hour), guests };
    app.store.put(Key::new("c", "a"), NewEntry::new("1"), PutMode::Create).await.unwrap();
    assert!(app.guests.get(Key::new("p/c", "a")).await.unwrap().is_some());
}
