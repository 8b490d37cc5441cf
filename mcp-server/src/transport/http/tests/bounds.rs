//! Each bound of a connection, reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{PATIENCE, answer, large, post, read_large, sent, serve};
use crate::protocol::Json;
use crate::{Context, Principal, Server, StaticTokens, Tool};

/// Shorter than anything that must not happen, longer than a test needs to see that it does not.
const SOON: Duration = Duration::from_millis(300);

const PROBE: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Reads one answer of the probe.
async fn probed(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"ok\n") {
        let read = timeout(PATIENCE, stream.read_buf(&mut bytes)).await.expect("an answer");
        assert!(read.is_ok_and(|read| read > 0), "{}", String::from_utf8_lossy(&bytes));
    }
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_until_one_ends() {
    let address = serve(large(1), |options| options.max_connections = 2).await;
    let (mut first, mut second) = (sent(address, PROBE).await, sent(address, PROBE).await);
    probed(&mut first).await;
    probed(&mut second).await;
    let mut third = sent(address, PROBE).await;
    assert!(timeout(SOON, third.read_u8()).await.is_err(), "there are two, and they are kept");
    drop(first);
    probed(&mut third).await;
    drop(second);
}

#[tokio::test]
async fn a_kept_connection_on_which_nothing_comes_is_closed() {
    let address = serve(large(1), |options| options.header_timeout = SOON).await;
    let mut kept = sent(address, PROBE).await;
    probed(&mut kept).await;
    assert_eq!(answer(kept).await, "");
}

/// Sends a byte now and then until the server closes; what it answered.
async fn dripped(mut stream: TcpStream) -> String {
    let (mut input, mut output) = stream.split();
    let mut bytes = Vec::new();
    let drip = async {
        while output.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SOON / 10).await;
        }
        std::future::pending::<()>().await;
    };
    let read = async { while input.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {} };
    let closed = timeout(PATIENCE, async {
        tokio::select! {
            () = drip => {}
            () = read => {}
        }
    });
    closed.await.expect("an end, whatever still comes");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn time_for_a_head_and_a_body_is_counted_from_their_beginning() {
    let address = serve(large(1), |options| {
        options.header_timeout = SOON;
        options.body_timeout = SOON;
    });
    let address = address.await;
    let head = dripped(sent(address, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ").await).await;
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
    let body = dripped(sent(address, post("{", 100_000).as_bytes()).await).await;
    assert!(body.starts_with("HTTP/1.1 408") && body.contains("-32600"), "{body}");
}

#[tokio::test]
async fn who_leaves_too_much_unread_is_refused_until_it_is_read() {
    let address = serve(large(32 << 20), |options| options.max_unread_bytes = 1 << 20).await;
    let request = read_large(0);
    let request = post(&request, request.len());
    let never_read = sent(address, request.as_bytes()).await;
    let refused = timeout(PATIENCE, async {
        loop {
            let mut asked = sent(address, request.as_bytes()).await;
            let mut begin = vec![0; 512];
            let read = asked.read(&mut begin).await.unwrap();
            let begin = String::from_utf8_lossy(&begin[..read]).to_lowercase();
            if begin.starts_with("http/1.1 503") {
                return begin;
            }
            assert!(begin.starts_with("http/1.1 200"), "{begin}"); // before the other one's answer was there
        }
    });
    let refused = refused.await.expect("a refusal");
    assert!(refused.contains("retry-after: 1") && refused.contains("-32603"), "{refused}");
    probed(&mut sent(address, PROBE).await).await;
    drop(never_read);
    let served = timeout(PATIENCE, async {
        while !answer(sent(address, request.as_bytes()).await).await.starts_with("HTTP/1.1 200") {}
    });
    served.await.expect("what nobody reads any more does not count");
}

#[tokio::test]
async fn a_user_who_leaves_too_much_unread_is_refused_and_another_is_served() {
    let tokens = StaticTokens::new()
        .token("ada's", Principal::user("test", "ada"))
        .token("bob's", Principal::user("test", "bob"));
    let server = large(32 << 20).authenticate(tokens);
    let address = serve(server, |options| options.max_unread_bytes = 1 << 20).await;
    let request = read_large(0);
    let request = post(&request, request.len());
    let of = |token| request.replace("accept:", &format!("authorization: Bearer {token}\r\naccept:"));
    let mut unread = Vec::new();
    let refused = timeout(PATIENCE, async {
        loop {
            let mut asked = sent(address, of("ada's").as_bytes()).await;
            let mut begin = vec![0; 512];
            let read = asked.read(&mut begin).await.unwrap();
            let begin = String::from_utf8_lossy(&begin[..read]).to_lowercase();
            if begin.starts_with("http/1.1 429") {
                return begin;
            }
            assert!(begin.starts_with("http/1.1 200"), "{begin}");
            unread.push(asked);
        }
    });
    let refused = refused.await.expect("a refusal");
    assert!(refused.contains("retry-after: 1") && refused.contains("-32603"), "{refused}");
    let other = answer(sent(address, of("bob's").as_bytes()).await).await;
    assert!(other.starts_with("HTTP/1.1 200"), "{other:.100}");
    drop(unread);
}

/// Tells when it is dropped.
struct Watched(Arc<AtomicBool>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A tool that speaks without end.
fn endless(dropped: &Arc<AtomicBool>) -> Tool {
    let dropped = Arc::clone(dropped);
    Tool::new("endless", json!({ "type": "object" }), move |ctx: Context, _: Json| {
        let watched = Watched(Arc::clone(&dropped));
        async move {
            let words = "x".repeat(100 << 10);
            loop {
                ctx.warning(&words);
                tokio::time::sleep(Duration::from_millis(1)).await;
                if watched.0.load(Ordering::SeqCst) {
                    return "never";
                }
            }
        }
    })
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_closed_and_its_handler_dropped() {
    let dropped = Arc::new(AtomicBool::new(false));
    let server = Server::new("s").tool(endless(&dropped));
    let address = serve(server, |options| options.write_timeout = SOON).await;
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "endless", "arguments": {}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/logLevel": "debug",
        },
    } })
    .to_string();
    let head =
        post("", message.len()).replace("resources/read", "tools/call").replace("r://large", "endless");
    let _never_read = sent(address, (head + &message).as_bytes()).await;
    let ended = timeout(PATIENCE, async {
        while !dropped.load(Ordering::SeqCst) {
            tokio::time::sleep(SOON / 10).await;
        }
    });
    ended.await.expect("nobody is spoken to for ever");
}
