//! The proxy before a server that answers each line with `echo` and the line.

use std::io::ErrorKind;
use std::time::Instant;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;

/// Long for this machine, short for a person.
const SOON: Duration = Duration::from_secs(10);
/// Long enough for what must not come.
const A_WHILE: Duration = Duration::from_millis(200);

/// An echo server; the channel tells every line that it heard.
async fn echo() -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (heard, lines) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                let (from, mut to) = stream.into_split();
                let mut from = BufReader::new(from).lines();
                while let Ok(Some(line)) = from.next_line().await {
                    heard.send(line.clone()).ok();
                    to.write_all(format!("echo {line}\n").as_bytes()).await.ok();
                }
            });
        }
    });
    (address, lines)
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(proxy: &Proxy) -> Self {
        Self(BufReader::new(TcpStream::connect(proxy.address()).await.unwrap()))
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).await
    }

    /// The next line, empty at the end of the stream.
    async fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        timeout(SOON, self.0.read_line(&mut line)).await.expect("an answer or an end")?;
        Ok(line)
    }

    async fn ask(&mut self, line: &str) -> io::Result<String> {
        self.say(line).await?;
        self.hear().await
    }

    /// Nothing comes, and the connection does not end.
    async fn hears_nothing(&mut self) {
        let mut byte = [0];
        timeout(A_WHILE, self.0.read(&mut byte)).await.expect_err("nothing was to be heard");
    }
}

fn assert_cut(answer: io::Result<String>) {
    assert_eq!(answer.expect_err("the connection was to be reset").kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn everything_passes_unchanged_at_first() {
    let proxy = Proxy::start(echo().await.0).await.unwrap();
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.ask("one").await.unwrap(), "echo one\n");
    let long = "x".repeat(200_000);
    assert_eq!(client.ask(&long).await.unwrap(), format!("echo {long}\n"));
    assert_eq!(proxy.lost(), 0);
}

#[tokio::test]
async fn a_cut_resets_open_connections_and_new_ones() {
    let proxy = Proxy::start(echo().await.0).await.unwrap();
    let mut open = Client::connect(&proxy).await;
    open.ask("one").await.unwrap();
    proxy.set(Mode::Cut);
    assert_cut(open.hear().await);
    assert_cut(Client::connect(&proxy).await.hear().await);
    proxy.set(Mode::Pass);
    assert_eq!(Client::connect(&proxy).await.ask("two").await.unwrap(), "echo two\n");
}

#[tokio::test]
async fn nobody_listens_while_it_is_down() {
    let proxy = Proxy::start(echo().await.0).await.unwrap();
    let mut open = Client::connect(&proxy).await;
    open.ask("one").await.unwrap();
    proxy.set(Mode::Down);
    assert_cut(open.hear().await);
    let began = Instant::now();
    loop {
        match TcpStream::connect(proxy.address()).await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => break,
            _ => assert!(began.elapsed() < SOON, "connections are still accepted"),
        }
    }
    proxy.set(Mode::Pass);
    while TcpStream::connect(proxy.address()).await.is_err() {
        assert!(began.elapsed() < SOON, "connections are still refused");
        tokio::task::yield_now().await;
    }
    assert_eq!(Client::connect(&proxy).await.ask("two").await.unwrap(), "echo two\n");
}

#[tokio::test]
async fn a_stall_holds_bytes_back_and_loses_none() {
    let (upstream, mut heard) = echo().await;
    let proxy = Proxy::start(upstream).await.unwrap();
    let mut client = Client::connect(&proxy).await;
    client.ask("one").await.unwrap();
    assert_eq!(heard.recv().await.unwrap(), "one");
    proxy.set(Mode::Stall);
    client.say("two").await.unwrap();
    client.hears_nothing().await;
    assert!(heard.try_recv().is_err());
    proxy.set(Mode::Pass);
    assert_eq!(client.hear().await.unwrap(), "echo two\n");
}

#[tokio::test]
async fn slow_is_slow_until_the_mode_changes() {
    let proxy = Proxy::start(echo().await.0).await.unwrap();
    let mut client = Client::connect(&proxy).await;
    client.ask("one").await.unwrap();
    let pause = Duration::from_millis(20);
    proxy.set(Mode::Slow { piece: 4, pause });
    let began = Instant::now();
    assert_eq!(client.ask("12345678").await.unwrap(), "echo 12345678\n");
    assert!(began.elapsed() >= pause * 7, "9 bytes and 14 in pieces of 4 took {:?}", began.elapsed());
    proxy.set(Mode::Slow { piece: 1, pause: SOON });
    client.say("two").await.unwrap();
    client.hears_nothing().await;
    proxy.set(Mode::Pass);
    assert_eq!(client.hear().await.unwrap(), "echo two\n");
}

#[tokio::test]
async fn half_closed_the_client_reads_the_end_and_the_server_still_hears_it() {
    let (upstream, mut heard) = echo().await;
    let proxy = Proxy::start(upstream).await.unwrap();
    let mut client = Client::connect(&proxy).await;
    client.ask("one").await.unwrap();
    assert_eq!(heard.recv().await.unwrap(), "one");
    proxy.set(Mode::HalfClose);
    assert_eq!(client.hear().await.unwrap(), "", "the end of the stream");
    client.say("two").await.unwrap();
    assert_eq!(timeout(SOON, heard.recv()).await.unwrap().unwrap(), "two");
}

#[tokio::test]
async fn the_answer_to_what_matches_is_lost_after_the_server_heard_it() {
    let (upstream, mut heard) = echo().await;
    let proxy = Proxy::start(upstream).await.unwrap();
    proxy.set(Mode::Lose(Loss::new(Lost::Answer { from: 0 }, "two", 1)));
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.ask("one").await.unwrap(), "echo one\n");
    assert_cut(client.ask("two").await);
    assert_eq!([heard.recv().await.unwrap(), heard.recv().await.unwrap()], ["one", "two"]);
    assert_eq!(proxy.lost(), 1);
    assert_eq!(Client::connect(&proxy).await.ask("two").await.unwrap(), "echo two\n", "lost once only");
}

#[tokio::test]
async fn an_answer_is_cut_within() {
    let proxy = Proxy::start(echo().await.0).await.unwrap();
    proxy.set(Mode::Lose(Loss::new(Lost::Answer { from: 6 }, "two", 1)));
    let mut client = Client::connect(&proxy).await;
    client.say("two").await.unwrap();
    let mut answer = Vec::new();
    // The reset may overtake the bytes that were sent before it.
    timeout(SOON, client.0.read_to_end(&mut answer)).await.unwrap().ok();
    assert!(b"echo t".starts_with(&answer[..]), "{answer:?}");
    assert_eq!(proxy.lost(), 1);
}

#[tokio::test]
async fn a_request_that_matches_is_lost_before_the_server_hears_it() {
    let (upstream, mut heard) = echo().await;
    let proxy = Proxy::start(upstream).await.unwrap();
    proxy.set(Mode::Lose(Loss::new(Lost::Request, "two", u32::MAX)));
    assert_cut(Client::connect(&proxy).await.ask("two").await);
    assert_cut(Client::connect(&proxy).await.ask("two").await);
    assert_eq!(Client::connect(&proxy).await.ask("one").await.unwrap(), "echo one\n");
    assert_eq!(heard.recv().await.unwrap(), "one");
    assert_eq!(proxy.lost(), 2);
}

#[tokio::test]
async fn a_dropped_proxy_takes_its_connections_with_it() {
    let proxy = Proxy::start(echo().await.0).await.unwrap();
    let mut client = Client::connect(&proxy).await;
    client.ask("one").await.unwrap();
    drop(proxy);
    assert!(matches!(client.hear().await, Ok(line) if line.is_empty()) || client.hear().await.is_err());
}
