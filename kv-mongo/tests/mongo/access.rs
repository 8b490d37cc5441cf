//! Who may: passwords, rights, TLS.

use std::path::Path;
use std::process::Command;

use kv_core::{ErrorKind, Key, NewEntry, Outcome, PutMode, Store};
use kv_mongo::{MongoConfig, MongoStore};
use mongodb::bson::doc;
use tempfile::TempDir;

use crate::support::{PATIENCE, Server, config, get, put, said, take, value};

const WRONG: &str = "wr0ng-s3cret";

/// A server with a user that may write, one that may only read, and one that may nothing.
async fn guarded() -> Option<Server> {
    let mut server = Server::start(&[])?;
    let store = server.open().await;
    put(&store, "a", "x").await.unwrap();
    store.close().await.unwrap();
    let admin = server.driver().await.database("admin");
    for (user, password, roles) in [
        ("writer", "p/w:?@%", vec![doc! { "role": "readWrite", "db": "app" }]),
        ("reader", "r", vec![doc! { "role": "read", "db": "app" }]),
        ("nobody", "n", vec![]),
    ] {
        let created = admin.run_command(doc! { "createUser": user, "pwd": password, "roles": roles }).await;
        // The stand-in may do it twice.
        assert!(
            created.as_ref().map_or_else(|error| error.to_string().contains("already exists"), |_| true),
            "{created:?}"
        );
    }
    server.restart_with(&["--auth"]);
    Some(server)
}

fn login(server: &Server, login: &str) -> MongoConfig {
    config(&server.url().replace("//", &format!("//{login}@")).replace('?', "?authSource=admin&"))
}

#[tokio::test]
async fn a_password_with_odd_characters_is_taken() {
    let Some(server) = guarded().await else { return };
    let store = MongoStore::open(login(&server, "writer:p%2Fw%3A%3F%40%25")).await.unwrap();
    assert!(store.warnings().is_empty(), "{:?}", store.warnings());
    assert_eq!(value(&store, "a").await.as_deref(), Some("x"));
    put(&store, "a", "y").await.unwrap();
    assert_eq!(take(&store, "a").await.unwrap().unwrap().value, "y");
}

#[tokio::test]
async fn a_wrong_password_and_none_are_denied_and_not_shown() {
    let Some(server) = guarded().await else { return };
    let given = login(&server, &format!("writer:{WRONG}"));
    let none = server.config();
    for config in [given, none, login(&server, "nobody:n")] {
        let shown = format!("{config:?}");
        let error = MongoStore::open(config).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone), "{error:?}");
        assert_eq!(error.operation(), Some("open"));
        assert!(!said(&error).contains(WRONG) && !shown.contains(WRONG), "{error:?}");
    }
}

#[tokio::test]
async fn who_may_only_read_reads_and_each_write_is_denied() {
    let Some(server) = guarded().await else { return };
    let store = MongoStore::open(login(&server, "reader:r")).await.unwrap();
    assert_eq!(store.warnings().len(), 1, "{:?}", store.warnings());
    assert_eq!(value(&store, "a").await.as_deref(), Some("x"));
    let key = Key::new("c", "a");
    let version = get(&store, "a").await.unwrap().unwrap().version;
    let mut errors = Vec::new();
    for mode in [PutMode::Replace, PutMode::Create, PutMode::Update(version)] {
        errors.push(store.put(key, NewEntry::new(WRONG), mode).await.unwrap_err());
    }
    errors.push(store.take(key, None).await.unwrap_err());
    errors.push(store.put_many(vec![(key, NewEntry::new(WRONG))]).await.unwrap().remove(0).unwrap_err());
    errors.push(store.delete_many(&[key]).await.unwrap().remove(0).unwrap_err());
    for error in errors {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone), "{error:?}");
        assert!(!said(&error).contains(WRONG), "{error:?}");
    }
    assert_eq!(value(&store, "a").await.as_deref(), Some("x"));
}

/// An authority, a certificate of the loopback that it signed, one of a client, and one of a stranger, which it did not.
fn certificates(dir: &Path) {
    let run = |line: &str| {
        let made = Command::new("openssl").args(line.split(' ')).current_dir(dir).output();
        let made = made.expect("openssl makes the certificates of this test");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    std::fs::write(
        dir.join("names"),
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    let key = "-newkey rsa:2048 -nodes";
    run(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 7 -subj /CN=authority"));
    run(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"));
    run(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 7 -extfile names -out server.pem",
    );
    run(&format!("req {key} -keyout client.key -out client.csr -subj /CN=client"));
    run(
        "x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 7 -extfile names -out client.crt",
    );
    run(&format!("req -x509 {key} -keyout stranger.key -out stranger.crt -days 7 -subj /CN=stranger"));
    for name in ["client", "stranger"] {
        let part = |part| std::fs::read_to_string(dir.join(format!("{name}.{part}"))).unwrap();
        std::fs::write(dir.join(format!("{name}.pem")), part("crt") + &part("key")).unwrap();
    }
}

#[tokio::test]
async fn over_tls_only_a_server_with_a_certificate_that_is_trusted_is_talked_to() {
    let dir = TempDir::new().unwrap();
    certificates(dir.path());
    let ca = dir.path().join("ca.pem");
    let options = ["--tls-cert-file", "server.pem", "--tls-key-file", "server.key"];
    let Some(server) = Server::start_in(dir, &options, &[]) else { return };
    let tls = |file: &Path| format!("{}&tls=true&tlsCAFile={}", server.url(), file.display());

    let store = MongoStore::open(config(&tls(&ca))).await.unwrap();
    put(&store, "a", "x").await.unwrap();
    assert_eq!(value(&store, "a").await.as_deref(), Some("x"));

    // One that trusts only the usual authorities, and one that speaks in the clear.
    for (url, kind, advice) in [
        (format!("{}&tls=true", server.url()), ErrorKind::Denied, "`tlsCAFile`"),
        (server.url(), ErrorKind::Unavailable, ""),
    ] {
        let error = refused(&url).await;
        assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotDone), "{error:?}");
        assert!(error.message().contains(advice), "{error}");
    }
    for parameter in ["tlsCAFile", "tlsCertificateKeyFile"] {
        let error = refused(&format!("{}&tls=true&{parameter}=/no/such/file", server.url())).await;
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    }
}

/// What opening answers, which must not take.
async fn refused(url: &str) -> kv_core::Error {
    let mut config = config(url);
    config.patience = std::time::Duration::from_secs(2);
    let opening = tokio::time::timeout(PATIENCE, MongoStore::open(config));
    opening.await.expect("it gives up").unwrap_err()
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_takes_whom_its_authority_signed_and_nobody_else() {
    let dir = TempDir::new().unwrap();
    certificates(dir.path());
    let file = |name: &str| dir.path().join(name).display().to_string();
    let (ca, signed, own) = (file("ca.pem"), file("client.pem"), file("stranger.pem"));
    let options = ["--tls-cert-file", "server.pem", "--tls-key-file", "server.key"];
    let options = [&options[..], &["--tls-ca-file", "ca.pem", "--tls-require-client-cert"]].concat();
    let Some(server) = Server::start_in(dir, &options, &[]) else { return };
    let url = format!("{}&tls=true&tlsCAFile={ca}", server.url());

    let store = MongoStore::open(config(&format!("{url}&tlsCertificateKeyFile={signed}"))).await.unwrap();
    put(&store, "a", "x").await.unwrap();
    assert_eq!(value(&store, "a").await.as_deref(), Some("x"));

    for url in [url.clone(), format!("{url}&tlsCertificateKeyFile={own}")] {
        let error = refused(&url).await;
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone), "{error:?}");
        assert!(error.message().contains("`tlsCertificateKeyFile`"), "{error}");
    }
}
