//! One HTTP/1.1 connection as raw bytes: what a test sends is what goes out, whatever sense that makes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::HttpAnswer;

/// A connection that is kept until somebody closes it.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

impl Raw {
    /// A new connection.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("somebody listens");
        stream.set_nodelay(true).expect("a socket of TCP");
        Self { stream, buffer: Vec::new() }
    }

    /// A new connection that has sent this.
    pub async fn sent(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Self {
        let mut raw = Self::connect(address).await;
        raw.send(bytes).await;
        raw
    }

    /// Sends bytes; tells whether the server still takes them.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let written = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await;
        written.expect("the server reads, or closes").is_ok()
    }

    /// Sends nothing further, and still reads.
    pub async fn end_input(&mut self) {
        let _ = self.stream.shutdown().await; // the server may have closed before
    }

    /// The next answer; `None` once the server has closed the connection without one, or in the middle of one.
    pub async fn answer(&mut self) -> Option<HttpAnswer> {
        loop {
            if let Some((answer, end)) = parsed(&self.buffer) {
                self.buffer.drain(..end);
                return Some(answer);
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// Every answer until the server closes the connection.
    pub async fn answers(mut self) -> Vec<HttpAnswer> {
        let mut answers = Vec::new();
        while let Some(answer) = self.answer().await {
            answers.push(answer);
        }
        answers
    }

    /// Reads `bytes` of whatever comes; fewer where the server closes before.
    pub async fn take(&mut self, bytes: usize) -> Vec<u8> {
        while self.buffer.len() < bytes && self.read().await {}
        let taken = bytes.min(self.buffer.len());
        self.buffer.drain(..taken).collect()
    }

    /// Cuts the connection, with a reset if something was not read.
    pub fn cut(self) {
        drop(self);
    }

    async fn read(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        read.expect("an answer or an end in time").is_ok_and(|read| read > 0)
    }
}

/// The first answer of these bytes and where it ends, once it is whole.
fn parsed(bytes: &[u8]) -> Option<(HttpAnswer, usize)> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8(bytes[..head].to_vec()).expect("a head is ASCII");
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let field = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let rest = &bytes[head + 4..];
    let (body, length) = if field("transfer-encoding").is_some() {
        chunks(rest)?
    } else {
        let length = field("content-length").map_or(0, |length| length.parse().expect("a length"));
        (rest.get(..length)?.to_vec(), length)
    };
    let body = String::from_utf8(body).expect("text");
    Some((HttpAnswer { status, headers, body }, head + 4 + length))
}

/// A body in chunks, once it is whole, and its length with their framing.
fn chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = bytes.get(at..)?.windows(2).position(|window| window == b"\r\n")?;
        let digits = std::str::from_utf8(&bytes[at..at + line]).expect("ASCII");
        let size = usize::from_str_radix(digits, 16).expect("a size");
        let begin = at + line + 2;
        let chunk = bytes.get(begin..begin + size + 2)?;
        body.extend_from_slice(&chunk[..size]);
        at = begin + size + 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parsed;

    #[test]
    fn an_answer_ends_where_its_length_or_its_last_chunk_says() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP".as_slice();
        let (answer, end) = parsed(whole).unwrap();
        assert_eq!((answer.status, &*answer.body, &whole[end..]), (200, "ok", b"HTTP".as_slice()));
        let chunked =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nx".as_slice();
        let (answer, end) = parsed(chunked).unwrap();
        assert_eq!((&*answer.body, &chunked[end..]), ("ok", b"x".as_slice()));
        assert!((1..end).all(|cut| parsed(&chunked[..cut]).is_none()));
    }
}
