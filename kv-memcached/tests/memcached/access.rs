//! Who is let in: login files, and encrypted connections.

use std::path::Path;

use kv_core::{ErrorKind, Outcome};
use kv_memcached::MemcachedStore;
use tempfile::TempDir;

use crate::support::{Server, get, put};

fn login_file(home: &TempDir) -> String {
    let path = home.path().join("login");
    std::fs::write(&path, "ann:s3cret:x\nbob:other\n").unwrap();
    readable(home.path());
    readable(&path);
    path.to_str().unwrap().to_owned()
}

/// The server may run as another user.
fn readable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn login(user: &str, password: &str) -> (String, String) {
    (user.to_owned(), password.to_owned())
}

#[tokio::test]
async fn a_server_without_conditions_is_refused() {
    let Some(server) = Server::start(&["-C"]) else { return };
    let refused = MemcachedStore::open(server.config()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.outcome()), (ErrorKind::Unsupported, Outcome::NotDone));
    assert!(refused.message().contains("`-C`"), "{refused:?}");
}

#[tokio::test]
async fn the_right_login_is_let_in_again_after_a_restart() {
    let home = TempDir::new().unwrap();
    let Some(mut server) = Server::start(&["-Y", &login_file(&home)]) else { return };
    let mut config = server.config();
    config.login = Some(login("ann", "s3cret:x"));
    let store = MemcachedStore::open(config).await.unwrap();
    put(&store, "a", "x").await.unwrap();
    assert_eq!(get(&store, "a").await.unwrap().unwrap().value, "x");
    server.restart();
    while get(&store, "a").await.is_err() {}
    put(&store, "a", "y").await.unwrap();
}

#[tokio::test]
async fn a_wrong_login_and_none_are_denied_and_no_message_shows_the_password() {
    let home = TempDir::new().unwrap();
    let Some(server) = Server::start(&["-Y", &login_file(&home)]) else { return };
    for login in
        [Some(login("ann", "wr0ng")), Some(login("nobody", "s3cret:x")), Some(login("bob", "")), None]
    {
        let mut config = server.config();
        config.login = login.clone();
        let error = MemcachedStore::open(config).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Denied, Outcome::NotDone),
            "{login:?}: {error}"
        );
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("wr0ng") && !shown.contains("s3cret"), "{shown}");
    }
}

#[tokio::test]
async fn a_password_is_never_sent_to_a_server_that_asks_for_none() {
    let Some(server) = Server::start(&[]) else { return };
    let mut config = server.config();
    config.login = Some(login("ann", "s3cret:x"));
    let error = MemcachedStore::open(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert_eq!(server.stat("cmd_set"), 0, "the password was stored as an item");
}

#[cfg(feature = "tls")]
mod tls {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use kv_core::ErrorKind;
    use kv_memcached::{MemcachedStore, Tls};
    use tempfile::TempDir;

    use super::readable;
    use crate::support::{Server, get, put};

    fn openssl(arguments: &[&str]) {
        let made = Command::new("openssl").args(arguments).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// An authority and a server certificate for `127.0.0.1` signed by it.
    fn certificates(home: &Path) -> [PathBuf; 3] {
        let [authority, authority_key, request, key, certificate, names] =
            ["ca.pem", "ca.key", "server.csr", "server.key", "server.pem", "names"]
                .map(|name| home.join(name));
        let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
        std::fs::write(&names, "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=test authority",
            "-keyout",
            &text(&authority_key),
            "-out",
            &text(&authority),
        ]);
        openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=server",
            "-keyout",
            &text(&key),
            "-out",
            &text(&request),
        ]);
        openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &text(&request),
            "-CA",
            &text(&authority),
            "-CAkey",
            &text(&authority_key),
            "-CAcreateserial",
            "-extfile",
            &text(&names),
            "-out",
            &text(&certificate),
        ]);
        for path in [home, &key, &certificate] {
            readable(path);
        }
        [authority, certificate, key]
    }

    #[tokio::test]
    async fn an_encrypted_server_is_reached_through_the_authority_that_signed_it_and_no_other() {
        let home = TempDir::new().unwrap();
        let [authority, certificate, key] = certificates(home.path());
        let files = format!("ssl_chain_cert={},ssl_key={}", certificate.display(), key.display());
        let Some(mut server) = Server::start(&["-Z", "-o", &files]) else { return };
        let mut config = server.config();
        config.tls = Some(Tls::Authority(authority));
        let store = MemcachedStore::open(config).await.unwrap();
        put(&store, "a", vec![7; 100_000]).await.unwrap();
        assert_eq!(get(&store, "a").await.unwrap().unwrap().value, vec![7; 100_000]);
        server.restart();
        while get(&store, "a").await.is_err() {}

        let mut config = server.config();
        config.tls = Some(Tls::System);
        assert_eq!(MemcachedStore::open(config).await.unwrap_err().kind(), ErrorKind::Denied);
        // In the clear nobody answers in words that can be understood.
        assert!(MemcachedStore::open(server.config()).await.is_err());
    }

    #[tokio::test]
    async fn a_file_without_a_certificate_is_invalid() {
        let home = TempDir::new().unwrap();
        let file = home.path().join("empty.pem");
        for text in ["", "no certificate"] {
            std::fs::write(&file, text).unwrap();
            let mut config = kv_memcached::MemcachedConfig::new([("127.0.0.1".to_owned(), 1)]);
            config.tls = Some(Tls::Authority(file.clone()));
            assert_eq!(MemcachedStore::open(config).await.unwrap_err().kind(), ErrorKind::Invalid);
        }
    }
}
