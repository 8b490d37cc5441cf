//! A network that stands still, and goes on once the connection was given up.

use std::time::Duration;

use kv_core::{ErrorKind, Outcome};
use kv_memcached::{MemcachedConfig, MemcachedStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::support::put;

/// More than a system takes in that has room for 4 KiB.
const LONG: usize = 64 << 10;

/// What waits to be read of its connections is soon too much: the rest stays with who sent it.
fn narrow() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(8).unwrap()
}

/// A connection to an empty server that has greeted.
async fn greeted(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    for answer in ["MN\r\n", "VERSION 1.6.18\r\n", "END\r\n"] {
        heard(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    stream
}

async fn heard(stream: &mut TcpStream) {
    let mut heard = [0; 1 << 10];
    assert!(stream.read(&mut heard).await.unwrap() > 0);
}

#[tokio::test]
async fn what_was_not_sent_of_a_write_that_was_given_up_never_is() {
    let listener = narrow();
    let address = listener.local_addr().unwrap();
    let mut config = MemcachedConfig::new([(address.ip().to_string(), address.port())]);
    config.response_timeout = Duration::from_millis(200);
    let (store, mut stalled) = tokio::join!(MemcachedStore::open(config), greeted(&listener));
    let store = store.unwrap();

    let error = put(&store, "a", vec![7; LONG]).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown), "{error}");
    let later = async {
        let mut stream = greeted(&listener).await;
        heard(&mut stream).await;
        stream.write_all(b"HD\r\n").await.unwrap();
        stream
    };
    let (acknowledged, _stream) = tokio::join!(put(&store, "a", "later"), later);
    acknowledged.unwrap();

    let mut came = Vec::new();
    let end = stalled.read_to_end(&mut came).await;
    assert!(came.len() < LONG, "the whole write came after the later one: {} bytes, {end:?}", came.len());
}
