//! A client of HTTP/1.1 that hides nothing: one connection a request, which a test may cut at any moment.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One request.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl HttpRequest {
    /// A request without headers beside `Host` and `Content-Length`.
    pub fn new(method: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let host = ("host".to_owned(), "localhost".to_owned());
        Self { method, path: "/mcp".to_owned(), headers: vec![host], body: body.into() }
    }

    /// A `POST` with the two headers that MCP asks for.
    pub fn post(body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", body)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
    }

    /// Sets the path; without, `/mcp`.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Sets a header, in place of one of this name.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.without(name).also(name, value)
    }

    /// Adds a header, also a second one of this name.
    #[must_use]
    pub fn also(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a header out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it on a connection of its own.
    pub async fn send(self, address: SocketAddr) -> Sent {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        write!(head, "content-length: {}\r\n\r\n", self.body.len()).unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // A server that refuses early need not read the body.
        let _ = stream.write_all(&self.body).await;
        Sent { stream, buffer: Vec::new() }
    }

    /// Sends it and reads the whole answer.
    pub async fn fetch(self, address: SocketAddr) -> HttpAnswer {
        self.send(address).await.answer().await
    }
}

/// A request whose answer was not read yet. Dropping it cuts the connection.
#[derive(Debug)]
pub struct Sent {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Sent {
    /// Reads status and headers.
    pub async fn head(mut self) -> Streaming {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            assert!(more(&mut self.stream, &mut self.buffer).await, "the connection ended without an answer");
        };
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<_> = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = header(&headers, "content-length").map(|length| length.parse().unwrap());
        let chunked = header(&headers, "transfer-encoding") == Some("chunked");
        let left = if chunked { None } else { Some(length.unwrap_or(0)) };
        Streaming {
            status,
            headers,
            stream: self.stream,
            buffer: self.buffer,
            left,
            body: Vec::new(),
            ended: false,
        }
    }

    /// Whether nothing is answered for so long.
    ///
    /// # Errors
    /// Something was, or the connection ended.
    pub async fn is_silent_for(&self, time: Duration) -> Result<(), String> {
        match tokio::time::timeout(time, self.stream.readable()).await {
            Err(_) if self.buffer.is_empty() => Ok(()),
            answered => Err(format!("{answered:?}, {} bytes", self.buffer.len())),
        }
    }

    /// Reads the whole answer.
    pub async fn answer(self) -> HttpAnswer {
        let mut streaming = self.head().await;
        while streaming.read().await {}
        let body = String::from_utf8(streaming.body).unwrap();
        HttpAnswer { status: streaming.status, headers: streaming.headers, body }
    }

    /// Cuts the connection.
    pub fn disconnect(self) {
        drop(self);
    }
}

/// An answer whose body is still coming.
#[derive(Debug)]
pub struct Streaming {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What is left of a body of known length; `None` is one in chunks.
    left: Option<usize>,
    body: Vec<u8>,
    ended: bool,
}

impl Streaming {
    /// One header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The next event, or comment, of an event stream; `None` once it has ended.
    pub async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = find(&self.body, b"\n\n") {
                let block: Vec<u8> = self.body.drain(..end + 2).collect();
                return Some(Event::parse(&String::from_utf8(block).unwrap()));
            }
            if !self.read().await {
                assert!(self.body.is_empty(), "half an event");
                return None;
            }
        }
    }

    /// As [`Streaming::event`], but for events that say nothing.
    pub async fn message(&mut self) -> Option<Event> {
        loop {
            let event = self.event().await?;
            if event.data.as_deref() != Some("") {
                return Some(event);
            }
        }
    }

    /// Cuts the connection.
    pub fn disconnect(self) {
        drop(self);
    }

    /// Reads more of the body; `false` at its end.
    async fn read(&mut self) -> bool {
        if self.ended {
            return false;
        }
        let went_on = match self.left {
            Some(left) => self.read_length(left).await,
            None => self.read_chunk().await,
        };
        self.ended = !went_on;
        went_on
    }

    async fn read_length(&mut self, left: usize) -> bool {
        if left == 0 {
            return false;
        }
        if self.buffer.is_empty() {
            assert!(more(&mut self.stream, &mut self.buffer).await, "the body was cut");
        }
        let taken = left.min(self.buffer.len());
        self.body.extend(self.buffer.drain(..taken));
        self.left = Some(left - taken);
        true
    }

    async fn read_chunk(&mut self) -> bool {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let size =
                    usize::from_str_radix(std::str::from_utf8(&self.buffer[..end]).unwrap(), 16).unwrap();
                if self.buffer.len() >= end + 2 + size + 2 {
                    self.body.extend_from_slice(&self.buffer[end + 2..end + 2 + size]);
                    self.buffer.drain(..end + 2 + size + 2);
                    return size > 0;
                }
            }
            assert!(more(&mut self.stream, &mut self.buffer).await, "the body was cut");
        }
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl HttpAnswer {
    /// One header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Whether the body is an event stream.
    pub fn is_stream(&self) -> bool {
        self.header("content-type") == Some("text/event-stream")
    }

    /// The messages of the body, in order: of a stream all, else the one that it is, or none.
    pub fn messages(&self) -> Vec<Value> {
        if self.body.is_empty() {
            return Vec::new();
        }
        if !self.is_stream() {
            return vec![serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))];
        }
        let blocks = self.body.split_terminator("\n\n").map(Event::parse);
        let data = blocks.filter_map(|event| event.data).filter(|data| !data.is_empty());
        data.map(|data| serde_json::from_str(&data).unwrap()).collect()
    }
}

/// One block of an event stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `event`.
    pub name: Option<String>,
    /// `data`.
    pub data: Option<String>,
    /// `id`.
    pub id: Option<String>,
    /// `retry`.
    pub retry: Option<String>,
    /// Whether it is only a comment.
    pub comment: bool,
}

impl Event {
    fn parse(block: &str) -> Self {
        let mut event = Self::default();
        for line in block.lines().filter(|line| !line.is_empty()) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = Some(value.strip_prefix(' ').unwrap_or(value).to_owned());
            match field {
                "" => event.comment = true,
                "event" => event.name = value,
                "data" => event.data = value,
                "id" => event.id = value,
                "retry" => event.retry = value,
                other => panic!("an unknown field: {other}"),
            }
        }
        event
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// No answer takes longer, not even one that waits for the server's silence of 5 s.
const PATIENCE: Duration = Duration::from_secs(600);

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    let read = tokio::time::timeout(PATIENCE, stream.read_buf(buffer)).await;
    read.expect("an answer in time").is_ok_and(|read| read > 0)
}
