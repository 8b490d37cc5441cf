//! A server that greets, and then says nothing more.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use kv_core::{ErrorKind, Outcome};
use kv_mongo::MongoStore;

use crate::support::{PATIENCE, Server, config};

/// Between the store and a server: from the first message on that has `word` in it, no message goes to the server but the
/// greetings of the driver.
fn stopping_at(server: &Server, word: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, behind) = (listener.local_addr().unwrap().port(), server.port);
    let stopped = Arc::new(AtomicBool::new(false));
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", behind)).unwrap());
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let stopped = Arc::clone(&stopped);
            thread::spawn(move || carry(from, to, |message| is_let_through(message, word, &stopped)));
            thread::spawn(move || carry(server, client, |_| true));
        }
    });
    server.url().replace(&behind.to_string(), &port.to_string())
}

fn is_let_through(message: &[u8], word: &[u8], stopped: &AtomicBool) -> bool {
    let has = |word: &[u8]| message.windows(word.len()).any(|part| part == word);
    stopped.fetch_or(has(word), Ordering::SeqCst);
    !stopped.load(Ordering::SeqCst) || (has(b"hello") && !has(word)) || has(b"isMaster")
}

/// Carries message by message: each begins with its length.
fn carry(mut from: TcpStream, mut to: TcpStream, is_let_through: impl Fn(&[u8]) -> bool) {
    let mut length = [0; 4];
    while from.read_exact(&mut length).is_ok() {
        let mut message = vec![0; usize::try_from(u32::from_le_bytes(length)).unwrap()];
        message[..4].copy_from_slice(&length);
        if from.read_exact(&mut message[4..]).is_err()
            || (is_let_through(&message) && to.write_all(&message).is_err())
        {
            break;
        }
    }
}

#[tokio::test]
async fn opening_ends_in_time_wherever_the_server_falls_silent() {
    let Some(server) = Server::start(&[]) else { return };
    // In what asks for the marker, the one that is read strictly, the clock.
    for word in [&b"findAndModify"[..], b"linearizable", b"$$NOW"] {
        let mut config = config(&stopping_at(&server, word));
        config.open_timeout = Duration::from_secs(2);
        let opening = tokio::time::timeout(PATIENCE, MongoStore::open(config));
        let error = opening.await.expect("it gives up").unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotDone), "{error:?}");
        assert_eq!(error.operation(), Some("open"));
        assert!(error.message().contains("`timeout`"), "it says what to do: {error}");
    }
}
