//! `memcached://` from a URL, on the server that `LARDER_TEST_MEMCACHED` names.

#![cfg(feature = "memcached")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use kv_core::testing::service;
use larder::{ErrorKind, Key, NewEntry, PutMode, Scan, Store};

const KEY: Key<'_> = Key::new("c", "k");

#[tokio::test]
async fn a_url_opens_a_cache_behind_the_usual_wrappers() {
    let Some(url) = service("LARDER_TEST_MEMCACHED") else { return };
    let namespace = format!("larder-{}", std::process::id());
    let store = larder::open(&format!("{url}?namespace={namespace}&ttl=60s&prefix=app-")).await.unwrap();
    let told = store.capabilities();
    assert!(told.backend == "memcached" && told.evicts);
    store.put(KEY, NewEntry::new("x"), PutMode::Create).await.unwrap();
    let entry = store.take(KEY, None).await.unwrap().unwrap();
    assert!(entry.value == "x" && entry.ttl.is_some(), "the ttl of the URL");
    assert_eq!(store.scan(Scan::one("c"), None).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_the_password_is_never_shown() {
    let error = larder::open("memcached://ann:s3cret@127.0.0.1:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"));
}

/// A server far away: all reads but the first of a connection, which is of the store's note, take so long. It is empty.
fn far(pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || answer(stream.expect("a connection"), pause));
        }
    });
    address
}

fn answer(stream: TcpStream, pause: Duration) {
    let mut answers = stream.try_clone().expect("another handle");
    let mut reads = 0;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let said = match line.split(' ').next() {
            Some("mn") => "MN",
            Some("version") => "VERSION 1.6.18",
            Some("stats") => "END",
            _ => {
                reads += 1;
                std::thread::sleep(if reads > 1 { pause } else { Duration::ZERO });
                "EN"
            }
        };
        if answers.write_all(format!("{said}\r\n").as_bytes()).is_err() {
            return; // nobody waits any more
        }
    }
}

#[tokio::test]
async fn a_longer_timeout_is_waited_for_on_a_server_far_away() {
    let url = format!("memcached://{}?timeout=20s&retry=0", far(Duration::from_secs(3)));
    let store = larder::open(&url).await.unwrap();
    assert!(store.get(KEY).await.unwrap().is_none());
}
