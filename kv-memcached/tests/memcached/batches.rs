//! One connection for all callers, and one round trip for a batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kv_core::{Key, Store};
use kv_memcached::{MemcachedConfig, MemcachedStore};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{PATIENCE, Server, put};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_callers_share_one_connection() {
    let Some(server) = Server::start(&[]) else { return };
    let (port, connections) = counted(server.port).await;
    let store = MemcachedStore::open(MemcachedConfig::new([("127.0.0.1".to_owned(), port)])).await.unwrap();
    let before = connections.load(Ordering::Relaxed);
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..20 {
                    put(&store, &format!("{task}-{n}"), "x").await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((before, connections.load(Ordering::Relaxed)), (1, 1));
}

/// Another port of the server, and how many connections came to it: the server's own count comes late.
async fn counted(server: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let connections = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (port, connections)
}

/// A server that answers to reads only once it has seen so many.
async fn patient(stream: TcpStream, reads: usize) {
    let mut stream = BufReader::new(stream);
    let (mut line, mut seen) = (String::new(), 0);
    while stream.read_line(&mut line).await.is_ok_and(|bytes| bytes > 0) {
        let answer = match line.split_ascii_whitespace().next() {
            Some("mn") => "MN\r\n".to_owned(),
            Some("version") => "VERSION 1.6.18\r\n".to_owned(),
            Some("stats") => "STAT item_size_max 1048576\r\nEND\r\n".to_owned(),
            _ => {
                seen += 1;
                if seen % reads == 0 { "EN\r\n".repeat(reads) } else { String::new() }
            }
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
        line.clear();
    }
}

#[tokio::test]
async fn a_batch_of_1_000_keys_is_sent_before_any_answer_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(patient(stream, 1_000));
        }
    });
    let store = MemcachedStore::open(MemcachedConfig::new([("127.0.0.1".to_owned(), port)])).await.unwrap();
    assert_eq!(store.capabilities().read_batch, 1_000);
    let ids: Arc<[String]> = (0..2_000).map(|n| n.to_string()).collect();
    let keys: Vec<_> = ids.iter().map(|id| Key::new("c", id)).collect();
    let found =
        tokio::time::timeout(PATIENCE, store.get_many(&keys)).await.expect("it waits for answers in between");
    for found in found.unwrap() {
        assert!(found.unwrap().is_none());
    }
}
