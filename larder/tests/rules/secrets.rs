//! No message, no printed form and no warning shows a password or a key.

use std::error::Error as _;

use larder::platform::{Os, open, program_store};

use super::fake::{APP, Fake};

const SECRET: &str = "hunter2hunter2";
const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

/// Everything that an error can print, with all its causes.
fn printed(error: &larder::Error) -> String {
    let mut all = vec![format!("{error} {error:?} {error:#?}")];
    let mut cause = error.source();
    while let Some(error) = cause {
        all.push(format!("{error} {error:?}"));
        cause = error.source();
    }
    all.join(" ")
}

#[tokio::test]
async fn a_password_in_a_url_that_fails_is_not_printed() {
    for url in [
        format!("redis://app:{SECRET}@host:6379/0"),
        format!("unknown://app:{SECRET}@host"),
        format!("memory://app:{SECRET}@host"),
        format!("disk://app:{SECRET}@host/dir"),
        format!("memory://?password={SECRET}"),
        format!("memory://?ttl={SECRET}"),
        format!("memory://?max_bytes={SECRET}"),
        format!("memory://?encrypt={SECRET}"),
        format!("redis://app:{SECRET}@[::1/0"),
        format!("redis://app:{SECRET}@host/#"),
        format!("no scheme {SECRET}@host"),
    ] {
        let fake = Fake::new(Os::Linux).with("LARDER_STORE", &url);
        for error in [open(&fake, &url).await.unwrap_err(), program_store(&fake, APP).await.unwrap_err()] {
            let printed = printed(&error);
            assert!(!printed.contains(SECRET), "{printed}");
        }
        assert!(fake.told().iter().all(|line| !line.contains(SECRET)));
    }
}

#[tokio::test]
async fn a_key_is_printed_neither_in_errors_nor_by_the_store() {
    let bad = format!("{KEY},{SECRET}");
    let fake = Fake::new(Os::Linux).with("LARDER_KEY", bad);
    let error = open(&fake, "memory://?encrypt=aead").await.unwrap_err();
    let all = printed(&error);
    assert!(!all.contains(SECRET) && !all.contains(KEY), "{all}");

    let fake = fake.with("LARDER_KEY", KEY);
    let store = open(&fake, "memory://?encrypt=aead&ttl=1h&prefix=p").await.unwrap();
    let shown = format!("{store:?} {store:#?}");
    assert!(!shown.contains(KEY) && !shown.contains(&KEY[..12]), "{shown}");
}

#[tokio::test]
async fn a_malformed_key_file_is_named_and_its_text_is_not() {
    let fake = Fake::new(Os::Linux);
    let path = fake.path("bad.key");
    std::fs::write(&path, SECRET).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let url = format!("memory://?encrypt=aead&key_file={}", path.display());
    let all = printed(&open(&fake, &url).await.unwrap_err());
    assert!(!all.contains(SECRET), "{all}");
}
