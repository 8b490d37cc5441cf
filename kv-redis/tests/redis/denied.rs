//! Users, passwords, rights and certificates.

use std::path::Path;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use kv_core::testing::service;
use kv_core::{Change, ErrorKind, Key, Listing, NewEntry, Outcome, PutMode, Scan, Signal, Store, StoreUrl};
use kv_redis::{RedisConfig, RedisStore};

use crate::place::{config, namespace};
use crate::private::{PATIENCE, PROGRAMS, Sentinel, Server, free_port, say, until};

async fn refused(config: RedisConfig) -> kv_core::Error {
    RedisStore::open(config).await.expect_err("it must not open")
}

fn login(server: &Server, user: &str, password: &str) -> RedisConfig {
    config(&format!("redis://{user}:{password}@127.0.0.1:{}", server.port), "app")
}

#[tokio::test]
async fn a_wrong_password_is_denied_and_stands_in_no_text() {
    for program in PROGRAMS {
        let Some(server) = Server::of(program, &["--requirepass", "right"]).await else { continue };
        wrong_passwords(&server).await;
    }
}

async fn wrong_passwords(server: &Server) {
    for config in [login(server, "", "wr0ng-pw"), login(server, "ann", "wr0ng-pw"), server.config()] {
        let error = refused(config).await;
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("wr0ng-pw"), "{error:?}");
    }
    let store = RedisStore::open(login(server, "", "right")).await.unwrap();
    store.put(Key::new("c", "a"), NewEntry::new("x"), PutMode::Create).await.unwrap();
}

#[tokio::test]
async fn a_right_that_is_missing_is_denied_for_what_needs_it_alone() {
    let Some(server) = Server::start(&[]).await else { return };
    let mut raw = server.raw().await;
    say(&mut raw, "ACL SETUSER ann on >pw ~app:* &app:* +@all -@dangerous +info -getdel").await;
    let store = RedisStore::open(login(&server, "ann", "pw")).await.unwrap();
    let key = Key::new("c", "a");
    store.put(key, NewEntry::new("x"), PutMode::Replace).await.unwrap();
    let error = store.take(key, None).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone), "{error:?}");
    assert_eq!(store.get(key).await.unwrap().unwrap().value, "x", "the connection goes on");
    assert_eq!(store.scan(Scan::one("c"), None).await.unwrap().items.len(), 1);
    store.signals("topic").await.unwrap();
    store.changes().await.unwrap();

    let mut other = login(&server, "ann", "pw");
    other.namespace = "other".to_owned();
    let other = RedisStore::open(other).await.unwrap();
    let error = other.put(key, NewEntry::new("x"), PutMode::Create).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone), "{error:?}");
    assert_eq!(other.signals("topic").await.unwrap_err().kind(), ErrorKind::Denied);
    let answers = other.get_many(&[key, key]).await.unwrap();
    assert!(
        answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Denied))
    );
}

#[tokio::test]
async fn a_right_that_a_script_lacks_is_denied() {
    for program in PROGRAMS {
        let Some(server) = Server::of(program, &[]).await else { continue };
        let mut raw = server.raw().await;
        say(&mut raw, "ACL SETUSER ann on >pw ~app:* &app:* +@all -@dangerous +info").await;
        let store = RedisStore::open(login(&server, "ann", "pw")).await.unwrap();
        let key = Key::new("c", "a");
        let version = store.put(key, NewEntry::new("x"), PutMode::Create).await.unwrap();
        say(&mut raw, "ACL SETUSER ann -set -getdel").await;
        let errors = [
            store.put(key, NewEntry::new("y"), PutMode::Update(version)).await.unwrap_err(),
            store.take(key, Some(version)).await.unwrap_err(),
        ];
        for error in errors {
            let found = (error.kind(), error.outcome());
            assert_eq!(found, (ErrorKind::Denied, Outcome::NotDone), "{program}: {error:?}");
        }
        assert_eq!(store.get(key).await.unwrap().unwrap().version, version, "{program}");
    }
}

/// All that is told before the end.
async fn to_the_end<T>(told: impl Stream<Item = T>) -> Vec<T> {
    tokio::time::timeout(PATIENCE, told.collect()).await.expect("it never ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_denied_meanwhile_ends_its_signals_and_nothing_else() {
    for program in PROGRAMS {
        let Some(server) = Server::of(program, &[]).await else { continue };
        let mut raw = server.raw().await;
        say(&mut raw, "ACL SETUSER ann on >pw ~app:* &app:* +@all -@dangerous +info").await;
        let store = RedisStore::open(login(&server, "ann", "pw")).await.unwrap();
        let (ends, mut stays) = (store.signals("ends").await.unwrap(), store.signals("stays").await.unwrap());
        say(&mut raw, "ACL SETUSER ann resetchannels &app:0:stays").await; // it ends the connection

        let told = to_the_end(ends).await;
        assert!(!told.is_empty() && told.iter().all(|signal| *signal == Signal::Gap), "{told:?}");
        assert_eq!(store.signals("ends").await.unwrap_err().kind(), ErrorKind::Denied, "{program}");
        until("the other topic is heard", async || {
            store.signal("stays", "wake".into()).await.unwrap();
            let wait = tokio::time::timeout(Duration::from_millis(200), stays.next()).await;
            matches!(wait, Ok(Some(Signal::Message(_))))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tracking_that_is_denied_meanwhile_ends_changes_and_nothing_else() {
    for program in PROGRAMS {
        let Some(server) = Server::of(program, &[]).await else { continue };
        let mut raw = server.raw().await;
        say(&mut raw, "ACL SETUSER ann on >pw ~app:* &app:* +@all -@dangerous +info").await;
        let store = RedisStore::open(login(&server, "ann", "pw")).await.unwrap();
        let changes = store.changes().await.unwrap();
        say(&mut raw, "ACL SETUSER ann -client|tracking").await;
        say(&mut raw, "CLIENT KILL USER ann").await;

        let told = to_the_end(changes).await;
        assert!(!told.is_empty() && told.iter().all(|change| *change == Change::All), "{told:?}");
        store.get(Key::new("c", "a")).await.unwrap();
        assert_eq!(store.changes().await.unwrap_err().kind(), ErrorKind::Denied, "{program}");
        store.get(Key::new("c", "a")).await.unwrap();
    }
}

#[tokio::test]
async fn who_may_not_ask_about_the_server_is_told_what_is_missing() {
    let Some(server) = Server::start(&[]).await else { return };
    let mut raw = server.raw().await;
    say(&mut raw, "ACL SETUSER ann on >pw ~app:* &app:* +@all -@dangerous").await;
    let store = RedisStore::open(login(&server, "ann", "pw")).await.unwrap();
    assert_eq!(store.capabilities().scan, Listing::No);
    assert!(store.capabilities().evicts, "nobody said that it does not");
    let error = store.scan(Scan::one("c"), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("INFO"), "{error}");
}

#[tokio::test]
async fn a_password_that_is_changed_meanwhile_is_denied_at_the_next_connection() {
    let Some(server) = Server::start(&[]).await else { return };
    let mut raw = server.raw().await;
    say(&mut raw, "ACL SETUSER ann on >pw ~* &* +@all").await;
    let store = RedisStore::open(login(&server, "ann", "pw")).await.unwrap();
    say(&mut raw, "ACL SETUSER ann resetpass >other").await;
    say(&mut raw, "CLIENT KILL USER ann").await;
    crate::private::until("the connection is gone", async || {
        store.get(Key::new("c", "a")).await.is_err_and(|error| error.kind() == ErrorKind::Denied)
    })
    .await;
    let error = store.get(Key::new("c", "a")).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone));
}

#[tokio::test]
async fn over_tls_a_user_works_with_what_is_its_own_and_is_denied_the_rest() {
    for server in ["LARDER_TEST_REDIS_TLS_APP", "LARDER_TEST_VALKEY_TLS_APP"] {
        let Some(url) = service(server) else { continue };
        let own = format!("app-{}", namespace());
        let store = RedisStore::open(config(&url, &own)).await.unwrap();
        let key = Key::new("c", "a");
        let version = store.put(key, NewEntry::new("x"), PutMode::Create).await.unwrap();
        assert_eq!(store.get(key).await.unwrap().unwrap().version, version, "{server}");
        store.signals("topic").await.unwrap();
        assert_eq!(store.take(key, Some(version)).await.unwrap().unwrap().value, "x", "{server}");

        let other = RedisStore::open(config(&url, &namespace())).await.unwrap();
        let errors = [
            other.get(key).await.unwrap_err(),
            other.put(key, NewEntry::new("x"), PutMode::Replace).await.unwrap_err(),
            other.put(key, NewEntry::new("x"), PutMode::Update(version)).await.unwrap_err(),
            other.take(key, None).await.unwrap_err(),
            other.signals("topic").await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(
                (error.kind(), error.outcome()),
                (ErrorKind::Denied, Outcome::NotDone),
                "{server}: {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn over_tls_the_server_is_checked_and_plain_text_gets_nowhere() {
    for server in ["LARDER_TEST_REDIS_TLS", "LARDER_TEST_VALKEY_TLS"] {
        let Some(url) = service(server) else { continue };
        checked_over_tls(&url).await;
    }
}

#[tokio::test]
async fn a_server_that_asks_who_we_are_is_shown_the_certificate_of_the_url() {
    let Some(authority) = service("LARDER_TEST_REDIS_TLS_CA") else { return };
    let file = |name| Path::new(&authority).with_file_name(name).display().to_string();
    let (certificate, key) = (file("server.pem"), file("server.key"));
    let port = free_port().to_string();
    let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &authority];
    let settings = [&["--tls-port", &port, "--tls-auth-clients", "yes"][..], &files].concat();
    let Some(_server) = Server::start(&settings).await else { return };

    let url = format!("rediss://127.0.0.1:{port}?tls_ca={authority}");
    let known = format!("{url}&tls_cert={certificate}&tls_key={key}");
    let store = RedisStore::open(from(&known)).await.unwrap();
    store.put(Key::new("c", "a"), NewEntry::new("x"), PutMode::Create).await.unwrap();
    assert_eq!(store.get(Key::new("c", "a")).await.unwrap().unwrap().value, "x");

    let error = refused(from(&url)).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone), "{error:?}");
    assert!(error.message().contains("tls_cert"), "{error:?}");
}

#[tokio::test]
async fn sentinels_and_their_master_are_reached_over_tls_by_one_url() {
    let Some(authority) = service("LARDER_TEST_REDIS_TLS_CA") else { return };
    let file = |name| Path::new(&authority).with_file_name(name).display().to_string();
    let files = [
        ("tls-cert-file", file("server.pem")),
        ("tls-key-file", file("server.key")),
        ("tls-ca-cert-file", authority.clone()),
    ];
    let (secure, port) = (free_port(), free_port());
    let secure_port = secure.to_string();
    let mut settings = vec!["--tls-port", &secure_port, "--tls-auth-clients", "no"];
    let named: Vec<_> = files.iter().map(|(setting, file)| (format!("--{setting}"), file)).collect();
    settings.extend(named.iter().flat_map(|(setting, file)| [setting.as_str(), file.as_str()]));
    let Some(_server) = Server::start(&settings).await else { return };
    let mut watching = vec!["port 0".to_owned(), format!("tls-port {port}")];
    watching.extend(["tls-auth-clients no", "tls-replication yes"].map(str::to_owned));
    watching.extend(files.iter().map(|(setting, file)| format!("{setting} {file}")));
    let Some(_sentinel) = Sentinel::start(secure, &watching) else { return };

    let url = format!("redis+sentinel://127.0.0.1:{port}/main/0");
    let mut store = None;
    until("the sentinel names its master", async || {
        store = RedisStore::open(from(&format!("{url}?tls=true&tls_ca={authority}"))).await.ok();
        store.is_some()
    })
    .await;
    let (store, key) = (store.unwrap(), Key::new("c", "a"));
    store.put(key, NewEntry::new("x"), PutMode::Create).await.unwrap();
    assert_eq!(store.get(key).await.unwrap().unwrap().value, "x");

    let error = refused(from(&format!("{url}?tls=true"))).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotDone), "{error:?}");
    let error = refused(from(&url)).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone), "{error:?}");
}

fn from(url: &str) -> RedisConfig {
    RedisConfig::from_url(&mut StoreUrl::parse(url).unwrap()).unwrap()
}

async fn checked_over_tls(url: &str) {
    let namespace = namespace();
    let store = RedisStore::open(config(url, &namespace)).await.unwrap();
    let key = Key::new("c", "a");
    store.put(key, NewEntry::new("x"), PutMode::Create).await.unwrap();
    assert!(store.take(key, None).await.unwrap().is_some());

    let mut untrusting = config(url, &namespace);
    if let Some(tls) = &mut untrusting.tls {
        tls.ca_file = None; // those of the system do not know the test's authority
    }
    let error = refused(untrusting).await;
    assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::Invalid), "{error:?}");

    let mut wrong_name = config(&url.replace("127.0.0.1", "127.0.0.2"), &namespace);
    wrong_name.connect_timeout = std::time::Duration::from_secs(2);
    let error = refused(wrong_name).await;
    assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::Unavailable), "{error:?}");

    let mut plain = config(&url.replace("rediss://", "redis://"), &namespace);
    plain.connect_timeout = std::time::Duration::from_secs(2);
    let error = refused(plain).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotDone), "{error:?}");
}
