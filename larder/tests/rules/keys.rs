//! Where the key comes from, and where it does not.

use larder::ErrorKind;
use larder::platform::{FINDING_THE_KEY, Os, key_file, open};
use larder::{Error, Store};

use super::fake::{Fake, read, write};

pub(crate) const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
pub(crate) const OTHER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn written(fake: &Fake, name: &str, key: &str) -> String {
    let path = fake.path(name);
    std::fs::write(&path, key).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    path.display().to_string()
}

pub(crate) async fn store_with(fake: &Fake, query: &str, value: &str) {
    let store = open(fake, &fake.url("s", query)).await.unwrap();
    write(&store, value).await;
    store.close().await.unwrap();
}

pub(crate) async fn read_with(fake: &Fake, query: &str) -> Result<Option<String>, Error> {
    let store = open(fake, &fake.url("s", query)).await?;
    let value = read(&store).await;
    store.close().await.unwrap();
    value
}

#[tokio::test]
async fn larder_key_comes_first_then_the_key_file_then_the_platforms() {
    let fake = Fake::new(Os::Linux).with("LARDER_KEY", KEY);
    let other = written(&fake, "other.key", OTHER);
    let same = written(&fake, "same.key", KEY);
    store_with(&fake, &format!("encrypt=aead&key_file={other}"), "by the variable").await;
    assert!(!key_file(&fake, "larder").unwrap().exists());

    let fake = fake.without("LARDER_KEY");
    let wrong = read_with(&fake, &format!("encrypt=aead&key_file={other}")).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Invalid);
    assert_eq!(wrong.operation(), Some(FINDING_THE_KEY));
    let right = read_with(&fake, &format!("encrypt=aead&key_file={same}")).await.unwrap();
    assert_eq!(right.as_deref(), Some("by the variable"));
}

#[tokio::test]
async fn a_new_directory_gets_a_key_file_of_its_owner_alone_and_finds_it_again() {
    let fake = Fake::new(Os::Linux);
    store_with(&fake, "encrypt=aead", "kept").await;
    let key = key_file(&fake, "larder").unwrap();
    assert_eq!(key, fake.path(".config/larder/larder.key"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&key), mode(key.parent().unwrap())), (0o600, 0o700));
    }
    assert_eq!(read_with(&fake, "encrypt=aead").await.unwrap().as_deref(), Some("kept"));

    let second = open(&fake, &fake.url("second", "encrypt=aead")).await.unwrap();
    write(&second, "too").await;
    assert_eq!(read(&second).await.unwrap().as_deref(), Some("too"), "one key file serves both");
}

#[tokio::test]
async fn an_existing_store_without_its_key_is_an_error_and_makes_none() {
    let fake = Fake::new(Os::Linux);
    store_with(&fake, "encrypt=aead", "kept").await;
    let key = key_file(&fake, "larder").unwrap();
    std::fs::rename(&key, fake.path("away")).unwrap();
    let error = read_with(&fake, "encrypt=aead").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("set LARDER_KEY"), "{error}");
    assert!(error.message().contains("larder.key does not exist"), "{error}");
    assert!(!key.exists());
    std::fs::rename(fake.path("away"), &key).unwrap();
    assert_eq!(read_with(&fake, "encrypt=aead").await.unwrap().as_deref(), Some("kept"));
}

#[tokio::test]
async fn a_store_that_is_not_to_be_created_gets_no_key_either() {
    let fake = Fake::new(Os::Linux);
    let error = open(&fake, &fake.url("s", "encrypt=aead&create=false")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(!key_file(&fake, "larder").unwrap().exists());
}

#[tokio::test]
async fn a_store_in_memory_never_gets_a_key_file() {
    let fake = Fake::new(Os::Linux);
    let error = open(&fake, "memory://?encrypt=aead").await.unwrap_err();
    assert!(error.message().contains("set LARDER_KEY"), "{error}");
    assert!(!key_file(&fake, "larder").unwrap().exists());
    let fake = fake.with("LARDER_KEY", KEY);
    let store = open(&fake, "memory://?encrypt=aead").await.unwrap();
    write(&store, "v").await;
    assert_eq!(read(&store).await.unwrap().as_deref(), Some("v"));
}

#[tokio::test]
async fn an_empty_larder_key_is_none_and_a_bad_one_is_an_error_not_another_place() {
    let fake = Fake::new(Os::Linux).with("LARDER_KEY", " ");
    store_with(&fake, "encrypt=aead", "by the file").await;
    assert!(key_file(&fake, "larder").unwrap().exists());
    let fake = fake.with("LARDER_KEY", "correct horse battery staple");
    let error = read_with(&fake, "encrypt=aead").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("LARDER_KEY"), "{error}");
}

#[tokio::test]
async fn several_keys_read_what_any_of_them_sealed() {
    let fake = Fake::new(Os::Linux).with("LARDER_KEY", KEY);
    store_with(&fake, "encrypt=aead", "by the first").await;
    let fake = fake.with("LARDER_KEY", format!("{OTHER},{KEY}"));
    assert_eq!(read_with(&fake, "encrypt=aead").await.unwrap().as_deref(), Some("by the first"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_file_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let fake = Fake::new(Os::Linux);
    let path = written(&fake, "open.key", KEY);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = read_with(&fake, &format!("encrypt=aead&key_file={path}")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.message().contains("chmod 600"), "{error}");
}

#[tokio::test]
async fn two_that_create_at_once_end_up_with_one_key() {
    let fake = Fake::new(Os::Linux);
    let (first, second) = (fake.url("a", "encrypt=aead"), fake.url("b", "encrypt=aead"));
    let (first, second) = tokio::join!(open(&fake, &first), open(&fake, &second));
    for (store, dir) in [(first.unwrap(), "a"), (second.unwrap(), "b")] {
        write(&store, dir).await;
        store.close().await.unwrap();
        let again = open(&fake, &fake.url(dir, "encrypt=aead")).await.unwrap();
        assert_eq!(read(&again).await.unwrap().as_deref(), Some(dir));
    }
}
