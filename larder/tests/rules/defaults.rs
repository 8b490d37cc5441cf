//! What an application gets that was given no URL: the rules of all platforms, tried on this one.

use larder::platform::{Os, Platform, default_store, key_file, program_store};
use larder::{AnyStore, ErrorKind, Store};

use super::fake::{APP, Fake, raw, read, write};

fn backend(store: &AnyStore) -> &'static str {
    store.capabilities().backend
}

#[tokio::test]
async fn linux_keeps_in_memory_and_says_so_in_one_line_with_what_to_set() {
    let fake = Fake::new(Os::Linux);
    let store = default_store(&fake, APP).await.unwrap();
    assert_eq!(backend(&store), "memory");
    assert!(!store.capabilities().evicts);
    let told = fake.told();
    let [line] = told.as_slice() else { panic!("{told:?}") };
    assert!(line.starts_with("shop: ") && line.contains("memory") && !line.contains('\n'), "{line}");
    assert!(
        line.contains("set LARDER_STORE") && line.contains("disk:///var/lib/shop?encrypt=aead"),
        "{line}"
    );
    assert!(!fake.key_file().exists() && !fake.data_dir().exists());
}

#[tokio::test]
async fn macos_and_windows_keep_in_an_encrypted_directory_of_the_user_and_are_silent() {
    for (os, data, key) in [
        (Os::MacOs, "Library/Application Support/shop", "Library/Preferences/shop/larder.key"),
        (Os::Windows, "AppData/Local/shop", "AppData/Roaming/shop/larder.key"),
    ] {
        let fake = Fake::new(os);
        let store = default_store(&fake, APP).await.unwrap();
        assert_eq!(backend(&store), "disk");
        write(&store, "kept secret").await;
        store.close().await.unwrap();
        assert_eq!((fake.data_dir(), fake.key_file()), (fake.path(data), fake.path(key)));
        assert!(fake.key_file().is_file());
        let stored = raw(&fake.data_dir().join("store")).await;
        assert!(!stored[0].2.windows(6).any(|part| part == b"secret"));
        assert_eq!(fake.told(), Vec::<String>::new());

        let again = default_store(&fake, APP).await.unwrap();
        assert_eq!(read(&again).await.unwrap().as_deref(), Some("kept secret"));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_directories_that_are_made_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let fake = Fake::new(Os::MacOs);
    default_store(&fake, APP).await.unwrap().close().await.unwrap();
    for made in [fake.data_dir().join("store"), fake.data_dir(), fake.key_file().parent().unwrap().to_owned()]
    {
        let mode = std::fs::metadata(&made).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{}", made.display());
    }
}

#[tokio::test]
async fn a_program_keeps_in_an_encrypted_directory_on_every_platform() {
    for os in [Os::Linux, Os::MacOs, Os::Windows] {
        let fake = Fake::new(os);
        let store = program_store(&fake, APP).await.unwrap();
        assert_eq!(backend(&store), "disk");
        write(&store, "kept").await;
        store.close().await.unwrap();
        assert!(fake.key_file().exists());
        assert_eq!(read(&program_store(&fake, APP).await.unwrap()).await.unwrap().as_deref(), Some("kept"));
        assert_eq!(fake.told(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn on_linux_the_xdg_variables_move_both_directories_and_a_relative_one_is_ignored() {
    let fake = Fake::new(Os::Linux);
    assert_eq!(fake.data_dir(), fake.path(".local/share/shop"));
    assert_eq!(fake.key_file(), fake.path(".config/shop/larder.key"));
    let (data, config) = (fake.path("d"), fake.path("c"));
    let fake = fake.with("XDG_DATA_HOME", &data).with("XDG_CONFIG_HOME", &config);
    program_store(&fake, APP).await.unwrap();
    assert!(data.join("shop/store").is_dir() && config.join("shop/larder.key").is_file());
    let fake = fake.with("XDG_DATA_HOME", "relative").with("XDG_CONFIG_HOME", "");
    assert_eq!(fake.data_dir(), fake.path(".local/share/shop"));
    assert_eq!(fake.key_file(), fake.path(".config/shop/larder.key"));
}

#[tokio::test]
async fn larder_store_wins_on_every_platform_and_an_empty_one_is_none() {
    for os in [Os::Linux, Os::MacOs, Os::Windows] {
        let fake = Fake::new(os).with("LARDER_STORE", "memory://?max_entries=1");
        assert_eq!(backend(&default_store(&fake, APP).await.unwrap()), "memory");
        let store = program_store(&fake, APP).await.unwrap();
        write(&store, "one").await;
        assert_eq!(fake.told(), Vec::<String>::new());
        assert!(!fake.data_dir().exists());
        let empty = fake.with("LARDER_STORE", "");
        assert_eq!(backend(&program_store(&empty, APP).await.unwrap()), "disk");
    }
}

#[tokio::test]
async fn larder_store_on_an_encrypted_disk_uses_the_key_file_of_the_app() {
    let fake = Fake::new(Os::Linux);
    let url = fake.url("elsewhere", "encrypt=aead");
    let fake = fake.with("LARDER_STORE", url);
    default_store(&fake, APP).await.unwrap();
    assert!(fake.key_file().exists() && !key_file(&fake, "larder").unwrap().exists());
}

#[tokio::test]
async fn a_lost_key_is_an_error_not_a_new_store() {
    let fake = Fake::new(Os::MacOs);
    default_store(&fake, APP).await.unwrap().close().await.unwrap();
    std::fs::remove_file(fake.key_file()).unwrap();
    let error = default_store(&fake, APP).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("LARDER_KEY"), "{error}");
}

#[tokio::test]
async fn the_name_of_an_app_leads_nowhere_else() {
    for app in ["", ".", "..", "../up", "a/b", "a\\b", "C:", ".hidden", "caf\u{e9}", &"a".repeat(65)] {
        let fake = Fake::new(Os::Linux).with("LARDER_STORE", "memory://");
        assert_eq!(default_store(&fake, app).await.unwrap_err().kind(), ErrorKind::Invalid, "{app}");
        assert_eq!(program_store(&fake, app).await.unwrap_err().kind(), ErrorKind::Invalid, "{app}");
    }
}

#[tokio::test]
async fn who_has_no_home_is_told_what_to_set() {
    let fake = Fake::new(Os::Windows).without("LOCALAPPDATA");
    let error = program_store(&fake, APP).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("LARDER_STORE"), "{error}");
}

#[test]
fn the_real_platform_knows_its_user() {
    let system = larder::platform::System;
    let cargo = system.var("CARGO_MANIFEST_DIR");
    assert_eq!(cargo, std::env::var_os("CARGO_MANIFEST_DIR"));
    assert_eq!(system.os() == Os::Windows, cfg!(windows));
    assert_eq!(system.home(), std::env::home_dir());
}
