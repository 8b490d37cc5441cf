//! Clients that take more than their share of what is bounded, over a real connection.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::HttpOptions;
use crate::{Resource, Server};

/// Long enough for any machine; nothing here takes it.
const PATIENCE: Duration = Duration::from_secs(60);

async fn serve(server: Server, change: impl FnOnce(&mut HttpOptions)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = server.http_options(change).build().unwrap();
    tokio::spawn(async move { service.serve_listener(listener).await });
    address
}

/// A connection that has sent `text` and reads nothing yet.
async fn sent(address: SocketAddr, text: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text).await.unwrap();
    stream
}

/// All that is answered, until the server closes.
async fn answer(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an end");
    drop(read); // a reset behind the answer is an end too
    String::from_utf8_lossy(&bytes).into_owned()
}

fn post(body: &str, length: usize) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         accept: */*\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: resources/read\r\nmcp-name: r://large\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

fn read_large(filling: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{{"uri":"r://large","filling":"{}","_meta":{{
        "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#,
        "x".repeat(filling)
    )
}

fn large(bytes: usize) -> Server {
    Server::new("s").resource(Resource::new("r://large", move |_, _| async move { "x".repeat(bytes) }))
}

#[tokio::test]
async fn a_client_that_never_reads_loses_its_place() {
    let address = serve(large(64 << 20), |options| {
        options.max_connections = 1;
        options.write_timeout = Duration::from_millis(300);
    });
    let address = address.await;
    let request = read_large(0);
    let _never_read = sent(address, post(&request, request.len()).as_bytes()).await;
    let healthy =
        sent(address, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(answer(healthy).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_head_that_does_not_end_is_refused_at_64_kib() {
    let address = serve(large(1), |_| {}).await;
    let healthy = |bytes: usize| {
        format!(
            "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx: {}\r\n\r\n",
            "x".repeat(bytes)
        )
    };
    assert!(answer(sent(address, healthy(32 << 10).as_bytes()).await).await.starts_with("HTTP/1.1 200"));
    let mut stream = TcpStream::connect(address).await.unwrap();
    drop(stream.write_all(healthy(128 << 10).as_bytes()).await); // the server may have gone before its end
    let refused = answer(stream).await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 431"), "{refused}");
}

#[tokio::test]
async fn bodies_that_do_not_end_leave_room_for_small_ones_and_give_it_back() {
    let address = serve(large(1), |options| options.max_bodies_bytes = 64 << 10).await;
    let (large, small) = (read_large(48 << 10), read_large(0));
    let ask = async |body: &str| answer(sent(address, post(body, body.len()).as_bytes()).await).await;
    let stalled = sent(address, post(&large, 1 << 20).as_bytes()).await;
    let refused = timeout(PATIENCE, async {
        loop {
            let answer = ask(&large).await;
            if answer.starts_with("HTTP/1.1 503") {
                return answer;
            }
        }
    });
    let refused = refused.await.expect("the stalled one takes its room once it is read");
    assert!(refused.to_lowercase().contains("retry-after: 1") && refused.contains("-32603"), "{refused}");
    assert!(ask(&small).await.starts_with("HTTP/1.1 200"));
    drop(stalled);
    let served = timeout(PATIENCE, async { while !ask(&large).await.starts_with("HTTP/1.1 200") {} });
    served.await.expect("the room is given back");
}
